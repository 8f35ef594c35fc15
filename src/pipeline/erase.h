#pragma once

#include <string>
#include <vector>

#include "base/call.h"
#include "store/store.h"

namespace tenon::pipeline {

struct EraseWish {
  std::string source;
  std::string column;  // ""; the source's key
  std::string value;
};

// What holds the rows, and what becomes of it.
struct ErasePlan {
  struct Snapshot {
    std::string hash;
    std::int64_t rows = 0;    // of that value
    std::string becomes;      // its name afterwards, known when it was done; "" when no row is left
  };
  struct Model {
    std::string id, part;     // train, validation, test, unused, or unknown
  };
  std::vector<Snapshot> snapshots;
  std::vector<Model> models;  // versions that saw a row
  std::size_t shared = 0;     // snapshots without such a row that share bytes with those that have one, and are stored again
  bool known = false;         // it was erased before: rows that come again are left out already
  std::string column;              // that was looked at
  std::vector<std::string> texts;  // the value as it may stand there
  std::size_t steps = 0;      // of runs, that are done anew
  std::int64_t bytes = 0;     // that were removed
};

// Finds the rows of a value in every snapshot of the source, and the model versions that saw them. With `apply` they go: these snapshots are
// stored again without them under their new names, which the source's state and history then have; whatever runs made of the old
// ones is removed; rows of the value are left out whenever the source is read again; the audit has an entry, in which the value
// is a keyed hash. Bundles, reports, the inference log, online stores and the files themselves are not touched: the models are named
// for that. Records change all or none; killed afterwards, the next call removes what is left. `store` is open for writing to apply.
// Errors: not_found for a source without a snapshot; invalid_argument for no key.
Result<ErasePlan> Erase(const Call& call, store::Store& store, const EraseWish& wish, bool apply);

// The part in which a model version met rows of a snapshot under its present name; "" when it was not made from it.
Result<std::string> PartMet(const store::Store& store, const Json& lineage, const std::string& snapshot, const std::vector<std::int64_t>& rows);

}  // namespace tenon::pipeline

#pragma once

#include <string>
#include <vector>

#include "dataset/snapshot.h"
#include "store/store.h"
#include "table/batch.h"

namespace tenon::dataset {

// Rows that somebody had erased, found by the value of one column, mostly the key. Of the value only a keyed hash is kept (HMAC-SHA-256 with
// the store's own key), which tells such a row when it comes again.
struct Erased {
  std::string source, column;
  std::vector<std::string> texts;  // the value as it may be stored: itself, and its pseudonym where the column has these
  std::vector<std::string> also = {};  // other names of the column, by `rename` of the source: other versions have it under these
};

// `about`: of a snapshot of the source (DatasetSnapshot::about). An empty column is the key. invalid_argument when there is none.
Result<Erased> ErasedOf(store::Store& store, const std::string& source, const Json& about, const std::string& column, const std::string& value);
// The rows' numbers, from 0; none where the column is not.
std::vector<std::int64_t> RowsOf(const DatasetSnapshot& snapshot, const Erased& erased);

// From now on such rows are left out whenever the source is read (record "erased").
Result<void> Remember(const Call& call, store::Store& store, const Erased& erased);
Result<bool> Remembered(const store::Store& store, const Erased& erased);
// The rows of a source, treated (sensitive.h), without those that were erased, also under another name of the column; `left_out` counts them.
// Batches stay, perhaps without rows.
Result<std::vector<table::Batch>> LeaveOutErased(const ingest::SourceSpec& source, std::vector<table::Batch> batches, store::Store& store, std::int64_t* left_out = nullptr);

// Stores a snapshot again without some of its rows (none: as it is), in artifacts that share nothing but with `like`. Gives its name and the
// body of its record, which is not put. Without a row left: an empty name.
struct Rewritten {
  std::string hash;
  Json body;
};
Result<Rewritten> Rewrite(const Call& call, store::Store& store, const store::Store::Record& record, const DatasetSnapshot& snapshot,
                          const std::vector<std::int64_t>& without, const std::vector<std::string>& like);

// What became of a snapshot of this name that rows were erased of: its name now ("" when no row is left), and the numbers of the rows that
// went each time. The record is "snapshot_rewritten". The name itself, and no numbers, when nothing did.
struct Renamed {
  std::string hash;
  std::vector<std::vector<std::int64_t>> gone;  // oldest first; numbers of the snapshot as it was then
};
Result<Renamed> NameNow(const store::Store& store, const std::string& hash);
Result<void> NoteRewritten(store::Store& store, const std::string& before, const std::string& after, const std::vector<std::int64_t>& gone);

}  // namespace tenon::dataset

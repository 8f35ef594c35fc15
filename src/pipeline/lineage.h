#pragma once

#include <string>

#include "base/call.h"
#include "store/store.h"

namespace tenon::pipeline {

// What is asked about; one of them.
struct LineageQuestion {
  std::string name;    // a model version ("fraud@7", "fraud@champion", "fraud"), or a snapshot's hash or its first digits
  std::string column;  // of sources
  std::string key;     // a row's, in the source's key column
};

// Both ways. Of a model: {"model", "aliases", "snapshot": {...}, "split", "learner", "code", "environment", "run", "inputs",
// "compressed_from"?...}. Of a snapshot: {"snapshot": {"hash", "source", "rows", "at", "paths", "key", "governance"}, "models":
// [...]}. Of a column: {"column", "snapshots": [hash, ...], "models": [{"model", "reads": whether its graph has it}]}. Of a row's key:
// {"key", "snapshots": [{"hash", "rows"}], "models": [{"model", "part": "train"|"validation"|"test"|"unused"|...}]}: every snapshot's
// key column is read. Errors: not_found with near names; invalid_argument when no source has a key.
Result<Json> LineageOf(const Call& call, store::Store& store, const LineageQuestion& question);

}  // namespace tenon::pipeline

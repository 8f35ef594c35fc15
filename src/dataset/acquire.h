#pragma once

#include <string>
#include <vector>

#include "dataset/snapshot.h"
#include "ingest/read.h"

namespace tenon::dataset {

// What was read of a source, and what it came to.
struct Acquired {
  SnapshotPtr snapshot;
  bool whole = true;                // all was read; else only what is new
  std::int64_t read = 0;            // rows
  std::vector<std::string> said;    // what a reader of the log should know: files that are gone, a promise that is broken
  std::string library;              // the foreign one the rows came through
};

// Reads a source into a snapshot. With `incremental` only what is new since the last time, which the record of kind
// "source" keeps: files not read before, each brought to the schema by the rules of evolve.h; or rows of a database at or
// above the highest watermark less `overlap`, which take the place of the rows that were there from that point on, and of
// those with the same key. `full` begins anew, and so do changed settings and a changed file. A process killed in the midst
// leaves what was there; the next one reads the same rows again.
Result<Acquired> Acquire(const Call& call, const ingest::SourceSpec& spec, const Kinds<ingest::Reader>& kinds, store::Store& store, bool full = false);

}  // namespace tenon::dataset

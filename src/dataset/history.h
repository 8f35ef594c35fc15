#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/time.h"
#include "store/store.h"

namespace tenon::dataset {

// What a source was found to be, and since when.
struct SourceVersion {
  std::int64_t version = 0;  // from 1
  Micros at = 0;
  std::string snapshot;
};

// Notes that the source is this snapshot now; nothing when that is known.
Result<void> NoteVersion(const Call& call, store::Store& store, const std::string& source, const std::string& snapshot);
// Oldest first. For what was read before versions were noted: the source's snapshots in the order they were made.
Result<std::vector<SourceVersion>> HistoryOf(const store::Store& store, const std::string& source);
// What the source was then: `when` is a time (ISO 8601), or the number of a version. not_found, saying what there is.
Result<SourceVersion> AsOf(const store::Store& store, const std::string& source, std::string_view when);

}  // namespace tenon::dataset

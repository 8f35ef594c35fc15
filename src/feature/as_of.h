#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/call.h"
#include "feature/aggregate.h"
#include "table/batch.h"

namespace tenon::feature {

// Rows by key and time: what the kernel matches. Keys may be any 64-bit values.
struct TimedKeys {
  std::span<const std::int64_t> key;
  std::span<const Micros> time;  // one a key
};

inline constexpr std::int32_t kNoRow = -1;

// For every row of `asking` the row of `known` of its key with the latest time that is <= its own and not older than
// `ttl` (0: however old); of rows of one time the last one. kNoRow: none. Rows stand in any order; when both sides stand
// in the order of time it is fastest. call.threads threads, same answer. Needs little memory beside `out`: 4 bytes a row
// of the larger side. At most 2^31 - 2 rows a side (invalid_argument). `out` has one place a row of `asking`.
Result<void> MatchAsOf(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl,
                       std::span<std::int32_t> out);

// A view and the rows of its source.
struct ViewRows {
  std::shared_ptr<const ViewPlan> plan;
  const std::vector<table::Batch>* rows = nullptr;  // borrowed for the call
};

// The rows that ask with the features of every view beside them, as known at each row's time: its columns, then a column
// "view.feature" a feature, in the order of the views. The rows keep their order. A row without entity or time gets the
// values of an entity without events. Errors: invalid_argument (entity or time column missing, of another kind, a feature's
// column that is there already).
Result<table::Batch> JoinAsOf(const Call& call, const table::Batch& asking, std::string_view time, std::span<const ViewRows> views);

}  // namespace tenon::feature

#pragma once

#include "feature/as_of.h"

namespace tenon::feature {

// The least key and how many values there are from it to the greatest (0: more than can be said).
struct KeyRange {
  std::int64_t least = 0;
  std::uint64_t size = 0;
};
KeyRange RangeOf(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

struct Bounds {
  KeyRange keys;
  Micros least_time = 0;  // of known rows
  Micros most_time = 0;   // of all
};
// By looking at some rows, with room beside: those of most rows are within, mostly of all.
Bounds GuessBounds(const TimedKeys& asking, const TimedKeys& known);

// Whether a table of all keys of the range is small beside so many rows.
bool DenseKeys(const KeyRange& range, std::size_t rows);

// Both sides stand in the order of time, and keys lie close together: one pass with a dense table of last rows. False when it is not so;
// then what is in `out` means nothing.
bool SweepByTime(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl, std::span<std::int32_t> out);

// Any rows whose keys lie close together. False, and nothing is done, when they do not or when a key and a time are too many bits.
Result<bool> MatchByCells(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl,
                          std::span<std::int32_t> out);

// Any rows: parted by key so that a part fits the cache, each part sorted by time and swept.
Result<void> MatchByParts(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl,
                          std::span<std::int32_t> out);

}  // namespace tenon::feature

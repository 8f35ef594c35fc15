// Rows in the order of time: one pass with the last row of every key in a dense table.

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include "feature/as_of_internal.h"

namespace tenon::feature {
namespace {

// One stretch of the asking rows with the known rows that belong between them: [from, until) of either side.
struct Stretch {
  std::size_t asking_from, asking_until;
  std::size_t known_from, known_until;
};

// The known row that stands for a key within the stretch, or kNoRow: then an earlier stretch may have it. A step takes the known
// row that is next, or answers the asking row that is next, by arithmetic: which of them comes no processor can guess.
void Sweep(const TimedKeys& asking, const TimedKeys& known, std::int64_t least, const Stretch& stretch, std::int32_t* last, std::int32_t* out) {
  const std::int64_t* known_key = known.key.data();
  const Micros* known_time = known.time.data();
  const std::int64_t* asking_key = asking.key.data();
  const Micros* asking_time = asking.time.data();
  std::size_t j = stretch.known_from;
  std::size_t i = stretch.asking_from;
  while (i < stretch.asking_until && j < stretch.known_until) {
    const std::size_t take = known_time[j] <= asking_time[i] ? 1 : 0;
    const std::int64_t mask = -static_cast<std::int64_t>(take);
    const std::int64_t key = (known_key[j] & mask) | (asking_key[i] & ~mask);
    std::int32_t& row = last[key - least];
    const auto narrow = static_cast<std::int32_t>(mask);
    row = (static_cast<std::int32_t>(j) & narrow) | (row & ~narrow);
    out[i] = row;  // of a known row it is written over when the asking row's turn comes
    j += take;
    i += 1 - take;
  }
  for (; i < stretch.asking_until; ++i) out[i] = last[asking_key[i] - least];
  for (; j < stretch.known_until; ++j) last[known_key[j] - least] = static_cast<std::int32_t>(j);
}

void DropOlder(const TimedKeys& asking, const TimedKeys& known, Micros ttl, std::size_t from, std::size_t until, std::int32_t* out) {
  for (std::size_t i = from; i < until; ++i) {
    if (out[i] != kNoRow && asking.time[i] - known.time[static_cast<std::size_t>(out[i])] > ttl) out[i] = kNoRow;
  }
}

}  // namespace

KeyRange RangeOf(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
  for (const auto& side : {a, b}) {
    for (const std::int64_t key : side) {
      least = std::min(least, key);
      most = std::max(most, key);
    }
  }
  if (least > most) return {};
  return {least, static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least) + 1};
}

bool DenseKeys(const KeyRange& range, std::size_t rows) { return range.size != 0 && range.size <= std::max<std::uint64_t>(rows / 4, 1024); }

void SweepByTime(int threads, const TimedKeys& asking, const TimedKeys& known, const KeyRange& range, std::chrono::microseconds ttl,
                 std::span<std::int32_t> out) {
  const auto keys = static_cast<std::size_t>(range.size);
  const std::size_t rows = asking.key.size();
  const std::size_t parts = std::clamp<std::size_t>(rows / std::max<std::size_t>(keys * 8, 65536), 1, static_cast<std::size_t>(std::max(threads, 1)));
  std::vector<Stretch> stretches(parts);
  for (std::size_t p = 0; p < parts; ++p) {
    Stretch& stretch = stretches[p];
    stretch.asking_from = rows * p / parts;
    stretch.asking_until = rows * (p + 1) / parts;
    stretch.known_from = p == 0 ? 0 : stretches[p - 1].known_until;
    // What is known at the last asking row of the stretch; the rest is for the next.
    const Micros end = asking.time[stretch.asking_until - 1];
    stretch.known_until = static_cast<std::size_t>(std::upper_bound(known.time.begin(), known.time.end(), end) - known.time.begin());
  }
  std::vector<std::vector<std::int32_t>> last(parts);
  const auto work = [&](std::size_t p) {
    last[p].assign(keys, kNoRow);
    Sweep(asking, known, range.least, stretches[p], last[p].data(), out.data());
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t p = 1; p < parts; ++p) others.emplace_back(work, p);
    work(0);
  }
  // What a stretch did not find, those before it may have.
  for (std::size_t p = 1; p < parts; ++p) {
    const std::vector<std::int32_t>& before = last[p - 1];
    for (std::size_t i = stretches[p].asking_from; i < stretches[p].asking_until; ++i) {
      if (out[i] == kNoRow) out[i] = before[static_cast<std::size_t>(asking.key[i] - range.least)];
    }
    for (std::size_t k = 0; k < keys; ++k) {
      if (last[p][k] == kNoRow) last[p][k] = before[k];
    }
  }
  if (ttl.count() > 0) DropOlder(asking, known, ttl.count(), 0, rows, out.data());
}

}  // namespace tenon::feature

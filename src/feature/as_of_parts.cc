// Rows in any order: parted by key into parts that fit the cache, each sorted by time and swept. Only row numbers are
// kept for all rows; keys and times are gathered a part at a time.

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "feature/as_of_internal.h"

namespace tenon::feature {
namespace {

constexpr std::size_t kRowsAPart = 1 << 16;  // of both sides: 24 bytes a row stay in the second cache
constexpr std::size_t kMostParts = 1 << 11;

// One row of a part, to be sorted by key and time.
struct Item {
  std::uint64_t time;  // from the least time of the part
  std::uint32_t row;
  std::uint32_t key;   // number within the part
};

// A multiplicative hash: neighbouring keys go to different parts.
std::size_t PartOf(std::int64_t key, int shift) {
  return static_cast<std::size_t>((static_cast<std::uint64_t>(key) * 0x9E3779B97F4A7C15ULL) >> shift);
}

// The row numbers of one side, part by part, in the order of rows.
struct Parted {
  std::vector<std::uint32_t> rows;
  std::vector<std::size_t> begin;  // parts + 1
};

Parted PartRows(std::span<const std::int64_t> keys, std::size_t parts, int shift) {
  Parted out;
  out.begin.assign(parts + 1, 0);
  for (const std::int64_t key : keys) ++out.begin[PartOf(key, shift) + 1];
  for (std::size_t p = 0; p < parts; ++p) out.begin[p + 1] += out.begin[p];
  std::vector<std::size_t> next(out.begin.begin(), out.begin.end() - 1);
  out.rows.resize(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) out.rows[next[PartOf(keys[i], shift)]++] = static_cast<std::uint32_t>(i);
  return out;
}

// Sorts stably by time: eleven bits a pass, as many as the times differ in.
void SortByTime(std::vector<Item>* items, std::vector<Item>* spare) {
  constexpr int kBits = 11;
  std::uint64_t most = 0;
  bool sorted = true;
  std::uint64_t before = 0;
  for (const Item& item : *items) {
    most |= item.time;
    sorted = sorted && item.time >= before;
    before = item.time;
  }
  if (sorted) return;
  spare->resize(items->size());
  for (int at = 0; at < 64 && (most >> at) != 0; at += kBits) {
    std::array<std::uint32_t, (1 << kBits) + 1> next{};
    constexpr std::uint64_t kMask = (1 << kBits) - 1;
    for (const Item& item : *items) ++next[(item.time >> at & kMask) + 1];
    for (std::size_t k = 0; k < (1 << kBits); ++k) next[k + 1] += next[k];
    for (const Item& item : *items) (*spare)[next[item.time >> at & kMask]++] = item;
    items->swap(*spare);
  }
}

// Numbers the keys of a part from 0. Open addressing; grows with the part.
class Numbers {
 public:
  void Start(std::size_t rows) {
    std::size_t size = 64;
    while (size < rows * 2) size *= 2;
    slots_.assign(size, 0);
    keys_.clear();
  }
  // The number of a key, a new one when `add`; kNone otherwise.
  std::uint32_t Of(std::int64_t key, bool add) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(static_cast<std::uint64_t>(key) * 0xD6E8FEB86659FD93ULL >> 20) & mask;
    while (slots_[at] != 0) {
      if (keys_[slots_[at] - 1] == key) return slots_[at] - 1;
      at = (at + 1) & mask;
    }
    if (!add) return kNone;
    keys_.push_back(key);
    slots_[at] = static_cast<std::uint32_t>(keys_.size());
    return slots_[at] - 1;
  }
  std::size_t size() const { return keys_.size(); }
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

 private:
  std::vector<std::uint32_t> slots_;
  std::vector<std::int64_t> keys_;
};

struct Workspace {
  Numbers numbers;
  std::vector<Item> asking, known, spare;
  std::vector<std::int32_t> last;
};

class PartMatcher {
 public:
  PartMatcher(const TimedKeys& asking, const TimedKeys& known, Micros ttl, std::span<std::int32_t> out)
      : asking_(asking), known_(known), ttl_(ttl), out_(out) {}

  void Match(std::span<const std::uint32_t> asking_rows, std::span<const std::uint32_t> known_rows, Workspace* work) const {
    work->numbers.Start(known_rows.size());
    Micros least = std::numeric_limits<Micros>::max();
    for (const std::uint32_t row : known_rows) least = std::min(least, known_.time[row]);
    work->known.clear();
    for (const std::uint32_t row : known_rows) {
      work->known.push_back({From(known_.time[row], least), row, work->numbers.Of(known_.key[row], true)});
    }
    work->asking.clear();
    for (const std::uint32_t row : asking_rows) {
      out_[row] = kNoRow;
      const std::uint32_t key = work->numbers.Of(asking_.key[row], false);
      if (key == Numbers::kNone || asking_.time[row] < least) continue;
      work->asking.push_back({From(asking_.time[row], least), row, key});
    }
    SortByTime(&work->known, &work->spare);
    SortByTime(&work->asking, &work->spare);
    work->last.assign(work->numbers.size(), kNoRow);
    std::size_t j = 0;
    for (const Item& item : work->asking) {
      for (; j < work->known.size() && work->known[j].time <= item.time; ++j) {
        work->last[work->known[j].key] = static_cast<std::int32_t>(work->known[j].row);
      }
      const std::int32_t found = work->last[item.key];
      if (found == kNoRow) continue;
      if (ttl_ > 0 && asking_.time[item.row] - known_.time[static_cast<std::size_t>(found)] > ttl_) continue;
      out_[item.row] = found;
    }
  }

 private:
  static std::uint64_t From(Micros time, Micros least) { return static_cast<std::uint64_t>(time) - static_cast<std::uint64_t>(least); }
  const TimedKeys& asking_;
  const TimedKeys& known_;
  Micros ttl_;
  std::span<std::int32_t> out_;
};

}  // namespace

Result<void> MatchByParts(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl,
                          std::span<std::int32_t> out) {
  std::size_t parts = 2;
  int shift = 63;
  while (parts < kMostParts && (asking.key.size() + known.key.size()) / parts > kRowsAPart) {
    parts *= 2;
    --shift;
  }
  Parted asking_parts;
  Parted known_parts;
  {
    std::jthread other;
    if (call.threads > 1) other = std::jthread([&] { known_parts = PartRows(known.key, parts, shift); });
    asking_parts = PartRows(asking.key, parts, shift);
    if (call.threads <= 1) known_parts = PartRows(known.key, parts, shift);
  }
  const PartMatcher matcher(asking, known, ttl.count(), out);
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stopped = false;
  const auto work = [&] {
    Workspace workspace;
    for (std::size_t p = next++; p < parts && !stopped; p = next++) {
      if (!call.Check()) stopped = true;
      const auto rows_of = [p](const Parted& side) {
        return std::span<const std::uint32_t>(side.rows).subspan(side.begin[p], side.begin[p + 1] - side.begin[p]);
      };
      matcher.Match(rows_of(asking_parts), rows_of(known_parts), &workspace);
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < call.threads; ++t) others.emplace_back(work);
    work();
  }
  if (stopped) return call.Check();
  return {};
}

}  // namespace tenon::feature

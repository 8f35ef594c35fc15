// Keys that lie close together, rows in any order: the rows of both sides become numbers and go to parts, some of the parts at a time,
// and the parts are matched one by one.

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "base/x86.h"
#include "feature/as_of_cells_internal.h"

namespace tenon::feature {
namespace {

constexpr std::size_t kGroups = 2;    // of parts: the rows of one are held at a time
constexpr std::size_t kSpare = 4096;  // rows that a group may have more than its share
constexpr std::size_t kLine = 16;     // rows written to memory together; a part begins at a multiple of them

struct alignas(64) GatheredLine {
  std::uint64_t number[kLine];
  std::uint32_t row[kLine];
};

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void WriteAvx512(const GatheredLine& line, std::uint64_t* numbers, std::uint32_t* rows) {
  const __m512i first = _mm512_load_si512(line.number), second = _mm512_load_si512(line.number + 8), third = _mm512_load_si512(line.row);
  _mm512_stream_si512(reinterpret_cast<__m512i*>(numbers), first);
  _mm512_stream_si512(reinterpret_cast<__m512i*>(numbers + 8), second);
  _mm512_stream_si512(reinterpret_cast<__m512i*>(rows), third);
}
#endif

void WriteLine(const GatheredLine& line, std::uint64_t* numbers, std::uint32_t* rows) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return WriteAvx512(line, numbers, rows);
#endif
  std::copy_n(line.number, kLine, numbers);
  std::copy_n(line.row, kLine, rows);
}

// Before other threads may look at the lines.

void PublishLines() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

struct Side {
  TimedKeys rows;
  std::uint64_t earliest = 0;
  bool outside = false;
  std::vector<std::size_t> count;  // of rows by part
  std::vector<std::size_t> next;   // where the next row of a part of the group goes
  std::unique_ptr<platform::SharedFile> memory;
  std::uint64_t* number = nullptr;
  std::uint32_t* row = nullptr;
};

Bounds ExactBounds(const TimedKeys& asking, const TimedKeys& known) {
  Bounds out{RangeOf(asking.key, known.key), 0, std::numeric_limits<Micros>::min()};
  out.least_time = std::numeric_limits<Micros>::max();
  for (const Micros time : known.time) out.least_time = std::min(out.least_time, time);
  for (const auto& side : {asking.time, known.time}) {
    for (const Micros time : side) out.most_time = std::max(out.most_time, time);
  }
  return out;
}

class CellMatcher {
 public:
  CellMatcher(const Call& call, const TimedKeys& asking, const TimedKeys& known, Micros ttl, std::span<std::int32_t> out)
      : call_(call), ttl_(ttl), out_(out) {
    asking_.rows = asking;
    known_.rows = known;
    known_.earliest = 1;
  }

  // Makes a layout and counts the rows of its parts. False: it does not hold all rows, or there is none.
  bool Plan(const Bounds& bounds) {
    if (!DenseKeys(bounds.keys, rows()) || !PlanLayout(bounds, known_.rows, &layout_)) return false;
    Both([this](Side* side) { Count(side); });
    return !asking_.outside && !known_.outside;
  }

  Result<void> Match() {
    for (std::size_t from = 0; from < layout_.parts;) {
      TENON_TRY(call_.Check());
      std::size_t until = from + 1;
      std::size_t some = Size(from);
      while (until < layout_.parts && some + Size(until) <= rows() / kGroups + kSpare) some += Size(until++);
      TENON_TRY(MakeRoom(&asking_, from, until));
      TENON_TRY(MakeRoom(&known_, from, until));
      Both([&](Side* side) { Fill(side, from, until); });
      TENON_TRY(MatchGroup(from, until));
      from = until;
    }
    return {};
  }

 private:
  std::size_t rows() const { return asking_.rows.key.size() + known_.rows.key.size(); }
  std::size_t Size(std::size_t part) const { return asking_.count[part] + known_.count[part]; }

  template <typename Do>
  void Both(Do what) {
    std::jthread other;
    if (call_.threads > 1) other = std::jthread([&] { what(&known_); });
    what(&asking_);
    if (call_.threads <= 1) what(&known_);
  }

  template <typename Take>
  void EachPicked(const Side& side, std::size_t from, std::size_t until, Picked* picked, Take take) const {
    for (std::size_t begin = 0; begin < side.rows.key.size(); begin += kPickedTogether) {
      const std::size_t size = std::min(kPickedTogether, side.rows.key.size() - begin);
      const std::size_t kept = Pick(layout_, side.rows, begin, size, from, until, side.earliest, picked);
      for (std::size_t i = 0; i < kept; ++i) take(picked->part[i], picked->number[i], picked->row[i]);
    }
  }

  void Count(Side* side) const {
    side->count.assign(layout_.parts, 0);
    std::size_t* count = side->count.data();
    Picked picked;
    EachPicked(*side, 0, layout_.parts, &picked, [count](std::uint32_t part, std::uint64_t, std::uint32_t) { ++count[part]; });
    side->outside = picked.outside;
  }

  Result<void> MakeRoom(Side* side, std::size_t from, std::size_t until) const {
    side->next.resize(until - from);
    std::size_t room = 0;
    for (std::size_t p = from; p < until; ++p) {
      side->next[p - from] = room;
      room += (side->count[p] + kLine - 1) / kLine * kLine;
    }
    const std::size_t bytes = (room + kLine) * (sizeof(std::uint64_t) + sizeof(std::uint32_t));
    if (side->memory == nullptr || side->memory->size() < bytes) {
      side->memory = nullptr;
      TENON_ASSIGN(side->memory, platform::MakeSharedFile("", bytes));
    }
    side->number = reinterpret_cast<std::uint64_t*>(side->memory->data());
    side->row = reinterpret_cast<std::uint32_t*>(side->number + room);
    return {};
  }

  // A line of a part is gathered in the second cache and written to memory whole.
  void Fill(Side* side, std::size_t from, std::size_t until) const {
    const auto lines = std::make_unique_for_overwrite<GatheredLine[]>(until - from);
    Picked picked;
    std::size_t* next = side->next.data();
    std::uint64_t* numbers = side->number;
    std::uint32_t* rows = side->row;
    GatheredLine* line = lines.get();
    EachPicked(*side, from, until, &picked, [=](std::uint32_t part, std::uint64_t number, std::uint32_t row) {
      const std::size_t at = next[part]++;
      line[part].number[at % kLine] = number;
      line[part].row[at % kLine] = row;
      if (at % kLine == kLine - 1) WriteLine(line[part], numbers + at / kLine * kLine, rows + at / kLine * kLine);
    });
    for (std::size_t p = 0; p < until - from; ++p) {
      const std::size_t at = next[p] / kLine * kLine;
      std::copy_n(line[p].number, next[p] - at, numbers + at);
      std::copy_n(line[p].row, next[p] - at, rows + at);
    }
    PublishLines();
  }

  Numbers NumbersOf(const Side& side, std::size_t from, std::size_t part) const {
    const std::size_t begin = side.next[part - from] - side.count[part];
    return {side.number + begin, side.row + begin, side.count[part]};
  }

  Part PartOf(std::size_t from, std::size_t part, std::vector<Before>* before) const {
    return {NumbersOf(known_, from, part), NumbersOf(asking_, from, part), layout_.TimeBitsOf(part), layout_.BaseOf(part),
            static_cast<std::uint64_t>(ttl_), layout_.slice_bits > 0 ? before->data() : nullptr, out_.data()};
  }

  // The parts of a group; before_ goes along with the slices of time.
  Result<void> MatchGroup(std::size_t from, std::size_t until) {
    before_.resize(std::size_t{1} << layout_.key_bits);
    const std::size_t threads = std::min<std::size_t>(static_cast<std::size_t>(std::max(call_.threads, 1)), until - from);
    std::vector<std::size_t> begin;
    for (std::size_t t = 0; t <= threads; ++t) begin.push_back(from + (until - from) * t / threads);
    std::vector<std::vector<Before>> before(threads, before_);
    std::atomic<bool> stopped = false;
    const auto work = [&](std::size_t t) {
      if (t > 0) PassUpTo(from, begin[t], &before[t]);
      PartWork memory;
      for (std::size_t p = begin[t]; p < begin[t + 1] && !stopped; ++p) {
        if (!call_.Check()) stopped = true;
        if (p % layout_.slices() == 0) std::ranges::fill(before[t], Before());
        MatchPart(PartOf(from, p, &before[t]), &memory);
      }
    };
    {
      std::vector<std::jthread> others;
      for (std::size_t t = 1; t < threads; ++t) others.emplace_back(work, t);
      work(0);
    }
    before_ = std::move(before.back());
    if (stopped) return call_.Check();
    return {};
  }

  // What is known before part `at` of the group, which another thread works on up to there.
  void PassUpTo(std::size_t from, std::size_t at, std::vector<Before>* before) const {
    if (layout_.slice_bits == 0) return;
    const std::size_t first = std::max(from, at / layout_.slices() * layout_.slices());
    if (first > from) std::ranges::fill(*before, Before());
    for (std::size_t p = first; p < at; ++p) PassPart(PartOf(from, p, before));
  }

  const Call& call_;
  Micros ttl_;
  std::span<std::int32_t> out_;
  Side asking_, known_;
  Layout layout_;
  std::vector<Before> before_;
};

}  // namespace

Result<bool> MatchByCells(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl,
                          std::span<std::int32_t> out) {
  if (known.key.empty()) {
    std::ranges::fill(out, kNoRow);
    return true;
  }
  CellMatcher matcher(call, asking, known, ttl.count(), out);
  if (!matcher.Plan(GuessBounds(asking, known)) && !matcher.Plan(ExactBounds(asking, known))) return false;
  TENON_TRY(matcher.Match());
  return true;
}

}  // namespace tenon::feature

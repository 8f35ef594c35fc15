// Rows in the order of time. First the order in which the rows of both sides come, a bit a row, from the times alone, several stretches
// in turns, as each step waits for the one before; then a pass over the keys in that order with the last row of every key in a table.
// Both look at a few rows at a time whether these are in order and their keys in the table, so that nothing is read twice.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "feature/as_of_internal.h"

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::feature {
namespace {

constexpr std::size_t kWord = 64;     // steps a word of bits; in a word the first step is the highest bit
constexpr std::size_t kInTurns = 4;   // stretches that one thread goes through
constexpr std::size_t kEnough = 1 << 16;  // steps worth a thread

using Eight = std::int64_t __attribute__((vector_size(64)));
using EightWords = std::uint64_t __attribute__((vector_size(64)));

// How many rows of either side come before a step.
struct Point {
  std::size_t asking = 0, known = 0;
  bool operator==(const Point&) const = default;
};

// Where the first `steps` rows of both sides end. A known row comes before an asking one of its time.
Point PointAt(std::span<const Micros> asking, std::span<const Micros> known, std::size_t steps) {
  std::size_t low = steps > asking.size() ? steps - asking.size() : 0;
  std::size_t high = std::min(steps, known.size());
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (known[middle] <= asking[steps - middle - 1]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {steps - low, low};
}

// Whether rows [*checked, until) and some more are in order; `checked` goes along.
TENON_INLINE bool InOrderAny(std::span<const Micros> times, std::size_t until, std::size_t* checked) {
  bool ordered = true;
  Eight any = {};
  Eight one, next;
  for (; *checked < until && *checked + 9 <= times.size(); *checked += 8) {
    std::memcpy(&one, times.data() + *checked, sizeof(one));
    std::memcpy(&next, times.data() + *checked + 1, sizeof(next));
    any |= one > next;
  }
  for (int k = 0; k < 8; ++k) ordered = ordered && any[k] == 0;
  for (; *checked < until && *checked + 1 < times.size(); ++*checked) ordered = ordered && times[*checked] <= times[*checked + 1];
  return ordered;
}

// Whether all keys are within the range.
TENON_INLINE bool WithinAny(const KeyRange& range, const std::int64_t* keys, std::size_t size) {
  const auto least = static_cast<std::uint64_t>(range.least);
  EightWords any = {};
  EightWords some;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::memcpy(&some, keys + i, sizeof(some));
    any |= static_cast<EightWords>(some - least >= range.size);
  }
  std::uint64_t beyond = 0;
  for (int k = 0; k < 8; ++k) beyond |= any[k];
  for (; i < size; ++i) beyond |= static_cast<std::uint64_t>(keys[i]) - least >= range.size ? 1 : 0;
  return beyond == 0;
}

#if defined(__x86_64__)
#define TENON_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
TENON_AVX512 bool InOrderAvx512(std::span<const Micros> times, std::size_t until, std::size_t* checked) {
  return InOrderAny(times, until, checked);
}
TENON_AVX512 bool WithinAvx512(const KeyRange& range, const std::int64_t* keys, std::size_t size) { return WithinAny(range, keys, size); }
bool HasAvx512() {
  return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

bool InOrder(std::span<const Micros> times, std::size_t until, std::size_t* checked) {
#if defined(__x86_64__)
  if (HasAvx512()) return InOrderAvx512(times, until, checked);
#endif
  return InOrderAny(times, until, checked);
}

bool Within(const KeyRange& range, const std::int64_t* keys, std::size_t size) {
#if defined(__x86_64__)
  if (HasAvx512()) return WithinAvx512(range, keys, size);
#endif
  return WithinAny(range, keys, size);
}

// The steps of both sides in the order of time.
class Steps {
 public:
  Steps(std::span<const Micros> asking, std::span<const Micros> known)
      : asking_(asking), known_(known), bits_((asking.size() + known.size() + kWord - 1) / kWord) {}

  std::size_t words() const { return bits_.size(); }
  std::uint64_t word(std::size_t at) const { return bits_[at]; }
  std::size_t StepsOf(std::size_t word) const { return std::min(kWord, asking_.size() + known_.size() - word * kWord); }
  Point At(std::size_t word) const { return PointAt(asking_, known_, std::min(word * kWord, asking_.size() + known_.size())); }

  // The words [from, until). False: times are not in order.
  bool Find(std::size_t from, std::size_t until) {
    Stretch all[kInTurns];
    for (std::size_t s = 0; s < kInTurns; ++s) {
      Stretch& one = all[s];
      one.word = from + (until - from) * s / kInTurns;
      one.until = from + (until - from) * (s + 1) / kInTurns;
      one.at = At(one.word);
      one.checked = one.at;
    }
    while (std::ranges::all_of(all, [this](const Stretch& one) { return one.word < one.until && Inside(one.at); })) {
      FourWords(all);
      for (Stretch& one : all) {
        if (!Checked(&one)) return false;
      }
    }
    for (Stretch& one : all) {
      for (; one.word < one.until; ++one.word) {
        bits_[one.word] = AnyWord(StepsOf(one.word), &one.at);
        if (!Checked(&one)) return false;
      }
    }
    // In order, a stretch ends where the next begins.
    return std::ranges::all_of(all, [this](const Stretch& one) { return one.at == At(one.until); });
  }

  // Whether a word of steps from here surely stays within both sides.
  bool Inside(const Point& at) const { return at.asking + kWord <= asking_.size() && at.known + kWord <= known_.size(); }

 private:
  struct Stretch {
    std::size_t word = 0, until = 0;
    Point at, checked;
  };

  bool Checked(Stretch* one) const {
    return InOrder(asking_, one->at.asking, &one->checked.asking) && InOrder(known_, one->at.known, &one->checked.known);
  }

  void FourWords(Stretch* all) {
    const Micros* known = known_.data();
    const Micros* asking = asking_.data();
    std::size_t a = all[0].at.known, b = all[1].at.known, c = all[2].at.known, d = all[3].at.known;
    std::size_t e = all[0].at.asking, f = all[1].at.asking, g = all[2].at.asking, h = all[3].at.asking;
    std::uint64_t p = 0, q = 0, r = 0, s = 0;
    const auto step = [known](const Micros* ahead, std::size_t* j, std::size_t* i, std::uint64_t* word) {
      std::uint64_t take = known[*j] <= ahead[*i] ? 1 : 0;
      asm("" : "+r"(take));  // else the compiler packs what it then must take apart at every step
      *j += take;
      *i -= take;
      *word += *word + take;
    };
    for (std::size_t n = 0; n < kWord; ++n) {  // i counts from the step
      step(asking + n, &a, &e, &p);
      step(asking + n, &b, &f, &q);
      step(asking + n, &c, &g, &r);
      step(asking + n, &d, &h, &s);
    }
    const std::uint64_t words[] = {p, q, r, s};
    const std::size_t j[] = {a, b, c, d};
    const std::size_t i[] = {e, f, g, h};
    for (std::size_t k = 0; k < kInTurns; ++k) {
      bits_[all[k].word++] = words[k];
      all[k].at = {i[k] + kWord, j[k]};
    }
  }

  std::uint64_t AnyWord(std::size_t steps, Point* at) const {
    std::uint64_t word = 0;
    for (std::size_t n = 0; n < steps; ++n) {
      const bool take = at->known < known_.size() && (at->asking == asking_.size() || known_[at->known] <= asking_[at->asking]);
      word |= static_cast<std::uint64_t>(take) << (kWord - 1 - n);
      ++(take ? at->known : at->asking);
    }
    return word;
  }

  std::span<const Micros> asking_, known_;
  std::vector<std::uint64_t> bits_;
};

class Sweeper {
 public:
  Sweeper(const TimedKeys& asking, const TimedKeys& known, const KeyRange& range, const Steps& steps, std::int32_t* out)
      : asking_(asking), known_(known), range_(range), steps_(steps), out_(out) {}

  // The steps of the words [from, until); `last` has a place for every key. False: a key is beyond the range.
  bool Run(std::size_t from, std::size_t until, std::int32_t* last) const {
    Point at = steps_.At(from);
    for (std::size_t w = from; w < until; ++w) {
      const std::uint64_t word = steps_.word(w);
      const std::size_t steps = steps_.StepsOf(w);
      const auto taken = static_cast<std::size_t>(std::popcount(word));
      if (!Within(range_, known_.key.data() + at.known, taken) || !Within(range_, asking_.key.data() + at.asking, steps - taken)) return false;
      at = steps_.Inside(at) ? WholeWord(word, at, last) : AnyWord(word, steps, at, last);
    }
    return true;
  }

 private:
  // A step takes the known row that is next, or answers the asking row that is next, by arithmetic: which of them comes no processor
  // can guess. What it writes for a known row is written over when the asking row's turn comes.
  Point WholeWord(std::uint64_t word, Point at, std::int32_t* last) const {
    const std::int64_t* known = known_.key.data();
    const std::int64_t* asking = asking_.key.data();
    std::size_t j = at.known;
    std::size_t i = at.asking;
    for (std::size_t n = 0; n < kWord; ++n, word += word) {
      const auto mask = static_cast<std::int64_t>(word) >> 63;
      const std::int64_t key = (known[j] & mask) | (asking[i] & ~mask);
      std::int32_t& row = last[key - range_.least];
      const auto narrow = static_cast<std::int32_t>(mask);
      row = (static_cast<std::int32_t>(j) & narrow) | (row & ~narrow);
      out_[i] = row;
      j -= static_cast<std::size_t>(mask);
      i += static_cast<std::size_t>(1 + mask);
    }
    return {i, j};
  }

  Point AnyWord(std::uint64_t word, std::size_t steps, Point at, std::int32_t* last) const {
    for (std::size_t n = 0; n < steps; ++n) {
      if ((word >> (kWord - 1 - n) & 1) != 0) {
        last[known_.key[at.known] - range_.least] = static_cast<std::int32_t>(at.known);
        ++at.known;
      } else {
        out_[at.asking] = last[asking_.key[at.asking] - range_.least];
        ++at.asking;
      }
    }
    return at;
  }

  const TimedKeys& asking_;
  const TimedKeys& known_;
  KeyRange range_;
  const Steps& steps_;
  std::int32_t* out_;
};

void DropOlder(const TimedKeys& asking, const TimedKeys& known, Micros ttl, std::span<std::int32_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] != kNoRow && asking.time[i] - known.time[static_cast<std::size_t>(out[i])] > ttl) out[i] = kNoRow;
  }
}

// work(part) for each of `parts`, in a thread each.
template <typename Work>
void Together(std::size_t parts, Work work) {
  std::vector<std::jthread> others;
  for (std::size_t p = 1; p < parts; ++p) others.emplace_back(work, p);
  work(0);
}

bool Sweep(const TimedKeys& asking, const TimedKeys& known, const KeyRange& range, const Steps& steps, std::size_t threads, std::span<std::int32_t> out) {
  const auto keys = static_cast<std::size_t>(range.size);
  const std::size_t parts = std::clamp<std::size_t>(steps.words() * kWord / std::max(keys * 16, kEnough), 1, threads);
  const Sweeper sweeper(asking, known, range, steps, out.data());
  const auto begin = [&](std::size_t part) { return steps.words() * part / parts; };
  std::vector<std::vector<std::int32_t>> last(parts);
  std::atomic<bool> inside = true;
  Together(parts, [&](std::size_t p) {
    last[p].assign(keys, kNoRow);
    if (!sweeper.Run(begin(p), begin(p + 1), last[p].data())) inside = false;
  });
  if (!inside) return false;
  // What a part did not find, those before it may have.
  for (std::size_t p = 1; p < parts; ++p) {
    const std::vector<std::int32_t>& before = last[p - 1];
    const std::size_t end = steps.At(begin(p + 1)).asking;
    for (std::size_t i = steps.At(begin(p)).asking; i < end; ++i) {
      if (out[i] == kNoRow) out[i] = before[static_cast<std::size_t>(asking.key[i] - range.least)];
    }
    for (std::size_t k = 0; k < keys; ++k) {
      if (last[p][k] == kNoRow) last[p][k] = before[k];
    }
  }
  return true;
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

bool SweepByTime(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl, std::span<std::int32_t> out) {
  std::size_t begin = 0;
  std::size_t other = 0;
  if (!InOrder(asking.time, std::min(kWord, asking.time.size()), &begin) || !InOrder(known.time, std::min(kWord, known.time.size()), &other)) return false;
  const auto threads = static_cast<std::size_t>(std::max(call.threads, 1));
  Steps steps(asking.time, known.time);
  const std::size_t parts = std::clamp<std::size_t>(steps.words() * kWord / kEnough, 1, threads);
  std::atomic<bool> ordered = true;
  Together(parts, [&](std::size_t p) {
    if (!steps.Find(steps.words() * p / parts, steps.words() * (p + 1) / parts)) ordered = false;
  });
  if (!ordered) return false;
  const std::size_t rows = asking.key.size() + known.key.size();
  const KeyRange guess = GuessBounds(asking, known).keys;
  if (!DenseKeys(guess, rows) || !Sweep(asking, known, guess, steps, threads, out)) {
    const KeyRange range = RangeOf(asking.key, known.key);
    if (!DenseKeys(range, rows) || !Sweep(asking, known, range, steps, threads, out)) return false;
  }
  if (ttl.count() > 0) DropOlder(asking, known, ttl.count(), out);
  return true;
}

}  // namespace tenon::feature

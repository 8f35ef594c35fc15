// Rows as numbers: one pass over keys and times, eight rows at a time where the processor can.

#include <algorithm>
#include <bit>
#include <limits>

#include "base/x86.h"
#include "feature/as_of_cells_internal.h"

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::feature {
namespace {

constexpr std::size_t kRowsAPart = 2048;  // known rows: a part stays in the second cache, its cells in the first
constexpr std::size_t kMostParts = 2048;  // what is written to in turns stays in the second cache
constexpr std::size_t kKeysASlice = 64;   // of a part that is a slice of time
constexpr std::size_t kPrefetched = 1024; // rows that are fetched ahead
constexpr int kMostBits = 63;             // one bit tells a number from that of no row

int Bits(std::uint64_t value) { return static_cast<int>(std::bit_width(value)); }

TENON_INLINE std::uint64_t TimeOf(const Layout& layout, Micros time) {
  return time < layout.least_time ? 0 : static_cast<std::uint64_t>(time) - static_cast<std::uint64_t>(layout.least_time) + 1;
}

// Slices of equal width, the second to the last but one, over most of the known times; a few that lie far away do not widen them.
void PlanSlices(const TimedKeys& known, Layout* layout) {
  std::vector<std::uint64_t> some;
  const std::size_t step = known.time.size() / 1024 + 1;
  for (std::size_t i = 0; i < known.time.size(); i += step) some.push_back(TimeOf(*layout, known.time[i]));
  if (some.empty() || layout->slice_bits == 0) return;
  std::ranges::sort(some);
  const std::uint64_t low = some[some.size() / 10];
  const std::uint64_t high = some[some.size() - 1 - some.size() / 10];
  const std::uint64_t beside = (high - low) / 8;
  layout->slice_from = low - std::min(low, beside);
  layout->slice_shift = std::max(0, Bits(high + beside - layout->slice_from) - layout->slice_bits);
}

TENON_INLINE std::size_t PickAny(const Layout& layout, const TimedKeys& rows, std::size_t begin, std::size_t end, std::size_t from,
                                 std::size_t until, std::uint64_t earliest, std::size_t kept, Picked* out) {
  const std::uint64_t last = layout.slices() - 1;
  const std::uint64_t mask = (std::uint64_t{1} << layout.key_bits) - 1;
  const std::uint64_t within = (std::uint64_t{1} << layout.slice_shift) - 1;
  for (std::size_t i = begin; i < end; ++i) {
    const std::uint64_t key = static_cast<std::uint64_t>(rows.key[i]) - static_cast<std::uint64_t>(layout.least_key);
    const std::uint64_t time = TimeOf(layout, rows.time[i]);
    const std::uint64_t after = time - layout.slice_from;
    const std::uint64_t slice = time < layout.slice_from ? 0 : std::min((after >> layout.slice_shift) + 1, last);
    const bool outer = slice == 0 || slice == last;
    const std::uint64_t part = ((key >> layout.key_bits) << layout.slice_bits | slice) - from;
    out->outside |= key > layout.most_key || time > layout.most_time || time < earliest;
    out->number[kept] = (key & mask) << (outer ? layout.time_bits : layout.slice_shift) | (outer ? time : after & within);
    out->part[kept] = static_cast<std::uint32_t>(part);
    out->row[kept] = static_cast<std::uint32_t>(i);
    kept += part < until - from ? 1 : 0;
  }
  return kept;
}

#if defined(__x86_64__)
bool HasAvx512() {
  return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

#define TENON_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
TENON_AVX512 __m512i Eight(std::uint64_t value) { return _mm512_set1_epi64(static_cast<std::int64_t>(value)); }

TENON_AVX512 std::size_t PickAvx512(const Layout& layout, const TimedKeys& rows, std::size_t begin, std::size_t end, std::size_t from,
                                    std::size_t until, std::uint64_t earliest, Picked* out) {
  const __m512i least_key = _mm512_set1_epi64(layout.least_key);
  const __m512i least_time = _mm512_set1_epi64(layout.least_time);
  const __m512i slice_from = Eight(layout.slice_from);
  const __m512i last_slice = Eight(layout.slices() - 1);
  const __m512i key_mask = Eight((std::uint64_t{1} << layout.key_bits) - 1);
  const __m512i time_bits = _mm512_set1_epi64(layout.time_bits), slice_width = _mm512_set1_epi64(layout.slice_shift);
  const __m512i within = Eight((std::uint64_t{1} << layout.slice_shift) - 1);
  const __m512i one = Eight(1), first = Eight(from), parts = Eight(until - from);
  const __m512i most_key = Eight(layout.most_key), most_time = Eight(layout.most_time), least = Eight(earliest);
  const __m128i key_bits = _mm_cvtsi32_si128(layout.key_bits);
  const __m128i slice_bits = _mm_cvtsi32_si128(layout.slice_bits), slice_shift = _mm_cvtsi32_si128(layout.slice_shift);
  __m256i row = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(begin)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  unsigned outside = 0;
  std::size_t kept = 0;
  for (; begin + 8 <= end; begin += 8) {
    const __m512i key = _mm512_sub_epi64(_mm512_loadu_si512(rows.key.data() + begin), least_key);
    _mm_prefetch(reinterpret_cast<const char*>(rows.key.data() + begin + kPrefetched), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(rows.time.data() + begin + kPrefetched), _MM_HINT_T0);
    const __m512i when = _mm512_loadu_si512(rows.time.data() + begin);
    const __m512i time = _mm512_maskz_add_epi64(_mm512_cmpge_epi64_mask(when, least_time), _mm512_sub_epi64(when, least_time), one);
    const __m512i after = _mm512_sub_epi64(time, slice_from);
    const __mmask8 behind = _mm512_cmpge_epu64_mask(time, slice_from);
    const __m512i slice = _mm512_maskz_min_epu64(behind, _mm512_add_epi64(_mm512_srl_epi64(after, slice_shift), one), last_slice);
    const __mmask8 inner = static_cast<__mmask8>(behind & _mm512_cmpneq_epu64_mask(slice, last_slice));
    const __m512i part = _mm512_sub_epi64(_mm512_or_si512(_mm512_sll_epi64(_mm512_srl_epi64(key, key_bits), slice_bits), slice), first);
    const __m512i low = _mm512_mask_and_epi64(time, inner, after, within);
    const __m512i number = _mm512_or_si512(_mm512_sllv_epi64(_mm512_and_si512(key, key_mask), _mm512_mask_mov_epi64(time_bits, inner, slice_width)), low);
    outside |= _mm512_cmpgt_epu64_mask(key, most_key) | _mm512_cmpgt_epu64_mask(time, most_time) | _mm512_cmplt_epu64_mask(time, least);
    const __mmask8 wanted = _mm512_cmplt_epu64_mask(part, parts);
    _mm512_storeu_si512(out->number.data() + kept, _mm512_maskz_compress_epi64(wanted, number));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->part.data() + kept), _mm256_maskz_compress_epi32(wanted, _mm512_cvtepi64_epi32(part)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->row.data() + kept), _mm256_maskz_compress_epi32(wanted, row));
    kept += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(wanted)));
    row = _mm256_add_epi32(row, _mm256_set1_epi32(8));
  }
  out->outside |= outside != 0;
  return PickAny(layout, rows, begin, end, from, until, earliest, kept, out);
}
#endif

}  // namespace

Bounds GuessBounds(const TimedKeys& asking, const TimedKeys& known) {
  constexpr std::size_t kLookedAt = 2048;
  std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = std::numeric_limits<std::int64_t>::min();
  Micros early = least, late = most;
  for (const TimedKeys& side : {asking, known}) {
    const std::size_t step = side.key.size() / kLookedAt + 1;
    for (std::size_t i = 0; i < side.key.size(); i += step) {
      least = std::min(least, side.key[i]);
      most = std::max(most, side.key[i]);
      early = std::min(early, side.time[i]);
      late = std::max(late, side.time[i]);
    }
  }
  const auto widen = [](std::int64_t* low, std::int64_t* high, int part) {
    const std::uint64_t beside = (static_cast<std::uint64_t>(*high) - static_cast<std::uint64_t>(*low)) >> part;
    const auto by = static_cast<std::int64_t>(std::min<std::uint64_t>(beside, std::uint64_t{1} << 60));
    if (__builtin_sub_overflow(*low, by, low)) *low = std::numeric_limits<std::int64_t>::min();
    if (__builtin_add_overflow(*high, by, high)) *high = std::numeric_limits<std::int64_t>::max();
  };
  widen(&least, &most, 6);
  widen(&early, &late, 5);
  return {{least, static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least) + 1}, early, late};
}

std::uint64_t Layout::BaseOf(std::size_t part) const {
  const std::size_t slice = part % slices();
  return Outer(part) ? 0 : slice_from + (static_cast<std::uint64_t>(slice - 1) << slice_shift);
}

bool PlanLayout(const Bounds& bounds, const TimedKeys& known, Layout* layout) {
  *layout = Layout();
  layout->least_key = bounds.keys.least;
  layout->most_key = bounds.keys.size - 1;
  layout->least_time = bounds.least_time;
  layout->most_time = std::max<std::uint64_t>(TimeOf(*layout, bounds.most_time), 1);
  layout->time_bits = Bits(layout->most_time);
  const std::size_t wished = std::min(kMostParts, std::bit_ceil(known.key.size() / kRowsAPart + 1));
  const std::uint64_t keys = std::max<std::uint64_t>(bounds.keys.size / wished, std::min<std::uint64_t>(bounds.keys.size, kKeysASlice));
  layout->key_bits = Bits(keys - 1);
  if (layout->key_bits + layout->time_bits > kMostBits) return false;
  const std::size_t groups = static_cast<std::size_t>(layout->most_key >> layout->key_bits) + 1;
  layout->slice_bits = wished < groups ? 0 : Bits(wished / groups) - 1;
  layout->parts = groups << layout->slice_bits;
  PlanSlices(known, layout);
  return true;
}

std::size_t Pick(const Layout& layout, const TimedKeys& rows, std::size_t begin, std::size_t size, std::size_t from, std::size_t until,
                 std::uint64_t earliest, Picked* out) {
#if defined(__x86_64__)
  if (HasAvx512()) return PickAvx512(layout, rows, begin, begin + size, from, until, earliest, out);
#endif
  return PickAny(layout, rows, begin, begin + size, from, until, earliest, 0, out);
}

}  // namespace tenon::feature

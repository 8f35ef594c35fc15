// Whole columns into a profile: in blocks that stay in the first-level cache while each statistic takes its turn.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/hash.h"
#include "table/profile_internal.h"

#include "base/x86.h"

namespace tenon::table {
namespace {

constexpr std::uint64_t kSign = 1ULL << 63;
constexpr std::uint64_t kInfinityBits = 0x7FFULL << 52;

// The validity of rows from, from + 1, ... from + 63; from is a multiple of 64.
std::uint64_t ValidWord(const Column& values, std::int64_t from) {
  const std::int64_t rows = std::min<std::int64_t>(64, values.size() - from);
  const std::uint64_t there = rows == 64 ? ~0ULL : (1ULL << rows) - 1;
  return values.validity() == nullptr ? there : values.validity()[from >> 6] & there;
}

// Which of 64 values are to be kept: those that are there and finite, with -0 as 0, moved together. How many.
std::size_t KeepPlain(const double* from, std::uint64_t valid, std::size_t rows, double* to) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double value = from[i] + 0.0;
    to[size] = value;
    size += (valid >> i & 1) & ((std::bit_cast<std::uint64_t>(value) & ~kSign) < kInfinityBits ? 1U : 0U);
  }
  return size;
}

void MixPlain(const std::uint64_t* keys, std::size_t size, std::uint64_t* codes) {
  for (std::size_t i = 0; i < size; ++i) codes[i] = Mix(keys[i]);
}

#if defined(__x86_64__)
#define TENON_AVX512 __attribute__((target("avx512f,avx512dq,popcnt")))

TENON_AVX512 std::size_t KeepAvx512(const double* from, std::uint64_t valid, double* to) {
  std::size_t size = 0;
  const __m512d infinity = _mm512_set1_pd(std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < 64; i += 8) {
    const __m512d values = _mm512_add_pd(_mm512_loadu_pd(from + i), _mm512_setzero_pd());
    const __mmask8 there = static_cast<__mmask8>(valid >> i);
    const __mmask8 kept = _mm512_mask_cmp_pd_mask(there, _mm512_abs_pd(values), infinity, _CMP_LT_OQ);
    _mm512_storeu_pd(to + size, _mm512_maskz_compress_pd(kept, values));
    size += static_cast<std::size_t>(_mm_popcnt_u32(kept));
  }
  return size;
}

TENON_AVX512 inline __m512i Times(__m512i values, std::uint64_t factor) {
  return _mm512_mullo_epi64(values, _mm512_set1_epi64(static_cast<long long>(factor)));
}

TENON_AVX512 void MixAvx512(const std::uint64_t* keys, std::size_t size, std::uint64_t* codes) {
  const __m512i step = _mm512_set1_epi64(static_cast<long long>(0x9E3779B97F4A7C15ULL));
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    __m512i x = _mm512_add_epi64(_mm512_loadu_si512(keys + i), step);
    x = Times(_mm512_xor_si512(x, _mm512_srli_epi64(x, 30)), 0xBF58476D1CE4E5B9ULL);
    x = Times(_mm512_xor_si512(x, _mm512_srli_epi64(x, 27)), 0x94D049BB133111EBULL);
    _mm512_storeu_si512(codes + i, _mm512_xor_si512(x, _mm512_srli_epi64(x, 31)));
  }
  MixPlain(keys + i, size - i, codes + i);
}

bool HasAvx512() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("popcnt");
}
#endif

// Both do the same on every machine.
std::size_t Keep(const double* from, std::uint64_t valid, std::size_t rows, double* to) {
#if defined(__x86_64__)
  if (rows == 64 && HasAvx512()) return KeepAvx512(from, valid, to);
#endif
  return KeepPlain(from, valid, rows, to);
}
void MixAll(const std::uint64_t* keys, std::size_t size, std::uint64_t* codes) {
#if defined(__x86_64__)
  if (HasAvx512()) return MixAvx512(keys, size, codes);
#endif
  MixPlain(keys, size, codes);
}

struct Extremes {
  double low, high;
  std::int64_t zeros, negatives;
};

Extremes Survey(const double* values, std::size_t size) {
  Extremes out{values[0], values[0], 0, 0};
  std::size_t i = 0;
#if defined(__x86_64__)
  __m128d low[2] = {_mm_set1_pd(values[0]), _mm_set1_pd(values[0])};
  __m128d high[2] = {low[0], low[0]};
  __m128i zeros = _mm_setzero_si128();  // minus their number
  __m128i negatives = _mm_setzero_si128();
  for (; i + 4 <= size; i += 4) {
    for (std::size_t lane = 0; lane < 2; ++lane) {  // two, that one comparison need not wait for the last
      const __m128d two = _mm_loadu_pd(values + i + 2 * lane);
      low[lane] = _mm_min_pd(two, low[lane]);
      high[lane] = _mm_max_pd(two, high[lane]);
      zeros = _mm_add_epi64(zeros, _mm_castpd_si128(_mm_cmpeq_pd(two, _mm_setzero_pd())));
      negatives = _mm_add_epi64(negatives, _mm_srli_epi64(_mm_castpd_si128(two), 63));
    }
  }
  double ends[4];
  _mm_storeu_pd(ends, _mm_min_pd(low[0], low[1]));
  _mm_storeu_pd(ends + 2, _mm_max_pd(high[0], high[1]));
  std::int64_t counts[4];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(counts), zeros);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(counts + 2), negatives);
  out = {std::min(ends[0], ends[1]), std::max(ends[2], ends[3]), -(counts[0] + counts[1]), counts[2] + counts[3]};
#endif
  for (; i < size; ++i) {
    out.low = std::min(out.low, values[i]);
    out.high = std::max(out.high, values[i]);
    out.zeros += values[i] == 0 ? 1 : 0;
    out.negatives += values[i] < 0 ? 1 : 0;
  }
  return out;
}

// A text of at most 16 bytes, zeros behind its end; with its length that is all of it.
struct ShortText {
  std::uint64_t head = 0, tail = 0;
};
struct Masks {
  std::array<ShortText, 17> of{};  // of texts of so many bytes
};
constexpr Masks MakeMasks() {
  Masks out;
  for (std::size_t size = 0; size <= 16; ++size) {
    for (std::size_t i = 0; i < size; ++i) (i < 8 ? out.of[size].head : out.of[size].tail) |= 255ULL << (8 * (i % 8));
  }
  return out;
}
constexpr Masks kMasks = MakeMasks();

// `readable`: how many bytes there are from here on. Without branches on the size, which nothing foretells.
ShortText ShortOf(const char* bytes, std::size_t size, std::int64_t readable) {
  ShortText out;
  if (readable >= 16) [[likely]] {
    std::memcpy(&out.head, bytes, 8);
    std::memcpy(&out.tail, bytes + 8, 8);
    const ShortText& kept = kMasks.of[size];
    out.head &= kept.head;
    out.tail &= kept.tail;
    return out;
  }
  std::memcpy(&out.head, bytes, std::min<std::size_t>(size, 8));
  if (size > 8) std::memcpy(&out.tail, bytes + 8, size - 8);
  return out;
}

// Counts short texts that come again soon, so that hashing and sketching are done once for many.
class Recent {
 public:
  static constexpr std::size_t kMostBytes = 16;
  struct Entry {
    ShortText text;
    std::int64_t row = 0;
    std::uint32_t size = 0, count = 0;
  };
  Entry& At(const ShortText& text, std::uint32_t size) {
    const std::uint64_t mixed = (text.head ^ (text.tail * 0x9E3779B97F4A7C15ULL) ^ size) * 0xD1B54A32D192ED03ULL;
    return entries_[mixed >> (64 - kBits)];
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  static constexpr int kBits = 11;
  std::vector<Entry> entries_ = std::vector<Entry>(1 << kBits);
};

}  // namespace

struct ColumnProfile::State::Block {
  static constexpr std::int64_t kRows = 512;
  std::size_t size = 0;                 // values and keys, none missing
  std::uint64_t keys[kRows];
  double values[kRows];                 // -0 is 0
  double others[kRows];                 // values without zeros, or codes
  std::uint64_t codes[kRows];
  Moments::Cells cells;
};

void ColumnProfile::State::AddKeys(Block* block) {
  const std::size_t size = block->size;
  if (size == 0) return;
  const Extremes seen = Survey(block->values, size);
  least = finite() == 0 ? seen.low : std::min(least, seen.low);
  most = finite() == 0 ? seen.high : std::max(most, seen.high);
  zeros += seen.zeros;
  negatives += seen.negatives;
  count += static_cast<std::int64_t>(size);
  std::size_t from = 0;
  if (number_sketches == nullptr) {
    from = numbers.AddBlock({block->keys, size}, kExactDistinct);
    if (numbers.size() <= kExactDistinct) return;
    CollapseNumbers();
    if (from == size) return;
  }
  NumberSketches& to = *number_sketches;
  std::span<const double> rest(block->values + from, size - from);
  if (seen.zeros > 0) {
    std::size_t kept = 0;
    for (const double value : rest) {
      block->others[kept] = value;
      kept += value != 0 ? 1 : 0;
    }
    to.histogram.AddZeros(static_cast<std::int64_t>(rest.size() - kept));
    rest = {block->others, kept};
  }
  to.moments.AddBlock(rest, std::max(std::abs(seen.low), std::abs(seen.high)), &block->cells);
  to.histogram.AddBlock(rest);
  MixAll(block->keys + from, size - from, block->codes + from);
  const std::span<const std::uint64_t> codes(block->codes + from, size - from);
  to.distinct.AddBlock(codes);
  to.frequent.AddBlock(codes);
}

void ColumnProfile::State::AddDoubles(const Column& values) {
  const std::span<const double> doubles = values.doubles();
  Block block;
  for (std::int64_t from = 0; from < values.size(); from += 64) {
    const std::uint64_t valid = ValidWord(values, from);
    const double* at = doubles.data() + from;
    const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(64, values.size() - from));
    const std::size_t kept = Keep(at, valid, rows, block.values + block.size);
    const auto present = static_cast<std::size_t>(std::popcount(valid));
    count += static_cast<std::int64_t>(rows - present);
    missing += static_cast<std::int64_t>(rows - present);
    if (kept != present) {  // NaN and infinities: mostly there are none
      for (std::size_t i = 0; i < rows; ++i) {
        if ((valid >> i & 1) == 0 || std::isfinite(at[i])) continue;
        ++count;
        if (std::isnan(at[i])) {
          ++missing;
        } else {
          ++infinities[at[i] < 0 ? 1 : 0];
        }
      }
    }
    block.size += kept;
    if (block.size + 64 > Block::kRows || from + 64 >= values.size()) {
      std::memcpy(block.keys, block.values, block.size * sizeof(double));  // a double's key is its bits
      AddKeys(&block);
      block.size = 0;
    }
  }
  if (number_sketches != nullptr) number_sketches->moments.Drain(&block.cells);
}

void ColumnProfile::State::AddWholes(const Column& values) {
  const std::uint8_t* bools = field.type == Type::kBool ? values.bools().data() : nullptr;
  const std::int64_t* ints = field.type == Type::kBool ? nullptr : values.ints().data();
  Block block;
  for (std::int64_t from = 0; from < values.size(); from += 64) {
    const std::uint64_t valid = ValidWord(values, from);
    const std::int64_t rows = std::min<std::int64_t>(64, values.size() - from);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t whole = bools != nullptr ? bools[from + i] : ints[from + i];
      block.keys[block.size] = static_cast<std::uint64_t>(whole);
      block.values[block.size] = static_cast<double>(whole);
      block.size += valid >> i & 1;
    }
    const std::int64_t none = rows - std::popcount(valid);
    count += none;
    missing += none;
    if (block.size + 64 > Block::kRows || from + 64 >= values.size()) {
      for (std::size_t i = 0; i < block.size && field.type == Type::kTimestamp; ++i) AddMoment(static_cast<std::int64_t>(block.keys[i]), 1);
      AddKeys(&block);
      block.size = 0;
    }
  }
  if (number_sketches != nullptr) number_sketches->moments.Drain(&block.cells);
}

void ColumnProfile::State::AddMoment(std::int64_t micros, std::int64_t times) {
  constexpr std::int64_t kHour = 3'600'000'000;
  const std::int64_t hours = micros / kHour - (micros % kHour < 0 ? 1 : 0);
  if (weekly.empty()) weekly.resize(168);
  const std::int64_t at = (hours + 72) % 168;  // the epoch began on a Thursday
  weekly[static_cast<std::size_t>(at < 0 ? at + 168 : at)] += times;
}

void ColumnProfile::State::AddEmbeddings(const Column& values) {
  const auto width = static_cast<std::size_t>(values.width());
  std::vector<double> lengths;
  for (std::int64_t i = 0; i < values.size(); ++i) {
    if (values.IsNull(i)) continue;
    double sum = 0;
    for (const float x : values.floats().subspan(static_cast<std::size_t>(i) * width, width)) sum += static_cast<double>(x) * static_cast<double>(x);
    lengths.push_back(std::sqrt(sum));
  }
  count += values.size();
  missing += values.size() - static_cast<std::int64_t>(lengths.size());
  if (lengths.empty()) return;
  if (norms == nullptr) norms = std::make_unique<ColumnProfile>(Field{field.name, Type::kFloat64, 0});
  norms->Add(Column::Of(std::move(lengths)));
}

void ColumnProfile::Add(const Column& values) {
  assert(values.type() == state_->field.type);
  State& state = *state_;
  switch (state.field.type) {
    case Type::kEmbedding: return state.AddEmbeddings(values);
    case Type::kString: state.AddTexts(values); break;
    case Type::kFloat64: state.AddDoubles(values); break;
    default: state.AddWholes(values);
  }
  state.Settle();
}

void ColumnProfile::State::AddTexts(const Column& values) {
  // Counting codes touches each entry once; a dictionary far larger than the batch is not worth a pass.
  if (!values.coded() || static_cast<std::int64_t>(values.dictionary()->size()) > 4 * values.size()) return AddPlainTexts(values);
  std::vector<std::int64_t> counts(values.dictionary()->size());
  const std::span<const std::int32_t> codes = values.codes();
  std::int64_t none = 0;
  for (std::int64_t i = 0; i < values.size(); ++i) {
    if (values.IsNull(i)) {
      ++none;
    } else {
      ++counts[static_cast<std::size_t>(codes[static_cast<std::size_t>(i)])];
    }
  }
  count += none;
  missing += none;
  for (std::size_t code = 0; code < counts.size(); ++code) {
    if (counts[code] > 0) AddText((*values.dictionary())[code], counts[code]);
  }
}

void ColumnProfile::State::AddPlainTexts(const Column& values) {
  constexpr std::int64_t kEnoughRows = 1024;  // below, counting first costs more than it saves
  if (values.coded() || values.size() < kEnoughRows) {
    for (std::int64_t i = 0; i < values.size(); ++i) {
      if (values.IsNull(i)) {
        ++count;
        ++missing;
      } else {
        AddText(values.Text(i), 1);
      }
    }
    return;
  }
  constexpr std::int64_t kTrial = 2048;
  std::int64_t hits = 0;
  bool again = false;
  Recent recent;
  const auto settle = [&](const Recent::Entry& entry) {
    if (entry.count == 0) return;
    const std::string_view text = values.Text(entry.row);
    TallyText(text, Hash64(text), entry.count);
  };
  const std::int64_t* offsets = values.offsets();
  const char* bytes = values.bytes();
  std::int64_t none = 0;
  std::int64_t short_one = present() == 0 ? std::numeric_limits<std::int64_t>::max() : shortest;
  for (std::int64_t i = 0; i < values.size(); ++i) {
    if (values.IsNull(i)) {
      ++none;
      continue;
    }
    const std::int64_t size = offsets[i + 1] - offsets[i];
    short_one = std::min(short_one, size);
    longest = std::max(longest, size);
    length += size;
    const auto bytes_here = static_cast<std::size_t>(size);
    // Where few come again soon, counting first is not worth it; every now and then it is tried anew.
    if ((i & (kTrial - 1)) == 0) {
      again = (i & (8 * kTrial - 1)) == 0 || 2 * hits > kTrial;
      hits = 0;
    }
    if (bytes_here <= Recent::kMostBytes && again) {
      const ShortText text = ShortOf(bytes + offsets[i], bytes_here, offsets[values.size()] - offsets[i]);
      const auto small = static_cast<std::uint32_t>(size);
      Recent::Entry& entry = recent.At(text, small);
      if (((entry.text.head ^ text.head) | (entry.text.tail ^ text.tail) | (entry.size ^ small)) == 0 && entry.count > 0) {
        ++entry.count;
        ++hits;
        continue;
      }
      settle(entry);
      entry = {text, i, small, 1};
    } else {
      const std::string_view text(bytes + offsets[i], bytes_here);
      TallyText(text, Hash64(text), 1);
    }
  }
  if (none < values.size()) shortest = short_one;
  count += values.size();
  missing += none;
  for (const Recent::Entry& entry : recent.entries()) settle(entry);
}

}  // namespace tenon::table

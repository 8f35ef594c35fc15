// The block kernel for processors with AVX-512: 64 rows at a time, one byte a feature and row, every test of a prefix for all
// of them in three instructions. What a leaf adds is looked up among registers.

#include <algorithm>
#include <array>
#include <type_traits>

#include "model/forest_avx512_internal.h"

#if defined(__x86_64__)

namespace tenon::model {
namespace {

constexpr int kMostBlocks = 8;             // of rows for which a group of trees stays in the cache
constexpr std::size_t kCodeBytes = 1 << 18;  // at least kMostColumns * kBlockRows
constexpr std::size_t kTreeBytes = 1 << 18;  // of trees that are taken together
constexpr std::size_t kSumCount = 64 * kBlockRows;
static_assert(kCodeBytes >= static_cast<std::size_t>(kMostColumns) * kBlockRows);

// The exit below the node kNode (heap order) of a prefix of kLevels levels, counted from the first below that node.
template <int kNode, int kLevel, int kLevels>
struct Exit {
  TENON_AVX512_INLINE static __m512i Of(const std::int8_t* codes, const std::uint32_t* columns, const std::int8_t* cuts) {
    const __m512i code = _mm512_load_si512(codes + columns[kNode]);
    const __mmask64 right = _mm512_cmp_epi8_mask(code, _mm512_set1_epi8(cuts[kNode]), _MM_CMPINT_NLT);
    if constexpr (kLevel == kLevels - 1) {
      return _mm512_maskz_set1_epi8(right, 1);
    } else {
      const __m512i left_exit = Exit<2 * kNode + 1, kLevel + 1, kLevels>::Of(codes, columns, cuts);
      const __m512i right_exit = Exit<2 * kNode + 2, kLevel + 1, kLevels>::Of(codes, columns, cuts);
      const __m512i half = _mm512_set1_epi8(static_cast<char>(1U << (kLevels - 1 - kLevel)));
      return _mm512_mask_add_epi8(left_exit, right, right_exit, half);
    }
  }
};

template <int kLevels>
TENON_AVX512 void ExitsOfBlock(const std::int8_t* codes, const std::uint32_t* columns, const std::int8_t* cuts, std::uint8_t* exits) {
  _mm512_store_si512(exits, Exit<0, 0, kLevels>::Of(codes, columns, cuts));
}

// Sixteen of 2^kLevels floats, by their numbers.
template <int kLevels>
TENON_AVX512_INLINE __m512 LookUp(const float* values, const __m512* table, __m512i exits) {
  if constexpr (kLevels > 7) {
    return _mm512_i32gather_ps(exits, values, 4);
  } else if constexpr (kLevels <= 4) {
    return _mm512_permutexvar_ps(exits, table[0]);
  } else {
    __m512 found = _mm512_permutex2var_ps(table[0], exits, table[1]);
    if constexpr (kLevels >= 6) {
      const __mmask16 upper = _mm512_test_epi32_mask(exits, _mm512_set1_epi32(32));
      found = _mm512_mask_blend_ps(upper, found, _mm512_permutex2var_ps(table[2], exits, table[3]));
      if constexpr (kLevels == 7) {
        const __m512 low = _mm512_permutex2var_ps(table[4], exits, table[5]);
        const __m512 high = _mm512_mask_blend_ps(upper, low, _mm512_permutex2var_ps(table[6], exits, table[7]));
        found = _mm512_mask_blend_ps(_mm512_test_epi32_mask(exits, _mm512_set1_epi32(64)), found, high);
      }
    }
    return found;
  }
}

// `values` may be read to the end of a whole register.
template <int kLevels>
TENON_AVX512 void FloatsOfBlock(const std::int8_t* codes, const std::uint32_t* columns, const std::int8_t* cuts,
                                const float* values, float* sums) {
  constexpr int kTables = kLevels > 7 ? 1 : kLevels <= 4 ? 1 : 1 << (kLevels - 4);
  const __m512i exits = Exit<0, 0, kLevels>::Of(codes, columns, cuts);
  __m512 table[kTables];
  if constexpr (kLevels <= 7) {
    for (int i = 0; i < kTables; ++i) table[i] = _mm512_loadu_ps(values + 16 * i);
  }
  const __m128i quarters[4] = {_mm512_castsi512_si128(exits), _mm512_extracti32x4_epi32(exits, 1),
                               _mm512_extracti32x4_epi32(exits, 2), _mm512_extracti32x4_epi32(exits, 3)};
  for (int i = 0; i < 4; ++i) {
    const __m512 found = LookUp<kLevels>(values, table, _mm512_cvtepu8_epi32(quarters[i]));
    _mm512_store_ps(sums + 16 * i, _mm512_add_ps(_mm512_load_ps(sums + 16 * i), found));
  }
}

TENON_AVX512 void AddDoubles(const double* values, const std::uint8_t* exits, double* sums) {
  for (int i = 0; i < kBlockRows; i += 8) {
    const __m256i eight = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(exits + i)));
    _mm512_store_pd(sums + i, _mm512_add_pd(_mm512_load_pd(sums + i), _mm512_i32gather_pd(eight, values, 8)));
  }
}

using ExitsFunction = void (*)(const std::int8_t*, const std::uint32_t*, const std::int8_t*, std::uint8_t*);
constexpr std::array<ExitsFunction, kMostLevels + 1> kExits = {
    nullptr,         ExitsOfBlock<1>, ExitsOfBlock<2>, ExitsOfBlock<3>, ExitsOfBlock<4>,
    ExitsOfBlock<5>, ExitsOfBlock<6>, ExitsOfBlock<7>, ExitsOfBlock<8>,
};
using FloatsFunction = void (*)(const std::int8_t*, const std::uint32_t*, const std::int8_t*, const float*, float*);
constexpr std::array<FloatsFunction, kMostLevels + 1> kFloats = {
    nullptr,          FloatsOfBlock<1>, FloatsOfBlock<2>, FloatsOfBlock<3>, FloatsOfBlock<4>,
    FloatsOfBlock<5>, FloatsOfBlock<6>, FloatsOfBlock<7>, FloatsOfBlock<8>,
};

// The ranks of 64 values among at most 255 thresholds, and which of them are NaN (rank 0). Rows from n on have rank 0.
template <int kSearchLevels>
TENON_AVX512_INLINE __m512i ByteRanks(const float* values, const RankedFeature& ranked, const float* x, std::int64_t n,
                                      std::int64_t stride, __mmask64* missing) {
  const float* thresholds = values + ranked.first[0];
  const __m512 top = _mm512_load_ps(values + ranked.first[kSearchLevels - 1]);
  alignas(64) std::uint8_t ranks[kBlockRows];
  if (n < kBlockRows) _mm512_store_si512(ranks, _mm512_setzero_si512());
  std::uint64_t nan = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const __m512 wide = _mm512_set1_ps(x[i * stride]);
    std::uint32_t rank = AtMost16(top, wide);
    if constexpr (kSearchLevels == 2) rank = 16 * rank + AtMost16(_mm512_load_ps(thresholds + 16 * static_cast<std::size_t>(rank)), wide);
    ranks[i] = static_cast<std::uint8_t>(rank);
    nan |= static_cast<std::uint64_t>(x[i * stride] != x[i * stride]) << i;
  }
  *missing = nan;
  return _mm512_load_si512(ranks);
}

// All columns of a feature whose ranks fit a byte.
template <int kSearchLevels>
TENON_AVX512_INLINE void ByteCodes(const Ranks& ranks, const RankedFeature& ranked, const float* x, std::int64_t n,
                                   std::int64_t stride, std::int8_t* codes) {
  __mmask64 missing = 0;
  const __m512i found = ByteRanks<kSearchLevels>(ranks.values(), ranked, x, n, stride, &missing);
  for (std::uint32_t c = ranked.columns_begin; c < ranked.columns_end; ++c, codes += kBlockRows) {
    const __m512i code = _mm512_mask_set1_epi8(found, ranks.columns[c].missing_right ? missing : 0, -1);
    _mm512_store_si512(codes, _mm512_xor_si512(code, _mm512_set1_epi8(-128)));
  }
}

// All columns of a feature with any number of thresholds: what CodeOf says, for 64 rows.
TENON_AVX512_INLINE void WideCodes(const Ranks& ranks, const RankedFeature& ranked, const float* x, std::int64_t n,
                                   std::int64_t stride, std::int8_t* codes) {
  alignas(64) std::uint32_t found[kBlockRows];
  if (n < kBlockRows) std::fill_n(found, kBlockRows, 0U);
  std::uint64_t missing = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    found[i] = RankOf512(ranks.values(), ranked, _mm512_set1_ps(x[i * stride]));
    missing |= static_cast<std::uint64_t>(x[i * stride] != x[i * stride]) << i;
  }
  for (std::uint32_t c = ranked.columns_begin; c < ranked.columns_end; ++c, codes += kBlockRows) {
    const __m512i base = _mm512_set1_epi32(static_cast<int>(ranks.columns[c].base));
    const std::uint64_t right = ranks.columns[c].missing_right ? missing : 0;
    for (int part = 0; part < 4; ++part) {
      const __m512i above = _mm512_sub_epi32(_mm512_max_epu32(_mm512_load_si512(found + 16 * part), base), base);
      const __m128i bytes = _mm512_cvtusepi32_epi8(above);  // within 0..255
      const __m128i code = _mm_mask_set1_epi8(bytes, static_cast<__mmask16>(right >> (16 * part)), -1);
      _mm_store_si128(reinterpret_cast<__m128i*>(codes + 16 * part), _mm_xor_si128(code, _mm_set1_epi8(-128)));
    }
  }
}

// The codes of `n` rows, column by column of kBlockRows bytes.
TENON_AVX512 void CodesOfBlock(const Ranks& ranks, const float* rows, std::int64_t n, std::int64_t stride, std::int8_t* codes) {
  for (const RankedFeature& ranked : ranks.features) {
    const float* x = rows + ranked.feature;
    std::int8_t* mine = codes + static_cast<std::size_t>(ranked.columns_begin) * kBlockRows;
    if (ranked.count > 255) {
      WideCodes(ranks, ranked, x, n, stride, mine);
    } else if (ranked.levels == 1) {
      ByteCodes<1>(ranks, ranked, x, n, stride, mine);
    } else {
      ByteCodes<2>(ranks, ranked, x, n, stride, mine);
    }
  }
}

class Avx512Block final : public Kernel {
 public:
  explicit Avx512Block(const Compiled& forest) : forest_(forest) {}

  bool Init(int levels) {
    if (!MakePrefixes(forest_, levels, &prefixes_)) return false;
    prefixes_.floats.resize(prefixes_.floats.size() + 16);  // the last tree is read in whole registers
    const std::size_t columns = std::max<std::size_t>(prefixes_.ranks.columns.size(), 1);
    const auto outputs = static_cast<std::size_t>(forest_.outputs);
    blocks_ = std::min({static_cast<std::size_t>(kMostBlocks), kCodeBytes / (columns * kBlockRows), kSumCount / (outputs * kBlockRows)});
    std::size_t bytes = 0;
    for (std::size_t t = 0; t < prefixes_.trees.size(); ++t) {
      const std::size_t leaf = forest_.sum == Sum::kFloat ? sizeof(float) : sizeof(double);
      bytes += (std::size_t{1} << prefixes_.trees[t].levels) * (sizeof(std::uint32_t) + 1 + leaf);
      if (bytes < kTreeBytes && t + 1 < prefixes_.trees.size()) continue;
      group_ends_.push_back(t + 1);
      bytes = 0;
    }
    return true;
  }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    if (forest_.sum == Sum::kFloat) return Rows<float>(rows, n, stride, out);
    Rows<double>(rows, n, stride, out);
  }

 private:
  template <typename Number>
  void Rows(const float* rows, std::int64_t n, std::int64_t stride, float* out) const {
    alignas(64) std::int8_t codes[kCodeBytes];
    alignas(64) Number sums[kSumCount];
    const std::size_t code_step = prefixes_.ranks.columns.size() * kBlockRows;
    const std::size_t sum_step = static_cast<std::size_t>(forest_.outputs) * kBlockRows;
    const auto together = static_cast<std::int64_t>(blocks_) * kBlockRows;
    for (std::int64_t from = 0; from < n; from += together) {
      const std::int64_t all = std::min(together, n - from);
      const auto blocks = static_cast<std::size_t>((all + kBlockRows - 1) / kBlockRows);
      const auto rows_of = [&](std::size_t b) { return std::min<std::int64_t>(kBlockRows, all - static_cast<std::int64_t>(b) * kBlockRows); };
      const auto first_of = [&](std::size_t b) { return rows + (from + static_cast<std::int64_t>(b) * kBlockRows) * stride; };
      for (std::size_t b = 0; b < blocks; ++b) {
        // Rows past the end have codes too, whose sums nobody reads.
        CodesOfBlock(prefixes_.ranks, first_of(b), rows_of(b), stride, codes + b * code_step);
        for (std::size_t k = 0; k < forest_.base.size(); ++k) {
          std::fill_n(sums + b * sum_step + k * kBlockRows, kBlockRows, StartSum<Number>(forest_, k));
        }
      }
      std::size_t begin = 0;
      for (const std::size_t end : group_ends_) {
        for (std::size_t b = 0; b < blocks; ++b) {
          AddTrees(begin, end, codes + b * code_step, first_of(b), rows_of(b), stride, sums + b * sum_step);
        }
        begin = end;
      }
      for (std::size_t b = 0; b < blocks; ++b) {
        Finish(sums + b * sum_step, rows_of(b), out + (from + static_cast<std::int64_t>(b) * kBlockRows) * forest_.outputs);
      }
    }
  }

  template <typename Number>
  void AddTrees(std::size_t begin, std::size_t end, const std::int8_t* codes, const float* block, std::int64_t n,
                std::int64_t stride, Number* sums) const {
    alignas(64) std::uint8_t exits[kBlockRows];
    for (std::size_t t = begin; t < end; ++t) {
      const PrefixTree& tree = prefixes_.trees[t];
      const std::uint32_t* columns = prefixes_.column.data() + tree.nodes;
      const std::int8_t* cuts = prefixes_.cut.data() + tree.nodes;
      const bool plain = !tree.deep && tree.output != Tree::kEveryOutput;
      if constexpr (std::is_same_v<Number, float>) {
        if (plain && tree.levels > 0) {
          kFloats[tree.levels](codes, columns, cuts, prefixes_.floats.data() + tree.exits, sums + tree.output * kBlockRows);
          continue;
        }
      }
      if (tree.levels == 0) {
        std::fill_n(exits, kBlockRows, std::uint8_t{0});
      } else {
        kExits[tree.levels](codes, columns, cuts, exits);
      }
      if constexpr (std::is_same_v<Number, double>) {
        if (plain) {
          AddDoubles(prefixes_.doubles.data() + tree.exits, exits, sums + tree.output * kBlockRows);
          continue;
        }
      }
      AddExits(forest_, prefixes_, tree, exits, block, n, stride, sums);
    }
  }

  template <typename Number>
  void Finish(const Number* sums, std::int64_t n, float* out) const {
    const auto outputs = static_cast<std::size_t>(forest_.outputs);
    for (std::size_t k = 0; k < outputs; ++k) {
      for (std::int64_t i = 0; i < n; ++i) {
        out[i * forest_.outputs + static_cast<std::int64_t>(k)] = FinishSum(forest_, k, sums[k * kBlockRows + static_cast<std::size_t>(i)]);
      }
    }
  }

  const Compiled& forest_;
  Prefixes prefixes_;
  std::size_t blocks_ = 1;
  std::vector<std::size_t> group_ends_;  // trees taken together
};

std::unique_ptr<Kernel> Make(const Compiled& forest, int levels) {
  if (!HasAvx512()) return nullptr;
  auto made = std::make_unique<Avx512Block>(forest);
  if (!made->Init(levels)) return nullptr;
  return made;
}

constexpr int kShortLevels = 5;

bool IsDeep(const Compiled& forest) {
  for (const std::int32_t root : forest.roots) {
    std::vector<std::pair<std::int32_t, int>> open = {{root, 0}};
    while (!open.empty()) {
      const auto [at, level] = open.back();
      open.pop_back();
      const WalkNode& node = forest.walk[static_cast<std::size_t>(at)];
      if (node.left < 0) continue;
      if (level == kMostLevels) return true;
      open.emplace_back(node.left, level + 1);
      open.emplace_back(node.right, level + 1);
    }
  }
  return false;
}

}  // namespace

bool HasAvx512() {
  __builtin_cpu_init();
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("bmi2");
}

std::unique_ptr<Kernel> MakeAvx512Block(const Compiled& forest) { return Make(forest, kMostLevels); }

std::unique_ptr<Kernel> MakeAvx512BlockShort(const Compiled& forest) {
  return IsDeep(forest) ? Make(forest, kShortLevels) : nullptr;
}

}  // namespace tenon::model

#else

namespace tenon::model {

bool HasAvx512() { return false; }
std::unique_ptr<Kernel> MakeAvx512Block(const Compiled&) { return nullptr; }
std::unique_ptr<Kernel> MakeAvx512BlockShort(const Compiled&) { return nullptr; }

}  // namespace tenon::model

#endif

// The batch kernel for processors with AVX2: 64 rows at a time, one byte a feature and row, every test of a prefix for
// 32 rows in three instructions, and the exit chosen from the leaves up by blending.

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "model/forest_ranks_internal.h"

#include "base/x86.h"

#if defined(__x86_64__)
#define TENON_AVX2 __attribute__((target("avx2,popcnt")))
#define TENON_AVX2_INLINE __attribute__((target("avx2,popcnt"), always_inline)) inline

namespace tenon::model {
namespace {

constexpr int kLanes = 32;

// kOdd[i] is 32 times 2i+1: the right exit of the i-th node of the lowest level.
struct OddExits {
  alignas(32) std::array<std::array<std::uint8_t, kLanes>, 128> rows;
};
constexpr OddExits MakeOddExits() {
  OddExits out{};
  for (std::size_t i = 0; i < out.rows.size(); ++i) out.rows[i].fill(static_cast<std::uint8_t>(2 * i + 1));
  return out;
}
constexpr OddExits kOdd = MakeOddExits();

// All bits set where the row goes left.
TENON_AVX2_INLINE __m256i GoesLeft(const std::int8_t* codes, std::uint32_t column, std::int8_t cut) {
  const __m256i code = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + column));
  return _mm256_cmpgt_epi8(_mm256_set1_epi8(cut), code);
}

// The exit below the node kNode (heap order) of a prefix of kLevels levels, for 32 rows.
template <int kNode, int kLevel, int kLevels>
struct Exit {
  TENON_AVX2_INLINE static __m256i Of(const std::int8_t* codes, const std::uint32_t* columns, const std::int8_t* cuts) {
    const __m256i left = GoesLeft(codes, columns[kNode], cuts[kNode]);
    const __m256i right_exit = Exit<2 * kNode + 2, kLevel + 1, kLevels>::Of(codes, columns, cuts);
    const __m256i left_exit = Exit<2 * kNode + 1, kLevel + 1, kLevels>::Of(codes, columns, cuts);
    return _mm256_blendv_epi8(right_exit, left_exit, left);
  }
};
template <int kNode, int kLevels>
struct Exit<kNode, kLevels - 1, kLevels> {
  TENON_AVX2_INLINE static __m256i Of(const std::int8_t* codes, const std::uint32_t* columns, const std::int8_t* cuts) {
    constexpr std::size_t kAlong = kNode - ((std::size_t{1} << (kLevels - 1)) - 1);
    const __m256i odd = _mm256_load_si256(reinterpret_cast<const __m256i*>(kOdd.rows[kAlong].data()));
    return _mm256_add_epi8(odd, GoesLeft(codes, columns[kNode], cuts[kNode]));  // the mask is -1
  }
};

template <int kLevels>
TENON_AVX2 void ExitsOfBlock(const std::int8_t* codes, const std::uint32_t* columns, const std::int8_t* cuts, std::uint8_t* exits) {
  for (int at = 0; at < kBlockRows; at += kLanes) {
    const __m256i exit = Exit<0, 0, kLevels>::Of(codes + at, columns, cuts);
    _mm256_store_si256(reinterpret_cast<__m256i*>(exits + at), exit);
  }
}

using ExitsFunction = void (*)(const std::int8_t*, const std::uint32_t*, const std::int8_t*, std::uint8_t*);
constexpr std::array<ExitsFunction, kMostLevels + 1> kExits = {
    nullptr,         ExitsOfBlock<1>, ExitsOfBlock<2>, ExitsOfBlock<3>, ExitsOfBlock<4>,
    ExitsOfBlock<5>, ExitsOfBlock<6>, ExitsOfBlock<7>, ExitsOfBlock<8>,
};

TENON_AVX2_INLINE std::uint32_t AtMost(const float* thresholds, __m256 x) {
  const __m256 low = _mm256_cmp_ps(_mm256_load_ps(thresholds), x, _CMP_LE_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_load_ps(thresholds + 8), x, _CMP_LE_OQ);
  const auto bits = static_cast<unsigned>(_mm256_movemask_ps(low)) | static_cast<unsigned>(_mm256_movemask_ps(high)) << 8;
  return static_cast<std::uint32_t>(_mm_popcnt_u32(bits));
}

TENON_AVX2_INLINE std::uint32_t RankOf(const float* thresholds, const RankedFeature& ranked, float x) {
  const __m256 wide = _mm256_set1_ps(x);
  std::uint32_t rank = 0;
  for (std::uint32_t level = ranked.levels; level-- > 0;) {
    rank = 16 * rank + AtMost(thresholds + ranked.first[level] + 16 * static_cast<std::size_t>(rank), wide);
  }
  return rank;
}

// The codes of `n` rows, column by column of kBlockRows bytes.
TENON_AVX2 void CodesOfBlock(const Ranks& ranks, const float* rows, std::int64_t n, std::int64_t stride, std::int8_t* codes) {
  const float* thresholds = ranks.values();
  alignas(32) std::uint8_t found[kBlockRows] = {};
  alignas(32) std::uint8_t missing[kBlockRows] = {};  // all bits or none
  for (const RankedFeature& ranked : ranks.features) {
    const float* x = rows + ranked.feature;
    std::int8_t* mine = codes + static_cast<std::size_t>(ranked.columns_begin) * kBlockRows;
    const std::uint32_t columns = ranked.columns_end - ranked.columns_begin;
    const CodeColumn* column = ranks.columns.data() + ranked.columns_begin;
    if (ranked.count > 255) {
      for (std::int64_t i = 0; i < n; ++i) {
        const std::uint32_t rank = RankOf(thresholds, ranked, x[i * stride]);
        for (std::uint32_t c = 0; c < columns; ++c) mine[c * kBlockRows + i] = CodeOf(column[c], rank, x[i * stride] != x[i * stride]);
      }
      continue;
    }
    for (std::int64_t i = 0; i < n; ++i) {  // ranks that fit a byte are the codes
      found[i] = static_cast<std::uint8_t>(RankOf(thresholds, ranked, x[i * stride]));
      missing[i] = x[i * stride] != x[i * stride] ? 0xFF : 0;
    }
    for (std::uint32_t c = 0; c < columns; ++c) {
      const __m256i right = _mm256_set1_epi8(column[c].missing_right ? -1 : 0);
      for (int at = 0; at < kBlockRows; at += kLanes) {
        const __m256i nan = _mm256_and_si256(right, _mm256_load_si256(reinterpret_cast<const __m256i*>(missing + at)));
        const __m256i code = _mm256_or_si256(_mm256_load_si256(reinterpret_cast<const __m256i*>(found + at)), nan);
        _mm256_store_si256(reinterpret_cast<__m256i*>(mine + c * kBlockRows + at), _mm256_xor_si256(code, _mm256_set1_epi8(-128)));
      }
    }
  }
}

TENON_AVX2 void AddFloats(const float* values, const std::uint8_t* exits, float* sums) {
  for (int i = 0; i < kBlockRows; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(exits + i));
    const __m256 value = _mm256_i32gather_ps(values, _mm256_cvtepu8_epi32(bytes), 4);
    _mm256_storeu_ps(sums + i, _mm256_add_ps(_mm256_loadu_ps(sums + i), value));
  }
}

TENON_AVX2 void AddDoubles(const double* values, const std::uint8_t* exits, double* sums) {
  for (int i = 0; i < kBlockRows; i += 4) {
    int four = 0;
    std::memcpy(&four, exits + i, sizeof(four));
    const __m256d value = _mm256_i32gather_pd(values, _mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)), 8);
    _mm256_storeu_pd(sums + i, _mm256_add_pd(_mm256_loadu_pd(sums + i), value));
  }
}

class Avx2Block final : public Kernel {
 public:
  explicit Avx2Block(const Compiled& forest) : forest_(forest) {}
  bool Init() { return MakePrefixes(forest_, kMostLevels, &prefixes_); }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    if (forest_.sum == Sum::kFloat) return Rows<float>(rows, n, stride, out);
    Rows<double>(rows, n, stride, out);
  }

 private:
  template <typename Number>
  void Rows(const float* rows, std::int64_t n, std::int64_t stride, float* out) const {
    alignas(64) std::int8_t codes[kMostColumns * kBlockRows];
    alignas(64) std::uint8_t exits[kBlockRows];
    alignas(64) Number sums[64 * kBlockRows];
    for (std::int64_t from = 0; from < n; from += kBlockRows) {
      const std::int64_t count = std::min<std::int64_t>(kBlockRows, n - from);
      const float* block = rows + from * stride;
      // Rows past the end have codes of their own, whose sums nobody reads.
      if (count < kBlockRows) std::fill_n(codes, prefixes_.ranks.columns.size() * kBlockRows, std::int8_t{0});
      CodesOfBlock(prefixes_.ranks, block, count, stride, codes);
      for (int k = 0; k < forest_.outputs; ++k) {
        std::fill_n(sums + k * kBlockRows, kBlockRows, StartSum<Number>(forest_, static_cast<std::size_t>(k)));
      }
      for (const PrefixTree& tree : prefixes_.trees) {
        if (tree.levels == 0) {
          std::fill_n(exits, kBlockRows, std::uint8_t{0});
        } else {
          kExits[tree.levels](codes, prefixes_.column.data() + tree.nodes, prefixes_.cut.data() + tree.nodes, exits);
        }
        if (tree.deep || tree.output == Tree::kEveryOutput) {
          AddExits(forest_, prefixes_, tree, exits, block, count, stride, sums);
        } else if constexpr (std::is_same_v<Number, float>) {
          AddFloats(prefixes_.floats.data() + tree.exits, exits, sums + tree.output * kBlockRows);
        } else {
          AddDoubles(prefixes_.doubles.data() + tree.exits, exits, sums + tree.output * kBlockRows);
        }
      }
      for (std::int64_t i = 0; i < count; ++i) {
        for (int k = 0; k < forest_.outputs; ++k) {
          out[(from + i) * forest_.outputs + k] = FinishSum(forest_, static_cast<std::size_t>(k), sums[k * kBlockRows + i]);
        }
      }
    }
  }

  const Compiled& forest_;
  Prefixes prefixes_;
};

}  // namespace

bool HasAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

std::unique_ptr<Kernel> MakeAvx2Block(const Compiled& forest) {
  if (!HasAvx2()) return nullptr;
  auto made = std::make_unique<Avx2Block>(forest);
  if (!made->Init()) return nullptr;
  return made;
}

}  // namespace tenon::model

#else

namespace tenon::model {

bool HasAvx2() { return false; }

std::unique_ptr<Kernel> MakeAvx2Block(const Compiled&) { return nullptr; }

}  // namespace tenon::model

#endif

// The batch kernel for processors with AVX2: 64 rows at a time, one byte a feature and row, every test of a prefix for
// 32 rows in three instructions, and the exit chosen from the leaves up by blending.

#include <algorithm>
#include <array>

#include "model/forest_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

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

// The codes of `n` rows, column by column of kBlockRows bytes.
TENON_AVX2 void CodesOfBlock(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, std::int8_t* codes) {
  const float* thresholds = forest.aligned_thresholds();
  for (const RankedFeature& ranked : forest.ranked) {
    const float* first = thresholds + ranked.first;
    const float* pivots = ranked.count <= 16 ? nullptr : thresholds + ranked.pivots;
    const std::uint32_t columns = ranked.columns_end - ranked.columns_begin;
    for (std::int64_t i = 0; i < n; ++i) {
      const float x = rows[i * stride + ranked.feature];
      const bool missing = x != x;
      const __m256 wide = _mm256_set1_ps(x);
      std::uint32_t rank = 0;
      if (ranked.count > 255) {
        rank = static_cast<std::uint32_t>(std::upper_bound(first, first + ranked.count, x) - first);
        if (missing) rank = 0;
      } else {
        if (pivots != nullptr) rank = 16 * AtMost(pivots, wide);
        rank += AtMost(first + rank, wide);
      }
      for (std::uint32_t c = 0; c < columns; ++c) {
        const CodeColumn& column = forest.columns[ranked.columns_begin + c];
        std::uint32_t code = rank > column.base ? std::min(rank - column.base, 255U) : 0U;
        if (missing && column.missing_right) code = 255;
        codes[(ranked.columns_begin + c) * kBlockRows + static_cast<std::size_t>(i)] =
            static_cast<std::int8_t>(static_cast<std::uint8_t>(code) ^ 0x80U);
      }
    }
  }
}

TENON_AVX2 void AddOneOutput(const float* values, const std::uint8_t* exits, std::int64_t n, float* out) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(exits + i));
    const __m256 value = _mm256_i32gather_ps(values, _mm256_cvtepu8_epi32(bytes), 4);
    _mm256_storeu_ps(out + i, _mm256_add_ps(_mm256_loadu_ps(out + i), value));
  }
  for (; i < n; ++i) out[i] += values[exits[i]];
}

void AddTree(const Compiled& forest, const CompiledTree& tree, const std::uint8_t* exits, const float* rows, std::int64_t n,
             std::int64_t stride, float* out) {
  const std::int64_t outputs = forest.outputs;
  if (tree.deep) {
    const std::int32_t* nodes = forest.exit_nodes.data() + tree.exits;
    for (std::int64_t i = 0; i < n; ++i) {
      out[i * outputs + tree.output] += WalkFrom(forest, nodes[exits[i]], rows + i * stride).value;
    }
    return;
  }
  const float* values = forest.exit_values.data() + tree.exits;
  if (outputs == 1) return AddOneOutput(values, exits, n, out);
  for (std::int64_t i = 0; i < n; ++i) out[i * outputs + tree.output] += values[exits[i]];
}

}  // namespace

bool HasAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

void Avx2Rows(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, float* out) {
  alignas(64) std::int8_t codes[kMostColumns * kBlockRows];
  alignas(64) std::uint8_t exits[kBlockRows];
  for (std::int64_t from = 0; from < n; from += kBlockRows) {
    const std::int64_t count = std::min<std::int64_t>(kBlockRows, n - from);
    const float* block = rows + from * stride;
    float* sums = out + from * forest.outputs;
    // Rows past the end have codes of their own, whose exits nobody reads.
    if (count < kBlockRows) std::fill_n(codes, forest.columns.size() * kBlockRows, std::int8_t{0});
    CodesOfBlock(forest, block, count, stride, codes);
    for (std::int64_t i = 0; i < count; ++i) StartSums(forest, sums + i * forest.outputs);
    for (const CompiledTree& tree : forest.trees) {
      if (tree.levels == 0) {
        std::fill_n(exits, kBlockRows, std::uint8_t{0});
      } else {
        kExits[tree.levels](codes, forest.column.data() + tree.nodes, forest.cut.data() + tree.nodes, exits);
      }
      AddTree(forest, tree, exits, block, count, stride, sums);
    }
    for (std::int64_t i = 0; i < count; ++i) FinishSums(forest, sums + i * forest.outputs);
  }
}

}  // namespace tenon::model

#else

namespace tenon::model {

bool HasAvx2() { return false; }

void Avx2Rows(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, float* out) {
  for (std::int64_t i = 0; i < n; ++i) RankedRow(forest, rows + i * stride, out + i * forest.outputs);
}

}  // namespace tenon::model

#endif

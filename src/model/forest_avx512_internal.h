#pragma once

#include "model/forest_ranks_internal.h"

#include "base/x86.h"

#if defined(__x86_64__)
#define TENON_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,popcnt,bmi,bmi2")))
#define TENON_AVX512_INLINE \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,popcnt,bmi,bmi2"), always_inline)) inline

namespace tenon::model {

// How many of 16 thresholds are at most x.
TENON_AVX512_INLINE std::uint32_t AtMost16(__m512 thresholds, __m512 x) {
  return static_cast<std::uint32_t>(_mm_popcnt_u32(_mm512_cmp_ps_mask(thresholds, x, _CMP_LE_OQ)));
}

TENON_AVX512_INLINE std::uint32_t RankOf512(const float* thresholds, const RankedFeature& ranked, __m512 x) {
  std::uint32_t rank = 0;
  for (std::uint32_t level = ranked.levels; level-- > 0;) {
    rank = 16 * rank + AtMost16(_mm512_load_ps(thresholds + ranked.first[level] + 16 * static_cast<std::size_t>(rank)), x);
  }
  return rank;
}

}  // namespace tenon::model
#endif

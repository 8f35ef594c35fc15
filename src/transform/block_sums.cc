#include "transform/block_sums_internal.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::transform {
namespace {

constexpr std::int64_t kMost = 256;
constexpr int kHeld = 42;       // bits of a part: the sum of kMost parts has some more, of the 53 there are
constexpr int kFarthest = 300;  // exponents beyond this either way are left to the caller: nothing here over- or underflows

// Vectors as the compiler has them: it makes of them what the processor a function is compiled for can do.
using Eight = double __attribute__((vector_size(64)));
using EightLongs = std::int64_t __attribute__((vector_size(64)));

TENON_INLINE void Load(const double* from, Eight* to) { std::memcpy(to, from, sizeof(Eight)); }

double Power(int exponent) { return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52); }

// Sums of numbers of at most 2^exponent, cut into kParts parts.
template <int kParts>
class Cut {
 public:
  explicit Cut(int exponent) {
    for (int i = 0; i < kParts; ++i) {
      // Adding 1.5 * 2^52 units rounds to whole units; what is left is at most half a unit.
      rounder_[i] = 1.5 * Power(exponent - kHeld + 52 - i * (kHeld + 1));
    }
  }
  TENON_INLINE void Add(const Eight& number) {
    Eight x = number;
    for (int i = 0; i + 1 < kParts; ++i) {
      const Eight part = (x + rounder_[i]) - rounder_[i];
      sum_[i] += part;
      x -= part;
    }
    const Eight last = (x + rounder_[kParts - 1]) - rounder_[kParts - 1];
    sum_[kParts - 1] += x;
    lost_ |= last != x;
  }
  TENON_INLINE bool Lost() const {
    std::int64_t any = 0;
    for (int i = 0; i < 8; ++i) any |= lost_[i];
    return any != 0;
  }
  TENON_INLINE void Put(double* parts) const {
    for (int i = 0; i < kParts; ++i) {
      double sum = 0;
      for (int lane = 0; lane < 8; ++lane) sum += sum_[i][lane];
      parts[i] = sum;
    }
  }

 private:
  double rounder_[kParts];
  Eight sum_[kParts] = {};
  EightLongs lost_ = {};
};

// The square's low half, whose high half is the rounded square: Dekker's product. The same as a fused multiply-add gives.
TENON_INLINE void LowOfSquare(const Eight& x, const Eight& square, Eight* out) {
  const Eight t = 134217729.0 * x;  // 2^27 + 1
  const Eight high = t - (t - x);
  const Eight low = x - high;
  *out = ((high * high - square) + 2 * high * low) + low * low;
}

// Of numbers below 2^exponent, a multiple of eight of them.
template <int kParts, bool kSquared>
TENON_INLINE bool SumParts(const double* values, std::int64_t n, int exponent, BlockSums* out) {
  Cut<kParts> sum(exponent);
  Cut<kParts> squares(2 * exponent);
  Cut<kParts> rest(2 * exponent - 54);  // what rounding the squares lost
  EightLongs there = {};
  for (std::int64_t i = 0; i < n; i += 8) {
    Eight x;
    Load(values + i, &x);
    const EightLongs number = x == x;
    there += number;
    x = reinterpret_cast<Eight>(reinterpret_cast<EightLongs>(x) & number);
    sum.Add(x);
    if constexpr (kSquared) {
      const Eight square = x * x;
      Eight lost;
      LowOfSquare(x, square, &lost);
      squares.Add(square);
      rest.Add(lost);
    }
  }
  if (sum.Lost() || squares.Lost() || rest.Lost()) return false;
  *out = BlockSums();
  for (int lane = 0; lane < 8; ++lane) out->count -= there[lane];
  sum.Put(out->sum);
  if constexpr (kSquared) {
    squares.Put(out->squares);
    rest.Put(out->squares + kParts);
  }
  return true;
}

TENON_INLINE bool Sum(const double* values, std::int64_t n, bool squared, BlockSums* out) {
  if (n > kMost) return false;
  double padded[kMost];
  if (n % 8 != 0) {
    std::memcpy(padded, values, static_cast<std::size_t>(n) * sizeof(double));
    while (n % 8 != 0) padded[n++] = std::numeric_limits<double>::quiet_NaN();
    values = padded;
  }
  Eight largest = {};
  for (std::int64_t i = 0; i < n; i += 8) {
    Eight x;
    Load(values + i, &x);
    x = reinterpret_cast<Eight>(reinterpret_cast<EightLongs>(x) & std::numeric_limits<std::int64_t>::max());
    largest = x > largest ? x : largest;  // NaN is not
  }
  double most = 0;
  for (int lane = 0; lane < 8; ++lane) most = largest[lane] > most ? largest[lane] : most;
  const int exponent = static_cast<int>(std::bit_cast<std::uint64_t>(most) >> 52) - 1022;  // most is below 2^exponent
  if (most != 0 && (exponent > kFarthest || exponent < -kFarthest)) return false;
  const int of = most == 0 ? 0 : exponent;
  if (squared) return SumParts<2, true>(values, n, of, out) || SumParts<3, true>(values, n, of, out);
  return SumParts<2, false>(values, n, of, out) || SumParts<3, false>(values, n, of, out);
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) bool SumAvx512(const double* values, std::int64_t n, bool squared,
                                                                             BlockSums* out) {
  return Sum(values, n, squared, out);
}
__attribute__((target("avx2"))) bool SumAvx2(const double* values, std::int64_t n, bool squared, BlockSums* out) {
  return Sum(values, n, squared, out);
}
#endif
bool SumAny(const double* values, std::int64_t n, bool squared, BlockSums* out) { return Sum(values, n, squared, out); }

}  // namespace

bool SumBlock(const double* values, std::int64_t n, bool squared, BlockSums* out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return SumAvx512(values, n, squared, out);
  }
  if (__builtin_cpu_supports("avx2")) return SumAvx2(values, n, squared, out);
#endif
  return SumAny(values, n, squared, out);
}

}  // namespace tenon::transform

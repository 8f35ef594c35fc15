#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon {

// The sum of doubles without rounding: adding in any order, or in parts merged in any order, gives the same bytes. This
// is what lets fits, profiles and metrics run in parallel and stay bit-equal. A superaccumulator of 67 overlapping
// 64-bit limbs (R. Neal, "Fast exact summation using small and large superaccumulators", 2015); about 2 ns an addition.
// Infinities and NaN are counted apart and decide the result as IEEE addition would. One thread.
class ExactSum {
 public:
  void Add(double value);
  void AddProduct(double a, double b);  // a*b exactly, barring underflow below 2^-1022
  // magnitude * 2^exponent, or its negative; what lies below 2^-1074 is cut. The magnitude's bits plus the exponent are at
  // most 1100. For those who sum in integers first.
  void AddScaled(unsigned __int128 magnitude, int exponent, bool negative);
  void Merge(const ExactSum& other);
  double Value() const;                 // correctly rounded to nearest even
  // Value() and what rounding it lost: together about 106 bits.
  void Value(double* high, double* low) const;

  std::string Save() const;  // normalised: equal sums give equal bytes
  static Result<ExactSum> Load(std::string_view bytes);

 private:
  static constexpr int kLimbs = 70;
  void Carry();
  std::array<std::int64_t, kLimbs> limbs_{};  // limb i counts units of 2^(32 i - 1074)
  std::int32_t until_carry_ = 1 << 20;
  std::int64_t infinities_ = 0;         // +inf count
  std::int64_t negative_infinities_ = 0;
  std::int64_t nans_ = 0;
};

}  // namespace tenon

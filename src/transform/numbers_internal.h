#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/exact_sum.h"
#include "transform/op.h"

namespace tenon::transform {

// What ops learn of the finite numbers of a column. NaN and infinities are left out: one infinity would make a mean or a
// range useless for every row. Adding and merging in any split and order gives the same answers, bit for bit.

// Count, sum and sum of squares, exactly.
class Moments {
 public:
  void Add(const Lane& in, std::int64_t n);
  void Merge(const Moments& other);
  std::int64_t count() const { return count_; }
  double Mean() const;      // NaN when empty
  double Variance() const;  // of the population (n); NaN when empty

 private:
  ExactSum sum_;
  ExactSum squares_;
  std::int64_t count_ = 0;
};

// Smallest and largest.
class Range {
 public:
  void Add(const Lane& in, std::int64_t n);
  void Merge(const Range& other);
  bool empty() const { return low > high; }
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

// Quantiles: exact while there are at most kExact different values. Beyond that, a log-linear histogram (the bins are the
// values with equal sign, exponent and 10 leading mantissa bits), so that a quantile is within 0.1 % of the value.
class Quantiles {
 public:
  static constexpr std::size_t kExact = 1 << 16;
  void Add(const Lane& in, std::int64_t n);
  void Merge(const Quantiles& other);
  std::int64_t count() const { return count_; }
  // Interpolated linearly between the neighbouring values (the usual definition, type 7), for each of `shares` (0..1,
  // ascending); NaNs when empty.
  std::vector<double> At(const std::vector<double>& shares) const;

 private:
  struct Slot {
    std::uint64_t bits = 0;  // of the value, or of its bin's lower end towards zero
    std::int64_t count = 0;  // 0: free
  };
  void Count(std::uint64_t bits, std::int64_t times);
  void Grow();
  void Coarsen();

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::int64_t count_ = 0;
  bool coarse_ = false;
  Range range_;
};

}  // namespace tenon::transform

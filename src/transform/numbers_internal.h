#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/exact_sum.h"
#include "transform/op.h"

namespace tenon::transform {

// What ops learn of the finite numbers of a column. NaN and infinities are left out: one infinity would make a mean or a
// range useless for every row. Adding and merging in any split and order gives the same answers, bit for bit.

// ExactSum for columns: mantissas are added up by exponent (the large superaccumulator of Neal 2015), which is one addition
// a number, and holds only the exponents that came. Exact in any order. One thread.
class ExponentSum {
 public:
  void Add(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const auto exponent = static_cast<int>(bits >> 52 & 0x7FF);
    if (exponent > kHuge) [[unlikely]] {
      rest_.Add(value);
      return;
    }
    if (static_cast<std::size_t>(exponent - first_) >= bins_.size()) [[unlikely]] Grow(exponent);
    const std::uint64_t hidden = exponent != 0 ? 1ULL << 52 : 0;
    const auto mantissa = static_cast<std::int64_t>((bits & ((1ULL << 52) - 1)) | hidden);
    const auto sign = static_cast<std::int64_t>(bits) >> 63;  // 0 or -1
    const std::int64_t units = (mantissa ^ sign) - sign;
    Bin& bin = bins_[static_cast<std::size_t>(exponent - first_)];
    bin.low += units & kLow;
    bin.high += units >> 32;
    if (--until_carry_ == 0) [[unlikely]] Carry();
  }
  // The same, but that zeros take no bin.
  void AddPart(double value) {
    if (value != 0) Add(value);
  }
  void Merge(const ExponentSum& other);
  ExactSum Total() const;

 private:
  static constexpr int kHuge = 1900;  // infinities, NaN, and what a part of a bin would no longer hold
  static constexpr std::int64_t kLow = 0xFFFFFFFF;
  static constexpr std::int32_t kUntilCarry = 1 << 30;
  struct Bin {
    std::int64_t low = 0;   // the sum is low + 2^32 high
    std::int64_t high = 0;
  };
  void Grow(int exponent);
  void Carry();

  int first_ = 0;
  std::int32_t until_carry_ = kUntilCarry;
  std::vector<Bin> bins_;  // of exponents first_, first_ + 1, ...
  ExactSum rest_;
};

// Count, sum and, unless left out, sum of squares, exactly.
class Moments {
 public:
  explicit Moments(bool squared = true) : squared_(squared) {}
  void Add(const Lane& in, std::int64_t n);
  void Merge(const Moments& other);
  std::int64_t count() const { return count_; }
  double Mean() const;      // NaN when empty
  double Variance() const;  // of the population (n); NaN when empty

 private:
  bool squared_;
  ExponentSum sum_;
  ExponentSum squares_;
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
  // The different values in ascending order with their rows; beyond kExact, the middle of each bin (within 0.05 %).
  struct Counted {
    double value = 0;
    std::int64_t count = 0;
  };
  std::vector<Counted> Sorted() const;

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

// "0.5, 1, 2"; of more than 12 the first and last.
std::string ListedNumbers(const std::vector<double>& numbers);

}  // namespace tenon::transform

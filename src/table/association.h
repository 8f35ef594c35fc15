#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/exact_sum.h"

namespace tenon::table {

// How two columns go together over the rows that have both. Adding and merging in any split and order gives the same
// answers to the bit. One thread each.

// Of numbers: exact sums of x, y and their products (squares rounded from 1e150 on).
class PairMoments {
 public:
  void Add(double x, double y);  // not finite: not counted
  void Merge(const PairMoments& other);
  std::int64_t count() const { return count_; }
  double Pearson() const;        // -1..1; 0 when either does not vary

 private:
  std::int64_t count_ = 0;
  ExactSum x_, y_, xx_, yy_, xy_;
};

// Of classes, or numbers in bins: counts of pairs.
class PairCounts {
 public:
  void Add(int a, int b, std::int64_t count = 1) { counts_[{a, b}] += count; }
  void Merge(const PairCounts& other);
  std::int64_t count() const;
  // 0..1, corrected for its bias in few rows (Bergsma 2013); 0 when either does not vary.
  double CramersV() const;
  // In bits, corrected for its bias (Miller, Madow 1955), at least 0.
  double MutualInformation() const;

 private:
  std::map<std::pair<int, int>, std::int64_t> counts_;
};

}  // namespace tenon::table

#pragma once

#include <cstdint>
#include <vector>

#include "base/exact_sum.h"

namespace tenon::transform {

// ExactSum for very many sums at once: it holds only the limbs that were touched, some 32 bytes where numbers are of
// similar size. Exact, so that the order of adding and merging does not matter. Finite numbers only.
class CompactSum {
 public:
  void Add(double value);
  void Merge(const CompactSum& other);
  void AddTo(ExactSum* sum, bool negative = false) const;

 private:
  void Room(int first, int last);
  std::int16_t first_ = 0;           // limbs_[i] counts units of 2^(32 (first_ + i) - 1074)
  std::int32_t until_carry_ = 1 << 20;
  std::vector<std::int64_t> limbs_;
  void Carry();
};

}  // namespace tenon::transform

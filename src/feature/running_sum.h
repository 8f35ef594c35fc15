#pragma once

#include <vector>

namespace tenon::feature {

// A sum of doubles from which any of them can be taken away again: without rounding, so that what is left does not depend
// on what came and went, nor in which order. A list of doubles that do not overlap (J. R. Shewchuk, "Adaptive precision
// floating-point arithmetic", 1997); mostly one to three, where ExactSum has seventy limbs: one lies in every window of
// every entity. Values are finite and below 2^500 in size. One thread.
class RunningSum {
 public:
  void Add(double value);
  void AddSquare(double value, double sign);  // sign * value * value exactly, barring underflow below 2^-1022
  void Merge(const RunningSum& other);
  double Value() const;                       // correctly rounded to nearest even; 0 when nothing is left
  // The sum as high + low, about 106 bits.
  void Value(double* high, double* low) const;
  // The parts in the one order that depends on the sum alone, greatest first: what is saved.
  std::vector<double> Canonical() const;

 private:
  std::vector<double> parts_;  // do not overlap, smallest first, none is zero
};

}  // namespace tenon::feature

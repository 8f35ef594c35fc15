#include "feature/running_sum.h"

#include <cmath>
#include <cstddef>
#include <utility>

namespace tenon::feature {

void RunningSum::Add(double value) {
  std::size_t kept = 0;
  for (double part : parts_) {
    if (std::abs(value) < std::abs(part)) std::swap(value, part);
    const double high = value + part;
    const double low = part - (high - value);
    if (low != 0) parts_[kept++] = low;
    value = high;
  }
  parts_.resize(kept);
  if (value != 0) parts_.push_back(value);
}

void RunningSum::AddSquare(double value, double sign) {
  const double high = value * value;
  const double low = std::fma(value, value, -high);
  Add(sign * high);
  if (low != 0) Add(sign * low);
}

void RunningSum::Merge(const RunningSum& other) {
  const std::vector<double> parts = other.parts_;  // may be our own
  for (const double part : parts) Add(part);
}

double RunningSum::Value() const {
  if (parts_.empty()) return 0;
  std::size_t i = parts_.size() - 1;
  double high = parts_[i];
  double low = 0;
  while (i > 0) {
    const double before = high;
    const double part = parts_[--i];
    high = before + part;
    low = part - (high - before);
    if (low != 0) break;
  }
  // Half-way between two doubles: what is left decides, as rounding to even would not have seen it.
  if (i > 0 && ((low < 0 && parts_[i - 1] < 0) || (low > 0 && parts_[i - 1] > 0))) {
    const double twice = low * 2;
    const double up = high + twice;
    if (twice == up - high) high = up;
  }
  return high;
}

void RunningSum::Value(double* high, double* low) const {
  *high = Value();
  RunningSum rest = *this;
  rest.Add(-*high);
  *low = rest.Value();
}

std::vector<double> RunningSum::Canonical() const {
  std::vector<double> out;
  RunningSum rest = *this;
  while (!rest.parts_.empty()) {
    out.push_back(rest.Value());
    rest.Add(-out.back());
  }
  return out;
}

}  // namespace tenon::feature

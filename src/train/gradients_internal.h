#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/learner.h"

namespace tenon::train {

// First and second derivatives of the loss by the margins (rows x outputs), and the loss itself.
//
// The derivatives are rounded to multiples of a power of two so large that any sum of them is exact in a double. Hence
// the histograms that trees are grown from do not depend on the order of additions, and so not on the number of
// threads.
class Gradients {
 public:
  // label: class index or value. weight: empty or one a row.
  Gradients(const Target& target, std::span<const double> label, std::span<const double> weight);

  // Returns the mean loss of a row at these margins.
  double Compute(std::span<const float> margins);
  std::span<const float> gradient() const { return gradient_; }
  std::span<const float> hessian() const { return hessian_; }

 private:
  double Squared(std::span<const float> margins);
  double Logistic(std::span<const float> margins);
  double Softmax(std::span<const float> margins);
  double WeightAt(std::size_t i) const { return weight_.empty() ? 1.0 : weight_[i]; }

  Target target_;
  std::span<const double> label_;
  std::span<const double> weight_;
  double total_weight_ = 0;
  std::vector<float> gradient_;
  std::vector<float> hessian_;
};

}  // namespace tenon::train

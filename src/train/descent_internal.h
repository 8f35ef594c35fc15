#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/call.h"

namespace tenon::train {

// A convex function with its gradient: writes the gradient at `at`, returns the value. cancelled or deadline_exceeded
// as the call has it.
using Smooth = std::function<Result<double>(std::span<const double> at, std::span<double> gradient)>;

struct DescentSettings {
  int rounds = 1000;
  double tolerance = 1e-6;      // of the largest component of the (sub)gradient, against max(1, largest |x|)
  std::vector<double> l1 = {};  // a penalty on |x_i| each; empty: none
};

struct Descent {
  std::vector<double> at;
  double value = 0;  // with the penalty
  double slope = 0;  // the largest component of the subgradient of least size
  int rounds = 0;
  bool converged = false;
};

// The least of smooth(x) + sum l1_i |x_i|: L-BFGS (Nocedal 1980), with the orthant-wise steps of OWL-QN (Andrew, Gao
// 2007) where there is a penalty. `each` is told the round and the value after it. Deterministic.
Result<Descent> Minimise(const Smooth& smooth, std::vector<double> start, const DescentSettings& settings,
                         const std::function<void(int round, double value, std::span<const double> at)>& each);

}  // namespace tenon::train

#include <algorithm>
#include <bit>
#include <cmath>

#include "train/gradients_internal.h"
#include "train/rows_internal.h"

namespace tenon::train {
namespace {

constexpr double kLeastHessian = 1e-16;

// Rounds to multiples of `step`: adding 1.5 * 2^52 steps pushes what is finer out of the double.
void RoundTo(double step, std::vector<float>* values) {
  const double shift = step * 0x1.8p52;
  for (float& value : *values) value = static_cast<float>((static_cast<double>(value) + shift) - shift);
}

// The least step at which a sum of all values has at most 52 bits.
void RoundForExactSums(std::vector<float>* values) {
  float most = 0;
  for (const float value : *values) most = std::max(most, std::abs(value));
  if (!(most > 0)) return;
  const int bits = static_cast<int>(std::bit_width(values->size()));
  RoundTo(std::ldexp(1.0, std::ilogb(most) + 1 + bits - 52), values);
}

}  // namespace

Gradients::Gradients(const Target& target, std::span<const double> label, std::span<const double> weight)
    : target_(target), label_(label), weight_(weight) {
  const std::size_t size = label.size() * static_cast<std::size_t>(OutputsOf(target));
  gradient_.resize(size);
  hessian_.resize(size);
  for (std::size_t i = 0; i < label.size(); ++i) total_weight_ += WeightAt(i);
}

double Gradients::Compute(std::span<const float> margins) {
  double loss = 0;
  switch (target_.task) {
    case model::Task::kRegression: loss = Squared(margins); break;
    case model::Task::kBinary: loss = Logistic(margins); break;
    case model::Task::kMulticlass: loss = Softmax(margins); break;
  }
  RoundForExactSums(&gradient_);
  RoundForExactSums(&hessian_);
  return loss / total_weight_;
}

double Gradients::Squared(std::span<const float> margins) {
  double loss = 0;
  for (std::size_t i = 0; i < label_.size(); ++i) {
    const double weight = WeightAt(i);
    const double error = static_cast<double>(margins[i]) - label_[i];
    gradient_[i] = static_cast<float>(weight * error);
    hessian_[i] = static_cast<float>(weight);
    loss += weight * error * error;
  }
  return loss;
}

double Gradients::Logistic(std::span<const float> margins) {
  double loss = 0;
  for (std::size_t i = 0; i < label_.size(); ++i) {
    const double weight = WeightAt(i);
    const double margin = static_cast<double>(margins[i]);
    const double small = std::exp(-std::abs(margin));  // of the likelier class to the other
    const double less = small / (1 + small);           // probability of the unlikelier one
    const double probability = margin > 0 ? 1 - less : less;
    const bool positive = label_[i] > 0.5;
    gradient_[i] = static_cast<float>(weight * (positive ? -(margin > 0 ? less : 1 - less) : probability));
    hessian_[i] = static_cast<float>(weight * std::max(less * (1 - less), kLeastHessian));
    loss += weight * (std::log1p(small) + (positive == (margin > 0) ? 0.0 : std::abs(margin)));
  }
  return loss;
}

double Gradients::Softmax(std::span<const float> margins) {
  const auto classes = static_cast<std::size_t>(target_.classes);
  std::vector<double> share(classes);
  double loss = 0;
  for (std::size_t i = 0; i < label_.size(); ++i) {
    const double weight = WeightAt(i);
    const auto actual = static_cast<std::size_t>(label_[i]);
    const float* row = margins.data() + i * classes;
    const double most = static_cast<double>(*std::max_element(row, row + classes));
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) sum += share[k] = std::exp(static_cast<double>(row[k]) - most);
    for (std::size_t k = 0; k < classes; ++k) {
      const double p = share[k] / sum;
      gradient_[i * classes + k] = static_cast<float>(weight * (k == actual ? p - 1 : p));
      // Twice the diagonal of the true matrix of second derivatives: a bound on all of it (Friedman et al. 2000).
      hessian_[i * classes + k] = static_cast<float>(weight * std::max(2 * p * (1 - p), kLeastHessian));
    }
    loss += weight * (std::log(sum) + most - static_cast<double>(row[actual]));
  }
  return loss;
}

}  // namespace tenon::train

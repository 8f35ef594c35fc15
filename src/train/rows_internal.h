#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/learner.h"

namespace tenon::train {

// Whether the rows can be learned from. invalid_argument, as Learner promises: no rows, no features, lengths that do
// not fit, labels that are not finite or no class, fewer than two classes, weights that are negative or all zero.
// Validation rows may be none, and of one class only.
Result<void> CheckRows(const Matrix& rows, const Matrix& validation, const Target& target);

inline double WeightOf(const Matrix& rows, std::int64_t row) {
  return rows.weight.empty() ? 1.0 : rows.weight[static_cast<std::size_t>(row)];
}

// Margins a row: 1 for binary and regression, the classes else.
inline int OutputsOf(const Target& target) { return target.task == model::Task::kMulticlass ? target.classes : 1; }

// What a model without features would answer, as margins: log-odds, logs of the class shares (their mean taken off), or
// the mean. Classes without rows get the share of half a row.
std::vector<double> BaseMargins(const Matrix& rows, const Target& target);

// The mean loss a row: log loss of margins (binary, multiclass) or the squared error. Rows are added in their order.
// NaN without rows.
double MeanLoss(const Matrix& rows, const Target& target, const float* margins);
double ConstantLoss(const Matrix& rows, const Target& target, std::span<const double> margins);

// The loss of one row from its margins.
double RowLoss(const Target& target, double label, const double* margins);

// A mean loss as a Round tells it: log loss as it is, squared errors as their root, in the label's unit when the label
// was divided by `scale`.
double ForPeople(const Target& target, double loss, double scale = 1);

}  // namespace tenon::train

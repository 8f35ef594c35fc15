#include <algorithm>
#include <cmath>
#include <limits>

#include "base/exact_sum.h"
#include "train/rows_internal.h"
#include "train/train.h"

namespace tenon::train {
namespace {

using model::Task;

std::vector<double> ClassWeights(const Matrix& rows, int classes) {
  std::vector<ExactSum> sums(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    sums[static_cast<std::size_t>(rows.label[static_cast<std::size_t>(i)])].Add(WeightOf(rows, i));
  }
  std::vector<double> out;
  for (const ExactSum& sum : sums) out.push_back(sum.Value());
  return out;
}

Result<void> CheckLabels(const Matrix& rows, const Target& target, std::string_view which) {
  const int classes = target.task == Task::kBinary ? 2 : target.classes;
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const double label = rows.label[static_cast<std::size_t>(i)];
    if (!std::isfinite(label)) {
      return Error(Code::kInvalidArgument, Str("the label of ", which, " row ", i, " is ", label,
                                               "; leave out the rows whose label is missing or infinite"));
    }
    if (target.task == Task::kRegression) {
      if (std::abs(label) > std::numeric_limits<float>::max()) {
        return Error(Code::kInvalidArgument, Str("the label of ", which, " row ", i, " is ", label,
                                                 ", more than a float32 holds; divide the labels by a power of ten"));
      }
    } else if (label < 0 || label >= classes || label != std::floor(label)) {
      return Error(Code::kInvalidArgument,
                   Str("the label of ", which, " row ", i, " is ", label,
                       ", which is no class; classes are whole numbers from 0 to ", classes - 1));
    }
    const double weight = WeightOf(rows, i);
    if (!std::isfinite(weight) || weight < 0) {
      return Error(Code::kInvalidArgument,
                   Str("the weight of ", which, " row ", i, " is ", weight, "; weights are finite and at least 0"));
    }
  }
  return {};
}

Result<void> CheckShape(const Matrix& rows, std::string_view which) {
  const auto n = static_cast<std::size_t>(rows.rows);
  if (rows.label.size() != n || (!rows.weight.empty() && rows.weight.size() != n)) {
    return Error(Code::kInvalidArgument,
                 Str(rows.rows, " ", which, " rows have ", rows.label.size(), " labels and ", rows.weight.size(),
                     " weights; there is one label a row, and one weight or none"));
  }
  return {};
}

Result<void> CheckFinite(const Matrix& rows, std::string_view which) {
  const std::int64_t size = rows.rows * rows.features;
  for (std::int64_t at = 0; at < size; ++at) {
    if (!std::isinf(rows.values[at])) continue;
    const auto feature = static_cast<std::size_t>(at % rows.features);
    const std::string name = feature < rows.names.size() ? rows.names[feature] : Str(feature);
    return Error(Code::kInvalidArgument, Str("feature '", name, "' of ", which, " row ", at / rows.features,
                                             " is infinite; clip the column, or make infinite values missing"));
  }
  return {};
}

}  // namespace

Result<void> CheckRows(const Matrix& rows, const Matrix& validation, const Target& target) {
  if (rows.rows <= 0) return Error(Code::kInvalidArgument, "there are no rows to learn from");
  if (rows.features <= 0) return Error(Code::kInvalidArgument, "there are no features to learn from");
  if (validation.rows > 0 && validation.features != rows.features) {
    return Error(Code::kInvalidArgument,
                 Str("the validation rows have ", validation.features, " features, the training rows ", rows.features));
  }
  if (target.task == Task::kMulticlass && target.classes < 2) {
    return Error(Code::kInvalidArgument, Str("a multiclass task needs two classes or more, not ", target.classes));
  }
  TENON_TRY(CheckShape(rows, "training"));
  TENON_TRY(CheckLabels(rows, target, "training"));
  TENON_TRY(CheckFinite(rows, "training"));
  if (validation.rows > 0) {
    TENON_TRY(CheckShape(validation, "validation"));
    TENON_TRY(CheckLabels(validation, target, "validation"));
    TENON_TRY(CheckFinite(validation, "validation"));
  }
  ExactSum total;
  for (std::int64_t i = 0; i < rows.rows; ++i) total.Add(WeightOf(rows, i));
  if (total.Value() <= 0) return Error(Code::kInvalidArgument, "the weights of all training rows are 0");
  if (target.task != Task::kRegression) {
    const auto weights = ClassWeights(rows, target.task == Task::kBinary ? 2 : target.classes);
    if (std::ranges::count_if(weights, [](double weight) { return weight > 0; }) < 2) {
      return Error(Code::kInvalidArgument,
                   "all training rows are of one class; there is nothing to tell apart: get rows of "
                   "the other class, or split so that both are in the training part");
    }
  }
  return {};
}

std::vector<double> BaseMargins(const Matrix& rows, const Target& target) {
  if (target.task == Task::kRegression) {
    ExactSum sum, weights;
    for (std::int64_t i = 0; i < rows.rows; ++i) {
      sum.AddProduct(rows.label[static_cast<std::size_t>(i)], WeightOf(rows, i));
      weights.Add(WeightOf(rows, i));
    }
    return {sum.Value() / weights.Value()};
  }
  const int classes = target.task == Task::kBinary ? 2 : target.classes;
  std::vector<double> weights = ClassWeights(rows, classes);
  if (target.task == Task::kBinary) return {std::log(weights[1] / weights[0])};
  double mean = 0;
  for (double& weight : weights) {
    weight = std::log(weight > 0 ? weight : 0.5);
    mean += weight / classes;
  }
  for (double& weight : weights) weight -= mean;
  return weights;
}

double RowLoss(const Target& target, double label, const double* margins) {
  if (target.task == Task::kRegression) return (margins[0] - label) * (margins[0] - label);
  if (target.task == Task::kBinary) {
    const double towards = label > 0.5 ? margins[0] : -margins[0];
    return towards > 0 ? std::log1p(std::exp(-towards)) : -towards + std::log1p(std::exp(towards));
  }
  double most = margins[0];
  for (int k = 1; k < target.classes; ++k) most = std::max(most, margins[k]);
  double sum = 0;
  for (int k = 0; k < target.classes; ++k) sum += std::exp(margins[k] - most);
  return std::log(sum) + most - margins[static_cast<int>(label)];
}

double MeanLoss(const Matrix& rows, const Target& target, const float* margins) {
  const int outputs = OutputsOf(target);
  std::vector<double> row(static_cast<std::size_t>(outputs));
  double sum = 0, weights = 0;
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    for (int k = 0; k < outputs; ++k) row[static_cast<std::size_t>(k)] = static_cast<double>(margins[i * outputs + k]);
    const double weight = WeightOf(rows, i);
    sum += weight * RowLoss(target, rows.label[static_cast<std::size_t>(i)], row.data());
    weights += weight;
  }
  return sum / weights;
}

double ConstantLoss(const Matrix& rows, const Target& target, std::span<const double> margins) {
  double sum = 0, weights = 0;
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const double weight = WeightOf(rows, i);
    sum += weight * RowLoss(target, rows.label[static_cast<std::size_t>(i)], margins.data());
    weights += weight;
  }
  return sum / weights;
}

double ForPeople(const Target& target, double loss, double scale) {
  return target.task == model::Task::kRegression ? std::sqrt(loss) * scale : loss;
}

std::vector<double> BalancedWeights(const Matrix& rows, const Target& target) {
  std::vector<double> factor = ClassWeights(rows, target.task == Task::kBinary ? 2 : target.classes);
  double total = 0;
  for (const double weight : factor) total += weight;
  for (double& weight : factor) weight = weight > 0 ? total / (static_cast<double>(factor.size()) * weight) : 1;
  std::vector<double> out;
  out.reserve(rows.label.size());
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    out.push_back(WeightOf(rows, i) * factor[static_cast<std::size_t>(rows.label[static_cast<std::size_t>(i)])]);
  }
  return out;
}

}  // namespace tenon::train

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "train/rows_internal.h"
#include "train/standard_rows_internal.h"

namespace tenon::train {
namespace {

// Derivatives of the loss of one row by its margins, written over them; returns the loss.
double LossAndSlope(const Target& target, double label, std::span<double> margins) {
  if (target.task == model::Task::kRegression) {
    const double error = margins[0] - label;
    margins[0] = error;
    return 0.5 * error * error;
  }
  const double loss = RowLoss(target, label, margins.data());
  if (target.task == model::Task::kBinary) {
    const double small = std::exp(-std::abs(margins[0]));
    const double probability = margins[0] > 0 ? 1 / (1 + small) : small / (1 + small);
    margins[0] = probability - (label > 0.5 ? 1 : 0);
    return loss;
  }
  const double most = *std::ranges::max_element(margins);
  double sum = 0;
  for (double& margin : margins) sum += margin = std::exp(margin - most);
  for (double& margin : margins) margin /= sum;
  margins[static_cast<std::size_t>(label)] -= 1;
  return loss;
}

}  // namespace

Standard Standard::Of(const Matrix& rows) {
  const auto features = static_cast<std::size_t>(rows.features);
  std::vector<double> weight(features), sum(features), squares(features);
  std::vector<std::int64_t> zeros(features);
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const float* row = rows.values + i * rows.features;
    const double w = WeightOf(rows, i);
    for (std::size_t f = 0; f < features; ++f) {
      if (std::isnan(row[f])) continue;
      weight[f] += w;
      sum[f] += w * static_cast<double>(row[f]);
      zeros[f] += row[f] == 0;
    }
  }
  Standard out;
  out.centre.resize(features);
  for (std::size_t f = 0; f < features; ++f) {
    // Rounded to what a float holds, so that a constant column is centred to exactly 0.
    if (weight[f] > 0) out.centre[f] = static_cast<double>(static_cast<float>(sum[f] / weight[f]));
  }
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const float* row = rows.values + i * rows.features;
    const double w = WeightOf(rows, i);
    for (std::size_t f = 0; f < features; ++f) {
      if (std::isnan(row[f])) continue;
      const double off = static_cast<double>(row[f]) - out.centre[f];
      squares[f] += w * off * off;
    }
  }
  for (std::size_t f = 0; f < features; ++f) {
    const bool spread = squares[f] > 0 && std::isfinite(squares[f]);
    out.factor.push_back(spread ? 1 / std::sqrt(squares[f] / weight[f]) : 0);
    out.mostly_zero.push_back(zeros[f] * 2 > rows.rows);
    out.shift.push_back(out.mostly_zero[f] ? out.centre[f] * out.factor[f] : 0);
  }
  return out;
}

StandardRows::StandardRows(const Matrix& rows, const Standard& standard) {
  start_.reserve(static_cast<std::size_t>(rows.rows) + 1);
  start_.push_back(0);
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const float* row = rows.values + i * rows.features;
    for (int f = 0; f < rows.features; ++f) {
      const auto at = static_cast<std::size_t>(f);
      const double value = std::isnan(row[f]) ? standard.centre[at] : static_cast<double>(row[f]);
      const double kept = (standard.mostly_zero[at] ? value : value - standard.centre[at]) * standard.factor[at];
      if (kept == 0) continue;
      column_.push_back(f);
      value_.push_back(static_cast<float>(kept));
    }
    start_.push_back(column_.size());
  }
}

LinearLoss::LinearLoss(const StandardRows& rows, const Standard& standard, const Target& target,
                       std::span<const double> label, std::span<const double> weight)
    : rows_(rows),
      standard_(standard),
      target_(target),
      label_(label),
      weight_(weight),
      features_(standard.centre.size()),
      outputs_(static_cast<std::size_t>(OutputsOf(target))),
      // By the size of the problem alone: the parts' sums are added in their order, whoever computed them.
      parts_(std::clamp<std::int64_t>(std::min(rows.rows() / 1024, static_cast<std::int64_t>((1 << 23) / parameters())),
                                      1, 64)) {
  for (std::size_t i = 0; i < label.size(); ++i) total_weight_ += weight.empty() ? 1 : weight[i];
}

double LinearLoss::Part(std::int64_t from, std::int64_t until, std::span<const double> at,
                        const std::vector<double>& base, std::span<double> gradient) const {
  std::vector<double> margins(outputs_);
  double loss = 0;
  for (std::int64_t i = from; i < until; ++i) {
    const double weight = weight_.empty() ? 1 : weight_[static_cast<std::size_t>(i)];
    if (weight == 0) continue;
    const auto columns = rows_.columns(i);
    const auto values = rows_.values(i);
    margins = base;
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const double* weights = at.data() + static_cast<std::size_t>(columns[j]) * outputs_;
      const double value = static_cast<double>(values[j]);
      for (std::size_t k = 0; k < outputs_; ++k) margins[k] += value * weights[k];
    }
    loss += weight * LossAndSlope(target_, label_[static_cast<std::size_t>(i)], margins);
    if (gradient.empty()) continue;
    for (double& slope : margins) slope *= weight;
    for (std::size_t j = 0; j < columns.size(); ++j) {
      double* to = gradient.data() + static_cast<std::size_t>(columns[j]) * outputs_;
      const double value = static_cast<double>(values[j]);
      for (std::size_t k = 0; k < outputs_; ++k) to[k] += value * margins[k];
    }
    for (std::size_t k = 0; k < outputs_; ++k) gradient[features_ * outputs_ + k] += margins[k];
  }
  return loss;
}

Result<double> LinearLoss::Compute(const Call& call, std::span<const double> at, std::span<double> gradient) const {
  TENON_TRY(call.Check());
  std::vector<double> base(at.begin() + static_cast<std::ptrdiff_t>(penalised()), at.end());
  for (std::size_t f = 0; f < features_; ++f) {
    for (std::size_t k = 0; k < outputs_; ++k) base[k] -= standard_.shift[f] * at[f * outputs_ + k];
  }
  const auto parts = static_cast<std::size_t>(parts_);
  std::vector<double> losses(parts);
  std::vector<std::vector<double>> gradients(parts, std::vector<double>(gradient.size()));
  std::atomic<std::int64_t> next = 0;
  const auto work = [&] {
    for (std::int64_t part = next++; part < parts_; part = next++) {
      const auto p = static_cast<std::size_t>(part);
      losses[p] = Part(rows_.rows() * part / parts_, rows_.rows() * (part + 1) / parts_, at, base, gradients[p]);
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::int64_t t = 1; t < std::min<std::int64_t>(call.threads, parts_); ++t) helpers.emplace_back(work);
    work();
  }
  double loss = 0;
  std::ranges::fill(gradient, 0.0);
  for (std::size_t p = 0; p < parts; ++p) {
    loss += losses[p];
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += gradients[p][i];
  }
  if (!gradient.empty()) {
    for (std::size_t f = 0; f < features_; ++f) {
      for (std::size_t k = 0; k < outputs_; ++k) {
        gradient[f * outputs_ + k] -= standard_.shift[f] * gradient[penalised() + k];
      }
    }
    for (double& value : gradient) value /= total_weight_;
  }
  return loss / total_weight_;
}

}  // namespace tenon::train

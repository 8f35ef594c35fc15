#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/call.h"
#include "train/learner.h"

namespace tenon::train {

// The centre and spread of each column (by weight, NaN left out), as rows are standardised by. A column without spread
// has factor 0 and counts for nothing.
struct Standard {
  std::vector<double> centre;
  std::vector<double> factor;     // 1 / standard deviation
  std::vector<bool> mostly_zero;  // such a column is kept uncentred and without its zeros; `shift` makes up for it
  std::vector<double> shift;      // centre * factor of those columns, 0 of the others
  static Standard Of(const Matrix& rows);
};

// Standardised rows, compressed: only entries that are not 0, so that one-hot columns and words cost what they hold.
// Immutable; shared by threads.
class StandardRows {
 public:
  StandardRows(const Matrix& rows, const Standard& standard);
  std::int64_t rows() const { return static_cast<std::int64_t>(start_.size()) - 1; }
  std::span<const std::int32_t> columns(std::int64_t row) const {
    return {&column_[Start(row)], Start(row + 1) - Start(row)};
  }
  std::span<const float> values(std::int64_t row) const { return {&value_[Start(row)], Start(row + 1) - Start(row)}; }

 private:
  std::size_t Start(std::int64_t row) const { return start_[static_cast<std::size_t>(row)]; }
  std::vector<std::size_t> start_;
  std::vector<std::int32_t> column_;
  std::vector<float> value_;
};

// The mean loss of a linear model and its gradient. Parameters: weight f of output k at f * outputs + k, then the
// outputs' intercepts. Squared errors count half, as is usual where they are penalised.
class LinearLoss {
 public:
  // label, weight: one a row (weight may be empty). Everything is borrowed.
  LinearLoss(const StandardRows& rows, const Standard& standard, const Target& target, std::span<const double> label,
             std::span<const double> weight);
  std::size_t parameters() const { return (features_ + 1) * outputs_; }
  std::size_t penalised() const { return features_ * outputs_; }
  // An empty gradient is not computed. Uses call.threads; the same bits for any number of them.
  Result<double> Compute(const Call& call, std::span<const double> at, std::span<double> gradient) const;

 private:
  double Part(std::int64_t from, std::int64_t until, std::span<const double> at, const std::vector<double>& base,
              std::span<double> gradient) const;
  const StandardRows& rows_;
  const Standard& standard_;
  Target target_;
  std::span<const double> label_;
  std::span<const double> weight_;
  std::size_t features_;
  std::size_t outputs_;
  std::int64_t parts_;
  double total_weight_ = 0;
};

}  // namespace tenon::train

#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/kinds.h"
#include "model/model.h"

namespace tenon::evaluate {

// Predictions and truths of the same rows.
struct Scored {
  model::Task task = model::Task::kBinary;
  int outputs = 1;
  std::span<const float> predicted;  // rows x outputs: probabilities (binary: of class 1), or values
  std::span<const double> actual;    // class index or value
  std::span<const double> weight;    // empty: all 1
  double threshold = 0.5;            // of binary decisions
};

// One number that says how good predictions are. Immutable. A kind is one file of metrics/; its name is the field's
// usual snake_case one. Checked against scikit-learn.
class Metric {
 public:
  virtual ~Metric() = default;
  virtual bool Suits(model::Task task) const = 0;
  virtual bool higher_is_better() const = 0;
  // NaN where it is undefined (one class only, no positive decision), never an error.
  virtual double Compute(const Scored& scored) const = 0;
  // The metric as a function of the rows' weights (one a row, >= 0), with all that does not depend on them done once: the
  // bootstrap asks it a thousand times. Weights that count resampled rows give the metric of the resampled rows. Borrows
  // the spans of `scored`, whose own weights do not matter; safe from many threads. The default calls Compute each time.
  using OfWeights = std::function<double(std::span<const double> weight)>;
  virtual OfWeights Prepare(const Scored& scored) const;
};

// Kinds: roc_auc, average_precision, log_loss, brier, accuracy, balanced_accuracy, precision, recall, f1, mcc,
// calibration_error, rmse, mae, r2, mape, median_absolute_error.
Result<void> AddAll(Kinds<Metric>& kinds);

}  // namespace tenon::evaluate

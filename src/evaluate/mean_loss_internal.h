#pragma once

#include <memory>

#include "evaluate/metric.h"

namespace tenon::evaluate {

// A regression's metric that is the weighted mean of one loss a row, lower is better. `loss` is NaN where it is undefined:
// then so is the metric, while the row has weight. `of_mean`, when given, is applied to the mean.
std::unique_ptr<Metric> MakeMeanLoss(double (*loss)(double predicted, double actual), double (*of_mean)(double) = nullptr);

}  // namespace tenon::evaluate

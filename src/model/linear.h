#pragma once

#include <memory>
#include <vector>

#include "model/model.h"

namespace tenon::model {

// margin[k] = intercept[k] + sum_f weights[k * features + f] * (x[f] - center[f]); a NaN counts as center[f].
// Attributions are exact: weight * (x - center), the base value is the intercept.
struct LinearSpec {
  Task task = Task::kRegression;
  int features = 0;
  int outputs = 1;
  std::vector<double> weights;
  std::vector<double> intercept;
  std::vector<double> center;  // means of the training rows
};
Result<std::unique_ptr<Model>> MakeLinear(LinearSpec spec);

// The weights of a model that MakeLinear made; null when it is none.
const LinearSpec* WeightsOf(const Model& model);

// Always the same margins: the baseline.
Result<std::unique_ptr<Model>> MakeConstant(Task task, int features, std::vector<double> margins);

}  // namespace tenon::model

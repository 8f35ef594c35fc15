#include <algorithm>
#include <cmath>

#include "model/model.h"

namespace tenon::model {
namespace {

// expf overflows above 88.7; the bound keeps the denominator finite and is the one XGBoost takes.
float Logistic(float margin) {
  const float exponent = std::min(-margin, 88.7F);
  return 1.0F / (std::exp(exponent) + 1.0F);
}

// Floats for the terms and a double for their sum, as XGBoost does, so that equal margins give equal bits.
void Softmax(float* values, int outputs) {
  float most = values[0];
  for (int k = 1; k < outputs; ++k) most = std::fmax(values[k], most);
  double sum = 0;
  for (int k = 0; k < outputs; ++k) {
    values[k] = std::exp(values[k] - most);
    sum += static_cast<double>(values[k]);
  }
  for (int k = 0; k < outputs; ++k) values[k] /= static_cast<float>(sum);
}

}  // namespace

void ApplyLink(Task task, int outputs, float* values, std::int64_t n, Link link) {
  if (link == Link::kOfTask && task == Task::kMulticlass) {
    for (std::int64_t i = 0; i < n; ++i) Softmax(values + i * outputs, outputs);
    return;
  }
  if (link == Link::kOfTask) link = task == Task::kBinary ? Link::kLogistic : Link::kIdentity;
  if (link == Link::kLogistic) {
    for (std::int64_t i = 0; i < n * outputs; ++i) values[i] = Logistic(values[i]);
  } else if (link == Link::kExp) {
    for (std::int64_t i = 0; i < n * outputs; ++i) values[i] = std::exp(values[i]);
  }
}

}  // namespace tenon::model

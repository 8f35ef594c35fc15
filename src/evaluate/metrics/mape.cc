// The mean of the absolute error as a share of the value. Undefined when a value is 0 (where scikit-learn divides by
// 2^-52 instead).

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class Mape final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kRegression; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> losses(scored.actual.size());
    std::vector<std::size_t> zeros;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const double error = static_cast<double>(scored.predicted[i]) - scored.actual[i];
      if (scored.actual[i] == 0) zeros.push_back(i);
      losses[i] = scored.actual[i] != 0 ? std::abs(error / scored.actual[i]) : 0;
    }
    return [losses = std::move(losses), zeros = std::move(zeros)](std::span<const double> weight) {
      for (const std::size_t row : zeros) {
        if (weight[row] > 0) return std::numeric_limits<double>::quiet_NaN();
      }
      return WeightedMean(losses, weight);
    };
  }
};

}  // namespace

Result<void> AddMape(Kinds<Metric>& kinds) {
  return kinds.Add("mape",
                   {.summary = "Measure errors as a share of the value",
                    .when = "Positive values of different sizes, none near 0",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Mape>(); });
}

}  // namespace tenon::evaluate

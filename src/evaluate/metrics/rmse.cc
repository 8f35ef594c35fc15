// The root of the mean squared error.

#include <cmath>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class Rmse final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kRegression; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> losses(scored.actual.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const double error = static_cast<double>(scored.predicted[i]) - scored.actual[i];
      losses[i] = error * error;
    }
    return [losses = std::move(losses)](std::span<const double> weight) { return std::sqrt(WeightedMean(losses, weight)); };
  }
};

}  // namespace

Result<void> AddRmse(Kinds<Metric>& kinds) {
  return kinds.Add("rmse",
                   {.summary = "Measure the typical error, large ones weighing more",
                    .when = "Large errors hurt more than in proportion",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Rmse>(); });
}

}  // namespace tenon::evaluate

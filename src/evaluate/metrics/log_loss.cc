// Cross-entropy of the predicted probabilities. They are clipped by the machine precision of a float, 2^-23, as
// scikit-learn clips an array of floats.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class LogLoss final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
    const bool binary = scored.task == model::Task::kBinary;
    std::vector<double> losses(scored.actual.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const auto k = static_cast<std::size_t>(scored.actual[i]);
      const auto p = static_cast<double>(scored.predicted[binary ? i : i * static_cast<std::size_t>(scored.outputs) + k]);
      const double clipped = std::clamp(p, kEpsilon, 1 - kEpsilon);
      losses[i] = -std::log(binary && k == 0 ? 1 - clipped : clipped);
    }
    return [losses = std::move(losses)](std::span<const double> weight) { return WeightedMean(losses, weight); };
  }
};

}  // namespace

Result<void> AddLogLoss(Kinds<Metric>& kinds) {
  return kinds.Add("log_loss",
                   {.summary = "Measure how much probability was given to what came true",
                    .when = "Probabilities that are used as such; punishes confident errors",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<LogLoss>(); });
}

}  // namespace tenon::evaluate

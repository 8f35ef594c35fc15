// Brier score: the mean squared distance of the probability from what happened.

#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class Brier final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kBinary; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> losses(scored.actual.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const double gap = static_cast<double>(scored.predicted[i]) - scored.actual[i];
      losses[i] = gap * gap;
    }
    return [losses = std::move(losses)](std::span<const double> weight) { return WeightedMean(losses, weight); };
  }
};

}  // namespace

Result<void> AddBrier(Kinds<Metric>& kinds) {
  return kinds.Add("brier",
                   {.summary = "Measure the squared error of probabilities",
                    .when = "Probabilities that are used as such; milder on confident errors than log_loss",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Brier>(); });
}

}  // namespace tenon::evaluate

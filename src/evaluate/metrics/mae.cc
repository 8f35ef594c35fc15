// The mean absolute error.

#include <cmath>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class Mae final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kRegression; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> losses(scored.actual.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const double error = static_cast<double>(scored.predicted[i]) - scored.actual[i];
      losses[i] = std::abs(error);
    }
    return [losses = std::move(losses)](std::span<const double> weight) { return WeightedMean(losses, weight); };
  }
};

}  // namespace

Result<void> AddMae(Kinds<Metric>& kinds) {
  return kinds.Add("mae",
                   {.summary = "Measure the mean size of errors",
                    .when = "Errors that hurt in proportion to their size",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Mae>(); });
}

}  // namespace tenon::evaluate

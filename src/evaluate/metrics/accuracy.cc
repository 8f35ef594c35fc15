// The share of right decisions.

#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class Accuracy final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    const std::vector<int> decided = Decisions(scored);
    std::vector<double> right(decided.size());
    for (std::size_t i = 0; i < right.size(); ++i) right[i] = static_cast<int>(scored.actual[i]) == decided[i] ? 1 : 0;
    return [right = std::move(right)](std::span<const double> weight) { return WeightedMean(right, weight); };
  }
};

}  // namespace

Result<void> AddAccuracy(Kinds<Metric>& kinds) {
  return kinds.Add("accuracy",
                   {.summary = "Measure the share of right decisions",
                    .when = "Classes of about equal size and mistakes of equal cost; misleading otherwise",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Accuracy>(); });
}

}  // namespace tenon::evaluate

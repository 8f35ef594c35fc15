// The mean over the actual classes of the share of their rows that are found.

#include <limits>
#include <utility>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class BalancedAccuracy final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [cells = CellsOf(scored)](std::span<const double> weight) {
      double sum = 0;
      int present = 0;
      for (const Confused& one : EachAgainstRest(cells.Count(weight), cells.classes)) {
        const double actual = one.true_positive + one.false_negative;
        if (!(actual > 0)) continue;
        sum += one.true_positive / actual;
        ++present;
      }
      return present >= 2 ? sum / present : std::numeric_limits<double>::quiet_NaN();
    };
  }
};

}  // namespace

Result<void> AddBalancedAccuracy(Kinds<Metric>& kinds) {
  return kinds.Add("balanced_accuracy",
                   {.summary = "Measure the recall of each class, averaged",
                    .when = "Classes of different sizes that matter equally",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<BalancedAccuracy>(); });
}

}  // namespace tenon::evaluate

// Matthews' correlation of decisions and truth (B. W. Matthews 1975; for several classes J. Gorodkin 2004).

#include <cmath>
#include <limits>
#include <utility>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class Mcc final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [cells = CellsOf(scored)](std::span<const double> weight) {
      double total = 0, right = 0, both = 0, actual_squares = 0, decided_squares = 0;
      for (const Confused& one : EachAgainstRest(cells.Count(weight), cells.classes)) {
        const double actual = one.true_positive + one.false_negative;
        const double decided = one.true_positive + one.false_positive;
        total += actual;
        right += one.true_positive;
        both += actual * decided;
        actual_squares += actual * actual;
        decided_squares += decided * decided;
      }
      const double spread = (total * total - actual_squares) * (total * total - decided_squares);
      return spread > 0 ? (right * total - both) / std::sqrt(spread) : std::numeric_limits<double>::quiet_NaN();
    };
  }
};

}  // namespace

Result<void> AddMcc(Kinds<Metric>& kinds) {
  return kinds.Add("mcc",
                   {.summary = "Measure the correlation of decisions and truth",
                    .when = "One number for all four cells of the confusion matrix; fair to rare classes",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Mcc>(); });
}

}  // namespace tenon::evaluate

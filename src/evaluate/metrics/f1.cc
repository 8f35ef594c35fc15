// The harmonic mean of precision and recall.

#include <limits>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

double F1Of(const Confused& one) {
  const double whole = 2 * one.true_positive + one.false_positive + one.false_negative;
  return whole > 0 ? 2 * one.true_positive / whole : std::numeric_limits<double>::quiet_NaN();
}

class F1 final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [cells = CellsOf(scored)](std::span<const double> weight) { return OverClasses(cells, weight, F1Of); };
  }
};

}  // namespace

Result<void> AddF1(Kinds<Metric>& kinds) {
  return kinds.Add("f1",
                   {.summary = "Measure precision and recall together",
                    .when = "A rare class, when the costs of mistakes are unknown",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<F1>(); });
}

}  // namespace tenon::evaluate

// Of the rows decided to be of the class, the share that are.

#include <limits>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

double PrecisionOf(const Confused& one) {
  const double whole = one.true_positive + one.false_positive;
  return whole > 0 ? one.true_positive / whole : std::numeric_limits<double>::quiet_NaN();
}

class Precision final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [cells = CellsOf(scored)](std::span<const double> weight) { return OverClasses(cells, weight, PrecisionOf); };
  }
};

}  // namespace

Result<void> AddPrecision(Kinds<Metric>& kinds) {
  return kinds.Add("precision",
                   {.summary = "Measure how many of the rows called positive are",
                    .when = "False alarms are costly",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Precision>(); });
}

}  // namespace tenon::evaluate

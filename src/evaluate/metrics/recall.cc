// Of the rows of the class, the share that were found.

#include <limits>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

double RecallOf(const Confused& one) {
  const double whole = one.true_positive + one.false_negative;
  return whole > 0 ? one.true_positive / whole : std::numeric_limits<double>::quiet_NaN();
}

class Recall final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [cells = CellsOf(scored)](std::span<const double> weight) { return OverClasses(cells, weight, RecallOf); };
  }
};

}  // namespace

Result<void> AddRecall(Kinds<Metric>& kinds) {
  return kinds.Add("recall",
                   {.summary = "Measure how many of the positive rows are found",
                    .when = "Misses are costly",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<Recall>(); });
}

}  // namespace tenon::evaluate

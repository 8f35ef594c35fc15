// The share of the variance that is explained: 1 is perfect, 0 no better than the mean.

#include <limits>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class R2 final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> squares(scored.actual.size());
    for (std::size_t i = 0; i < squares.size(); ++i) {
      const double error = static_cast<double>(scored.predicted[i]) - scored.actual[i];
      squares[i] = error * error;
    }
    return [actual = scored.actual, squares = std::move(squares)](std::span<const double> weight) {
      const double mean = WeightedMean(actual, weight);
      double spread = 0, total = 0;
      for (std::size_t i = 0; i < actual.size(); ++i) {
        spread += weight[i] * (actual[i] - mean) * (actual[i] - mean);
        total += weight[i];
      }
      return spread > 0 ? 1 - WeightedMean(squares, weight) * total / spread : std::numeric_limits<double>::quiet_NaN();
    };
  }
};

}  // namespace

Result<void> AddR2(Kinds<Metric>& kinds) {
  return kinds.Add("r2",
                   {.summary = "Measure the share of variance explained",
                    .when = "To compare targets of different scales",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<R2>(); });
}

}  // namespace tenon::evaluate

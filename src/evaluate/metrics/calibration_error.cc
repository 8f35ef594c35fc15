// Expected calibration error: the mean distance of predicted and observed shares over ten bins of equal counts (rows that
// tie stay together; see CalibrationBins).

#include <cmath>
#include <limits>
#include <utility>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class CalibrationError final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kBinary; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [scored, ranking = RankingOf(scored, 1)](std::span<const double> weight) {
      double gaps = 0, total = 0;
      for (const CalibrationBin& bin : CalibrationBins(scored, ranking, weight)) {
        gaps += std::abs(bin.predicted - bin.observed);
        total += bin.weight;
      }
      return total > 0 ? gaps / total : std::numeric_limits<double>::quiet_NaN();
    };
  }
};

}  // namespace

Result<void> AddCalibrationError(Kinds<Metric>& kinds) {
  return kinds.Add("calibration_error",
                   {.summary = "Measure how far probabilities are from observed shares",
                    .when = "Probabilities that enter costs or are shown to people; grows with noise on few rows",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<CalibrationError>(); });
}

}  // namespace tenon::evaluate

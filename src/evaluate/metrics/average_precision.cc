// Average precision: the area under the precision-recall steps, each recall gained at the precision there.

#include <array>
#include <limits>
#include <utility>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class AveragePrecision final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kBinary; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    return [ranking = RankingOf(scored, 1)](std::span<const double> weight) {
      std::array<double, 2> found{}, tie{};  // weights of negatives and positives: above and including the tie, of it
      double sum = 0;
      for (std::size_t at = 0; at < ranking.order.size(); ++at) {
        tie[ranking.positive[at]] += weight[ranking.order[at]];
        if (ranking.last[at] == 0) continue;
        found[0] += tie[0];
        found[1] += tie[1];
        if (tie[1] > 0) sum += tie[1] * (found[1] / (found[0] + found[1]));
        tie = {};
      }
      return found[0] > 0 && found[1] > 0 ? sum / found[1] : std::numeric_limits<double>::quiet_NaN();
    };
  }
};

}  // namespace

Result<void> AddAveragePrecision(Kinds<Metric>& kinds) {
  return kinds.Add("average_precision",
                   {.summary = "Measure how pure the top of the ranking is, averaged over recall",
                    .when = "A rare class that is searched for, such as fraud or failures",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<AveragePrecision>(); });
}

}  // namespace tenon::evaluate

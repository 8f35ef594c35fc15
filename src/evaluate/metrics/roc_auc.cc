// Area under the ROC curve: the chance that a row of the class scores above one that is not, ties counting half.

#include <limits>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class RocAuc final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task != model::Task::kRegression; }
  bool higher_is_better() const override { return true; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<Ranking> rankings;
    const bool binary = scored.task == model::Task::kBinary;
    for (int k = binary ? 1 : 0; k < ClassesOf(scored); ++k) rankings.push_back(RankingOf(scored, k));
    return [rankings = std::move(rankings)](std::span<const double> weight) {
      double sum = 0;  // of several classes: each against the rest, averaged; NaN unless each is there
      for (const Ranking& ranking : rankings) sum += AreaUnderRoc(ranking, weight);
      return rankings.empty() ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(rankings.size());
    };
  }
};

}  // namespace

Result<void> AddRocAuc(Kinds<Metric>& kinds) {
  return kinds.Add("roc_auc",
                   {.summary = "Measure how well scores rank the classes, whatever the threshold",
                    .when = "Classes that are not very rare; with rare ones average_precision shows more",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<RocAuc>(); });
}

}  // namespace tenon::evaluate

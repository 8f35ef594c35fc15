#include "evaluate/mean_loss_internal.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class MeanLoss final : public Metric {
 public:
  MeanLoss(double (*loss)(double, double), double (*of_mean)(double)) : loss_(loss), of_mean_(of_mean) {}

  bool Suits(model::Task task) const override { return task == model::Task::kRegression; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> losses(scored.actual.size());
    std::vector<std::size_t> undefined;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      losses[i] = loss_(static_cast<double>(scored.predicted[i]), scored.actual[i]);
      if (!std::isnan(losses[i])) continue;
      undefined.push_back(i);
      losses[i] = 0;
    }
    return [losses = std::move(losses), undefined = std::move(undefined), of_mean = of_mean_](std::span<const double> weight) {
      for (const std::size_t row : undefined) {
        if (weight[row] > 0) return std::numeric_limits<double>::quiet_NaN();
      }
      const double mean = WeightedMean(losses, weight);
      return of_mean == nullptr ? mean : of_mean(mean);
    };
  }

 private:
  double (*loss_)(double, double);
  double (*of_mean_)(double);
};

}  // namespace

std::unique_ptr<Metric> MakeMeanLoss(double (*loss)(double predicted, double actual), double (*of_mean)(double)) {
  return std::make_unique<MeanLoss>(loss, of_mean);
}

}  // namespace tenon::evaluate

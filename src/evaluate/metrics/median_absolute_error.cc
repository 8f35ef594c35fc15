// The median of the absolute errors: half of the rows are nearer.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

class MedianAbsoluteError final : public Metric {
 public:
  bool Suits(model::Task task) const override { return task == model::Task::kRegression; }
  bool higher_is_better() const override { return false; }
  double Compute(const Scored& scored) const override { return AtOwnWeights(*this, scored); }

  OfWeights Prepare(const Scored& scored) const override {
    std::vector<double> errors(scored.actual.size());
    for (std::size_t i = 0; i < errors.size(); ++i) {
      errors[i] = std::abs(static_cast<double>(scored.predicted[i]) - scored.actual[i]);
      if (std::isnan(errors[i])) return [](std::span<const double>) { return std::numeric_limits<double>::quiet_NaN(); };
    }
    std::vector<std::uint32_t> order(errors.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t row) { return errors[row]; });
    return [errors = std::move(errors), order = std::move(order)](std::span<const double> weight) {
      const double half = SumOf(weight) / 2;
      double below = 0;
      for (std::size_t at = 0; at < order.size(); ++at) {
        below += weight[order[at]];
        if (below < half || !(below > 0)) continue;
        if (below > half) return errors[order[at]];
        // Exactly half of the weight: the mean of this error and the next one that has weight.
        std::size_t next = at + 1;
        while (next < order.size() && !(weight[order[next]] > 0)) ++next;
        return next < order.size() ? (errors[order[at]] + errors[order[next]]) / 2 : errors[order[at]];
      }
      return std::numeric_limits<double>::quiet_NaN();
    };
  }
};

}  // namespace

Result<void> AddMedianAbsoluteError(Kinds<Metric>& kinds) {
  return kinds.Add("median_absolute_error",
                   {.summary = "Measure the size of the error in the middle",
                    .when = "A few wild errors should not count",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> { return std::make_unique<MedianAbsoluteError>(); });
}

}  // namespace tenon::evaluate

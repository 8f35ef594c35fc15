// The root of the mean squared error.

#include <cmath>

#include "evaluate/mean_loss_internal.h"

namespace tenon::evaluate {

Result<void> AddRmse(Kinds<Metric>& kinds) {
  return kinds.Add("rmse",
                   {.summary = "Measure the typical error, large ones weighing more",
                    .when = "Large errors hurt more than in proportion",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> {
                     return MakeMeanLoss([](double predicted, double actual) { return (predicted - actual) * (predicted - actual); },
                                         [](double mean) { return std::sqrt(mean); });
                   });
}

}  // namespace tenon::evaluate

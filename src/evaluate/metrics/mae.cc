// The mean absolute error.

#include <cmath>

#include "evaluate/mean_loss_internal.h"

namespace tenon::evaluate {

Result<void> AddMae(Kinds<Metric>& kinds) {
  return kinds.Add("mae",
                   {.summary = "Measure the mean size of errors",
                    .when = "Errors that hurt in proportion to their size",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> {
                     return MakeMeanLoss([](double predicted, double actual) { return std::abs(predicted - actual); });
                   });
}

}  // namespace tenon::evaluate

// The mean of the absolute error as a share of the value. Undefined when a value is 0 (where scikit-learn divides by
// 2^-52 instead).

#include <cmath>

#include "evaluate/mean_loss_internal.h"

namespace tenon::evaluate {

Result<void> AddMape(Kinds<Metric>& kinds) {
  return kinds.Add("mape",
                   {.summary = "Measure errors as a share of the value",
                    .when = "Positive values of different sizes, none near 0",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Metric>> {
                     return MakeMeanLoss([](double predicted, double actual) {
                       return actual != 0 ? std::abs((predicted - actual) / actual) : std::nan("");
                     });
                   });
}

}  // namespace tenon::evaluate

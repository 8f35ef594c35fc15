// Population stability index: sum over bins of (window share - reference share) * ln(window share / reference share).

#include <cmath>

#include "monitor/measures_internal.h"

namespace tenon::monitor {
namespace {

constexpr double kSmoothing = 0.5;  // rows added to each bin of either side, so that an empty one is not infinite

double Index(const Binned& bins) {
  const double count = static_cast<double>(bins.names.size());
  const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
  double out = 0;
  for (std::size_t i = 0; i < bins.names.size(); ++i) {
    const double p = (bins.reference[i] + kSmoothing) / (before + kSmoothing * count);
    const double q = (bins.window[i] + kSmoothing) / (after + kSmoothing * count);
    out += (q - p) * std::log(q / p);
  }
  return out;
}

// Of few rows the index is large by chance alone: times n m / (n + m) it is about chi-square.
double ByChance(const Binned& bins, double quantile) { return quantile * (1 / bins.ReferenceTotal() + 1 / bins.WindowTotal()); }

}  // namespace

Result<void> AddPopulationStability(Kinds<DriftTest>& kinds) {
  return kinds.Add(
      "population_stability",
      {.summary = "Measure how much the shares of value ranges or categories moved",
       .when = "The usual measure of scorecards: below 0.1 is stable, above 0.2 a shift. Says how much, and "
               "does not grow more sensitive with more rows",
       .example = R"({"threshold": 0.2, "bins": 10})",
       .options = BinnedDistanceOptions(0.2, 10, "Quantile bins of numbers")},
      [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
        return MakeBinnedDistance({"PSI", false, Index, ByChance}, options);
      });
}

}  // namespace tenon::monitor

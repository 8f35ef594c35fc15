// Jensen-Shannon distance: the square root of the mean divergence (base 2) of both sides from their middle; 0 to 1.

#include <algorithm>
#include <cmath>

#include "monitor/measures_internal.h"

namespace tenon::monitor {
namespace {

double Term(double p, double middle) { return p > 0 ? p * std::log2(p / middle) : 0; }

double DistanceOf(const Binned& bins) {
  const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
  double divergence = 0;
  for (std::size_t i = 0; i < bins.names.size(); ++i) {
    const double p = bins.reference[i] / before, q = bins.window[i] / after;
    divergence += (Term(p, (p + q) / 2) + Term(q, (p + q) / 2)) / 2;
  }
  return std::sqrt(std::max(0.0, divergence));
}

// Of few rows it is large by chance: 8 ln 2 n m / (n + m) times the divergence is about chi-square.
double ByChance(const Binned& bins, double quantile) {
  return std::sqrt(quantile * (1 / bins.ReferenceTotal() + 1 / bins.WindowTotal()) / (8 * std::log(2.0)));
}

}  // namespace

Result<void> AddJensenShannon(Kinds<DriftTest>& kinds) {
  return kinds.Add(
      "jensen_shannon",
      {.summary = "Measure the distance of two distributions on a scale from 0 (equal) to 1 (disjoint)",
       .when = "To compare columns with each other, numbers and categories alike: it is symmetric and bounded, "
               "and empty bins do no harm",
       .example = R"({"threshold": 0.1})",
       .options = BinnedDistanceOptions(0.1, 1, "Quantiles of either side that numbers are parted by")},
      [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
        return MakeBinnedDistance({"distance", true, DistanceOf, ByChance}, options);
      });
}

}  // namespace tenon::monitor

// Population stability index: sum over bins of (window share - reference share) * ln(window share / reference share).

#include <cmath>
#include <memory>

#include "base/text.h"
#include "monitor/drift_test.h"
#include "monitor/statistics_internal.h"

namespace tenon::monitor {
namespace {

constexpr double kSmoothing = 0.5;  // rows added to each bin of either side, so that an empty one is not infinite
constexpr double kChance = 0.001;   // how often two windows of the same values may differ that much by chance

class PopulationStability final : public DriftTest {
 public:
  PopulationStability(double threshold, int bins) : threshold_(threshold), bins_(bins) {}

  bool Suits(const table::ColumnProfile& reference) const override {
    return reference.field().type != table::Type::kEmbedding;
  }

  Result<DriftVerdict> Compare(const table::ColumnProfile& reference,
                               const table::ColumnProfile& window) const override {
    DriftVerdict out;
    out.threshold = threshold_;
    if (Present(reference) == 0 || Present(window) == 0) {
      out.why = Str("the ", Present(reference) == 0 ? "reference" : "window", " has no values");
      return out;
    }
    const Binned bins = BinByQuantile(reference, window, bins_, false);
    const double count = static_cast<double>(bins.names.size());
    const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
    for (std::size_t i = 0; i < bins.names.size(); ++i) {
      const double p = (bins.reference[i] + kSmoothing) / (before + kSmoothing * count);
      const double q = (bins.window[i] + kSmoothing) / (after + kSmoothing * count);
      out.statistic += (q - p) * std::log(q / p);
    }
    // Of few rows, the index is large by chance alone: times n m / (n + m) it is about chi-square.
    if (count > 1) {
      out.threshold = std::max(threshold_, ChiSquareQuantile(kChance, count - 1) * (1 / before + 1 / after));
    }
    out.drifted = out.statistic > out.threshold;
    out.why = Str("PSI ", FormatShort(out.statistic, 3), " is ", out.drifted ? "above " : "not above ",
                  FormatShort(out.threshold, 3), ": ", LargestChange(bins));
    return out;
  }

 private:
  double threshold_;
  int bins_;
};

}  // namespace

Result<void> AddPopulationStability(Kinds<DriftTest>& kinds) {
  return kinds.Add(
      "population_stability",
      {.summary = "Measure how much the shares of value ranges or categories moved",
       .when = "The usual measure of scorecards: below 0.1 is stable, above 0.2 a shift. Says how much, and "
               "does not grow more sensitive with more rows",
       .example = R"({"threshold": 0.2, "bins": 10})",
       .options = {{.name = "threshold", .fallback = 0.2, .help = "Drift above it", .least = 0, .most = 10},
                   {.name = "bins",
                    .type = Option::Type::kInt,
                    .fallback = 10,
                    .help = "Quantile bins of numbers",
                    .least = 2,
                    .most = 100}}},
      [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
        return std::make_unique<PopulationStability>(options.Number("threshold"),
                                                     static_cast<int>(options.Int("bins")));
      });
}

}  // namespace tenon::monitor

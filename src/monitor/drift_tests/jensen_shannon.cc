// Jensen-Shannon distance: the square root of the mean divergence (base 2) of both sides from their middle; 0 to 1.

#include <cmath>
#include <memory>

#include "base/text.h"
#include "monitor/drift_test.h"
#include "monitor/statistics_internal.h"

namespace tenon::monitor {
namespace {

constexpr double kChance = 0.001;  // how often two windows of the same values may differ that much by chance

double Term(double p, double middle) { return p > 0 ? p * std::log2(p / middle) : 0; }

class JensenShannon final : public DriftTest {
 public:
  JensenShannon(double threshold, int bins) : threshold_(threshold), bins_(bins) {}

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
    const Binned bins = BinByQuantile(reference, window, bins_, true);
    const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
    double divergence = 0;
    for (std::size_t i = 0; i < bins.names.size(); ++i) {
      const double p = bins.reference[i] / before, q = bins.window[i] / after;
      divergence += (Term(p, (p + q) / 2) + Term(q, (p + q) / 2)) / 2;
    }
    out.statistic = std::sqrt(std::max(0.0, divergence));
    // Of few rows it is large by chance: 8 ln 2 n m / (n + m) times the divergence is about chi-square.
    const double degrees = static_cast<double>(bins.names.size()) - 1;
    if (degrees > 0) {
      const double by_chance = ChiSquareQuantile(kChance, degrees) * (1 / before + 1 / after) / (8 * std::log(2.0));
      out.threshold = std::max(threshold_, std::sqrt(by_chance));
    }
    out.drifted = out.statistic > out.threshold;
    out.why = Str("distance ", FormatShort(out.statistic, 3), " is ", out.drifted ? "above " : "not above ",
                  FormatShort(out.threshold, 3), ": ", LargestChange(bins));
    return out;
  }

 private:
  double threshold_;
  int bins_;
};

}  // namespace

Result<void> AddJensenShannon(Kinds<DriftTest>& kinds) {
  return kinds.Add(
      "jensen_shannon",
      {.summary = "Measure the distance of two distributions on a scale from 0 (equal) to 1 (disjoint)",
       .when = "To compare columns with each other, numbers and categories alike: it is symmetric and bounded, "
               "and empty bins do no harm",
       .example = R"({"threshold": 0.1})",
       .options = {{.name = "threshold", .fallback = 0.1, .help = "Drift above it", .least = 0, .most = 1},
                   {.name = "bins",
                    .type = Option::Type::kInt,
                    .fallback = 10,
                    .help = "Quantiles of either side that numbers are parted by",
                    .least = 2,
                    .most = 100}}},
      [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
        return std::make_unique<JensenShannon>(options.Number("threshold"), static_cast<int>(options.Int("bins")));
      });
}

}  // namespace tenon::monitor

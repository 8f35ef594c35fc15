#include "monitor/measures_internal.h"

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace tenon::monitor {
namespace {

constexpr double kChance = 0.001;  // how often two windows of the same values may differ that much by chance

class BinnedDistance final : public DriftTest {
 public:
  BinnedDistance(const Distance& distance, double threshold, int bins) : distance_(distance), threshold_(threshold), bins_(bins) {}

  bool Suits(const table::ColumnProfile& reference) const override {
    return reference.field().type != table::Type::kEmbedding;
  }

  Result<DriftVerdict> Compare(const table::ColumnProfile& reference,
                               const table::ColumnProfile& window) const override {
    if (auto nothing = NothingToCompare(reference, window, threshold_)) return *std::move(nothing);
    DriftVerdict out;
    const Binned bins = BinByQuantile(reference, window, bins_, distance_.of_both);
    out.statistic = distance_.between(bins);
    out.threshold = threshold_;
    if (bins.names.size() > 1) {
      const double quantile = ChiSquareQuantile(kChance, static_cast<double>(bins.names.size()) - 1);
      out.threshold = std::max(threshold_, distance_.by_chance(bins, quantile));
    }
    out.drifted = out.statistic > out.threshold;
    out.why = Str(distance_.name, " ", FormatShort(out.statistic, 3), " is ", out.drifted ? "above " : "not above ",
                  FormatShort(out.threshold, 3), ": ", LargestChange(bins));
    return out;
  }

 private:
  Distance distance_;
  double threshold_;
  int bins_;
};

}  // namespace

std::optional<DriftVerdict> NothingToCompare(const table::ColumnProfile& reference, const table::ColumnProfile& window,
                                             double threshold) {
  if (Present(reference) > 0 && Present(window) > 0) return std::nullopt;
  DriftVerdict out;
  out.threshold = threshold;
  out.why = Str("the ", Present(reference) == 0 ? "reference" : "window", " has no values");
  return out;
}

std::unique_ptr<DriftTest> MakeBinnedDistance(const Distance& distance, const Options& options) {
  return std::make_unique<BinnedDistance>(distance, options.Number("threshold"), static_cast<int>(options.Int("bins")));
}

std::vector<Option> BinnedDistanceOptions(double threshold, double most, std::string bins_help) {
  return {{.name = "threshold", .fallback = threshold, .help = "Drift above it", .least = 0, .most = most},
          {.name = "bins", .type = Option::Type::kInt, .fallback = 10, .help = std::move(bins_help), .least = 2, .most = 100}};
}

std::vector<Option> SignificanceOptions(std::string alpha_help, std::string least_name, double least, std::string least_help) {
  return {{.name = "alpha", .fallback = 0.01, .help = std::move(alpha_help), .least = 1e-12, .most = 0.5},
          {.name = std::move(least_name), .fallback = least, .help = std::move(least_help), .least = 0, .most = 1}};
}

}  // namespace tenon::monitor

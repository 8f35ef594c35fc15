// Pearson's chi-square test of homogeneity: reference and window as the two rows of a table of categories.

#include <cmath>
#include <memory>

#include "base/text.h"
#include "monitor/measures_internal.h"

namespace tenon::monitor {
namespace {

constexpr double kLeastExpected = 5;  // below it the chi-square law does not hold (Cochran 1954)
constexpr int kMostCategories = 200;

// Puts the categories together that are expected fewer than five times on the smaller side.
Binned PoolRare(const Binned& bins) {
  const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
  const double smaller = std::min(before, after) / (before + after);
  Binned out;
  double rare_before = 0, rare_after = 0;
  for (std::size_t i = 0; i < bins.names.size(); ++i) {
    if ((bins.reference[i] + bins.window[i]) * smaller >= kLeastExpected) {
      out.names.push_back(bins.names[i]);
      out.reference.push_back(bins.reference[i]);
      out.window.push_back(bins.window[i]);
    } else {
      rare_before += bins.reference[i];
      rare_after += bins.window[i];
    }
  }
  if (rare_before + rare_after > 0) {
    const bool enough = (rare_before + rare_after) * smaller >= kLeastExpected || out.names.empty();
    if (enough) {
      out.names.emplace_back("rare values");
      out.reference.push_back(rare_before);
      out.window.push_back(rare_after);
    } else {  // still too few for a category of their own
      out.names.back() += " and rare values";
      out.reference.back() += rare_before;
      out.window.back() += rare_after;
    }
  }
  return out;
}

class ChiSquare final : public DriftTest {
 public:
  ChiSquare(double alpha, double least_change) : alpha_(alpha), least_change_(least_change) {}

  bool Suits(const table::ColumnProfile& reference) const override {
    return reference.field().type == table::Type::kString || (reference.numeric() && FewValued(reference));
  }

  Result<DriftVerdict> Compare(const table::ColumnProfile& reference,
                               const table::ColumnProfile& window) const override {
    if (auto nothing = NothingToCompare(reference, window, 0)) return *std::move(nothing);
    DriftVerdict out;
    const Binned bins = PoolRare(BinByValue(reference, window, kMostCategories));
    if (bins.names.size() < 2) {
      out.why = "there is one category only";
      return out;
    }
    const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
    double largest = 0;
    for (std::size_t i = 0; i < bins.names.size(); ++i) {
      const double both = bins.reference[i] + bins.window[i];
      const double expected_before = both * before / (before + after), expected_after = both * after / (before + after);
      out.statistic += (bins.reference[i] - expected_before) * (bins.reference[i] - expected_before) / expected_before +
                       (bins.window[i] - expected_after) * (bins.window[i] - expected_after) / expected_after;
      largest = std::max(largest, std::abs(bins.window[i] / after - bins.reference[i] / before));
    }
    const double degrees = static_cast<double>(bins.names.size()) - 1;
    out.threshold = ChiSquareQuantile(alpha_, degrees);
    out.drifted = out.statistic > out.threshold && largest >= least_change_;
    out.why = Str("chi-square ", FormatShort(out.statistic, 4),
                  out.statistic > out.threshold ? " is above " : " is not above ", FormatShort(out.threshold, 4),
                  " (p ", FormatShort(ChiSquareTail(out.statistic, degrees), 2), "): ", LargestChange(bins));
    return out;
  }

 private:
  double alpha_;
  double least_change_;
};

}  // namespace

Result<void> AddChiSquare(Kinds<DriftTest>& kinds) {
  return kinds.Add(
      "chi_square",
      {.summary = "Test whether the categories come as often as before",
       .when = "Texts and numbers of few values; rare categories are put together. For continuous numbers use "
               "kolmogorov_smirnov",
       .example = R"({"alpha": 0.01})",
       .options = SignificanceOptions("How often it may call equal distributions different", "least_change", 0.01,
                                      "No drift while no category's share changed by as much, however many rows prove it")},
      [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
        return std::make_unique<ChiSquare>(options.Number("alpha"), options.Number("least_change"));
      });
}

}  // namespace tenon::monitor

// Whether more, or fewer, values are missing than before: a two-proportion test with Yates's correction.

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/text.h"
#include "monitor/measures_internal.h"

namespace tenon::monitor {
namespace {

// Pearson's chi-square of the table {{a, b}, {c, d}}, each deviation lessened by half a row.
double YatesChiSquare(double a, double b, double c, double d) {
  const double n = a + b + c + d;
  const double product = (a + b) * (c + d) * (a + c) * (b + d);
  if (product == 0) return 0;
  const double deviation = std::max(0.0, std::abs(a * d - b * c) - n / 2);
  return n * deviation * deviation / product;
}

class MissingRate final : public DriftTest {
 public:
  MissingRate(double alpha, double least_change) : alpha_(alpha), least_change_(least_change) {}

  bool Suits(const table::ColumnProfile&) const override { return true; }

  Result<DriftVerdict> Compare(const table::ColumnProfile& reference,
                               const table::ColumnProfile& window) const override {
    DriftVerdict out;
    out.threshold = ChiSquareQuantile(alpha_, 1);
    const auto before = static_cast<double>(reference.count()), after = static_cast<double>(window.count());
    if (before == 0 || after == 0) {
      out.why = Str("the ", before == 0 ? "reference" : "window", " has no rows");
      return out;
    }
    const auto missing_before = static_cast<double>(reference.missing()),
               missing_after = static_cast<double>(window.missing());
    out.statistic = YatesChiSquare(missing_before, before - missing_before, missing_after, after - missing_after);
    const double change = std::abs(missing_after / after - missing_before / before);
    out.drifted = out.statistic > out.threshold && change >= least_change_;
    out.why = Str(Percent(missing_after / after), " missing, ", Percent(missing_before / before), " in the reference",
                  out.drifted ? "" : ": no more change than rows explain");
    if (!out.drifted && out.statistic > out.threshold)
      out.why = Str(out.why.substr(0, out.why.find(": no")), ": less than a change of ", Percent(least_change_));
    return out;
  }

 private:
  double alpha_;
  double least_change_;
};

}  // namespace

Result<void> AddMissingRate(Kinds<DriftTest>& kinds) {
  return kinds.Add("missing_rate",
                   {.summary = "Test whether as many values are missing as before",
                    .when = "Every column: a source that breaks shows here first",
                    .example = R"({"alpha": 0.01})",
                    .options = SignificanceOptions("How often it may call equal shares different", "least_change", 0.01,
                                                   "A smaller change of the share is no drift, however many rows prove it")},
                   [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
                     return std::make_unique<MissingRate>(options.Number("alpha"), options.Number("least_change"));
                   });
}

}  // namespace tenon::monitor

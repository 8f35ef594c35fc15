// Two-sample Kolmogorov-Smirnov test: the largest gap between the cumulative shares.

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "base/text.h"
#include "monitor/measures_internal.h"

namespace tenon::monitor {
namespace {

constexpr int kQuantiles = 256;  // places looked at where a profile no longer holds every value

using Steps = std::vector<std::pair<double, double>>;  // value, how many are at or below it

Steps StepsOf(const table::ColumnProfile& profile) {
  Steps out;
  for (const table::Frequency& entry : profile.Top(table::ColumnProfile::kExactDistinct)) {
    double value = 0;
    if (ParseDouble(entry.value, &value)) out.emplace_back(value, entry.count);
  }
  std::ranges::sort(out);
  double sum = 0;
  for (auto& [value, count] : out) count = sum += count;
  return out;
}

struct Gap {
  double size = 0;
  double at = 0;
  bool window_lower = false;
};

void Widen(double before, double after, double at, Gap* gap) {
  if (std::abs(before - after) <= gap->size) return;
  *gap = {std::abs(before - after), at, after > before};
}

// Both profiles hold every value: the gap is exact.
Gap ExactGap(const Steps& reference, const Steps& window) {
  Gap gap;
  const double n = reference.back().second, m = window.back().second;
  double before = 0, after = 0;
  for (std::size_t i = 0, j = 0; i < reference.size() && j < window.size();) {
    const double at = std::min(reference[i].first, window[j].first);
    if (reference[i].first == at) before = reference[i++].second;
    if (window[j].first == at) after = window[j++].second;
    Widen(before / n, after / m, at, &gap);
  }
  return gap;
}

// A sketch is exact between its buckets: there the gap is looked for, so it is never overstated.
Gap SketchedGap(const table::ColumnProfile& reference, const table::ColumnProfile& window) {
  std::vector<double> places;
  for (const auto* side : {&reference, &window}) {
    for (int i = 0; i <= kQuantiles; ++i) {
      const double x = SnapToBucket(side->Quantile(static_cast<double>(i) / kQuantiles));
      if (std::isfinite(x)) places.push_back(x);
    }
  }
  std::ranges::sort(places);
  places.erase(std::unique(places.begin(), places.end()), places.end());
  Gap gap;
  for (const double x : places) {
    Widen(Below(reference, x) / Present(reference), Below(window, x) / Present(window), x, &gap);
  }
  return gap;
}

class KolmogorovSmirnov final : public DriftTest {
 public:
  KolmogorovSmirnov(double alpha, double least_gap) : alpha_(alpha), least_gap_(least_gap) {}

  bool Suits(const table::ColumnProfile& reference) const override { return reference.numeric(); }

  Result<DriftVerdict> Compare(const table::ColumnProfile& reference,
                               const table::ColumnProfile& window) const override {
    if (!reference.numeric() || !window.numeric()) {
      return Error(Code::kInvalidArgument, Str("column '", reference.field().name,
                                               "' does not hold numbers on both sides; use "
                                               "chi_square for texts"));
    }
    if (auto nothing = NothingToCompare(reference, window, 0)) return *std::move(nothing);
    DriftVerdict out;
    const double n = Present(reference), m = Present(window);
    const bool exact = reference.distinct_is_exact() && window.distinct_is_exact();
    const Gap gap = exact ? ExactGap(StepsOf(reference), StepsOf(window)) : SketchedGap(reference, window);
    out.statistic = gap.size;
    out.threshold = std::max(least_gap_, KolmogorovQuantile(alpha_, n, m));
    out.drifted = out.statistic > out.threshold;
    out.why = Str("gap ", FormatShort(gap.size, 3), " is ", out.drifted ? "above " : "not above ",
                  FormatShort(out.threshold, 3), " (p ", FormatShort(KolmogorovTail(gap.size, n, m), 2),
                  "): ", gap.window_lower ? "more" : "fewer", " values up to ", FormatShort(gap.at));
    return out;
  }

 private:
  double alpha_;
  double least_gap_;
};

}  // namespace

Result<void> AddKolmogorovSmirnov(Kinds<DriftTest>& kinds) {
  return kinds.Add(
      "kolmogorov_smirnov",
      {.summary = "Test whether two sets of numbers come from one distribution",
       .when = "Continuous numbers; it sees any change of place, width or form. Cautious where values repeat; "
               "for categories use chi_square",
       .example = R"({"alpha": 0.01})",
       .options = SignificanceOptions("How often it may call equal distributions different", "least_gap", 0.02,
                                      "A smaller gap of the cumulative shares is no drift, however many rows prove it")},
      [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
        return std::make_unique<KolmogorovSmirnov>(options.Number("alpha"), options.Number("least_gap"));
      });
}

}  // namespace tenon::monitor

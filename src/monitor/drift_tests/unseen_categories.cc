// Values that training never saw, against how many new ones the reference itself lets expect (Good 1953: the share of
// values that came once).

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "monitor/measures_internal.h"

namespace tenon::monitor {
namespace {

constexpr int kAll = table::ColumnProfile::kExactDistinct;
constexpr std::size_t kNamed = 3;  // new values named in the reason

class UnseenCategories final : public DriftTest {
 public:
  UnseenCategories(double alpha, double threshold) : alpha_(alpha), threshold_(threshold) {}

  bool Suits(const table::ColumnProfile& reference) const override {
    return reference.field().type == table::Type::kString && reference.distinct_is_exact();
  }

  Result<DriftVerdict> Compare(const table::ColumnProfile& reference,
                               const table::ColumnProfile& window) const override {
    if (auto nothing = NothingToCompare(reference, window, threshold_)) return *std::move(nothing);
    DriftVerdict out;
    out.threshold = threshold_;
    const double n = Present(reference), m = Present(window);
    std::set<std::string> known;
    double once = 0;
    for (const table::Frequency& entry : reference.Top(kAll)) {
      known.insert(entry.value);
      once += entry.count == 1;
    }
    double unseen = 0, listed = 0;
    std::vector<std::string> named;
    for (const table::Frequency& entry : window.Top(kAll)) {
      listed += entry.count;
      if (known.contains(entry.value)) continue;
      unseen += entry.count;
      if (named.size() < kNamed) named.push_back(Str("'", entry.value, "'"));
    }
    // A window of more values than it can list has more than the reference ever had: the rest counts as new.
    if (!window.distinct_is_exact()) unseen += std::max(0.0, m - listed);
    out.statistic = unseen / m;
    const double expected = m * (once + 1) / (n + 1);
    const double chance = unseen > 0 ? 1 - GammaTail(unseen, expected) : 1;  // of a Poisson count at least as large
    out.drifted = out.statistic > threshold_ && chance < alpha_;
    out.why = unseen == 0 ? "no new values"
                          : Str(Percent(out.statistic), " of the rows hold new values, such as ", Join(named, ", "),
                                out.drifted ? "" : "; no more than expected");
    return out;
  }

 private:
  double alpha_;
  double threshold_;
};

}  // namespace

Result<void> AddUnseenCategories(Kinds<DriftTest>& kinds) {
  return kinds.Add("unseen_categories",
                   {.summary = "Find values that training never saw",
                    .when = "Texts of few values; a model knows nothing of new ones",
                    .example = R"({"threshold": 0.01})",
                    .options = {{.name = "threshold",
                                 .fallback = 0.01,
                                 .help = "Drift when a larger share of the rows holds new values",
                                 .least = 0,
                                 .most = 1},
                                {.name = "alpha",
                                 .fallback = 0.01,
                                 .help = "How often it may take values that are merely rare for a drift",
                                 .least = 1e-12,
                                 .most = 0.5}}},
                   [](const Options& options) -> Result<std::unique_ptr<DriftTest>> {
                     return std::make_unique<UnseenCategories>(options.Number("alpha"), options.Number("threshold"));
                   });
}

}  // namespace tenon::monitor

// Classes that are rare.

#include <algorithm>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Imbalance final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    constexpr double kRare = 0.01;
    constexpr double kUneven = 0.1;
    constexpr std::int64_t kFew = 10;
    std::vector<Anomaly> out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    if (!target.classes || target.names.size() < 2) return out;
    std::int64_t labelled = 0;
    for (const std::int64_t rows : target.rows) labelled += rows;
    const auto rarest = static_cast<std::size_t>(std::min_element(target.rows.begin(), target.rows.end()) - target.rows.begin());
    const double share = static_cast<double>(target.rows[rarest]) / static_cast<double>(labelled);
    // Many classes are each rare by nature.
    const double fair = 2 / static_cast<double>(target.names.size());
    const std::string numbers = Str("class '", target.names[rarest], "' of '", evidence.label, "' has ", FormatCount(target.rows[rarest]),
                                    " of ", FormatCount(labelled), " rows (", Percent(share), ")");
    if (target.rows[rarest] < kFew && labelled >= 2 * kFew) {
      out.push_back({"", evidence.label, Severity::kWarning, "a class with hardly any rows", numbers,
                     "bring more rows of it, or join it with a class that means about the same"});
    } else if (share < kRare * fair) {
      out.push_back({"", evidence.label, Severity::kWarning, Str("imbalanced: ", Percent(share)), numbers,
                     "judge by average_precision or by cost instead of accuracy, and let the threshold follow problem.costs"});
    } else if (share < kUneven * fair) {
      out.push_back({"", evidence.label, Severity::kInfo, Str("imbalanced: ", Percent(share)), numbers,
                     "accuracy says little here: judge by average_precision, log_loss or cost"});
    }
    return out;
  }
};

}  // namespace

Result<void> AddImbalance(Kinds<Check>& kinds) {
  return kinds.Add("imbalance",
                   {.summary = "Find rare classes",
                    .when = "Labels with classes",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Imbalance>(); });
}

}  // namespace tenon::validate

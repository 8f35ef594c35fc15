// Means, medians, quantiles, sums, numbers of distinct values that are not within the bounds that the user wrote.

#include <cmath>

#include "base/text.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

bool OfNumbers(const std::vector<std::string>& name) { return !name[0].starts_with("distinct"); }

std::string Words(const std::vector<std::string>& name) {
  if (name[0] == "quantiles") return Str("quantile ", name[1]);
  if (name[0] == "std") return "deviation";
  if (name[0] == "distinct") return "number of distinct values";
  if (name[0] == "distinct_share") return "share of distinct values";
  return name[0];
}

class Statistics final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const ingest::Sensitive hidden = dataset::SensitiveOf(evidence.snapshot->about());
    for (const auto& [column, settings] : evidence.spec->columns) {
      TENON_TRY(call.Check());
      const table::ColumnProfile* profile = evidence.profile->Find(column);
      if (profile == nullptr) continue;
      TENON_ASSIGN(const ColumnRules rules, RulesOf(settings));
      for (const auto& [name, bounds] : rules.statistics) {
        const std::string path = Str("validate.columns.", column, ".", Join(name, "."));
        if (OfNumbers(name) && (!profile->numeric() || profile->field().type == table::Type::kTimestamp)) {
          return Error(Code::kInvalidArgument, Str(path, ": '", column, "' is of type ", table::NameOf(profile->field().type), ", which has no ", Words(name), "; of texts write distinct, distinct_share or length"));
        }
        const double value = StatisticOf(*profile, name);
        if (bounds.Hold(value)) continue;
        const bool nothing = std::isnan(value);
        const std::string shown = nothing ? "is not there, as no value is" : hidden.contains(column) ? "is out of bounds" : Str("is ", FormatShort(value, 6));
        std::vector<Setting> accept;
        if (!nothing) {
          std::vector<std::string> setting = {"validate", "columns", column};
          setting.insert(setting.end(), name.begin(), name.end());
          setting.push_back(value < bounds.least ? "min" : "max");
          accept.push_back({std::move(setting), Json(value)});
        }
        out.push_back({"", column, Severity::kError, Str("the ", Words(name), " ", shown),
                       Str("the ", Words(name), " of '", column, "' ", shown, ", of ", FormatCount(profile->count() - profile->missing()), " values; expected: ", TextOf(bounds)),
                       Str("look at the source; if it is right, change ", path), std::move(accept)});
      }
    }
    return out;
  }
};

}  // namespace

Result<void> AddStatistics(Kinds<Check>& kinds) {
  return kinds.Add("statistics",
                   {.summary = "Check that mean, median, quantiles, deviation, sum or number of distinct values lie within bounds",
                    .when = "Where validate.columns has them: what no single row can tell, without a query",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Statistics>(); });
}

}  // namespace tenon::validate

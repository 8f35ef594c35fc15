// Means, medians, quantiles, sums, numbers of distinct values that are not within the bounds that the user wrote.

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/hash.h"
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

double ExactDistinct(const table::Column& column) {
  std::vector<std::uint64_t> keys;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (IsMissing(column, i)) continue;
    const auto at = static_cast<std::size_t>(i);
    if (column.type() == table::Type::kString) keys.push_back(Hash64(column.Text(i)));
    else if (column.type() == table::Type::kFloat64) keys.push_back(std::bit_cast<std::uint64_t>(column.doubles()[at] + 0.0));  // -0 is 0
    else keys.push_back(static_cast<std::uint64_t>(column.ints()[at]));
  }
  std::ranges::sort(keys);
  return static_cast<double>(std::unique(keys.begin(), keys.end()) - keys.begin());
}

// Between two values as ColumnProfile::Quantile has it. There is one that is not missing.
double ExactQuantile(const table::Column& column, double q) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (!IsMissing(column, i)) values.push_back(column.Number(i));
  }
  const double position = q * static_cast<double>(values.size() - 1);
  const auto before = static_cast<std::size_t>(position);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(before);
  std::ranges::nth_element(values, middle);
  const double share = position - static_cast<double>(before);
  if (share == 0 || std::isinf(*middle) || before + 1 == values.size()) return *middle;
  return *middle * (1 - share) + *std::min_element(middle + 1, values.end()) * share;
}

// Of many different values a profile has estimates, and a bound that holds must not be told as broken: those are counted here.
Result<double> ValueOf(const Evidence& evidence, const table::ColumnProfile& profile, const std::vector<std::string>& name) {
  const double told = StatisticOf(profile, name);
  const bool of_ranks = name[0] == "median" || name[0] == "quantiles";
  if (profile.distinct_is_exact() || (OfNumbers(name) && !of_ranks)) return told;
  TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(profile.field().name));
  if (of_ranks) {
    double q = 0.5;
    if (name[0] == "quantiles") ParseDouble(name[1], &q);
    return ExactQuantile(column, q);
  }
  const double distinct = ExactDistinct(column);
  return name[0] == "distinct" ? distinct : distinct / static_cast<double>(profile.count() - profile.missing());
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
        TENON_ASSIGN(const double value, ValueOf(evidence, *profile, name));
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

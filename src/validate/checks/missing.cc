// Shares of missing values above what is expected.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Missing final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    constexpr double kNearlyAll = 0.95;
    std::vector<Anomaly> out;
    for (const table::ColumnProfile& column : evidence.profile->columns()) {
      const std::string& name = column.field().name;
      if (column.missing() == 0) continue;
      const double share = static_cast<double>(column.missing()) / static_cast<double>(column.count());
      const std::string numbers = Str(FormatCount(column.missing()), " of ", FormatCount(column.count()), " values of '", name,
                                      "' are missing (", Percent(share), ")");
      const auto expected = std::find_if(evidence.schema->begin(), evidence.schema->end(),
                                         [&](const ColumnExpectation& one) { return one.name == name; });
      if (expected != evidence.schema->end() && share > expected->most_missing) {
        out.push_back({"", name, SeverityOf(evidence, name, "missing"), Str(Percent(share), " missing"),
                       Str(numbers, "; at most ", Percent(expected->most_missing), " was expected"),
                       Str("look at the source; if it is right, write validate.columns.", name, ": {missing: ",
                           FormatShort(share + 0.005, 2), "}"),
                       {{{"validate", "columns", name, "missing"}, Json(std::min(1.0, std::ceil(100 * share) / 100))}}});
      } else if (share == 1) {
        out.push_back({"", name, Severity::kWarning, "no value at all", numbers,
                       Str("bring the values back at the source, or leave '", name, "' out of the features")});
      } else if (share >= kNearlyAll && name != evidence.label) {
        out.push_back({"", name, Severity::kInfo, Str(Percent(share), " missing"), numbers,
                       Str("that it is there may tell more than its value: add an indicator, or leave '", name, "' out")});
      }
    }
    return out;
  }
};

}  // namespace

Result<void> AddMissing(Kinds<Check>& kinds) {
  return kinds.Add("missing",
                   {.summary = "Find columns with too many missing values",
                    .when = "Always; a share that grows is often a broken source",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Missing>(); });
}

}  // namespace tenon::validate

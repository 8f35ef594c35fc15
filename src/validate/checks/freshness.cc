// Whether the newest row is as new as its source promises.

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "base/time.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Freshness final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const Json& about = evidence.snapshot->about();
    const Json* governance = about.Find("governance");
    const std::string promise = governance != nullptr && governance->is_object() ? governance->StringAt("freshness") : "";
    if (promise.empty()) return out;
    const std::string when = about.StringAt("time");
    const table::ColumnProfile* profile = evidence.profile->Find(when);
    if (profile == nullptr || profile->field().type != table::Type::kTimestamp) {
      out.push_back({"", when, Severity::kError, "freshness cannot be told", "data.freshness needs data.time to name a column of timestamps", "write data.time"});
      return out;
    }
    TENON_ASSIGN(const auto promised, ParseDuration(promise), "data.freshness");
    TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(when));
    std::int64_t newest = std::numeric_limits<std::int64_t>::min();
    for (std::int64_t i = 0; i < column.size(); ++i) {
      if (!column.IsNull(i)) newest = std::max(newest, column.ints()[static_cast<std::size_t>(i)]);
    }
    const std::int64_t now = call.Now();
    const bool none = profile->count() == profile->missing();
    if (!none && now - newest <= promised.count()) return out;
    const double days = static_cast<double>(now - newest) / 86'400'000'000.0;
    out.push_back({"", when, Severity::kError, "stale",
                   none ? Str("'", when, "' has no value")
                        : Str("the newest row is of ", FormatTimestamp(newest), ", ", FormatShort(days, 3), " days ago; at most ", promise, " was promised"),
                   "find out why the source brings nothing new; if it is meant to be so, change data.freshness, or write validate.severity: {freshness: warning}"});
    return out;
  }
};

}  // namespace

Result<void> AddFreshness(Kinds<Check>& kinds) {
  return kinds.Add("freshness",
                   {.summary = "Check that the newest row is as new as promised",
                    .when = "Where data.freshness is written, such as 2d",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Freshness>(); });
}

}  // namespace tenon::validate

// Moments that lie after the event a row is of: what happened later is not known when a prediction is made.

#include "base/text.h"
#include "base/time.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kMany = 0.01;  // fewer are slips of the pen

class AfterEvent final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::string when = evidence.snapshot->about().StringAt("time");
    if (when.empty() || evidence.snapshot->schema().Find(when) < 0) return out;
    TENON_ASSIGN(const table::Column event, evidence.snapshot->Column(when));
    if (event.type() != table::Type::kTimestamp) return out;
    for (const std::string& name : FeatureColumns(evidence)) {
      TENON_ASSIGN(const table::Column other, evidence.snapshot->Column(name));
      if (other.type() != table::Type::kTimestamp) continue;
      std::int64_t present = 0;
      std::int64_t later = 0;
      std::int64_t example = -1;
      for (std::int64_t i = 0; i < other.size(); ++i) {
        if (other.IsNull(i) || event.IsNull(i)) continue;
        const auto at = static_cast<std::size_t>(i);
        ++present;
        if (other.ints()[at] <= event.ints()[at]) continue;
        if (later++ == 0) example = i;
      }
      if (later == 0) continue;
      const double share = static_cast<double>(later) / static_cast<double>(present);
      out.push_back({"", name, share >= kMany ? Severity::kWarning : Severity::kInfo, Str("after the event in ", Percent(share), " of rows"),
                     Str("'", name, "' is later than '", when, "' in ", FormatCount(later), " of ", FormatCount(present), " rows, such as row ", example + 1, ": ",
                         TextOf(other, example), " after ", TextOf(event, example)),
                     Str("if it is written down after the event, leave it out (transform: {drop: [", name, "]}); a date that is fixed beforehand, such as a due date, may stay"),
                     {{{"transform", "drop"}, Json(name), true}}});
    }
    return out;
  }
};

}  // namespace

Result<void> AddAfterEvent(Kinds<Check>& kinds) {
  return kinds.Add("after_event",
                   {.summary = "Find moments that lie after the event of their row",
                    .when = "Rows with data.time: such a column is not known when a prediction is made",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<AfterEvent>(); });
}

}  // namespace tenon::validate

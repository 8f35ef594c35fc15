// Columns that are filled in later: there in old rows, missing in the newest, as they will be when a prediction is made.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr std::int64_t kEnoughRows = 200;
constexpr double kNewest = 0.05;      // of the rows
constexpr double kMissingMore = 0.3;  // in the newest rows than before
constexpr double kFewMissing = 0.5;

class Availability final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::string when = evidence.snapshot->about().StringAt("time");
    if (when.empty() || evidence.snapshot->schema().Find(when) < 0 || evidence.snapshot->rows() < kEnoughRows) return out;
    TENON_ASSIGN(const table::Column event, evidence.snapshot->Column(when));
    if (event.type() == table::Type::kString || event.type() == table::Type::kEmbedding) return out;
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < event.size(); ++i) {
      if (!IsMissing(event, i)) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return event.Number(a) < event.Number(b); });
    const auto newest = std::max<std::size_t>(30, static_cast<std::size_t>(kNewest * static_cast<double>(order.size())));
    if (order.size() < 2 * newest) return out;
    for (const std::string& name : FeatureColumns(evidence)) {
      TENON_TRY(call.Check());
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
      double before = 0;
      double now = 0;
      for (std::size_t i = 0; i < order.size(); ++i) {
        (i + newest < order.size() ? before : now) += IsMissing(column, order[i]) ? 1 : 0;
      }
      before /= static_cast<double>(order.size() - newest);
      now /= static_cast<double>(newest);
      if (before > kFewMissing || now < before + kMissingMore) continue;
      out.push_back({"", name, Severity::kWarning, "missing in the newest rows",
                     Str("'", name, "' is missing in ", Percent(now), " of the newest ", FormatCount(static_cast<std::int64_t>(newest)), " rows by '", when, "', in ", Percent(before),
                         " of those before: either it is filled in after the event, and will be missing whenever a prediction is made, or its source broke"),
                     Str("leave it out (transform: {drop: [", name, "]}), or mend the source"),
                     {{{"transform", "drop"}, Json(name), true}}});
    }
    return out;
  }
};

}  // namespace

Result<void> AddAvailability(Kinds<Check>& kinds) {
  return kinds.Add("availability",
                   {.summary = "Find columns that are filled in only after a while",
                    .when = "Rows with data.time: what the newest rows lack, predictions will lack",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Availability>(); });
}

}  // namespace tenon::validate

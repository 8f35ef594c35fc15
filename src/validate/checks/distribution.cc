// Columns whose values are distributed otherwise than in the last snapshot.

#include "base/text.h"
#include "validate/distance_internal.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Distribution final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    constexpr double kSlight = 0.4;  // of the threshold: worth knowing
    std::vector<Anomaly> out;
    if (evidence.previous == nullptr) return out;
    const DriftRule& rule = evidence.spec->drift;
    for (const table::ColumnProfile& now : evidence.profile->columns()) {
      const std::string& name = now.field().name;
      const table::ColumnProfile* before = evidence.previous->Find(name);
      if (before == nullptr || MayDrift(*evidence.spec, name)) continue;
      const std::optional<Shift> shift = ShiftOf(*before, now, rule.least_rows);
      if (!shift) continue;
      bool written = false;
      const double threshold = ThresholdOf(*evidence.spec, name, &written);
      const double value = shift->Of(rule.distance);
      if (value < kSlight * threshold) continue;
      const bool far = value >= threshold;
      const Severity severity = !far ? Severity::kInfo : written && !rule.written ? Severity::kError : rule.severity;
      out.push_back({"", name, severity,
                     Str(far ? "shifted, " : "slightly shifted, ", DistanceText(rule.distance, value)),
                     Str("'", name, "' is distributed otherwise than in the last snapshot: population stability index ",
                         FormatShort(shift->psi, 3), ", Jensen-Shannon divergence ", FormatShort(shift->jensen_shannon, 3), " bits, largest change of a share ",
                         Percent(shift->largest_change), "; ", shift->text),
                     "find out whether the world or the source changed; if the world did, train again on recent rows",
                     severity == Severity::kError ? std::vector<Setting>{{{"validate", "drift", "ignore"}, Json(name), true}} : std::vector<Setting>()});
    }
    return out;
  }
};

}  // namespace

Result<void> AddDistribution(Kinds<Check>& kinds) {
  return kinds.Add("distribution",
                   {.summary = "Compare the distribution of each column with that of the last snapshot",
                    .when = "Data that come again and again; needs a last snapshot. validate.drift says how far is too far",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Distribution>(); });
}

}  // namespace tenon::validate

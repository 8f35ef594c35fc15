// Values of a column, such as a country, whose rows are distributed otherwise than in the last snapshot: all rows together may hide it.

#include <algorithm>

#include "base/text.h"
#include "table/profile_slices.h"
#include "validate/distance_internal.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kSure = 4;         // deviations of the index above what chance makes of it, as many slices are looked at
constexpr double kShareOfRows = 0.01;  // a slice that had fewer rows may go
constexpr std::size_t kNamed = 5;

struct Drifted {
  std::string slice;
  double value = 0;
  std::string text;
};

Result<table::SlicedProfile> Slices(const Call& call, const dataset::DatasetSnapshot& rows, const std::string& by) {
  TENON_ASSIGN(table::SlicedProfile out, table::SlicedProfile::Make(rows.schema(), by), "validate.drift.by");
  for (const table::Batch& batch : rows.batches()) {
    TENON_TRY(call.Check());
    out.Add(batch);
  }
  return out;
}

class SliceDrift final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const std::string& by : evidence.spec->drift.by) {
      if (dataset::SensitiveOf(evidence.snapshot->about()).contains(by)) {
        return Error(Code::kInvalidArgument, Str("validate.drift.by: '", by, "' is sensitive (data.sensitive); its values are not shown"));
      }
      TENON_TRY(evidence.snapshot->schema().At(by), "validate.drift.by");
      if (evidence.previous_rows == nullptr || evidence.previous_rows->schema().Find(by) < 0) continue;
      TENON_ASSIGN(const table::SlicedProfile before, Slices(call, *evidence.previous_rows, by));
      TENON_ASSIGN(const table::SlicedProfile now, Slices(call, *evidence.snapshot, by));
      Gone(evidence, by, before, now, &out);
      for (const table::Field& field : evidence.snapshot->schema().fields()) {
        if (field.name != by && !MayDrift(*evidence.spec, field.name)) Column(evidence, by, field.name, before, now, &out);
      }
    }
    return out;
  }

 private:
  static void Gone(const Evidence& evidence, const std::string& by, const table::SlicedProfile& before, const table::SlicedProfile& now, std::vector<Anomaly>* out) {
    std::vector<std::string> gone;
    std::int64_t rows = 0;
    const auto least = static_cast<std::int64_t>(kShareOfRows * static_cast<double>(evidence.previous_rows->rows()));
    for (const auto& [slice, profile] : before.slices()) {
      if (now.slices().contains(slice) || profile.rows() < std::max(least, evidence.spec->drift.least_rows)) continue;
      gone.push_back(slice);
      rows += profile.rows();
    }
    if (gone.empty()) return;
    out->push_back({"", by, evidence.spec->drift.severity, Str(gone.size(), gone.size() == 1 ? " slice is gone" : " slices are gone"),
                    Str("no row has these values of '", by, "' any more, which had ", FormatCount(rows), " rows in the last snapshot: ", Some(gone)),
                    "see whether the source delivered all of its parts"});
  }

  static void Column(const Evidence& evidence, const std::string& by, const std::string& name, const table::SlicedProfile& before,
                     const table::SlicedProfile& now, std::vector<Anomaly>* out) {
    const DriftRule& rule = evidence.spec->drift;
    bool written = false;
    const double threshold = ThresholdOf(*evidence.spec, name, &written);
    std::vector<Drifted> found;
    std::size_t compared = 0;
    for (const auto& [slice, is] : now.slices()) {
      const auto at = before.slices().find(slice);
      const table::ColumnProfile* was = at == before.slices().end() ? nullptr : at->second.Find(name);
      const table::ColumnProfile* column = is.Find(name);
      if (was == nullptr || column == nullptr) continue;
      const std::optional<Shift> shift = ShiftOf(*was, *column, rule.least_rows);
      if (!shift) continue;
      ++compared;
      if (shift->Of(rule.distance) < threshold || shift->psi < kSure * shift->spread) continue;
      found.push_back({slice, shift->Of(rule.distance), shift->text});
    }
    if (found.empty()) return;
    std::stable_sort(found.begin(), found.end(), [](const Drifted& a, const Drifted& b) { return a.value > b.value; });
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(found.size(), kNamed); ++i) {
      shown.push_back(Str("'", found[i].slice, "' ", DistanceText(rule.distance, found[i].value), " (", found[i].text, ")"));
    }
    if (found.size() > kNamed) shown.push_back(Str(found.size() - kNamed, " more"));
    out->push_back({"", name, written && !rule.written ? Severity::kError : rule.severity,
                    Str("shifted in ", found.size(), " of ", compared, compared == 1 ? " slice by '" : " slices by '", by, "'"),
                    Str("'", name, "' is distributed otherwise than in the last snapshot in rows of '", by, "': ", Join(shown, "; ")),
                    Str("look at the rows of '", by, "' = '", found[0].slice, "'; if that part of the world changed, train again on recent rows")});
  }
};

}  // namespace

Result<void> AddSliceDrift(Kinds<Check>& kinds) {
  return kinds.Add("slice_drift",
                   {.summary = "Compare distributions within each value of a column, such as a country, with those of the last snapshot",
                    .when = "Where validate.drift.by names columns: a shift of one part may not be seen in all rows together",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<SliceDrift>(); });
}

}  // namespace tenon::validate

// Numbers outside of what is expected.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

// Infinite ends are no ends; an infinity among the values is not to be accepted.
std::vector<Setting> Bounds(const ColumnExpectation& expected, double least, double most) {
  std::vector<Setting> out;
  if (std::isinf(least) && !std::isinf(expected.least)) return out;
  if (std::isinf(most) && !std::isinf(expected.most)) return out;
  if (std::isfinite(least)) out.push_back({{"validate", "columns", expected.name, "min"}, Json(least)});
  if (std::isfinite(most)) out.push_back({{"validate", "columns", expected.name, "max"}, Json(most)});
  return out;
}

class Range final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const ColumnExpectation& expected : *evidence.schema) {
      const table::ColumnProfile* profile = evidence.profile->Find(expected.name);
      if (profile == nullptr || !profile->numeric() || profile->count() == profile->missing()) continue;
      if (profile->infinities() > 0 && expected.name != evidence.label) {
        out.push_back({"", expected.name, Severity::kWarning, Str(FormatCount(profile->infinities()), " infinite values"),
                       Str("'", expected.name, "' has ", FormatCount(profile->infinities()), " infinite values among ",
                           FormatCount(profile->count())),
                       "an infinity is mostly a division by zero at the source: write it as missing"});
      }
      if (!expected.has_range || (profile->min() >= expected.least && profile->max() <= expected.most)) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(expected.name));
      std::int64_t outside = 0;
      std::vector<std::string> first;
      for (std::int64_t i = 0; i < column.size(); ++i) {
        if (IsMissing(column, i) || (column.Number(i) >= expected.least && column.Number(i) <= expected.most)) continue;
        ++outside;
        if (first.size() < 5) first.push_back(Str(TextOf(column, i), " in row ", i + 1));
      }
      const double mostly = MostlyOf(evidence, expected.name);
      const auto present = static_cast<double>(profile->count() - profile->missing());
      if (outside == 0 || (mostly < 1 && 1 - static_cast<double>(outside) / present >= mostly)) continue;
      out.push_back({"", expected.name, SeverityOf(evidence, expected.name, profile->min() < expected.least ? "min" : "max"),
                     Str(FormatCount(outside), outside == 1 ? " value" : " values", " out of range"),
                     Str(FormatCount(outside), " values of '", expected.name, "' are not within ", FormatShort(expected.least), " to ",
                         FormatShort(expected.most), ": ", Join(first, ", ")),
                     Str("correct them at the source or write them as missing; if they are right, write validate.columns.",
                         expected.name, ": {min: ", FormatDouble(std::min(profile->min(), expected.least)),
                         ", max: ", FormatDouble(std::max(profile->max(), expected.most)), "}"),
                     Bounds(expected, std::min(profile->min(), expected.least), std::max(profile->max(), expected.most))});
    }
    return out;
  }
};

}  // namespace

Result<void> AddRange(Kinds<Check>& kinds) {
  return kinds.Add("range",
                   {.summary = "Find numbers outside of their range, and infinities",
                    .when = "Always; ranges come from the user or, with room, from earlier data",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Range>(); });
}

}  // namespace tenon::validate

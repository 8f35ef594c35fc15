// How many rows came, against the last time.

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kLess = 0.5;
constexpr double kMore = 3;
constexpr double kLost = 0.1;  // nine rows in ten are gone

class Volume final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::int64_t rows = evidence.snapshot->rows();
    if (rows == 0) {
      out.push_back({"", "", Severity::kError, "no rows", "the snapshot has no rows", "look at the source: its query or filter may be wrong"});
      return out;
    }
    const auto& [least, most] = evidence.spec->rows;
    if (rows < least || rows > most) {
      out.push_back({"", "", Severity::kError, Str(FormatCount(rows), rows < least ? " rows are too few" : " rows are too many"),
                     Str("the snapshot has ", FormatCount(rows), " rows; validate.rows expects ", least > 0 ? Str("at least ", FormatCount(least)) : "", least > 0 && most < kAnyRows ? ", " : "",
                         most < kAnyRows ? Str("at most ", FormatCount(most)) : ""),
                     "see whether the source delivered all of its parts, and each once; or change validate.rows"});
    }
    if (evidence.previous == nullptr || evidence.previous->rows() == 0) return out;
    const std::int64_t before = evidence.previous->rows();
    const double ratio = static_cast<double>(rows) / static_cast<double>(before);
    if (ratio >= kLess && ratio <= kMore) return out;
    out.push_back({"", "", ratio < kLost ? Severity::kError : Severity::kWarning,
                   Str(FormatCount(rows), " rows after ", FormatCount(before)),
                   Str("the last snapshot had ", FormatCount(before), " rows, this one has ", FormatCount(rows), " (",
                       FormatShort(ratio, 3), " times)"),
                   ratio < 1 ? "see whether the source delivered all of its parts" : "see whether the source delivered parts twice"});
    return out;
  }
};

}  // namespace

Result<void> AddVolume(Kinds<Check>& kinds) {
  return kinds.Add("volume",
                   {.summary = "Compare the number of rows with that of the last snapshot, and with validate.rows",
                    .when = "Data that come again and again",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Volume>(); });
}

}  // namespace tenon::validate

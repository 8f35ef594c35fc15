// Columns whose values are all different: keys, serial numbers, codes.

#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kSentence = 40;  // bytes; longer texts are read, not identifiers

// Whether all values that are there differ; *rising: integers that only grow, or only fall.
bool AllDifferent(const table::Column& column, bool* rising) {
  std::unordered_set<std::uint64_t> seen;
  seen.reserve(static_cast<std::size_t>(column.size()));
  const bool text = column.type() == table::Type::kString;
  bool up = !text;
  bool down = !text;
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (column.IsNull(i)) continue;
    const std::int64_t value = text ? 0 : column.ints()[static_cast<std::size_t>(i)];
    if (!seen.insert(text ? Hash64(column.Text(i)) : static_cast<std::uint64_t>(value)).second) return false;
    if (seen.size() > 1) {
      up = up && value > last;
      down = down && value < last;
    }
    last = value;
  }
  *rising = up || down;
  return true;
}

class Identifiers final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    constexpr std::int64_t kEnough = 20;
    std::vector<Anomaly> out;
    for (const table::ColumnProfile& profile : evidence.profile->columns()) {
      const std::string& name = profile.field().name;
      const table::Type type = profile.field().type;
      const std::int64_t present = profile.count() - profile.missing();
      if (name == evidence.label || present < kEnough || profile.missing() > present) continue;
      if (type != table::Type::kInt64 && type != table::Type::kString) continue;
      if (profile.distinct() < 0.9 * static_cast<double>(present) || profile.mean_length() > kSentence) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
      bool rising = false;
      if (!AllDifferent(column, &rising)) continue;
      out.push_back({"", name, Severity::kInfo, rising ? "a running number" : "an identifier",
                     Str("all ", FormatCount(present), " values of '", name, "' differ", rising ? " and follow each other" : "",
                         ": it names rows and will be left out of the features"),
                     Str("name it under data.key if it is the rows' key; if it is a measurement, write data.types.", name, ": float64")});
    }
    return out;
  }
};

}  // namespace

Result<void> AddIdentifiers(Kinds<Check>& kinds) {
  return kinds.Add("identifiers",
                   {.summary = "Find columns that name rows instead of describing them",
                    .when = "Always; a model would learn them by heart",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Identifiers>(); });
}

}  // namespace tenon::validate

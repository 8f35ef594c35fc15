// Personal data that nobody declared, found by form and by name.

#include <algorithm>
#include <map>

#include "base/text.h"
#include "validate/evidence_internal.h"
#include "validate/personal_internal.h"

namespace tenon::validate {
namespace {

constexpr std::int64_t kMostValues = 2000;
constexpr double kNearlyAll = 0.8;
constexpr double kSome = 0.01;      // of kinds that no other text looks like
constexpr double kManyValues = 20;  // a column named phone with two values says whether there is one

struct Seen {
  std::string_view kind;
  double share = 0;
};

// The kind most values have. What people type among other words is found word by word.
Seen Most(const table::Column& column) {
  std::map<std::string_view, std::int64_t> counts;
  std::int64_t looked = 0;
  const std::int64_t kept = std::min(column.size(), kMostValues);
  for (std::int64_t i = 0; i < kept; ++i) {
    const std::int64_t row = i * column.size() / kept;
    if (IsMissing(column, row)) continue;
    ++looked;
    const std::string text = TextOf(column, row);
    std::string_view kind = PersonalKindOf(text);
    if (kind.empty() && text.find('@') != std::string::npos) {
      for (const std::string& word : Split(text, ' ')) kind = kind.empty() && word.find('@') != std::string::npos ? PersonalKindOf(word) : kind;
    }
    if (!kind.empty()) ++counts[kind];
  }
  Seen out;
  for (const auto& [kind, count] : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(looked);
    if (share > out.share) out = {kind, share};
  }
  return out;
}

class PersonalData final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const auto declared = dataset::SensitiveOf(evidence.snapshot->about());
    for (const table::ColumnProfile& profile : evidence.profile->columns()) {
      const std::string& name = profile.field().name;
      const table::Type type = profile.field().type;
      if (declared.contains(name) || (type != table::Type::kString && type != table::Type::kInt64 && type != table::Type::kTimestamp)) continue;
      if (profile.distinct() < kManyValues) continue;
      TENON_TRY(call.Check());
      const std::string_view named = PersonalKindOfName(name);
      Seen seen;
      if (type != table::Type::kTimestamp) {
        TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
        seen = Most(column);
      }
      const bool by_form = seen.share >= kNearlyAll || (seen.share >= kSome && !IsWeak(seen.kind) && type == table::Type::kString);
      if (!by_form && named.empty()) continue;
      const std::string kind(by_form ? seen.kind : named);
      out.push_back({"", name, by_form ? Severity::kWarning : Severity::kInfo, Str("personal data: ", kind),
                     by_form ? Str(Percent(seen.share), " of the values of '", name, "' that were looked at have the form of: ", kind)
                             : Str("'", name, "' is called like personal data: ", kind),
                     Str("say how it is to be treated: data: {sensitive: {", name, ": pseudonymise}}, or drop or mask; mask leaves the values and keeps them out of reports"),
                     {{{"data", "sensitive", name}, Json("mask")}}});
    }
    return out;
  }
};

}  // namespace

Result<void> AddPersonalData(Kinds<Check>& kinds) {
  return kinds.Add("personal_data",
                   {.summary = "Find personal data that is not declared: e-mail, telephone, IBAN, card, IP, national numbers, names",
                    .when = "Always; data.sensitive declares a column and says how it is treated",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<PersonalData>(); });
}

}  // namespace tenon::validate

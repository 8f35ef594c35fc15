// Whether the data may be used: for this purpose, and row by row with the consent of whom it is about.

#include <algorithm>
#include <array>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

// What the source says its rows may be used for: a word or a list of words.
std::vector<std::string> PurposesOf(const Json& governance) {
  std::vector<std::string> out;
  const Json* purpose = governance.Find("purpose");
  if (purpose == nullptr) return out;
  if (purpose->is_string()) out.push_back(purpose->String());
  if (purpose->is_array()) {
    for (const Json& one : purpose->array()) {
      if (one.is_string()) out.push_back(one.String());
    }
  }
  return out;
}

bool Agrees(const std::string& given, const std::string& wanted, const std::string& purpose) {
  if (!wanted.empty()) return given == wanted;
  static constexpr std::array<std::string_view, 6> kYes = {"true", "yes", "y", "1", "granted", "given"};
  if (std::ranges::find(kYes, ToLower(given)) != kYes.end()) return true;
  // A list of what was agreed to.
  for (const char separator : {',', ';', '|'}) {
    for (const std::string& part : Split(given, separator)) {
      if (!purpose.empty() && Trim(part) == purpose) return true;
    }
  }
  return false;
}

class Consent final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const Json& about = evidence.snapshot->about();
    const std::string& purpose = evidence.spec->purpose;
    const Json* written = about.Find("governance");
    const Json governance = written == nullptr ? Json() : *written;
    if (auto forbidden = ForbiddenUse(governance, *evidence.spec)) out.push_back(*std::move(forbidden));
    const Json* consent = governance.Find("consent");
    if (consent == nullptr) return out;
    const std::string name = consent->is_string() ? consent->String() : consent->StringAt("column");
    const Json* value = consent->is_object() ? consent->Find("value") : nullptr;
    const std::string wanted = value == nullptr ? "" : value->is_string() ? value->String() : value->Dump();
    if (evidence.snapshot->schema().Find(name) < 0) {
      out.push_back({"", name, Severity::kError, "no column of consents", Str("data.consent names '", name, "', which is no column"), "correct data.consent"});
      return out;
    }
    TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
    std::int64_t without = 0;
    std::int64_t example = -1;
    for (std::int64_t i = 0; i < column.size(); ++i) {
      if (!IsMissing(column, i) && Agrees(TextOf(column, i), wanted, purpose)) continue;
      if (without++ == 0) example = i;
    }
    if (without == 0) return out;
    out.push_back({"", name, Severity::kError, Str(FormatCount(without), " rows without consent"),
                   Str("in ", FormatCount(without), " of ", FormatCount(column.size()), " rows '", name, "' does not say yes",
                       purpose.empty() ? "" : Str(" to '", purpose, "'"), ", first in row ", example + 1),
                   Str("leave them out: data: {sql: \"SELECT * FROM data WHERE ", name, " = ", wanted.empty() ? "true" : value->is_string() ? Str("'", wanted, "'") : wanted, "\"}")});
    return out;
  }
};

}  // namespace

std::optional<Anomaly> ForbiddenUse(const Json& governance, const ValidateSpec& spec) {
  const std::string owner = governance.StringAt("owner");
  const std::string who = owner.empty() ? "the owner of the source" : Str("the source's owner, ", owner, ",");
  const std::vector<std::string> allowed = PurposesOf(governance);
  if (!spec.purpose.empty() && !allowed.empty() && std::ranges::find(allowed, spec.purpose) == allowed.end()) {
    return Anomaly{"", "", Severity::kError, "not for this purpose",
                   Str("the data are used for '", spec.purpose, "' (validate.purpose), and their source allows: ", Join(allowed, ", "), " (data.purpose)"),
                   Str("use other data, or have ", who, " allow the purpose and add it to data.purpose")};
  }
  const std::string residency = governance.StringAt("residency");
  if (!spec.residency.empty() && std::ranges::find(spec.residency, residency) == spec.residency.end()) {
    return Anomaly{"", "", Severity::kError, "not to be used here",
                   residency.empty() ? Str("where the data lie is not said (data.residency), and only data of ", Join(spec.residency, ", "), " may be used (validate.residency)")
                                     : Str("the data lie in '", residency, "' (data.residency), and only those of ", Join(spec.residency, ", "), " may be used (validate.residency)"),
                   Str("use other data, or ask ", who, " where they may go")};
  }
  return std::nullopt;
}

Result<void> AddConsent(Kinds<Check>& kinds) {
  return kinds.Add("consent",
                   {.summary = "Check that the data may be used: for this purpose, here, and with consent in every row",
                    .when = "Where data.consent, or validate.purpose or validate.residency, are written",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Consent>(); });
}

}  // namespace tenon::validate

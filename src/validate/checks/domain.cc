// Values that were not expected, with the spelling that may have been meant.

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

constexpr int kFewValues = 200;

std::optional<Anomaly> Unseen(const Evidence& evidence, const ColumnExpectation& expected, const table::Column& column) {
  const std::set<std::string> domain(expected.domain.begin(), expected.domain.end());
  std::map<std::string, std::int64_t> unseen;
  std::int64_t rows = 0;
  std::int64_t present = 0;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (IsMissing(column, i)) continue;
    ++present;
    std::string value = TextOf(column, i);
    if (domain.contains(value)) continue;
    ++rows;
    if (unseen.size() < 10000 || unseen.contains(value)) ++unseen[std::move(value)];
  }
  if (unseen.empty()) return {};
  const double mostly = MostlyOf(evidence, expected.name);
  if (mostly < 1 && 1 - static_cast<double>(rows) / static_cast<double>(present) >= mostly) return {};
  std::vector<std::pair<std::string, std::int64_t>> order(unseen.begin(), unseen.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> shown;
  std::string fix;
  for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), 5); ++i) {
    const std::string near = Nearest(order[i].first, expected.domain);
    shown.push_back(Str("'", order[i].first, "' (", FormatCount(order[i].second), " rows",
                        near.empty() ? "" : Str("; did you mean '", near, "'?"), ")"));
    if (!near.empty() && fix.empty()) fix = Str("if '", order[i].first, "' is a spelling of '", near, "', correct it at the source; ");
  }
  if (order.size() > 5) shown.push_back(Str(order.size() - 5, " more"));
  const bool written = UserWrote(evidence, expected.name, "domain") && !UserWrote(evidence, expected.name, "unseen");
  std::vector<std::string> wider = expected.domain;
  for (const auto& [value, count] : order) wider.push_back(value);
  std::vector<Setting> accept;
  if (order.size() <= 1000) accept.push_back({{"validate", "columns", expected.name, "domain"}, Json::ListOf(wider)});
  return Anomaly{"", expected.name, written ? Severity::kError : expected.unseen,
                 Str(order.size(), order.size() == 1 ? " new value" : " new values"),
                 Str(FormatCount(rows), " rows of '", expected.name, "' hold values that are not among the ", domain.size(),
                     " expected: ", Join(shown, ", ")),
                 Str(fix, "add '", order[0].first, "' to validate.columns.", expected.name, ".domain, or write unseen: info"),
                 accept};
}

// Values that have to come and do not.
std::optional<Anomaly> Lacking(const std::vector<std::string>& contains, const std::string& name, const table::Column& column) {
  if (contains.empty()) return {};
  std::set<std::string> lacking(contains.begin(), contains.end());
  for (std::int64_t i = 0; i < column.size() && !lacking.empty(); ++i) {
    if (!IsMissing(column, i)) lacking.erase(TextOf(column, i));
  }
  if (lacking.empty()) return {};
  const std::vector<std::string> values(lacking.begin(), lacking.end());
  return Anomaly{"", name, Severity::kError, Str(values.size(), values.size() == 1 ? " value does not come" : " values do not come"),
                 Str("'", name, "' lacks ", Some(values), " of the ", contains.size(), " values that have to come"), Str("see whether a part of the rows is missing, or leave it out of validate.columns.", name, ".contains")};
}

// Lower case, single blanks, no full stop at the end.
std::string Plain(std::string_view text) {
  std::string out;
  for (const char c : ToLower(Trim(text))) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  while (!out.empty() && (out.back() == '.' || out.back() == ' ')) out.pop_back();
  return out;
}

void Spellings(const table::ColumnProfile& profile, std::vector<Anomaly>* out) {
  std::map<std::string, std::vector<std::string>> same;
  for (const table::Frequency& value : profile.Top(kFewValues)) same[Plain(value.value)].push_back(value.value);
  std::vector<std::string> groups;
  std::string fix;
  for (const auto& [plain, values] : same) {
    if (values.size() < 2 || plain.empty()) continue;
    groups.push_back(Some(values, 4));
    if (fix.empty()) fix = Str("write '", values[0], "' for '", values[1], "' at the source");
  }
  if (groups.empty()) return;
  out->push_back({"", profile.field().name, Severity::kWarning, "one value in several spellings",
                  Str("these differ in case, blanks or a full stop only: ", Join(groups, "; ")), fix});
}

class Domain final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const ColumnExpectation& expected : *evidence.schema) {
      const table::ColumnProfile* profile = evidence.profile->Find(expected.name);
      if (profile == nullptr || profile->field().type == table::Type::kEmbedding) continue;
      if (expected.has_domain) {
        TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(expected.name));
        if (auto found = Unseen(evidence, expected, column)) out.push_back(std::move(*found));
      }
      TENON_ASSIGN(const ColumnRules rules, RulesOf(evidence, expected.name));
      if (!rules.contains.empty()) {
        TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(expected.name));
        if (auto found = Lacking(rules.contains, expected.name, column)) out.push_back(std::move(*found));
      }
      if (profile->field().type == table::Type::kString && profile->distinct_is_exact() && profile->distinct() <= kFewValues) {
        Spellings(*profile, &out);
      }
    }
    return out;
  }
};

}  // namespace

Result<void> AddDomain(Kinds<Check>& kinds) {
  return kinds.Add("domain",
                   {.summary = "Find new values of few-valued texts, values that do not come, and one value in several spellings",
                    .when = "Always; a new value is one that no model has seen",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Domain>(); });
}

}  // namespace tenon::validate

// Values that should rise or fall from row to row and do not.

#include <unordered_map>

#include "base/text.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

// Below 0: a is less than b. Whole numbers are compared as such: beyond 2^53 doubles would call neighbours equal.
int Compare(const table::Column& column, std::int64_t a, std::int64_t b) {
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  switch (column.type()) {
    case table::Type::kString: return sign(column.Text(a), column.Text(b));
    case table::Type::kInt64:
    case table::Type::kTimestamp: return sign(column.ints()[static_cast<std::size_t>(a)], column.ints()[static_cast<std::size_t>(b)]);
    default: return sign(column.Number(a), column.Number(b));
  }
}

bool Holds(Order order, int step) {
  switch (order) {
    case Order::kRising: return step >= 0;
    case Order::kStrictlyRising: return step > 0;
    case Order::kFalling: return step <= 0;
    case Order::kStrictlyFalling: return step < 0;
    case Order::kAny: break;
  }
  return true;
}

std::string_view Words(Order order) {
  switch (order) {
    case Order::kRising: return "below";
    case Order::kStrictlyRising: return "not above";
    case Order::kFalling: return "above";
    default: return "not below";
  }
}

Result<void> LookAt(const Evidence& evidence, const std::string& name, const ColumnRules& rules, bool hidden, std::vector<Anomaly>* out) {
  TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
  table::Column group;
  if (!rules.within.empty()) {
    TENON_TRY(evidence.snapshot->schema().At(rules.within), Str("validate.columns.", name, ".within"));
    TENON_ASSIGN(group, evidence.snapshot->Column(rules.within));
  }
  std::unordered_map<std::string, std::int64_t> last;  // row of each group that had a value last
  std::int64_t wrong = 0;
  std::vector<std::string> first;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (IsMissing(column, i)) continue;
    if (!rules.within.empty() && IsMissing(group, i)) continue;  // of nobody known
    const auto [at, fresh] = last.try_emplace(rules.within.empty() ? std::string() : TextOf(group, i), i);
    if (fresh) continue;
    if (!Holds(rules.order, Compare(column, i, at->second))) {
      ++wrong;
      if (first.size() < 3 && !hidden) first.push_back(Str("row ", i + 1, " has ", TextOf(column, i), " after ", TextOf(column, at->second), " in row ", at->second + 1));
    }
    at->second = i;
  }
  if (wrong == 0) return {};
  const std::string each = rules.within.empty() ? "" : Str(" of the same '", rules.within, "'");
  out->push_back({"", name, Severity::kError, Str(FormatCount(wrong), wrong == 1 ? " value out of order" : " values out of order"),
                  Str(FormatCount(wrong), wrong == 1 ? " value of '" : " values of '", name, wrong == 1 ? "' is " : "' are ", Words(rules.order), " the one before", each, ": ", Join(first, ", ")),
                  "see whether rows are missing, came twice or were mixed up, or have the source sort them; data.sql may order them too"});
  return {};
}

class InOrder final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const ingest::Sensitive hidden = dataset::SensitiveOf(evidence.snapshot->about());
    for (const auto& [name, settings] : evidence.spec->columns) {
      TENON_TRY(call.Check());
      const int at = evidence.snapshot->schema().Find(name);
      if (at < 0 || evidence.snapshot->schema()[at].type == table::Type::kEmbedding) continue;
      TENON_ASSIGN(const ColumnRules rules, RulesOf(settings));
      if (rules.order != Order::kAny) TENON_TRY(LookAt(evidence, name, rules, hidden.contains(name), &out));
    }
    return out;
  }
};

}  // namespace

Result<void> AddOrder(Kinds<Check>& kinds) {
  return kinds.Add("order",
                   {.summary = "Check that values rise or fall from row to row",
                    .when = "Where validate.columns has increasing or decreasing: counters, meters, sequence numbers, times; with `within`, of each meter",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<InOrder>(); });
}

}  // namespace tenon::validate

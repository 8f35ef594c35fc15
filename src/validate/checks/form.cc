// Values that have not the form that the user wrote: a pattern, a format, a length.

#include <cmath>
#include <optional>

#include "base/text.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

struct Broken {
  std::int64_t present = 0;
  std::int64_t values = 0;
  std::vector<std::string> first;
  std::vector<Json> rows;
};

// Days and times as ISO 8601 writes them: a column all of whose texts are such was read as times.
std::string TextToTell(const table::Column& column, std::int64_t row) {
  std::string text = TextOf(column, row);
  if (column.type() == table::Type::kTimestamp && text.ends_with("T00:00:00Z")) text.resize(text.size() - 10);
  return text;
}

Broken Count(const Evidence& evidence, const std::string& name, const ColumnRules& rules, const ingest::Sensitive& hidden) {
  Broken out;
  std::int64_t before = 0;
  for (const table::Batch& batch : evidence.snapshot->batches()) {
    const table::Column& column = batch.column(batch.schema().Find(name));
    std::vector<signed char> known(column.coded() ? column.dictionary()->size() : 0, -1);  // of the dictionary's texts
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      if (IsMissing(column, i)) continue;
      ++out.present;
      signed char unknown = -1;
      signed char& fault = known.empty() ? unknown : known[static_cast<std::size_t>(column.codes()[static_cast<std::size_t>(i)])];
      if (fault < 0) fault = FormFault(rules, TextToTell(column, i)).empty() ? 0 : 1;
      if (fault == 0) continue;
      ++out.values;
      if (out.first.size() < 3) out.first.push_back(Str(Some({TextToTell(column, i)}), " in row ", before + i + 1));
      if (out.rows.size() < kShownRows) out.rows.push_back(ShownRow(batch, i, hidden));
    }
    before += batch.rows();
  }
  return out;
}

// One rule of the column, in the words that are used for it.
struct Rule {
  ColumnRules rules;
  std::string setting, wanted;
};

std::vector<Rule> Apart(const ColumnRules& all) {
  std::vector<Rule> out;
  if (all.matches) {
    ColumnRules one;
    one.matches = all.matches;
    one.pattern = all.pattern;
    out.push_back({std::move(one), "matches", Str("do not match '", all.pattern, "' as a whole")});
  }
  if (!all.format.empty()) {
    ColumnRules one;
    one.format = all.format;
    out.push_back({std::move(one), "format", Str("are no ", all.format)});
  }
  if (all.length) {
    ColumnRules one;
    one.length = all.length;
    out.push_back({std::move(one), "length", Str("are not ", TextOf(*all.length), " characters long")});
  }
  return out;
}

class Form final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const ingest::Sensitive hidden = dataset::SensitiveOf(evidence.snapshot->about());
    for (const auto& [name, settings] : evidence.spec->columns) {
      TENON_TRY(call.Check());
      const int at = evidence.snapshot->schema().Find(name);
      if (at < 0 || evidence.snapshot->schema()[at].type == table::Type::kEmbedding) continue;
      TENON_ASSIGN(const ColumnRules all, RulesOf(settings));
      for (const Rule& rule : Apart(all)) {
        const Broken broken = Count(evidence, name, rule.rules, hidden);
        if (broken.values == 0) continue;
        const double share = 1 - static_cast<double>(broken.values) / static_cast<double>(broken.present);
        if (all.mostly < 1 && share >= all.mostly) continue;
        const double lower = std::floor(share * 1e4) / 1e4;
        std::vector<Setting> accept;
        if (lower > 0) accept.push_back({{"validate", "columns", name, "mostly"}, Json(lower)});
        out.push_back({"", name, Severity::kError, Str(FormatCount(broken.values), broken.values == 1 ? " value of another form" : " values of another form"),
                       Str(FormatCount(broken.values), " of ", FormatCount(broken.present), " values of '", name, "' ", rule.wanted, ": ", Join(broken.first, ", "),
                           all.mostly < 1 ? Str("; ", Percent(all.mostly), " of the values should, and ", Percent(share), " do") : ""),
                       Str("correct them at the source, or validate.columns.", name, ".", rule.setting, lower > 0 ? Str("; `mostly: ", FormatShort(lower), "` beside it lets some differ") : ""), accept, broken.rows});
      }
    }
    return out;
  }
};

}  // namespace

Result<void> AddForm(Kinds<Check>& kinds) {
  return kinds.Add("form",
                   {.summary = "Check that values have the form they should: a pattern, a format, a length",
                    .when = "Where validate.columns has matches, format or length: codes, addresses, identifiers",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Form>(); });
}

}  // namespace tenon::validate

// Conditions over a row that the user wrote. As in SQL, a row whose answer is null does not break the rule.

#include "base/text.h"
#include "table/expression.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

std::string RowText(const table::Batch& batch, std::int64_t row, std::int64_t number, const std::vector<std::string>& columns, const ingest::Sensitive& hidden) {
  std::string out = Str("row ", number + 1, " (");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const table::Column& column = batch.column(batch.schema().Find(columns[i]));
    out += Str(i > 0 ? ", " : "", columns[i], " = ", hidden.contains(columns[i]) ? "***" : IsMissing(column, row) ? "null" : TextOf(column, row));
  }
  return out + ")";
}

class Expectations final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    constexpr std::size_t kShown = 3;
    std::vector<Anomaly> out;
    const ingest::Sensitive hidden = dataset::SensitiveOf(evidence.snapshot->about());
    for (const RowRule& wanted : evidence.spec->expectations) {
      TENON_TRY(call.Check());
      const std::string& text = wanted.rule;
      TENON_ASSIGN(const table::Expression rule, table::Expression::Parse(text, evidence.snapshot->schema()), "validate.expectations");
      if (rule.type() != table::Type::kBool) {
        return Error(Code::kInvalidArgument, Str("validate.expectations: '", text, "' is of type ", table::NameOf(rule.type()),
                                                 "; write a condition, such as 'amount >= 0'"));
      }
      std::int64_t failed = 0;
      std::int64_t unknown = 0;
      std::int64_t before = 0;
      std::vector<std::string> first;
      std::vector<Json> rows;
      for (const table::Batch& batch : evidence.snapshot->batches()) {
        const table::Column holds = rule.Evaluate(batch);
        for (std::int64_t i = 0; i < batch.rows(); ++i) {
          if (holds.IsNull(i)) {
            ++unknown;
          } else if (holds.bools()[static_cast<std::size_t>(i)] == 0) {
            ++failed;
            if (first.size() < kShown) first.push_back(RowText(batch, i, before + i, rule.inputs(), hidden));
            if (rows.size() < kShownRows) rows.push_back(ShownRow(batch, i, hidden));
          }
        }
        before += batch.rows();
      }
      const double share = before == 0 ? 1 : 1 - static_cast<double>(failed) / static_cast<double>(before);
      if (failed == 0 || (wanted.mostly < 1 && share >= wanted.mostly)) continue;
      out.push_back({"", rule.inputs().empty() ? "" : rule.inputs()[0], wanted.severity,
                     Str(FormatCount(failed), failed == 1 ? " row breaks '" : " rows break '", text, "'"),
                     Str(FormatCount(failed), " of ", FormatCount(before), " rows break '", text, "': ", Join(first, "; "),
                         unknown > 0 ? Str("; ", FormatCount(unknown), " rows cannot tell, as a value is missing") : "",
                         wanted.mostly < 1 ? Str("; it holds for ", Percent(share), ", and ", Percent(wanted.mostly), " are expected") : ""),
                     "correct these rows at the source, or change the rule under validate.expectations"});
      out.back().rows = std::move(rows);
    }
    return out;
  }
};

}  // namespace

Result<void> AddExpectations(Kinds<Check>& kinds) {
  return kinds.Add("expectations",
                   {.summary = "Evaluate the expressions that every row must fulfil",
                    .when = "Rules that span columns, such as ended >= started",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Expectations>(); });
}

}  // namespace tenon::validate

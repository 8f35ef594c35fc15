// SELECTs of the user: of rows that are wrong, or of one value that has bounds.

#include <cmath>

#include "base/text.h"
#include "dataset/query.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

// What of a query's answer is not shown. A query that names a sensitive column may have put its values anywhere.
ingest::Sensitive HiddenOf(const SqlRule& rule, const dataset::DatasetSnapshot& data, const ingest::Sensitive& sensitive, const table::Schema& answer) {
  ingest::Sensitive out;
  if (sensitive.empty()) return out;
  bool named = false;
  for (const auto& [column, treatment] : sensitive) named = named || dataset::Mentions(rule.query, column);
  for (const table::Field& field : answer.fields()) {
    if (named || sensitive.contains(field.name) || data.schema().Find(field.name) < 0) out.emplace(field.name, ingest::Treatment::kMask);
  }
  return out;
}

std::string Because(const SqlRule& rule) { return rule.because.empty() ? "" : Str(" (", rule.because, ")"); }

Result<std::optional<Anomaly>> Rows(const Call& call, const SqlRule& rule, table::BatchReader& answer, const ingest::Sensitive& hidden) {
  std::int64_t count = 0;
  std::vector<Json> shown;
  while (true) {
    TENON_ASSIGN(const std::optional<table::Batch> batch, answer.Next(call));
    if (!batch) break;
    count += batch->rows();
    for (std::int64_t i = 0; i < batch->rows() && shown.size() < kShownRows; ++i) shown.push_back(ShownRow(*batch, i, hidden));
  }
  if (count == 0) return std::optional<Anomaly>();
  Anomaly out{"", "", rule.severity, Str("'", rule.name, "' gives ", FormatCount(count), count == 1 ? " row" : " rows"),
              Str("no row should come of: ", rule.query, Because(rule)),
              Str("correct these rows at the source, or change validate.sql.", rule.name)};
  out.rows = std::move(shown);
  return std::optional(std::move(out));
}

Result<std::optional<Anomaly>> Value(const Call& call, const SqlRule& rule, table::BatchReader& answer, const ingest::Sensitive& hidden) {
  TENON_ASSIGN(const std::optional<table::Batch> batch, answer.Next(call));
  const bool one = batch && batch->rows() == 1 && batch->columns() == 1 && batch->column(0).type() != table::Type::kString;
  if (!one) {
    return Error(Code::kInvalidArgument, Str("validate.sql.", rule.name, ": with `min` or `max` the query gives one number, not ",
                                             batch ? Str(FormatCount(batch->rows()), batch->rows() == 1 ? " row of " : " rows of ", batch->columns(), batch->columns() == 1 && batch->rows() == 1 ? " text" : " columns") : "nothing"));
  }
  const bool null = IsMissing(batch->column(0), 0);
  const double value = null ? std::nan("") : batch->column(0).Number(0);
  if (value >= rule.least && value <= rule.most) return std::optional<Anomaly>();
  const std::string bounds = std::isinf(rule.least)  ? Str("at most ", FormatShort(rule.most))
                             : std::isinf(rule.most) ? Str("at least ", FormatShort(rule.least))
                                                     : Str("from ", FormatShort(rule.least), " to ", FormatShort(rule.most));
  const std::string shown = null ? "null" : hidden.empty() ? FormatShort(value) : "***";
  return std::optional(Anomaly{"", "", rule.severity, Str("'", rule.name, "' is ", shown, ", expected ", bounds),
                               Str("the value of: ", rule.query, Because(rule)), Str("see what changed at the source, or change the bounds of validate.sql.", rule.name)});
}

class Sql final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::vector<SqlRule>& rules = evidence.spec->sql;
    if (rules.empty()) return out;
    TENON_ASSIGN(const auto queries, dataset::OpenQueries(call, *evidence.snapshot, evidence.previous_rows), "validate.sql");
    const ingest::Sensitive sensitive = dataset::SensitiveOf(evidence.snapshot->about());
    for (const SqlRule& rule : rules) {
      const std::string where = Str("validate.sql.", rule.name);
      TENON_ASSIGN(const auto answer, queries->Run(call, rule.query), where);
      const ingest::Sensitive hidden = HiddenOf(rule, *evidence.snapshot, sensitive, *answer->schema());
      TENON_ASSIGN(std::optional<Anomaly> found, rule.bounded ? Value(call, rule, *answer, hidden) : Rows(call, rule, *answer, hidden), where);
      if (found) out.push_back(*std::move(found));
    }
    return out;
  }
};

}  // namespace

Result<void> AddSql(Kinds<Check>& kinds) {
  return kinds.Add("sql",
                   {.summary = "Run queries that must give no rows, or a value within bounds",
                    .when = "What one row cannot tell: sums, gaps, orders; against the rows of last time (the table `before`)",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Sql>(); });
}

}  // namespace tenon::validate

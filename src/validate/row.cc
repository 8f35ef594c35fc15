// One row against what is expected of each.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "table/expression.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

bool Missing(const Json* value) {
  return value == nullptr || value->is_null() || (value->is_number() && std::isnan(value->Number())) || (value->is_string() && value->String().empty());
}

// The value as a number of the type, when it can be read so.
bool AsNumber(const Json& value, table::Type type, double* out) {
  if (type == table::Type::kBool) {
    if (!value.is_bool()) return false;
    *out = value.Bool() ? 1 : 0;
    return true;
  }
  if (type == table::Type::kTimestamp) {
    if (!value.is_string()) return false;
    Micros at = 0;
    const bool read = ParseTimestamp(value.String(), &at);
    *out = static_cast<double>(at);
    return read;
  }
  if (value.is_number()) {
    *out = value.Number();
  } else if (!value.is_string() || !ParseDouble(value.String(), out)) {
    return false;
  }
  return type != table::Type::kInt64 || (*out == std::floor(*out) && *out >= -0x1p63 && *out < 0x1p63);
}

// Of a value that AsNumber read: beyond 2^53 a double would not be the number itself.
std::int64_t Whole(const Json& value, double number) {
  std::int64_t out = 0;
  if (value.is_int()) return value.Int();
  return value.is_string() && ParseInt64(value.String(), &out) ? out : static_cast<std::int64_t>(number);
}

// The row as a batch of the columns it has, in the types that are expected; what does not fit is missing.
table::Batch BatchOf(const std::vector<ColumnExpectation>& schema, const Json& row) {
  std::vector<table::Field> fields;
  std::vector<table::Column> columns;
  for (const ColumnExpectation& expected : schema) {
    const Json* value = row.Find(expected.name);
    if (value == nullptr || expected.type == table::Type::kEmbedding) continue;
    table::ColumnBuilder builder(expected.type);
    double number = 0;
    if (Missing(value)) {
      builder.AddNull();
    } else if (expected.type == table::Type::kString) {
      value->is_string() ? builder.AddText(value->String()) : builder.AddNull();
    } else if (!AsNumber(*value, expected.type, &number)) {
      builder.AddNull();
    } else if (expected.type == table::Type::kFloat64) {
      builder.Add(number);
    } else {
      builder.AddInt(Whole(*value, number));
    }
    fields.push_back({expected.name, expected.type, 0});
    columns.push_back(builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

bool Has(const std::vector<std::string>& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// The rules that the row has all columns for.
Result<void> Rules(const std::vector<ColumnExpectation>& schema, const ValidateSpec& spec, const Json& row, const std::vector<std::string>& masked, std::vector<Anomaly>* out) {
  std::vector<table::Field> all;
  for (const ColumnExpectation& one : schema) all.push_back({one.name, one.type, 0});
  const table::Schema whole(all);
  const table::Batch batch = BatchOf(schema, row);
  for (const RowRule& rule : spec.expectations) {
    TENON_ASSIGN(const table::Expression parsed, table::Expression::Parse(rule.rule, whole), "validate.expectations");
    if (std::ranges::any_of(parsed.inputs(), [&](const std::string& name) { return batch.schema().Find(name) < 0; })) continue;
    TENON_ASSIGN(const table::Expression bound, table::Expression::Parse(rule.rule, batch.schema()), "validate.expectations");
    const table::Column holds = bound.Evaluate(batch);
    if (holds.IsNull(0) || holds.bools()[0] != 0) continue;
    std::vector<std::string> values;
    for (const std::string& name : parsed.inputs()) values.push_back(Str(name, " = ", Has(masked, name) ? "***" : row.Find(name)->Dump()));
    out->push_back({"expectations", parsed.inputs().empty() ? "" : parsed.inputs()[0], rule.severity, Str("breaks '", rule.rule, "'"), Join(values, ", "), "correct it"});
  }
  return {};
}

// What the user wrote of the column: what is asked of an error may be told as less, and what was written is an error.
struct Written {
  Json settings;
  ColumnRules rules;
  Severity Of(std::string_view key, Severity otherwise) const {
    const std::string severity = settings.StringAt("severity");
    if (severity == "info" || severity == "allow") return Severity::kInfo;
    if (severity == "warning" || severity == "warn") return Severity::kWarning;
    if (severity == "error" || severity == "fail") return Severity::kError;
    if (settings.Find(key) == nullptr) return otherwise;
    return rules.mostly < 1 ? Severity::kWarning : Severity::kError;  // of some values it may be otherwise
  }
};

Result<Written> WrittenOf(const ValidateSpec& spec, std::string_view column) {
  Written out;
  for (const auto& [name, settings] : spec.columns) {
    if (name != column || !settings.is_object()) continue;
    out.settings = settings;
    TENON_ASSIGN(out.rules, RulesOf(settings));
  }
  return out;
}

// A value that AsNumber read, as a domain has it.
std::string TextOf(const Json& value, table::Type type, double number) {
  switch (type) {
    case table::Type::kBool: return number != 0 ? "true" : "false";
    case table::Type::kInt64: return Str(Whole(value, number));
    case table::Type::kTimestamp: return FormatTimestamp(static_cast<Micros>(number));
    default: return FormatDouble(number);
  }
}

std::string Shown(const Json& value) { return value.is_string() ? value.String() : value.Dump(); }

}  // namespace

Result<std::vector<Anomaly>> ValidateRow(const std::vector<ColumnExpectation>& schema, const ValidateSpec& spec, std::string_view label, const Json& row, const std::vector<std::string>& masked) {
  std::vector<Anomaly> out;
  const auto add = [&](std::string_view check, const std::string& column, Severity severity, std::string brief, std::string text, std::string fix) {
    if (Has(masked, column)) text = Str("'", column, "' is sensitive: what its values are, and which are expected, stays out of reports");
    out.push_back({std::string(check), column, severity, std::move(brief), std::move(text), std::move(fix)});
  };
  std::vector<std::string> names;
  for (ColumnExpectation expected : schema) {
    const std::string name = expected.name;
    names.push_back(name);
    if (name == label) continue;
    TENON_ASSIGN(const Written written, WrittenOf(spec, name));
    if (!written.settings.is_null()) TENON_TRY(OverrideColumn(written.settings, Str("validate.columns.", name), "", &expected));  // it may be newer than the schema
    const Json* value = row.Find(name);
    if (Missing(value)) {
      if (value == nullptr && expected.required) {
        add("presence", name, Severity::kError, "the column is missing", Str("'", name, "' (", table::NameOf(expected.type), ") is expected of every row"), Str("send '", name, "', or null when it is not known"));
      } else if (expected.most_missing == 0) {
        add("missing", name, Severity::kWarning, "no value", Str("'", name, "' has a value in every row that was learnt from"), "look at the source");
      }
      continue;
    }
    if (expected.type == table::Type::kEmbedding) continue;
    const auto unseen = [&](const std::string& text) {
      if (!expected.has_domain || std::ranges::find(expected.domain, text) != expected.domain.end()) return;
      const std::string near = Nearest(text, expected.domain);
      add("domain", name, written.settings.Find("unseen") != nullptr ? expected.unseen : written.Of("domain", expected.unseen), "a new value", Str("'", text, "' is not among the ", expected.domain.size(), " values of '", name, "'", near.empty() ? "" : Str("; did you mean '", near, "'?")),
          Str("correct it, or add it to validate.columns.", name, ".domain"));
    };
    if (const std::string fault = FormFault(written.rules, Shown(*value)); !fault.empty()) {
      const char* const setting = written.rules.matches && !written.rules.matches->Matches(Shown(*value)) ? "matches" : !HasFormat(written.rules.format, Shown(*value)) ? "format" : "length";
      add("form", name, written.Of(setting, Severity::kError), "a value of another form", Str(Some({Shown(*value)}), " of '", name, "' ", fault), Str("correct it, or validate.columns.", name, ".", setting));
    }
    if (expected.type == table::Type::kString) {
      if (!value->is_string()) {
        add("type", name, Severity::kError, Str("no text but ", value->KindName()), Str("'", name, "' is ", value->Dump(), ", and a text is expected"), "send it in quotation marks");
      } else {
        unseen(value->String());
      }
      continue;
    }
    double number = 0;
    if (!AsNumber(*value, expected.type, &number)) {
      add("type", name, Severity::kError, Str("no ", table::NameOf(expected.type)), Str("'", name, "' is ", value->Dump(), ", and ", table::NameOf(expected.type), " is expected"), "correct it");
    } else if (expected.has_range && !(number >= expected.least && number <= expected.most)) {
      add("range", name, written.Of(number < expected.least ? "min" : "max", Severity::kWarning), "out of range", Str("'", name, "' is ", Shown(*value), ", not within ", FormatShort(expected.least), " to ", FormatShort(expected.most)), "correct it, or widen min and max");
    } else {
      unseen(TextOf(*value, expected.type, number));
    }
  }
  for (const auto& [name, value] : row.object()) {
    if (std::ranges::find(names, name) == names.end()) add("presence", name, Severity::kWarning, "an unknown column", Str("'", name, "' is not among the ", names.size(), " columns", DidYouMean(name, names)), "leave it out, or correct its name");
  }
  TENON_TRY(Rules(schema, spec, row, masked, &out));
  std::stable_sort(out.begin(), out.end(), [](const Anomaly& a, const Anomaly& b) { return a.severity > b.severity; });
  return out;
}

}  // namespace tenon::validate

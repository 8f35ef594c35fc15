// What the user wrote under `validate:`.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "dataset/query.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::pair<std::string_view, Distance> kDistances[] = {
    {"psi", Distance::kPsi}, {"jensen_shannon", Distance::kJensenShannon}, {"largest_change", Distance::kLargestChange}};

Result<Severity> SeverityNamed(const Fields& fields, std::string_view key, const std::string& text) {
  if (text == "info" || text == "allow") return Severity::kInfo;
  if (text == "warning" || text == "warn") return Severity::kWarning;
  if (text == "error" || text == "fail") return Severity::kError;
  return fields.Wrong(key, Str("'", text, "' is no severity; there are: info, warning, error"));
}

Result<void> ReadSeverity(Fields* fields, std::string_view key, Severity* out) {
  std::string text;
  TENON_TRY(fields->Read(key, &text));
  if (text.empty()) return {};
  TENON_ASSIGN(*out, SeverityNamed(*fields, key, text));
  return {};
}

Result<void> ReadShare(Fields* fields, std::string_view key, double* out) {
  TENON_TRY(fields->Read(key, out));
  if (!(*out >= 0 && *out <= 1)) return fields->Wrong(key, Str(*out, " is no share; write one from 0 to 1"));
  return {};
}

Result<bool> ReadBounds(Fields* fields, double* least, double* most) {
  const bool any = fields->Find("min") != nullptr || fields->Find("max") != nullptr;
  if (!any) return false;
  *least = -kInfinity;
  *most = kInfinity;
  TENON_TRY(fields->Read("min", least));
  TENON_TRY(fields->Read("max", most));
  if (!(*least <= *most)) return fields->Wrong("min", Str(*least, " is above max ", *most));
  return true;
}

Result<void> ReadDomain(const Fields& fields, const Json& domain, ColumnExpectation* out) {
  const bool inferred = domain.is_string() && domain.String() == "inferred";
  const bool any = domain.is_string() && domain.String() == "any";
  if (any) out->has_domain = false;
  if (inferred || any) return {};
  if (!domain.is_array()) return fields.Wrong("domain", "must be a list of values, 'inferred' or 'any'");
  out->domain.clear();
  out->has_domain = true;
  for (const Json& value : domain.array()) out->domain.push_back(TextOf(value));
  return {};
}

// A rule by itself, or an object with it.
Result<void> ReadRules(const Json& json, std::string_view file, const Fields& fields, std::vector<RowRule>* out) {
  const Json list = json.is_array() ? json : Json(Json::Array{json});
  for (const Json& one : list.array()) {
    RowRule rule;
    if (one.is_string()) {
      rule.rule = one.String();
    } else if (one.is_object()) {
      TENON_ASSIGN(Fields of, Fields::Of(one, "validate.expectations", file));
      TENON_TRY(of.Read("rule", &rule.rule));
      TENON_TRY(ReadShare(&of, "mostly", &rule.mostly));
      TENON_TRY(ReadSeverity(&of, "severity", &rule.severity));
      TENON_TRY(of.Done());
    } else {
      return fields.Wrong("expectations", Str("a rule is a text or {rule: ..., mostly: 0.99, severity: warning}, not ", one.KindName()));
    }
    if (rule.rule.empty()) return fields.Wrong("expectations", "`rule:` is missing: a condition, such as amount >= 0");
    out->push_back(std::move(rule));
  }
  return {};
}

Result<void> ReadSql(const Json& json, std::string_view file, const Fields& fields, std::vector<SqlRule>* out) {
  if (!json.is_object()) return fields.Wrong("sql", "must be an object such as {paid_twice: SELECT id FROM data GROUP BY id HAVING count(*) > 1}");
  for (const auto& [name, one] : json.object()) {
    SqlRule rule;
    rule.name = name;
    if (one.is_string()) {
      rule.query = one.String();
    } else {
      TENON_ASSIGN(Fields of, Fields::Of(one, Str("validate.sql.", name), file));
      TENON_TRY(of.Read("query", &rule.query));
      TENON_TRY(of.Read("because", &rule.because));
      TENON_TRY(ReadSeverity(&of, "severity", &rule.severity));
      TENON_ASSIGN(rule.bounded, ReadBounds(&of, &rule.least, &rule.most));
      TENON_TRY(of.Done());
    }
    if (Trim(rule.query).empty()) return fields.Wrong("sql", Str(name, ": `query:` is missing: a SELECT of the rows that are wrong, or of one value with `min:` or `max:`"));
    out->push_back(std::move(rule));
  }
  return {};
}

Result<void> ReadDrift(const Json& json, std::string_view file, DriftRule* out) {
  TENON_ASSIGN(Fields of, Fields::Of(json, "validate.drift", file));
  TENON_TRY(of.Read("by", &out->by));
  TENON_TRY(of.Read("ignore", &out->ignore));
  std::string distance;
  TENON_TRY(of.Read("distance", &distance));
  bool found = distance.empty();
  std::vector<std::string> names;
  for (const auto& [name, value] : kDistances) {
    names.emplace_back(name);
    if (name != distance) continue;
    out->distance = value;
    found = true;
  }
  if (!found) return of.Wrong("distance", Str("no distance '", distance, "'", DidYouMean(distance, names)));
  out->threshold = UsualThreshold(out->distance);
  if (const Json* threshold = of.Find("threshold"); threshold != nullptr && !threshold->is_null()) {
    TENON_TRY(of.Read("threshold", &out->threshold));
    if (!(out->threshold > 0)) return of.Wrong("threshold", Str(out->threshold, " is out of range; write a number above 0"));
    out->severity = Severity::kError;  // what people wrote is an error to break
    out->written = true;
  }
  TENON_TRY(ReadSeverity(&of, "severity", &out->severity));
  TENON_TRY(of.Read("least_rows", &out->least_rows));
  if (out->least_rows < 20) return of.Wrong("least_rows", Str(out->least_rows, " rows tell nothing of a distribution; write 20 or more"));
  return of.Done();
}

Result<void> ReadSeverities(const Json& json, const Fields& fields, std::map<std::string, std::optional<Severity>>* out) {
  if (!json.is_object()) return fields.Wrong("severity", "must be an object such as {outliers: ignore, distribution: error}");
  for (const auto& [check, one] : json.object()) {
    if (!one.is_string()) return fields.Wrong("severity", Str(check, ": expected info, warning, error or ignore"));
    if (one.String() == "ignore") {
      (*out)[check] = std::nullopt;
      continue;
    }
    TENON_ASSIGN((*out)[check], SeverityNamed(fields, "severity", one.String()));
  }
  return {};
}

Result<void> ReadReferences(const Json& references, std::string_view file, const Fields& fields, std::vector<Reference>* out) {
  if (!references.is_object()) return fields.Wrong("references", "must be an object such as {customer_id: {read: customers.csv, column: id}}");
  for (const auto& [column, one] : references.object()) {
    TENON_ASSIGN(Fields of, Fields::Of(one, Str("validate.references.", column), file));
    Reference reference{column, "", column, nullptr};
    TENON_TRY(of.Read("read", &reference.file));
    TENON_TRY(of.Read("column", &reference.key));
    TENON_TRY(of.Done());
    if (reference.file.empty()) return of.Wrong("", "`read:` is missing: the file that holds the column");
    out->push_back(std::move(reference));
  }
  return {};
}

// [[customer, month], [invoice]], or one such list.
Result<void> ReadUnique(const Json& json, const Fields& fields, std::vector<std::vector<std::string>>* out) {
  const auto wrong = [&] { return fields.Wrong("unique", "expected lists of columns whose values are unique together, such as [[customer_id, month]]"); };
  if (!json.is_array() || json.array().empty()) return wrong();
  const Json list = json.array()[0].is_array() ? json : Json(Json::Array{json});
  for (const Json& one : list.array()) {
    if (!one.is_array() || one.array().empty()) return wrong();
    std::vector<std::string>& columns = out->emplace_back();
    for (const Json& name : one.array()) {
      if (!name.is_string()) return wrong();
      columns.push_back(name.String());
    }
  }
  return {};
}

Json Bound(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json DriftJson(const DriftRule& drift) {
  Json out = Json::MakeObject();
  out["by"] = Json::ListOf(drift.by);
  out["ignore"] = Json::ListOf(drift.ignore);
  out["distance"] = NameOf(drift.distance);
  out["threshold"] = drift.threshold;
  out["written"] = drift.written;
  out["severity"] = NameOf(drift.severity);
  out["least_rows"] = drift.least_rows;
  return out;
}

Json RulesJson(const std::vector<RowRule>& rules) {
  Json out = Json::MakeArray();
  for (const RowRule& rule : rules) {
    Json one;
    one["rule"] = rule.rule;
    one["mostly"] = rule.mostly;
    one["severity"] = NameOf(rule.severity);
    out.Push(std::move(one));
  }
  return out;
}

}  // namespace

std::string_view NameOf(Distance distance) {
  for (const auto& [name, value] : kDistances) {
    if (value == distance) return name;
  }
  return "psi";
}

double UsualThreshold(Distance distance) { return distance == Distance::kPsi ? 0.25 : 0.1; }

Result<void> OverrideColumn(const Json& json, std::string_view path, std::string_view file, ColumnExpectation* out) {
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  TENON_TRY(ReadShare(&fields, "missing", &out->most_missing));
  double least = 0, most = 0;
  TENON_ASSIGN(const bool bounded, ReadBounds(&fields, &least, &most));
  if (bounded) {
    out->least = least;
    out->most = most;
    out->has_range = true;
  }
  TENON_TRY(fields.Read("unique", &out->unique));
  TENON_TRY(fields.Read("required", &out->required));
  if (const Json* domain = fields.Find("domain"); domain != nullptr && !domain->is_null()) TENON_TRY(ReadDomain(fields, *domain, out));
  TENON_TRY(ReadSeverity(&fields, "unseen", &out->unseen));
  std::string type;
  TENON_TRY(fields.Read("type", &type));
  if (!type.empty()) {
    TENON_ASSIGN(out->type, table::TypeNamed(type), Str(path, ".type"));
  }
  Severity of_all = Severity::kError;  // asked for by SeverityOf and the drift checks
  TENON_TRY(ReadSeverity(&fields, "severity", &of_all));
  double drift = 1;
  TENON_TRY(fields.Read("drift", &drift));
  if (!(drift > 0)) return fields.Wrong("drift", Str(drift, " is out of range; write a number above 0"));
  TENON_TRY(ReadColumnRules(&fields, path, file));
  return fields.Done();
}

Result<ValidateSpec> ValidateSpec::Parse(const Json& json, std::string_view file) {
  ValidateSpec spec;
  if (json.is_null()) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "validate", file));
  TENON_TRY(ReadSeverity(&fields, "fail_on", &spec.fail_on));
  if (const Json* rules = fields.Find("expectations"); rules != nullptr && !rules->is_null()) TENON_TRY(ReadRules(*rules, file, fields, &spec.expectations));
  if (const Json* sql = fields.Find("sql"); sql != nullptr && !sql->is_null()) TENON_TRY(ReadSql(*sql, file, fields, &spec.sql));
  if (const Json* drift = fields.Find("drift"); drift != nullptr && !drift->is_null()) TENON_TRY(ReadDrift(*drift, file, &spec.drift));
  if (const Json* severity = fields.Find("severity"); severity != nullptr && !severity->is_null()) TENON_TRY(ReadSeverities(*severity, fields, &spec.severities));
  TENON_TRY(fields.Read("leakage_threshold", &spec.leakage_threshold));
  if (!(spec.leakage_threshold > 0.5 && spec.leakage_threshold <= 1)) {
    return fields.Wrong("leakage_threshold", Str(spec.leakage_threshold, " is out of range; write a number above 0.5, at most 1"));
  }
  TENON_TRY(ReadSeverity(&fields, "new_columns", &spec.new_columns));
  if (const Json* unique = fields.Find("unique"); unique != nullptr && !unique->is_null()) TENON_TRY(ReadUnique(*unique, fields, &spec.unique));
  TENON_TRY(fields.Read("purpose", &spec.purpose));
  TENON_TRY(fields.Read("residency", &spec.residency));
  if (const Json* rows = fields.Find("rows"); rows != nullptr && !rows->is_null()) {
    TENON_ASSIGN(Fields of, Fields::Of(*rows, "validate.rows", file));
    TENON_TRY(of.Read("min", &spec.rows.first));
    TENON_TRY(of.Read("max", &spec.rows.second));
    TENON_TRY(of.Done());
    if (spec.rows.first > spec.rows.second) return of.Wrong("min", Str(spec.rows.first, " is above max ", spec.rows.second));
  }
  if (fields.Find("freshness") != nullptr) return fields.Wrong("freshness", "how new the rows are is a promise of the source: write it as data.freshness");
  if (const Json* references = fields.Find("references"); references != nullptr && !references->is_null()) {
    TENON_TRY(ReadReferences(*references, file, fields, &spec.references));
  }
  if (const Json* anonymity = fields.Find("anonymity"); anonymity != nullptr && !anonymity->is_null()) {
    TENON_ASSIGN(Fields of, Fields::Of(*anonymity, "validate.anonymity", file));
    TENON_TRY(of.Read("columns", &spec.anonymity_columns));
    TENON_TRY(of.Read("k", &spec.anonymity_k));
    TENON_TRY(of.Done());
    if (spec.anonymity_columns.empty()) return of.Wrong("", "`columns:` is missing: those that together point at a person");
    if (spec.anonymity_k < 2) return of.Wrong("k", Str(spec.anonymity_k, " hides nobody; write 2 or more"));
  }
  if (const Json* columns = fields.Find("columns"); columns != nullptr && !columns->is_null()) {
    if (!columns->is_object()) return fields.Wrong("columns", "must be an object such as {age: {min: 0}}");
    for (const auto& [name, one] : columns->object()) {
      ColumnExpectation scratch;
      TENON_TRY(OverrideColumn(one, Str("validate.columns.", name), file, &scratch));
      spec.columns.emplace_back(name, one);
    }
  }
  TENON_TRY(fields.Done());
  return spec;
}

Json ValidateSpec::ToJson() const {
  Json out = Json::MakeObject();
  out["fail_on"] = NameOf(fail_on);
  Json of_columns = Json::MakeObject();
  for (const auto& [name, json] : columns) of_columns[name] = json;
  out["columns"] = std::move(of_columns);
  out["expectations"] = RulesJson(expectations);
  for (const SqlRule& rule : sql) {
    Json& one = out["sql"][rule.name];
    one["query"] = rule.query;
    one["because"] = rule.because;
    one["severity"] = NameOf(rule.severity);
    if (rule.bounded) {
      one["min"] = Bound(rule.least);
      one["max"] = Bound(rule.most);
    }
  }
  out["drift"] = DriftJson(drift);
  for (const auto& [check, severity] : severities) out["severity"][check] = severity ? NameOf(*severity) : std::string_view("ignore");
  out["leakage_threshold"] = leakage_threshold;
  if (!purpose.empty()) out["purpose"] = purpose;
  if (!residency.empty()) out["residency"] = Json::ListOf(residency);
  for (const auto& together : unique) out["unique"].Push(Json::ListOf(together));
  if (new_columns != Severity::kInfo) out["new_columns"] = NameOf(new_columns);
  if (rows.first > 0) out["rows"]["min"] = rows.first;
  if (rows.second < kAnyRows) out["rows"]["max"] = rows.second;
  if (!anonymity_columns.empty()) {
    out["anonymity"]["columns"] = Json::ListOf(anonymity_columns);
    out["anonymity"]["k"] = anonymity_k;
  }
  for (const Reference& reference : references) {
    out["references"][reference.column]["read"] = reference.file;
    out["references"][reference.column]["column"] = reference.key;
  }
  if (!left_out.empty()) out["left_out"] = Json::ListOf(left_out);
  if (!as_known.empty()) out["as_known"] = Json::ListOf(as_known);
  return out;
}

bool ValidateSpec::NeedsRowsBefore() const {
  return !drift.by.empty() || std::ranges::any_of(sql, [](const SqlRule& rule) { return dataset::Mentions(rule.query, "before"); });
}

}  // namespace tenon::validate

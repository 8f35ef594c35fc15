#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "base/time.h"
#include "validate/check.h"

namespace tenon::validate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kEnoughRows = 30;   // below, ranges and domains are guesses
constexpr double kMostDomain = 100;

Result<Severity> SeverityNamed(const Fields& fields, std::string_view key, const std::string& text) {
  if (text == "info" || text == "allow") return Severity::kInfo;
  if (text == "warning" || text == "warn") return Severity::kWarning;
  if (text == "error" || text == "fail") return Severity::kError;
  return fields.Wrong(key, Str("'", text, "' is no severity; there are: info, warning, error"));
}

// Reads one column's settings over what is expected already.
Result<void> Override(const Json& json, std::string_view path, std::string_view file, ColumnExpectation* out) {
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  double share = out->most_missing;
  TENON_TRY(fields.Read("missing", &share));
  if (!(share >= 0 && share <= 1)) return fields.Wrong("missing", Str(share, " is no share; write one from 0 to 1"));
  out->most_missing = share;
  const bool least = fields.Find("min") != nullptr;
  const bool most = fields.Find("max") != nullptr;
  if (least || most) {
    out->least = -kInfinity;
    out->most = kInfinity;
    out->has_range = true;
    TENON_TRY(fields.Read("min", &out->least));
    TENON_TRY(fields.Read("max", &out->most));
    if (!(out->least <= out->most)) return fields.Wrong("min", Str(out->least, " is above max ", out->most));
  }
  TENON_TRY(fields.Read("unique", &out->unique));
  TENON_TRY(fields.Read("required", &out->required));
  if (const Json* domain = fields.Find("domain"); domain != nullptr && !domain->is_null()) {
    const bool inferred = domain->is_string() && domain->String() == "inferred";
    const bool any = domain->is_string() && domain->String() == "any";
    if (any) out->has_domain = false;
    if (!inferred && !any) {
      if (!domain->is_array()) return fields.Wrong("domain", "must be a list of values, 'inferred' or 'any'");
      out->domain.clear();
      out->has_domain = true;
      for (const Json& value : domain->array()) out->domain.push_back(value.is_string() ? value.String() : value.Dump());
    }
  }
  std::string unseen;
  TENON_TRY(fields.Read("unseen", &unseen));
  if (!unseen.empty()) {
    TENON_ASSIGN(out->unseen, SeverityNamed(fields, "unseen", unseen));
  }
  std::string type;
  TENON_TRY(fields.Read("type", &type));
  if (!type.empty()) {
    TENON_ASSIGN(out->type, table::TypeNamed(type), Str(path, ".type"));
  }
  return fields.Done();
}

// What stands in quotation marks and is no column's name is a value.
void Mask(const table::Schema& schema, Anomaly* anomaly) {
  anomaly->accept.clear();  // it would be shown
  anomaly->long_text = Str("'", anomaly->column, "' is sensitive: what its values are stays out of reports");
  for (std::string* text : {&anomaly->short_text, &anomaly->fix}) {
    std::string out;
    std::size_t at = 0;
    while (at < text->size()) {
      const std::size_t open = text->find('\'', at);
      const std::size_t close = open == std::string::npos ? open : text->find('\'', open + 1);
      if (close == std::string::npos) break;
      const std::string inside = text->substr(open + 1, close - open - 1);
      out += Str(text->substr(at, open - at), "'", schema.Find(inside) >= 0 ? inside : "***", "'");
      at = close + 1;
    }
    *text = out + text->substr(at);
  }
}

ColumnExpectation InferColumn(const table::ColumnProfile& profile) {
  ColumnExpectation out;
  out.name = profile.field().name;
  out.type = profile.field().type;
  const auto count = static_cast<double>(profile.count());
  const auto present = static_cast<double>(profile.count() - profile.missing());
  if (profile.count() < kEnoughRows) return out;
  const double share = static_cast<double>(profile.missing()) / count;
  out.most_missing = std::min(1.0, 1.5 * share + 0.02 + 3 * std::sqrt(share * (1 - share) / count));
  if (present < kEnoughRows) return out;
  if (out.type == table::Type::kString && profile.distinct_is_exact() && profile.distinct() <= kMostDomain &&
      profile.distinct() <= present / 10) {
    for (const table::Frequency& value : profile.Top(static_cast<int>(kMostDomain))) out.domain.push_back(value.value);
    std::sort(out.domain.begin(), out.domain.end());
    out.has_domain = true;
  }
  const bool number = out.type == table::Type::kInt64 || out.type == table::Type::kFloat64;
  const bool serial = out.type == table::Type::kInt64 && profile.distinct() > 0.9 * present;  // ids grow
  if (number && !serial && std::isfinite(profile.min()) && std::isfinite(profile.max())) {
    const double spread = profile.max() - profile.min();
    out.least = profile.min() - 0.5 * spread;
    out.most = profile.max() + 0.5 * spread;
    if (profile.min() >= 0) out.least = std::max(out.least, 0.0);
    out.has_range = std::isfinite(out.least) && std::isfinite(out.most) && spread > 0;
    if (!out.has_range) out.least = out.most = 0;
  }
  return out;
}

}  // namespace

std::string_view NameOf(Severity severity) {
  switch (severity) {
    case Severity::kInfo: return "info";
    case Severity::kWarning: return "warning";
    case Severity::kError: return "error";
  }
  return "error";
}

Json Anomaly::ToJson() const {
  Json out = Json::MakeObject();
  out["check"] = check;
  out["column"] = column;
  out["severity"] = NameOf(severity);
  out["short_text"] = short_text;
  out["long_text"] = long_text;
  out["fix"] = fix;
  if (!accept.empty()) {
    Json settings = Json::MakeArray();
    for (const Setting& one : accept) {
      Json setting;
      setting["path"] = Json::ListOf(one.path);
      setting["value"] = one.value;
      setting["append"] = one.append;
      settings.Push(std::move(setting));
    }
    out["accept"] = std::move(settings);
  }
  return out;
}

Json ColumnExpectation::ToJson() const {
  Json out = Json::MakeObject();
  out["name"] = name;
  out["type"] = table::NameOf(type);
  out["required"] = required;
  out["missing"] = most_missing;
  if (has_range) {
    out["min"] = least;
    out["max"] = most;
  }
  if (has_domain) out["domain"] = Json::ListOf(domain);
  out["unseen"] = NameOf(unseen);
  out["unique"] = unique;
  return out;
}

Result<ColumnExpectation> ColumnExpectation::FromJson(const Json& json) {
  if (!json.is_object()) return Error(Code::kInvalidArgument, Str("a column's expectation must be an object, not ", json.KindName()));
  ColumnExpectation out;
  out.name = json.StringAt("name");
  if (out.name.empty()) return Error(Code::kInvalidArgument, "a column's expectation has no name");
  Json rest = Json::MakeObject();
  for (const auto& [key, value] : json.object()) {
    if (key != "name") rest[key] = value;
  }
  TENON_TRY(Override(rest, out.name, "", &out));
  return out;
}

Result<ValidateSpec> ValidateSpec::Parse(const Json& json, std::string_view file) {
  ValidateSpec spec;
  if (json.is_null()) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "validate", file));
  std::string fail_on;
  TENON_TRY(fields.Read("fail_on", &fail_on));
  if (!fail_on.empty()) {
    TENON_ASSIGN(spec.fail_on, SeverityNamed(fields, "fail_on", fail_on));
  }
  TENON_TRY(fields.Read("expectations", &spec.expectations));
  TENON_TRY(fields.Read("leakage_threshold", &spec.leakage_threshold));
  if (!(spec.leakage_threshold > 0.5 && spec.leakage_threshold <= 1)) {
    return fields.Wrong("leakage_threshold", Str(spec.leakage_threshold, " is out of range; write a number above 0.5, at most 1"));
  }
  TENON_TRY(fields.Read("purpose", &spec.purpose));
  TENON_TRY(fields.Read("freshness", &spec.freshness));
  if (!spec.freshness.empty()) {
    if (auto span = ParseDuration(spec.freshness); !span.ok()) return fields.Wrong("freshness", span.error().message());
  }
  if (const Json* references = fields.Find("references"); references != nullptr && !references->is_null()) {
    if (!references->is_object()) return fields.Wrong("references", "must be an object such as {customer_id: {read: customers.csv, column: id}}");
    for (const auto& [column, one] : references->object()) {
      TENON_ASSIGN(Fields of, Fields::Of(one, Str("validate.references.", column), file));
      Reference reference{column, "", column, nullptr};
      TENON_TRY(of.Read("read", &reference.file));
      TENON_TRY(of.Read("column", &reference.key));
      TENON_TRY(of.Done());
      if (reference.file.empty()) return of.Wrong("", "`read:` is missing: the file that holds the column");
      spec.references.push_back(std::move(reference));
    }
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
      TENON_TRY(Override(one, Str("validate.columns.", name), file, &scratch));
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
  out["expectations"] = Json::ListOf(expectations);
  out["leakage_threshold"] = leakage_threshold;
  if (!purpose.empty()) out["purpose"] = purpose;
  if (!anonymity_columns.empty()) {
    out["anonymity"]["columns"] = Json::ListOf(anonymity_columns);
    out["anonymity"]["k"] = anonymity_k;
  }
  if (!freshness.empty()) out["freshness"] = freshness;
  for (const Reference& reference : references) {
    out["references"][reference.column]["read"] = reference.file;
    out["references"][reference.column]["column"] = reference.key;
  }
  if (!left_out.empty()) out["left_out"] = Json::ListOf(left_out);
  if (!as_known.empty()) out["as_known"] = Json::ListOf(as_known);
  return out;
}

Json ValidationReport::ToJson() const {
  Json out = Json::MakeObject();
  out["passed"] = passed;
  Json found = Json::MakeArray();
  for (const Anomaly& anomaly : anomalies) found.Push(anomaly.ToJson());
  out["anomalies"] = std::move(found);
  Json expected = Json::MakeArray();
  const auto hidden = [&](const std::string& name) { return std::ranges::find(masked, name) != masked.end(); };
  for (const ColumnExpectation& column : schema) {
    ColumnExpectation shown = column;
    if (hidden(column.name)) shown.has_range = shown.has_domain = false;
    expected.Push(shown.ToJson());
  }
  out["schema"] = std::move(expected);
  out["profile"] = profile.ToJson();
  Json columns = Json::MakeArray();
  for (const Json& column : out["profile"].Find("columns")->array()) {
    if (!hidden(column.StringAt("name"))) {
      columns.Push(column);
      continue;
    }
    Json shown = Json::MakeObject();  // counts only
    for (const char* key : {"name", "type", "count", "missing", "distinct", "distinct_is_exact"}) {
      if (const Json* value = column.Find(key); value != nullptr) shown[key] = *value;
    }
    shown["masked"] = true;
    columns.Push(std::move(shown));
  }
  out["profile"]["columns"] = std::move(columns);
  return out;
}

std::vector<ColumnExpectation> InferSchema(const table::Profile& profile) {
  std::vector<ColumnExpectation> out;
  for (const table::ColumnProfile& column : profile.columns()) out.push_back(InferColumn(column));
  return out;
}

Result<ValidationReport> Validate(const Call& call, const dataset::DatasetSnapshot& snapshot, const dataset::Split* split,
                                  const table::Profile* previous, const std::vector<ColumnExpectation>* previous_schema,
                                  std::string_view label, const ValidateSpec& spec, const Kinds<Check>& kinds) {
  ValidationReport report;
  TENON_ASSIGN(report.profile, table::ProfileOf(call, snapshot.schema(), snapshot.batches()));
  if (previous_schema != nullptr) report.schema = *previous_schema;
  const auto expected = [&](std::string_view name) {
    return std::find_if(report.schema.begin(), report.schema.end(), [&](const auto& one) { return one.name == name; });
  };
  for (ColumnExpectation& inferred : InferSchema(report.profile)) {
    if (expected(inferred.name) == report.schema.end()) report.schema.push_back(std::move(inferred));
  }
  for (const auto& [name, json] : spec.columns) {
    auto at = expected(name);
    if (at == report.schema.end()) {
      at = report.schema.emplace(report.schema.end());
      at->name = name;
    }
    TENON_TRY(Override(json, Str("validate.columns.", name), "", &*at));
  }
  Evidence evidence;
  evidence.snapshot = &snapshot;
  evidence.split = split;
  evidence.profile = &report.profile;
  evidence.previous = previous;
  evidence.schema = &report.schema;
  evidence.label = label;
  evidence.spec = &spec;
  for (const std::string& name : kinds.Names()) {
    TENON_TRY(call.Check(), "validating");
    TENON_ASSIGN(const std::unique_ptr<Check> check, kinds.Create(name));
    TENON_ASSIGN(std::vector<Anomaly> found, check->Look(call, evidence), Str("check '", name, "'"));
    for (Anomaly& anomaly : found) {
      anomaly.check = name;
      report.passed = report.passed && anomaly.severity < spec.fail_on;
      report.anomalies.push_back(std::move(anomaly));
    }
  }
  for (const auto& [column, treatment] : dataset::SensitiveOf(snapshot.about())) report.masked.push_back(column);
  for (Anomaly& anomaly : report.anomalies) {
    if (std::ranges::find(report.masked, anomaly.column) != report.masked.end()) Mask(snapshot.schema(), &anomaly);
  }
  std::stable_sort(report.anomalies.begin(), report.anomalies.end(),
                   [](const Anomaly& a, const Anomaly& b) { return a.severity > b.severity; });
  return report;
}

}  // namespace tenon::validate

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr std::int64_t kEnoughRows = 30;   // below, ranges and domains are guesses
constexpr double kMostDomain = 100;

// What stands in quotation marks and is no column's name is a value.
void Mask(const table::Schema& schema, Anomaly* anomaly) {
  anomaly->accept.clear();  // it would be shown
  if (anomaly->check == "expectations") return;  // which hides its values itself
  anomaly->long_text = Str("'", anomaly->column, "' is sensitive: what its values are stays out of reports");
  if (anomaly->check == "range" || anomaly->check == "domain") anomaly->fix = Str("correct them at the source; what is right is written under validate.columns.", anomaly->column);
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

// A column's own severity goes before that of the check; rules have their own.
void OfColumn(const ValidateSpec& spec, Anomaly* anomaly) {
  if (anomaly->check == "expectations" || anomaly->check == "sql") return;
  for (const auto& [name, json] : spec.columns) {
    if (name != anomaly->column) continue;
    const std::string severity = json.StringAt("severity");
    if (severity.empty() || (anomaly->check == "domain" && json.Find("unseen") != nullptr)) continue;
    anomaly->severity = severity == "info" || severity == "allow" ? Severity::kInfo : severity == "warning" || severity == "warn" ? Severity::kWarning : Severity::kError;
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
  if (!rows.empty()) out["rows"] = Json::ListOf(rows);
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
  if (has_range && std::isfinite(least)) out["min"] = least;
  if (has_range && std::isfinite(most)) out["max"] = most;
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
  TENON_TRY(OverrideColumn(rest, out.name, "", &out));
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
                                  const Before& before, std::string_view label, const ValidateSpec& spec, const Kinds<Check>& kinds) {
  ValidationReport report;
  TENON_ASSIGN(report.profile, table::ProfileOf(call, snapshot.schema(), snapshot.batches()));
  report.schema = before.schema;
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
    TENON_TRY(OverrideColumn(json, Str("validate.columns.", name), "", &*at));
  }
  Evidence evidence;
  evidence.snapshot = &snapshot;
  evidence.split = split;
  evidence.profile = &report.profile;
  evidence.previous = before.profile ? &*before.profile : nullptr;
  evidence.previous_rows = before.snapshot.get();
  evidence.schema = &report.schema;
  evidence.label = label;
  evidence.spec = &spec;
  const std::vector<std::string> names = kinds.Names();
  for (const auto& [check, severity] : spec.severities) {
    if (!kinds.Find(check)) return Error(Code::kInvalidArgument, Str("validate.severity: no check '", check, "'", DidYouMean(check, names)));
  }
  for (const std::string& name : names) {
    TENON_TRY(call.Check(), "validating");
    TENON_ASSIGN(const std::unique_ptr<Check> check, kinds.Create(name));
    TENON_ASSIGN(std::vector<Anomaly> found, check->Look(call, evidence), Str("check '", name, "'"));
    const auto wanted = spec.severities.find(name);
    if (wanted != spec.severities.end() && !wanted->second) continue;
    for (Anomaly& anomaly : found) {
      anomaly.check = name;
      if (anomaly.severity != Severity::kInfo) {
        if (wanted != spec.severities.end()) anomaly.severity = *wanted->second;
        OfColumn(spec, &anomaly);
      }
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

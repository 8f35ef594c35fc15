#include "registry/registry.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"

namespace tenon::registry {
namespace {

constexpr std::string_view kVersionKind = "model_version";  // name "fraud@7"
constexpr std::string_view kAliasKind = "alias";            // name "fraud/champion"
constexpr std::string_view kRevisionKind = "registry";
constexpr std::string_view kRevisionName = "revision";
constexpr std::size_t kMostNameBytes = 100;

// Names go into references, URLs and file names.
Result<void> CheckName(std::string_view what, std::string_view name) {
  const bool fits = !name.empty() && name.size() <= kMostNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
  if (fits) return {};
  return Error(Code::kInvalidArgument, Str("'", name, "' cannot name ", what, ": use 1 to ", kMostNameBytes,
                                           " letters, digits, _, - and ."));
}

Result<void> CheckAlias(std::string_view alias) {
  TENON_TRY(CheckName("an alias", alias));
  std::int64_t number = 0;
  if (alias == "latest" || ParseInt64(alias, &number)) {
    return Error(Code::kInvalidArgument, Str("'", alias, "' cannot be an alias: name@", alias, " already means something"));
  }
  return {};
}

std::string IdOf(std::string_view name, int version) { return Str(name, '@', version); }
std::string AliasName(std::string_view name, std::string_view alias) { return Str(name, '/', alias); }

// "roc_auc > 0.8 (0.75 is not above 0.8); ..." of the gates that failed.
std::string FailedGates(const Json& gates) {
  std::vector<std::string> failed;
  if (gates.is_array()) {
    for (const Json& gate : gates.array()) {
      if (gate.BoolAt("passed")) continue;
      const std::string why = gate.StringAt("why");
      failed.push_back(why.empty() ? gate.StringAt("name") : Str(gate.StringAt("name"), " (", why, ")"));
    }
  }
  return failed.empty() ? "none is recorded" : Join(failed, "; ");
}

// What an alias' record holds. `before` is what Rollback goes back through; the history also tells of rollbacks.
struct Alias {
  int version = 0;  // 0: points nowhere yet
  std::vector<int> before;
  Json history = Json::MakeArray();  // newest first

  Json ToJson() const {
    Json out;
    out["version"] = version;
    out["before"] = Json::ListOf(before);
    out["history"] = history;
    return out;
  }
  static Alias FromJson(const Json& json) {
    Alias out;
    out.version = static_cast<int>(json.IntAt("version"));
    if (const Json* before = json.Find("before"); before != nullptr && before->is_array()) {
      for (const Json& version : before->array()) out.before.push_back(version.is_int() ? static_cast<int>(version.Int()) : 0);
    }
    if (const Json* history = json.Find("history"); history != nullptr && history->is_array()) out.history = *history;
    return out;
  }
};

Result<Alias> FindAlias(const store::Store& store, std::string_view name, std::string_view alias) {
  TENON_ASSIGN(const auto record, store.FindRecord(kAliasKind, AliasName(name, alias)));
  return record ? Alias::FromJson(record->body) : Alias();
}

// Inside a transaction: the new state of an alias with all that tells of it.
Result<void> Record(store::Store& store, const Call& call, std::string_view name, std::string_view alias, Alias state,
                    int before, std::string_view event, bool forced, const std::string& why) {
  const std::string at = FormatTimestamp(call.Now());
  Json entry;
  entry["version"] = state.version;
  entry["at"] = at;
  entry["actor"] = call.actor;
  entry["why"] = why;
  state.history.array().insert(state.history.array().begin(), entry);
  TENON_TRY(store.PutRecord(kAliasKind, AliasName(name, alias), state.ToJson()));

  Json body;
  body["model"] = name;
  body["alias"] = alias;
  body["version"] = state.version;
  body["before"] = before == 0 ? Json() : Json(before);
  body["actor"] = call.actor;
  body["forced"] = forced;
  body["why"] = why;
  TENON_TRY(store.AddEvent(event, body));

  Json audit;
  audit["at"] = at;
  audit["actor"] = call.actor;
  audit["action"] = event;
  audit["object"] = AliasName(name, alias);
  audit["detail"] = std::move(body);
  TENON_TRY(store.PutRecord(kRevisionKind, kRevisionName, Json::MakeObject()));
  TENON_ASSIGN(const auto revision, store.FindRecord(kRevisionKind, kRevisionName));
  return store.PutRecord("audit", Str("registry-", revision ? revision->sequence : 0), audit);
}

}  // namespace

std::string ModelVersion::id() const { return IdOf(name, version); }

Json ModelVersion::ToJson() const {
  Json out;
  out["name"] = name;
  out["version"] = version;
  out["bundle"] = bundle;
  out["report"] = report;
  out["metrics"] = metrics;
  out["gates"] = gates;
  out["lineage"] = lineage;
  out["gates_passed"] = gates_passed;
  out["created"] = FormatTimestamp(created);
  out["author"] = author;
  return out;
}

Result<ModelVersion> ModelVersion::FromJson(const Json& json) {
  ModelVersion out;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "model version"));
  TENON_TRY(fields.Read("name", &out.name));
  TENON_TRY(fields.Read("version", &out.version));
  TENON_TRY(fields.Read("bundle", &out.bundle));
  TENON_TRY(fields.Read("report", &out.report));
  TENON_TRY(fields.Read("gates_passed", &out.gates_passed));
  TENON_TRY(fields.Read("author", &out.author));
  std::string created;
  TENON_TRY(fields.Read("created", &created));
  if (!created.empty() && !ParseTimestamp(created, &out.created)) return fields.Wrong("created", "is not a time");
  const auto copy = [&](std::string_view key, Json* to) {
    if (const Json* found = fields.Find(key); found != nullptr) *to = *found;
  };
  copy("metrics", &out.metrics);
  copy("gates", &out.gates);
  copy("lineage", &out.lineage);
  TENON_TRY(fields.Done());
  return out;
}

Result<ModelVersion> Registry::Add(const Call& call, ModelVersion version) {
  TENON_TRY(CheckName("a model", version.name));
  if (!store_.Has(version.bundle)) {
    return Error(Code::kNotFound, Str("the bundle '", version.bundle, "' of model '", version.name, "' is not in the store"));
  }
  if (version.created == 0) version.created = call.Now();
  if (version.author.empty()) version.author = call.actor;
  const auto add = [&]() -> Result<void> {
    TENON_ASSIGN(const std::vector<ModelVersion> known, List(version.name));
    for (const ModelVersion& old : known) {
      if (old.bundle != version.bundle || old.gates_passed != version.gates_passed) continue;
      version = old;
      return {};
    }
    version.version = known.empty() ? 1 : known.front().version + 1;
    TENON_TRY(store_.PutRecord(kVersionKind, version.id(), version.ToJson()));
    TENON_TRY(store_.PutRecord(kRevisionKind, kRevisionName, Json::MakeObject()));
    Json body;
    body["model"] = version.name;
    body["version"] = version.version;
    body["actor"] = call.actor;
    body["gates_passed"] = version.gates_passed;
    return store_.AddEvent("model_added", body);
  };
  TENON_TRY(store_.Transaction(add), Str("adding a version of ", version.name));
  return version;
}

Result<ModelVersion> Registry::Find(std::string_view name, int version) const {
  TENON_ASSIGN(const auto record, store_.FindRecord(kVersionKind, IdOf(name, version)));
  if (record) return ModelVersion::FromJson(record->body);
  TENON_ASSIGN(const std::vector<ModelVersion> known, List(name));
  if (!known.empty()) {
    return Error(Code::kNotFound, Str("no version ", version, " of model '", name, "'; the latest is ", known.front().version));
  }
  TENON_ASSIGN(const std::vector<ModelVersion> all, List());
  std::vector<std::string> names;
  for (const ModelVersion& other : all) {
    if (std::find(names.begin(), names.end(), other.name) == names.end()) names.push_back(other.name);
  }
  return Error(Code::kNotFound, Str("no model '", name, "'", names.empty() ? "; there is none yet" : DidYouMean(name, names)));
}

Result<ModelVersion> Registry::Resolve(std::string_view reference) const {
  const std::size_t at = reference.find('@');
  const std::string_view name = reference.substr(0, at);
  const std::string_view which = at == std::string_view::npos ? std::string_view() : reference.substr(at + 1);
  if (name.empty() || (at != std::string_view::npos && which.empty())) {
    return Error(Code::kInvalidArgument, Str("'", reference, "' names no model; write name, name@7, name@champion or name@latest"));
  }
  std::int64_t number = 0;
  if (ParseInt64(which, &number)) {
    if (number < 1 || number > 1'000'000'000) {
      return Error(Code::kNotFound, Str("no version ", which, " of model '", name, "'; versions count from 1"));
    }
    return Find(name, static_cast<int>(number));
  }
  if (which != "latest") {
    const std::string_view alias = which.empty() ? "champion" : which;
    TENON_ASSIGN(const Alias found, FindAlias(store_, name, alias));
    if (found.version != 0) return Find(name, found.version);
  }
  TENON_ASSIGN(const std::vector<ModelVersion> known, List(name));
  if (known.empty()) return Find(name, 1);  // for its message
  if (which.empty() || which == "latest") return known.front();
  TENON_ASSIGN(const auto aliases, Aliases(name));
  std::vector<std::string> names = {"latest"};
  for (const auto& [alias, version] : aliases) names.push_back(alias);
  return Error(Code::kNotFound, Str("model '", name, "' has no alias '", which, "'", DidYouMean(which, names)));
}

Result<std::vector<ModelVersion>> Registry::List(std::string_view name) const {
  TENON_ASSIGN(const auto records, store_.Records(kVersionKind));
  std::vector<ModelVersion> out;
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (!name.empty() && record->body.StringAt("name") != name) continue;
    TENON_ASSIGN(ModelVersion version, ModelVersion::FromJson(record->body), Str("reading ", record->name));
    out.push_back(std::move(version));
  }
  return out;
}

Result<std::vector<std::pair<std::string, int>>> Registry::Aliases(std::string_view name) const {
  TENON_ASSIGN(const auto records, store_.Records(kAliasKind));
  const std::string prefix = AliasName(name, "");
  std::vector<std::pair<std::string, int>> out;
  for (const store::Store::Record& record : records) {
    if (record.name.starts_with(prefix)) out.emplace_back(record.name.substr(prefix.size()), Alias::FromJson(record.body).version);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<void> Registry::Promote(const Call& call, std::string_view name, int version, std::string_view alias, bool force) {
  TENON_TRY(CheckAlias(alias));
  return store_.Transaction([&]() -> Result<void> {
    TENON_ASSIGN(const ModelVersion found, Find(name, version));
    const bool forced = !found.gates_passed;
    if (forced && !force) {
      return Error(Code::kFailedPrecondition, Str(found.id(), " did not pass its gates: ", FailedGates(found.gates),
                                                  ". Promote it by force to override that; it is recorded"));
    }
    TENON_ASSIGN(Alias state, FindAlias(store_, name, alias));
    const int before = state.version;
    if (before == version) return {};
    if (before != 0) state.before.push_back(before);
    state.version = version;
    const std::string why = forced ? Str("promoted by force; failed gates: ", FailedGates(found.gates)) : "promoted";
    return Record(store_, call, name, alias, std::move(state), before, "model_promoted", forced, why);
  });
}

Result<ModelVersion> Registry::Rollback(const Call& call, std::string_view name, std::string_view alias) {
  TENON_TRY(CheckAlias(alias));
  ModelVersion out;
  const auto roll_back = [&]() -> Result<void> {
    TENON_ASSIGN(Alias state, FindAlias(store_, name, alias));
    if (state.version == 0) TENON_TRY(Find(name, 1));  // no such model says more than no such alias
    if (state.before.empty()) {
      return Error(Code::kFailedPrecondition,
                   state.version == 0 ? Str("model '", name, "' has no alias '", alias, "' to roll back")
                                      : Str("'", alias, "' of model '", name, "' pointed at nothing before version ",
                                            state.version, "; promote another version instead"));
    }
    const int from = state.version;
    state.version = state.before.back();
    state.before.pop_back();
    TENON_ASSIGN(out, Find(name, state.version));
    return Record(store_, call, name, alias, std::move(state), from, "model_rolled_back", false, Str("rolled back from ", from));
  };
  TENON_TRY(store_.Transaction(roll_back));
  return out;
}

Result<Json> Registry::History(std::string_view name, std::string_view alias) const {
  TENON_ASSIGN(const Alias state, FindAlias(store_, name, alias));
  if (state.version == 0) TENON_TRY(Find(name, 1));
  return state.history;
}

Result<std::int64_t> Registry::Revision() const {
  TENON_ASSIGN(const auto record, store_.FindRecord(kRevisionKind, kRevisionName));
  return record ? record->sequence : 0;
}

}  // namespace tenon::registry

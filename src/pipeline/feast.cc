#include "pipeline/feast.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

constexpr std::string_view kNoTime = "1970-01-01T00:00:00Z";

FeastReply Invalid(std::string_view where, std::string_view message, std::string_view type = "value_error") {
  Json one;
  one["loc"] = Json::ListOf(std::vector<std::string>{"body", std::string(where)});
  one["msg"] = message;
  one["type"] = type;
  Json out;
  out["detail"].Push(std::move(one));
  return {422, out.Dump()};
}

// Feast's own errors are a JSON text that has an object in it.
FeastReply Failed(int status, std::string_view name, std::string_view message) {
  Json inner;
  inner["module"] = "feast.errors";
  inner["class"] = name;
  inner["message"] = message;
  return {status, Json(inner.Dump()).Dump()};
}

FeastReply Failed(const Error& error) {
  if (error.code() == Code::kNotFound) return Failed(404, "FeatureViewNotFoundException", error.message());
  if (error.code() == Code::kInvalidArgument) return Invalid("df", error.message());
  return {500, Json(error.ForPeople()).Dump()};
}

bool Flag(std::string_view query, std::string_view name) {
  for (const std::string& part : Split(query, '&')) {
    if (part == Str(name, "=true") || part == Str(name, "=True") || part == Str(name, "=1")) return true;
  }
  return false;
}

Json ValueOf(const feature::Records& records, std::size_t row, std::size_t feature, const table::Field& field) {
  switch (field.type) {
    case table::Type::kString: return Json(records.Text(row, feature));
    case table::Type::kFloat64: return Json(records.Number(row, feature));
    case table::Type::kBool: return Json(records.Int(row, feature) != 0);
    case table::Type::kTimestamp: return Json(FormatTimestamp(records.Int(row, feature)));
    default: return Json(records.Int(row, feature));
  }
}

}  // namespace

// One feature that a request asks for; -1 a view that is not there is refused before.
struct FeastDoor::Wanted {
  const OnlineView* view;
  std::size_t feature;
};

bool FeastDoor::Knows(std::string_view path) {
  return path == "/get-online-features" || path == "/push" || path == "/write-to-online-store" || path == "/materialize" || path == "/materialize-incremental";
}

FeastReply FeastDoor::Answer(std::string_view path, std::string_view query, std::string_view body, bool sensitive) {
  auto request = Json::Parse(body, "body");
  if (!request.ok()) return Invalid("", request.error().message(), "json_invalid");
  if (!request->is_object()) return Invalid("", "Input should be an object", "model_attributes_type");
  auto answer = path == "/get-online-features"     ? Online(*request, sensitive)
                : path == "/push"                  ? Push(*request)
                : path == "/write-to-online-store" ? Write(*request)
                                                   : Materialize(*request, query, path == "/materialize-incremental");
  return answer.ok() ? *std::move(answer) : Failed(answer.error());
}

Result<std::vector<FeastDoor::Wanted>> FeastDoor::Choose(const Json& request, FeastReply* refused) const {
  std::vector<Wanted> out;
  refused->status = 0;
  if (const Json* service = request.Find("feature_service"); service != nullptr && !service->is_null()) {
    if (!service->is_string() || service->String() != work_.service) {
      *refused = Failed(404, "FeatureServiceNotFoundException", Str("Feature service ", service->is_string() ? service->String() : service->Dump(), " does not exist; there is ", work_.service));
      return out;
    }
    for (const OnlineView& view : features_.views()) {
      for (std::size_t f = 0; f < view.layout.features(); ++f) out.push_back({&view, f});
    }
    return out;
  }
  const Json* features = request.Find("features");
  if (features == nullptr || !features->is_array() || features->array().empty()) {
    *refused = Invalid("features", "Field required: a list of view:feature, or feature_service", "missing");
    return out;
  }
  for (const Json& one : features->array()) {
    const std::size_t colon = one.is_string() ? one.String().find(':') : std::string::npos;
    if (colon == std::string::npos) {
      *refused = Invalid("features", Str("expected view:feature, got ", one.Dump()));
      return out;
    }
    std::string name = one.String().substr(0, colon);
    std::int64_t version = 0;
    if (const std::size_t at = name.find("@v"); at != std::string::npos) {
      if (!ParseInt64(std::string_view(name).substr(at + 2), &version)) {
        *refused = Invalid("features", Str("no version in '", one.String(), "'"));
        return out;
      }
      name.resize(at);
    }
    TENON_ASSIGN(const OnlineView* view, features_.View(name));
    if (version != 0 && version != view->plan->view().version) {
      *refused = Failed(404, "FeatureViewVersionNotFound", Str("view ", name, " is version ", view->plan->view().version, ", not ", version));
      return out;
    }
    TENON_ASSIGN(const int feature, view->plan->view().At(one.String().substr(colon + 1)));
    out.push_back({view, static_cast<std::size_t>(feature)});
  }
  return out;
}

Result<FeastReply> FeastDoor::Online(const Json& request, bool sensitive) {
  FeastReply refused;
  TENON_ASSIGN(const std::vector<Wanted> wanted, Choose(request, &refused));
  if (refused.status != 0) return refused;
  const Json* entities = request.Find("entities");
  if (entities == nullptr || !entities->is_object() || entities->object().empty()) return Invalid("entities", "Field required: join key -> list of values", "missing");
  const std::size_t rows = entities->object().front().second.is_array() ? entities->object().front().second.array().size() : 0;
  for (const auto& [name, values] : entities->object()) {
    if (!values.is_array()) return Invalid("entities", Str(name, ": expected a list, got ", values.KindName()));
    if (values.array().size() != rows) return Invalid("entities", "all entities must have as many values");
  }
  Json names = Json::MakeArray(), results = Json::MakeArray(), versions = Json::MakeArray();
  for (const auto& [name, values] : entities->object()) {
    names.Push(name);
    Json column;
    column["values"] = values;
    column["statuses"] = Json::ListOf(std::vector<std::string>(rows, "PRESENT"));
    column["event_timestamps"] = Json::ListOf(std::vector<std::string>(rows, std::string(kNoTime)));
    results.Push(std::move(column));
  }
  std::map<const OnlineView*, feature::Records> found;
  const Micros now = clock_.Now();
  for (const Wanted& one : wanted) {
    const feature::FeatureView& view = one.view->plan->view();
    const std::string& feature = view.features[one.feature].name;
    if (!sensitive && std::ranges::find(view.sensitive, feature) != view.sensitive.end()) {
      return Failed(403, "FeastPermissionError", Str("feature ", view.name, ":", feature, " is sensitive: the key needs the scope sensitive"));
    }
    const auto [at, fresh] = found.try_emplace(one.view);
    feature::Records& records = at->second;
    if (fresh) {
      std::vector<const Json*> keys_of;
      for (const std::string& name : view.entity) {
        const Json* values = entities->Find(name);
        if (values == nullptr) return Failed(404, "EntityNotFoundException", Str("view ", view.name, " is of the entity ", name, ", which the request does not give"));
        keys_of.push_back(values);
      }
      auto keys = OnlineFeatures::KeysOf(*one.view->plan, keys_of);
      if (!keys.ok()) return Invalid("entities", keys.error().message());
      const std::vector<std::string_view> asked(keys->begin(), keys->end());
      TENON_TRY(one.view->values().Get(asked, std::vector<Micros>(asked.size(), now), &records));
      Json version;
      version["name"] = view.name;
      version["version"] = view.version;
      versions.Push(std::move(version));
    }
    names.Push(request.BoolAt("full_feature_names") ? Str(view.name, "__", feature) : feature);
    Json values = Json::MakeArray(), statuses = Json::MakeArray(), times = Json::MakeArray();
    for (std::size_t row = 0; row < rows; ++row) {
      const bool there = records.Found(row);
      const bool old = there && view.ttl.count() > 0 && now - records.at(row) > view.ttl.count();
      const bool null = !there || old || records.IsNull(row, one.feature);
      values.Push(null ? Json() : ValueOf(records, row, one.feature, one.view->layout.fields()[static_cast<int>(one.feature)]));
      statuses.Push(!there ? "NOT_FOUND" : old ? "OUTSIDE_MAX_AGE" : null ? "NULL_VALUE" : "PRESENT");
      times.Push(there ? Json(FormatTimestamp(records.at(row))) : Json(kNoTime));
    }
    Json column;
    column["values"] = std::move(values);
    column["statuses"] = std::move(statuses);
    column["event_timestamps"] = std::move(times);
    results.Push(std::move(column));
  }
  Json out;
  out["metadata"]["feature_names"] = std::move(names);
  if (request.BoolAt("include_feature_view_version_metadata")) out["metadata"]["feature_view_metadata"] = std::move(versions);
  out["results"] = std::move(results);
  return FeastReply{200, out.Dump()};
}

Result<FeastReply> FeastDoor::Push(const Json& request) {
  const std::string source = request.StringAt("push_source_name"), to = request.StringAt("to", "online");
  const Json* frame = request.Find("df");
  if (source.empty()) return Invalid("push_source_name", "Field required", "missing");
  if (frame == nullptr || !frame->is_object()) return Invalid("df", "Field required: column -> list of values", "missing");
  if (to != "online" && to != "offline" && to != "online_and_offline") return Invalid("to", Str("expected online, offline or online_and_offline, got '", to, "'"));
  if (source == work_.event_source) {  // rows of the source: they go into the log, which is the offline record, and the stream makes features of them
    std::vector<Json> events;
    for (const auto& [name, values] : frame->object()) {
      if (!values.is_array() || (!events.empty() && values.array().size() != events.size())) return Invalid("df", Str(name, ": expected a list as long as the others"));
      events.resize(values.array().size(), Json::MakeObject());
      for (std::size_t i = 0; i < events.size(); ++i) events[i][name] = values.array()[i];
    }
    TENON_ASSIGN(const std::int64_t published, work_.publish(events));
    (void)published;
    return FeastReply{to == "online" ? 200 : 202, ""};
  }
  auto view = features_.View(source);
  if (!view.ok()) return Failed(422, "PushSourceNotFoundException", Str(view.error().message(), "; events go to '", work_.event_source, "'"));
  if (to != "online") return Invalid("to", Str("values of the view ", source, " can be pushed online alone; push rows of '", work_.event_source, "' to keep them offline"));
  TENON_ASSIGN(const std::int64_t stored, features_.Push(**view, *frame, clock_.Now()));
  (void)stored;
  return FeastReply{200, ""};
}

Result<FeastReply> FeastDoor::Write(const Json& request) {
  const std::string name = request.StringAt("feature_view_name");
  const Json* frame = request.Find("df");
  if (name.empty()) return Invalid("feature_view_name", "Field required", "missing");
  if (frame == nullptr || !frame->is_object()) return Invalid("df", "Field required: column -> list of values", "missing");
  TENON_ASSIGN(const OnlineView* view, features_.View(name));
  TENON_ASSIGN(const std::int64_t stored, features_.Push(*view, *frame, clock_.Now()));
  (void)stored;
  return FeastReply{200, "null"};
}

Result<FeastReply> FeastDoor::Materialize(const Json& request, std::string_view query, bool incremental) {
  Micros start = 0, end = clock_.Now();
  const bool all_time = request.BoolAt("disable_event_timestamp");
  if (!all_time || incremental) {
    if (!ParseTimestamp(request.StringAt("end_ts"), &end)) return Invalid("end_ts", "Input should be a time in ISO 8601");
    if (!incremental && !ParseTimestamp(request.StringAt("start_ts"), &start)) return Invalid("start_ts", "Input should be a time in ISO 8601");
    if (!incremental && start >= end) return Invalid("start_ts", "start_ts must be before end_ts");
  }
  std::vector<std::string> views;
  if (const Json* given = request.Find("feature_views"); given != nullptr && given->is_array()) {
    for (const Json& one : given->array()) {
      TENON_ASSIGN(const OnlineView* view, features_.View(one.is_string() ? one.String() : one.Dump()));
      views.push_back(view->plan->view().name);
    }
  }
  if (views.empty()) {
    for (const OnlineView& view : features_.views()) views.push_back(view.plan->view().name);
  }
  const MutexLock held(mutex_);
  const bool busy = std::ranges::any_of(views, [&](const std::string& name) TENON_REQUIRES(mutex_) { return running_.contains(name); });
  Json out;
  if (busy && !Flag(query, "force")) {
    out["error"] = "a view is being materialized already";
    out["feature_views"] = Json::ListOf(views);
    return FeastReply{409, out.Dump()};
  }
  if (!Flag(query, "async")) {
    TENON_TRY(work_.materialize(views, end));
    return FeastReply{200, "null"};
  }
  for (const std::string& name : views) running_.insert(name);
  threads_.emplace_back([this, views, end] {
    auto done = work_.materialize(views, end);
    static_cast<void>(done);  // the freshness that metrics tell shows whether it was done
    Done(views);
  });
  out["status"] = "accepted";
  out["feature_views"] = Json::ListOf(views);
  return FeastReply{202, out.Dump()};
}

void FeastDoor::Done(const std::vector<std::string>& views) {
  const MutexLock held(mutex_);
  for (const std::string& name : views) {
    if (const auto at = running_.find(name); at != running_.end()) running_.erase(at);
  }
}

}  // namespace tenon::pipeline

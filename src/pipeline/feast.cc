#include "pipeline/feast_internal.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::pipeline {

FeastReply FeastInvalid(std::string_view where, std::string_view message, std::string_view type) {
  Json one;
  one["loc"] = Json::ListOf(std::vector<std::string>{"body", std::string(where)});
  one["msg"] = message;
  one["type"] = type;
  Json out;
  out["detail"].Push(std::move(one));
  return {422, out.Dump()};
}

FeastReply FeastFailed(int status, std::string_view name, std::string_view message) {
  Json inner;
  inner["module"] = "feast.errors";
  inner["class"] = name;
  inner["message"] = message;
  return {status, Json(inner.Dump()).Dump()};
}

namespace {

FeastReply Failed(const Error& error) {
  if (error.code() == Code::kNotFound) return FeastFailed(404, "FeatureViewNotFoundException", error.message());
  if (error.code() == Code::kInvalidArgument) return FeastInvalid("df", error.message());
  return {500, Json(error.ForPeople()).Dump()};
}

bool Flag(std::string_view query, std::string_view name) {
  for (const std::string& part : Split(query, '&')) {
    if (part == Str(name, "=true") || part == Str(name, "=True") || part == Str(name, "=1")) return true;
  }
  return false;
}

}  // namespace

bool FeastDoor::Knows(std::string_view path) {
  return path == "/get-online-features" || path == "/push" || path == "/write-to-online-store" || path == "/materialize" || path == "/materialize-incremental";
}

FeastReply FeastDoor::Answer(const FeastCall& call) {
  const std::string_view path = call.path;
  auto request = Json::Parse(call.body, "body");
  if (!request.ok()) return FeastInvalid("", request.error().message(), "json_invalid");
  if (!request->is_object()) return FeastInvalid("", "Input should be an object", "model_attributes_type");
  auto answer = path == "/get-online-features"     ? reader_.Answer(*request, call.accept, call.sensitive, clock_.Now())
                : path == "/push"                  ? Push(*request)
                : path == "/write-to-online-store" ? Write(*request)
                                                   : Materialize(*request, call.query, path == "/materialize-incremental");
  return answer.ok() ? *std::move(answer) : Failed(answer.error());
}

Result<FeastReply> FeastDoor::Push(const Json& request) {
  const std::string source = request.StringAt("push_source_name"), to = request.StringAt("to", "online");
  const Json* frame = request.Find("df");
  if (source.empty()) return FeastInvalid("push_source_name", "Field required", "missing");
  if (frame == nullptr || !frame->is_object()) return FeastInvalid("df", "Field required: column -> list of values", "missing");
  if (to != "online" && to != "offline" && to != "online_and_offline") return FeastInvalid("to", Str("expected online, offline or online_and_offline, got '", to, "'"));
  if (source == work_.event_source) {  // rows of the source: they go into the log, which is the offline record, and the stream makes features of them
    std::vector<Json> events;
    for (const auto& [name, values] : frame->object()) {
      if (!values.is_array() || (!events.empty() && values.array().size() != events.size())) return FeastInvalid("df", Str(name, ": expected a list as long as the others"));
      events.resize(values.array().size(), Json::MakeObject());
      for (std::size_t i = 0; i < events.size(); ++i) events[i][name] = values.array()[i];
    }
    TENON_ASSIGN(const std::int64_t published, work_.publish(events));
    (void)published;
    return FeastReply{to == "online" ? 200 : 202, ""};
  }
  auto view = features_.View(source);
  if (!view.ok()) return FeastFailed(422, "PushSourceNotFoundException", Str(view.error().message(), "; events go to '", work_.event_source, "'"));
  if (to != "online") return FeastInvalid("to", Str("values of the view ", source, " can be pushed online alone; push rows of '", work_.event_source, "' to keep them offline"));
  TENON_ASSIGN(const std::int64_t stored, features_.Push(**view, *frame, clock_.Now()));
  (void)stored;
  return FeastReply{200, ""};
}

Result<FeastReply> FeastDoor::Write(const Json& request) {
  const std::string name = request.StringAt("feature_view_name");
  const Json* frame = request.Find("df");
  if (name.empty()) return FeastInvalid("feature_view_name", "Field required", "missing");
  if (frame == nullptr || !frame->is_object()) return FeastInvalid("df", "Field required: column -> list of values", "missing");
  TENON_ASSIGN(const OnlineView* view, features_.View(name));
  TENON_ASSIGN(const std::int64_t stored, features_.Push(*view, *frame, clock_.Now()));
  (void)stored;
  return FeastReply{200, "null"};
}

Result<FeastReply> FeastDoor::Materialize(const Json& request, std::string_view query, bool incremental) {
  Micros start = 0, end = clock_.Now();
  const bool all_time = request.BoolAt("disable_event_timestamp");
  if (!all_time || incremental) {
    if (!ParseTimestamp(request.StringAt("end_ts"), &end)) return FeastInvalid("end_ts", "Input should be a time in ISO 8601");
    if (!incremental && !ParseTimestamp(request.StringAt("start_ts"), &start)) return FeastInvalid("start_ts", "Input should be a time in ISO 8601");
    if (!incremental && start >= end) return FeastInvalid("start_ts", "start_ts must be before end_ts");
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

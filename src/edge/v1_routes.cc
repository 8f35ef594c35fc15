// /v1/models: KServe's V1 protocol and TensorFlow Serving's REST API over the same endpoints. Their paths are the same and their
// answers do not contradict each other: what only one of them has is beside what the other has.

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "edge/oip_internal.h"
#include "edge/predict_internal.h"
#include "edge/serving_internal.h"

namespace tenon::edge {
namespace {

// What a path names: models/<name>[/versions/<v>|/labels/<l>][/metadata][:verb].
struct Target {
  std::string name, version, label, verb;
  bool metadata = false;
};

Result<Target> ReadTarget(Worker& worker, std::string_view path) {
  Target target;
  std::vector<std::string> parts = Split(path, '/');
  if (const std::size_t colon = parts.back().rfind(':'); colon != std::string::npos) {
    target.verb = parts.back().substr(colon);
    parts.back().resize(colon);
  }
  for (std::string& part : parts) {
    const std::string_view decoded = worker.Decoded(part);
    if (decoded.empty()) return Error(Code::kNotFound, "the path is not well-formed");
    part = std::string(decoded);
  }
  target.name = parts[0];
  if (target.verb.empty() && parts[0].find(':') != std::string::npos) {  // %3A
    target.verb = parts[0].substr(parts[0].rfind(':'));
    target.name.resize(parts[0].rfind(':'));
  }
  std::size_t next = 1;
  if (parts.size() > 2 && parts[1] == "versions") target.version = parts[2], next = 3;
  if (parts.size() > 2 && parts[1] == "labels") target.label = parts[2], next = 3;
  if (next + 1 == parts.size() && parts[next] == "metadata" && target.verb.empty()) target.metadata = true, ++next;
  if (next != parts.size()) {
    return Error(Code::kNotFound, "a model's path is /v1/models/<name>[/versions/<v>|/labels/<l>], behind it nothing, /metadata, or a verb such as :predict");
  }
  return target;
}

// The version that a label stands for: TensorFlow Serving's usual ones, and the roles of a rollout.
Result<std::string> VersionOf(const serve::Route& route, std::string_view label) {
  const std::string_view role = label == "stable" ? "champion" : label == "canary" ? "challenger" : label;
  std::vector<std::string> known;
  for (const serve::Arm& arm : route.arms) {
    if (serve::NameOf(arm.role) == role) return std::to_string(arm.served->version);
    known.emplace_back(serve::NameOf(arm.role));
  }
  return Error(Code::kNotFound, Str("the model '", route.name, "' has no version with the label '", label, "'; there are: ", Join(known, ", ")));
}

Result<Lane*> AskTarget(Worker& worker, const HttpRequest& request, Target& target) {
  const auto route = serve::Endpoints::FindIn(worker.endpoints(), target.name);
  if (route != nullptr && !target.label.empty()) {
    TENON_ASSIGN(target.version, VersionOf(*route, target.label));
  }
  if (target.version.empty()) {
    Lane* lane = worker.Ask(target.name, request);
    if (lane == nullptr) return worker.WhyNot(target.name);
    return lane;
  }
  return FindOip(worker, target.name, target.version);
}

void Fail(const Error& error, HttpResponse& response) { SetPlainError(RowOf(error.code()).http, error.message(), response); }

// Rows as objects; of a model with one output its values alone, as both protocols have it.
void PredictRowFormat(Worker& worker, Lane& lane, const HttpRequest& request, bool explain, HttpResponse& response) {
  std::string& out = response.body;
  out += R"({"predictions":[)";
  const bool alone = !explain && lane.served().predictor->task() == model::Task::kRegression;
  const bool answered = (!explain || MayExplain(lane)) && AnswerRows(
      worker, lane, request, response, [&](serve::RowReader& reader, const auto& each) { return worker.decoder().ReadInstances(request.body, reader, each); },
      [&](const AnsweredRow& row) {
        if (alone) {
          if (!row.first) out += ',';
          return AppendFloat(row.prediction.values[0], &out);
        }
        AppendPredictionObject(lane, row, &out);
        if (!explain || row.rung != serve::Rung::kModel) return;
        out.pop_back();
        AppendExplanation(lane, row, &out);
        out += '}';
      });
  if (answered) {
    out += "]}";
    return;
  }
  if (worker.decoder().has_inputs() && !explain) return PredictColumnar(worker, lane, request, response);
  const PredictFailure why = WhyNoAnswer(worker, lane, worker.decoder().problem());
  SetPlainError(why.status, why.Text(), response);
}

void AnswerVerb(Worker& worker, const HttpRequest& request, Target& target, HttpResponse& response) {
  const std::string& verb = target.verb;
  if (verb != ":predict" && verb != ":explain" && verb != ":classify" && verb != ":regress") {
    return SetPlainError(404, Str("no verb '", verb, "'; there are :predict, :explain, :classify and :regress"), response);
  }
  const Result<Lane*> asked = AskTarget(worker, request, target);
  if (!asked.ok()) return Fail(asked.error(), response);
  Lane& lane = **asked;
  if (!Allowed(request, {Method::kPost}, response)) {
    SetPlainError(405, "this route takes POST", response);
  } else if (!request.has_length) {
    SetPlainError(411, "the request says not how long its body is; send Content-Length or Transfer-Encoding: chunked", response);
  } else {
    const bool examples = verb == ":classify" || verb == ":regress";
    const Result<const HttpRequest*> whole = worker.Complete(request, lane, examples ? "examples" : "instances");
    if (!whole.ok()) {
      Fail(whole.error(), response);
    } else if (examples) {
      AnswerExamples(worker, lane, **whole, verb == ":classify", response);
    } else {
      PredictRowFormat(worker, lane, **whole, verb == ":explain", response);
    }
  }
  worker.Count(lane, response.status);
}

Json StatusOf(int version, bool available) {
  Json status = Json::MakeObject();
  status["error_code"] = "OK";
  status["error_message"] = "";
  Json out = Json::MakeObject();
  out["version"] = std::to_string(version);
  out["state"] = available ? "AVAILABLE" : "END";
  out["status"] = std::move(status);
  return out;
}

// KServe's {"name","ready"} and TensorFlow Serving's {"model_version_status"} in one.
void AnswerStatus(Worker& worker, const Target& target, HttpResponse& response) {
  auto route = serve::Endpoints::FindIn(worker.endpoints(), target.name);
  const bool loaded = route != nullptr;
  if (!loaded) route = serve::Endpoints::FindIn(*worker.unloaded(), target.name);
  if (route == nullptr) return Fail(worker.WhyNot(target.name), response);
  std::string version = target.version;
  if (!target.label.empty()) {
    auto found = VersionOf(*route, target.label);
    if (!found.ok()) return Fail(found.error(), response);
    version = *std::move(found);
  }
  Json all = Json::MakeArray();
  for (const serve::Arm& arm : route->arms) {
    if (version.empty() || version == std::to_string(arm.served->version)) all.Push(StatusOf(arm.served->version, loaded));
  }
  if (all.array().empty()) return SetPlainError(404, Str("the model '", target.name, "' has no version ", version, " here"), response);
  const bool ready = loaded && worker.shared().Ready();
  Json body = Json::MakeObject();
  body["name"] = target.name;
  body["ready"] = ready;
  body["model_version_status"] = std::move(all);
  response.status = ready ? 200 : 503;
  response.body = body.Dump();
}

void AnswerMetadata(Worker& worker, const HttpRequest& request, Target& target, HttpResponse& response) {
  const auto route = serve::Endpoints::FindIn(worker.endpoints(), target.name);
  if (route != nullptr && target.version.empty() && target.label.empty()) target.version = std::to_string(route->champion()->version);
  const Result<Lane*> lane = AskTarget(worker, request, target);
  if (!lane.ok()) return Fail(lane.error(), response);
  DescribeSignature(**lane, response);
}

}  // namespace

void AnswerV1Models(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response) {
  const auto takes_get = [&] {
    if (Allowed(request, {Method::kGet}, response)) return true;
    SetPlainError(405, "this route takes GET", response);
    return false;
  };
  if (rest.empty() || rest == "/") {
    if (!takes_get()) return;
    Json names = Json::MakeArray();
    for (const auto& entry : worker.endpoints()) names.Push(entry.first);
    Json body = Json::MakeObject();
    body["models"] = std::move(names);
    response.body = body.Dump();
    return;
  }
  Result<Target> target = ReadTarget(worker, rest.substr(1));
  if (!target.ok()) return Fail(target.error(), response);
  if (!target->verb.empty()) return AnswerVerb(worker, request, *target, response);
  if (!takes_get()) return;
  if (target->metadata) return AnswerMetadata(worker, request, *target, response);
  AnswerStatus(worker, *target, response);
}

}  // namespace tenon::edge

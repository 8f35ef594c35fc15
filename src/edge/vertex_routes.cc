// /v1/projects/<p>/locations/<l>/endpoints/<e>:predict, :explain and :rawPredict: the shape of Vertex AI's endpoints.

#include <algorithm>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "base/base64.h"
#include "edge/predict_internal.h"

namespace tenon::edge {
namespace {

struct Target {
  std::string project, location, endpoint, verb;
};

// Google's form of an error, with the fields that were wrong as google.rpc.BadRequest.
void SetGoogleError(int status, Code code, std::string_view text, const std::vector<serve::FieldError>* fields, HttpResponse& response) {
  std::string name(RowOf(code).name);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  Json error = Json::MakeObject();
  error["code"] = status;
  error["message"] = text;
  error["status"] = name;
  if (fields != nullptr) {
    Json bad = Json::MakeObject();
    bad["@type"] = "type.googleapis.com/google.rpc.BadRequest";
    bad["fieldViolations"] = Json::MakeArray();
    for (const serve::FieldError& one : *fields) {
      Json violation = Json::MakeObject();
      violation["field"] = one.field.empty() ? Str("instances[", one.instance, "]") : Str("instances[", one.instance, "].", one.field);
      violation["description"] = one.problem;
      bad["fieldViolations"].Push(std::move(violation));
    }
    error["details"] = Json::Array{std::move(bad)};
  }
  Json body = Json::MakeObject();
  body["error"] = std::move(error);
  response.status = status;
  response.content_type = kJson;
  response.body = body.Dump();
}

void Fail(const Error& error, HttpResponse& response) { SetGoogleError(RowOf(error.code()).http, error.code(), error.message(), nullptr, response); }

Result<Target> ReadTarget(Worker& worker, std::string_view rest) {
  const std::vector<std::string> parts = Split(rest, '/');
  if (parts.size() != 5 || parts[1] != "locations" || parts[3] != "endpoints") {
    return Error(Code::kNotFound, "the path is /v1/projects/<project>/locations/<location>/endpoints/<endpoint>:predict, :explain or :rawPredict");
  }
  Target target;
  for (const auto& [part, to] : {std::pair(parts[0], &target.project), {parts[2], &target.location}, {parts[4], &target.endpoint}}) {
    *to = std::string(worker.Decoded(part));
    if (to->empty()) return Error(Code::kNotFound, "the path is not well-formed");
  }
  for (const std::string& name : {target.project, target.location}) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
    if (name.size() > 100 || !std::ranges::all_of(name, plain)) return Error(Code::kNotFound, "projects and locations are named by 1 to 100 letters, digits, '-' and '_'");
  }
  const std::size_t colon = target.endpoint.rfind(':');
  if (colon != std::string::npos) {
    target.verb = target.endpoint.substr(colon);
    target.endpoint.resize(colon);
  }
  if (target.verb == ":predict" || target.verb == ":explain" || target.verb == ":rawPredict") return target;
  return Error(Code::kNotFound, Str("no verb '", target.verb, "'; there are :predict, :explain and :rawPredict"));
}

// Attributions of one row: of the margin, or of the prediction where they are estimated.
void AppendAttribution(const Lane& lane, const AnsweredRow& row, const Explained& explained, std::string* out) {
  const serve::Served& served = lane.served();
  *out += row.first ? R"({"attributions":[{"baselineOutputValue":)" : R"(,{"attributions":[{"baselineOutputValue":)";
  AppendDouble(explained.base, out);
  *out += R"(,"instanceOutputValue":)";
  double sum = explained.base;
  for (const double each : lane.session.contributions()) sum += each;
  AppendDouble(sum, out);
  *out += R"(,"featureAttributions":{)";
  AppendContributions(lane, out);
  *out += R"(},"outputIndex":[)";
  AppendInt(explained.output, out);
  *out += ']';
  const bool regression = served.predictor->task() == model::Task::kRegression;
  if (!regression) {
    const auto shown = static_cast<std::size_t>(served.predictor->task() == model::Task::kBinary ? 1 : explained.output);
    if (shown < lane.decisions.size()) *out += Str(R"(,"outputDisplayName":)", lane.decisions[shown]);
  }
  *out += R"(,"approximationError":)";
  AppendDouble(explained.how.error, out);
  *out += Str(R"(,"outputName":")", regression ? "value" : explained.how.exact ? "margin" : "probability", R"("}]})");
}

void Answer(Worker& worker, Lane& lane, const HttpRequest& request, const Target& target, HttpResponse& response) {
  const bool explain = target.verb == ":explain";
  std::string& out = response.body;
  std::string explanations;
  out += R"({"predictions":[)";
  const bool answered = (!explain || MayExplain(lane)) && AnswerRows(
      worker, lane, request, response, [&](serve::RowReader& reader, const auto& each) { return worker.decoder().ReadInstances(request.body, reader, each); },
      [&](const AnsweredRow& row) {
        AppendPredictionObject(lane, row, &out);
        if (!explain) return;
        if (Explained explained; row.rung != serve::Rung::kModel) {
          explanations += row.first ? R"({"attributions":[]})" : R"(,{"attributions":[]})";
        } else if (Explain(lane, row, &explained)) {
          AppendAttribution(lane, row, explained, &explanations);
        }
      });
  if (!answered) {
    const PredictFailure why = WhyNoAnswer(worker, lane, worker.decoder().problem());
    return SetGoogleError(why.status, why.status == 503 ? Code::kUnavailable : Code::kInvalidArgument, why.Text(), why.fields, response);
  }
  const serve::Served& served = lane.served();
  out += R"(],"deployedModelId":)";
  AppendJsonString(served.model, &out);
  if (explain) {
    out += Str(R"(,"explanations":[)", explanations, "]}");
    return;
  }
  const std::string name = served.model.substr(0, served.model.rfind('@'));
  out += R"(,"model":)";
  AppendJsonString(Str("projects/", target.project, "/locations/", target.location, "/models/", name), &out);
  out += R"(,"modelDisplayName":)";
  AppendJsonString(name, &out);
  out += Str(R"(,"modelVersionId":")", served.version, R"("})");
}

// A raw request as the client of Vertex sends it over REST: {"httpBody":{"contentType":...,"data":base64}}. What it holds, decoded; nothing
// when the body is no such thing, and an error when it is one that is wrong.
Result<std::optional<std::string>> HttpBodyOf(std::string_view body) {
  constexpr std::string_view kMember = "\"httpBody\"";
  const std::string_view start = Trim(body.substr(0, 64));
  if (!start.starts_with('{') || !Trim(start.substr(1)).starts_with(kMember)) return std::optional<std::string>();
  TENON_ASSIGN(const Json json, Json::Parse(body, "the body"));
  const Json* inner = json.Find("httpBody");
  if (json.object().size() != 1 || inner == nullptr || !inner->is_object()) return std::optional<std::string>();
  std::string bytes;
  if (const Json* data = inner->Find("data"); data != nullptr && (!data->is_string() || !FromBase64(data->String(), &bytes))) {
    return Error(Code::kInvalidArgument, "httpBody.data is the request in base64");
  }
  const std::string type = inner->StringAt("contentType");
  if (!type.empty() && type.find("json") == std::string::npos) {
    return Error(Code::kInvalidArgument, Str("httpBody.contentType is application/json, not '", type, "'"));
  }
  return std::optional<std::string>(std::move(bytes));
}

// The same way back.
void WrapHttpBody(HttpResponse& response) {
  Json out = Json::MakeObject();
  out["contentType"] = std::string(response.content_type);
  out["data"] = ToBase64(response.body);
  response.content_type = kJson;
  response.body = out.Dump();
}

void AnswerWhole(Worker& worker, Lane& lane, const HttpRequest& request, const Target& target, HttpResponse& response) {
  if (const Result<const HttpRequest*> whole = worker.Complete(request, lane, "instances"); !whole.ok()) {
    Fail(whole.error(), response);
  } else {
    Answer(worker, lane, **whole, target, response);
  }
}

// A raw request: either the body of :predict as it is, or that in the client's wrapping.
void AnswerRaw(Worker& worker, Lane& lane, const HttpRequest& request, const Target& target, HttpResponse& response) {
  const auto held = HttpBodyOf(request.body);
  if (!held.ok()) return Fail(held.error(), response);
  if (!*held) return AnswerWhole(worker, lane, request, target, response);
  std::string body = **held;
  const std::size_t size = body.size();
  body.append(kJsonPadding, '\0');
  HttpRequest inner = request;
  inner.body = std::string_view(body).substr(0, size);
  AnswerWhole(worker, lane, inner, target, response);
  if (response.status == 200 && !worker.suspended()) WrapHttpBody(response);
}

}  // namespace

void AnswerVertex(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response) {
  const Result<Target> target = ReadTarget(worker, rest.empty() ? rest : rest.substr(1));
  if (!target.ok()) return Fail(target.error(), response);
  Lane* lane = worker.Ask(target->endpoint, request);
  if (lane == nullptr) return Fail(worker.WhyNot(target->endpoint), response);
  if (!Allowed(request, {Method::kPost}, response)) {
    SetGoogleError(405, Code::kInvalidArgument, "this route takes POST", nullptr, response);
  } else if (!request.has_length) {
    SetGoogleError(411, Code::kInvalidArgument, "the request says not how long its body is; send Content-Length or Transfer-Encoding: chunked", nullptr, response);
  } else if (target->verb == ":rawPredict") {
    AnswerRaw(worker, *lane, request, *target, response);
  } else {
    AnswerWhole(worker, *lane, request, *target, response);
  }
  worker.Count(*lane, response.status);
}

}  // namespace tenon::edge

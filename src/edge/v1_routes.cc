// /v1/models: KServe's V1 protocol over the same endpoints.

#include "base/json.h"
#include "base/text.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

void Predict(Worker& worker, const HttpRequest& request, std::string_view name, bool explain, HttpResponse& response) {
  Lane* lane = worker.Ask(name, request);
  if (lane == nullptr) {
    const Error why = worker.WhyNot(name);
    return SetPlainError(RowOf(why.code()).http, why.message(), response);
  }
  if (!Allowed(request, {Method::kPost}, response)) return worker.Count(*lane, 405);
  if (!PredictInstances(worker, *lane, request, {.model = false, .explain = explain}, response)) {
    const std::string& problem = worker.decoder().problem();
    if (worker.Unanswered()) {
      SetPlainError(503, Worker::kUnanswered, response);
      return worker.Count(*lane, 503);
    }
    SetPlainError(400, problem.empty() ? FieldErrorsAsText(lane->session.reader().errors()) : problem, response);
  }
  worker.Count(*lane, response.status);
}

}  // namespace

void AnswerV1Models(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response) {
  if (rest.empty() || rest == "/") {
    if (!Allowed(request, {Method::kGet}, response)) return;
    Json names = Json::MakeArray();
    for (const auto& entry : worker.endpoints()) names.Push(entry.first);
    Json body = Json::MakeObject();
    body["models"] = std::move(names);
    response.body = body.Dump();
    return;
  }
  const std::string_view name = worker.Decoded(rest.substr(1));
  if (name.data() == nullptr) return SetPlainError(404, "the path is not well-formed", response);
  const std::size_t colon = name.rfind(':');
  const std::string_view verb = colon == std::string_view::npos ? std::string_view() : name.substr(colon);
  if (verb == ":predict") return Predict(worker, request, name.substr(0, colon), false, response);
  if (verb == ":explain") return Predict(worker, request, name.substr(0, colon), true, response);
  if (!Allowed(request, {Method::kGet}, response)) return;
  if (serve::Endpoints::FindIn(worker.endpoints(), name) == nullptr) {
    return SetPlainError(404, Str("no model '", name, "'"), response);
  }
  const bool ready = worker.shared().Ready();
  response.status = ready ? 200 : 503;
  response.body = R"({"name":)";
  AppendJsonString(name, &response.body);
  response.body += ready ? R"(,"ready":true})" : R"(,"ready":false})";
}

}  // namespace tenon::edge

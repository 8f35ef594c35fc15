// /healthz and /: whether the process lives, and is ready.

#include "base/json.h"
#include "edge/worker_internal.h"

namespace tenon::edge {

void AnswerHealth(Worker& worker, const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  const bool ready = worker.shared().Ready();
  response.status = ready ? 200 : 503;
  Json body = worker.shared().readiness ? worker.shared().readiness() : Json::MakeObject();
  Json out = Json::MakeObject();
  out["status"] = ready ? "ready" : "not ready";
  for (auto& [key, value] : body.object()) out[key] = std::move(value);
  response.body = out.Dump();
}

void AnswerRoot(Worker&, const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  response.AddHeader("Vary", "Accept");
  if (HasToken(request.Header("accept"), "text/html")) return AnswerDocs(request, response);  // a browser
  response.body = R"({"status":"alive"})";
}

}  // namespace tenon::edge

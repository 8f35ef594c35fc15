// Feast's feature server: /get-online-features, /push, /write-to-online-store, /materialize, /materialize-incremental, /health.

#include "edge/worker_internal.h"

namespace tenon::edge {

bool AnswerFeatures(Worker& worker, const HttpRequest& request, HttpResponse& response) {
  const std::string_view path = request.path;
  if (path == "/health") {
    response.status = worker.shared().Ready() ? 200 : 503;
    return true;
  }
  bool known = false;
  for (const std::string_view call : {"/get-online-features", "/push", "/write-to-online-store", "/materialize", "/materialize-incremental"}) known = known || path == call;
  if (!known) return false;
  if (!Allowed(request, {Method::kPost}, response)) return true;
  if (!worker.shared().features) {
    SetError(Code::kFailedPrecondition, "this project has no feature views (features: in its project file)", response);
    return true;
  }
  FeatureReply reply = worker.shared().features(path, request.query, request.body, worker.asker().sensitive);
  response.status = reply.status;
  response.body = std::move(reply.body);
  return true;
}

}  // namespace tenon::edge

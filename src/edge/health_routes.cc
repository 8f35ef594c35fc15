// /healthz and /: whether the process lives, and is ready.

#include "edge/worker_internal.h"

namespace tenon::edge {

void AnswerHealth(Worker& worker, const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  if (worker.shared().Ready()) {
    response.body = R"({"status":"ready"})";
    return;
  }
  response.status = 503;
  response.body = R"({"status":"not ready"})";
}

void AnswerRoot(Worker&, const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  response.body = R"({"status":"alive"})";
}

}  // namespace tenon::edge

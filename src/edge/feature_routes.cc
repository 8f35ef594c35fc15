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

const HttpRequest* Worker::Complete(const HttpRequest& request, std::string_view endpoint, HttpResponse& response) {
  const std::size_t colon = endpoint.rfind(':');
  const bool asks = colon != std::string_view::npos && colon > 0 && (endpoint.substr(colon) == ":predict" || endpoint.substr(colon) == ":explain");
  const std::string_view name = asks ? Decoded(endpoint.substr(1, colon - 1)) : std::string_view();
  const Lane* lane = name.data() == nullptr ? nullptr : Find(name.substr(0, name.find('@')));
  if (lane == nullptr) return &request;
  std::vector<std::string> fields;
  for (const serve::Served::Field& field : lane->served().fields) fields.push_back(field.name);
  auto body = shared_->complete(request.body, fields);
  if (!body.ok()) {
    SetError(body.error().code(), body.error().message(), response);
    return nullptr;
  }
  if (*body == request.body) return &request;
  completed_ = *std::move(body);
  completed_request_ = request;
  const std::size_t size = completed_.size();
  completed_.append(kJsonPadding, '\0');
  completed_request_.body = std::string_view(completed_).substr(0, size);
  return &completed_request_;
}

}  // namespace tenon::edge

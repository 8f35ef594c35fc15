// Feast's feature server: /get-online-features, /push, /write-to-online-store, /materialize, /materialize-incremental, /health; and
// what requests of the other protocols have looked up of feature views.

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "edge/oip_internal.h"
#include "edge/worker_later_internal.h"

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
  FeatureReply reply = worker.shared().features({path, request.query, request.body, request.Header("accept"), worker.asker().sensitive});
  response.status = reply.status;
  response.body = std::move(reply.body);
  if (!reply.content_type.empty()) response.content_type = reply.content_type;
  return true;
}

namespace {

std::vector<std::string> FieldsOf(const Lane& lane) {
  std::vector<std::string> fields;
  for (const serve::Served::Field& field : lane.served().fields) fields.push_back(field.name);
  return fields;
}

// What TensorFlow Serving's examples share, into each of them.
void SpreadContext(Json& body, std::vector<Json>& rows) {
  const Json* context = body.Find("context");
  if (context == nullptr || !context->is_object()) return;
  for (Json& row : rows) {
    for (const auto& [name, value] : context->object()) {
      if (row.Find(name) == nullptr) row[name] = value;
    }
  }
  body["context"] = Json::MakeObject();  // emptied in its place: the rows stay where they are
}

}  // namespace

Result<const HttpRequest*> Worker::Complete(const HttpRequest& request, const Lane& lane, std::string_view list) {
  RowCompletion* completion = shared_->completion;
  if (completion == nullptr) return &request;
  const auto completed = [&] {
    completed_by_ = Completed::kBody;
    completed_request_ = request;
    completed_request_.body = std::string_view(completed_).substr(0, completed_.size() - kJsonPadding);
    return &completed_request_;
  };
  if (resumed_ && pending_->by == Completed::kBody) {
    completed_ = std::move(pending_->body);
    return completed();
  }
  const std::vector<std::string> fields = FieldsOf(lane);
  if (!completion->Completes(fields)) return &request;
  auto body = Json::Parse(request.body, "body");
  if (!body.ok() || !body->is_object()) return &request;
  std::vector<Json> alone;
  std::vector<Json>* rows = &alone;
  if (list.empty()) {
    alone.push_back(*std::move(body));
  } else {
    const Json* found = body->Find(list);
    if (found == nullptr || !found->is_array()) return &request;
    rows = &(*body)[list].array();
    if (!std::ranges::all_of(*rows, [](const Json& one) { return one.is_object(); })) return &request;
    if (list == "examples") SpreadContext(*body, *rows);
  }
  TENON_TRY(completion->Complete(*rows, fields, asker_.sensitive));
  completed_ = list.empty() ? alone.front().Dump() : body->Dump();
  completed_.append(kJsonPadding, '\0');
  return completed();
}

Result<void> Worker::CompleteRows(const std::vector<std::string>& fields, std::vector<Json>& rows) {
  if (resumed_ && pending_->by == Completed::kRows) {
    rows = std::move(pending_->rows);
  } else {
    TENON_TRY(shared_->completion->Complete(rows, fields, asker_.sensitive));
  }
  completed_by_ = Completed::kRows;
  return {};
}

namespace {

Json JsonOf(const OipRequest& request, const OipTensor& tensor, std::size_t row) {
  if (tensor.is_raw) {
    const double number = OipRawNumber(tensor, row);
    if (tensor.type->family == OipFamily::kBool) return Json(number != 0);
    if (std::isnan(number)) return {};
    const bool whole = tensor.type->family == OipFamily::kInt || tensor.type->family == OipFamily::kUint;
    return whole && std::abs(number) < 0x1p53 ? Json(static_cast<std::int64_t>(number)) : Json(number);
  }
  const OipElement& element = request.elements[tensor.first + row];
  switch (element.kind) {
    case OipElement::Kind::kBool: return Json(element.number != 0);
    case OipElement::Kind::kText:
    case OipElement::Kind::kBytes:
    case OipElement::Kind::kOther: return Json(element.text);
    case OipElement::Kind::kNumber: break;
    default: return {};
  }
  const bool whole = element.number == std::floor(element.number) && std::abs(element.number) < 0x1p53;
  return whole ? Json(static_cast<std::int64_t>(element.number)) : Json(element.number);
}

// Whether it holds one element a row.
bool IsColumn(const OipTensor& tensor, std::int64_t rows) { return tensor.dims > 0 && tensor.shape[0] == rows && tensor.count == rows; }

OipElement ElementOf(const Json* value) {
  if (value == nullptr || value->is_null()) return {};
  if (value->is_bool()) return {.kind = OipElement::Kind::kBool, .number = value->Bool() ? 1.0 : 0.0};
  if (value->is_string()) return {.kind = OipElement::Kind::kText, .text = value->String()};
  return {.kind = OipElement::Kind::kNumber, .number = value->Number()};
}

}  // namespace

Result<void> CompleteOip(Worker& worker, const Lane& lane, OipMemory& memory) {
  RowCompletion* completion = worker.shared().completion;
  if (completion == nullptr || memory.request.inputs.empty()) return {};
  const std::vector<std::string> fields = FieldsOf(lane);
  if (!completion->Completes(fields)) return {};
  OipRequest& request = memory.request;
  const std::int64_t rows = request.inputs.front().dims > 0 ? request.inputs.front().shape[0] : 0;
  if (rows <= 0 || rows > lane.served().most_instances) return {};  // who binds them says what is wrong
  // What names entities and times, and what the views' features are, come one element a row.
  std::vector<Json>& made = memory.completed;
  made.assign(static_cast<std::size_t>(rows), Json::MakeObject());
  for (const OipTensor& tensor : request.inputs) {
    if (!IsColumn(tensor, rows)) continue;
    for (std::size_t i = 0; i < made.size(); ++i) made[i][tensor.name] = JsonOf(request, tensor, i);
  }
  TENON_TRY(worker.CompleteRows(fields, made));
  std::erase_if(request.inputs, [&](const OipTensor& tensor) { return IsColumn(tensor, rows) && made.front().Find(tensor.name) == nullptr; });
  for (const serve::Served::Field& field : lane.served().fields) {
    const bool given = std::ranges::find(request.inputs, std::string_view(field.name), &OipTensor::name) != request.inputs.end();
    if (given || made.front().Find(field.name) == nullptr) continue;
    OipTensor tensor{.name = field.name, .type = OipDatatypeNamed(OipDatatypeOf(field.type)), .first = request.elements.size()};
    TENON_TRY(tensor.AddSize(rows));
    for (const Json& row : made) request.elements.push_back(ElementOf(row.Find(field.name)));
    request.inputs.push_back(tensor);
  }
  return {};
}

}  // namespace tenon::edge

// /v1/endpoints/<name>:feedback: labels that came later, joined with the answers by the request's id.

#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/text.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

constexpr std::size_t kMostLabels = 10000;  // in one request

Result<std::vector<serve::Feedback>> ReadLabels(std::string_view body) {
  TENON_ASSIGN(const Json json, Json::Parse(body, "body"));
  TENON_ASSIGN(Fields fields, Fields::Of(json, "feedback"));
  const Json* labels = fields.Find("labels");
  TENON_TRY(fields.Done());
  if (labels == nullptr || !labels->is_array()) {
    return Error(Code::kInvalidArgument, R"(expected {"labels":[{"id":"<X-Request-Id of the answer>","label":"yes"}]})");
  }
  if (labels->array().size() > kMostLabels) {
    return Error(Code::kInvalidArgument, Str(labels->array().size(), " labels in one request; at most ", kMostLabels, " are taken"));
  }
  std::vector<serve::Feedback> out;
  for (std::size_t i = 0; i < labels->array().size(); ++i) {
    TENON_ASSIGN(Fields label, Fields::Of(labels->array()[i], Str("labels[", i, "]")));
    serve::Feedback feedback;
    TENON_TRY(label.Read("id", &feedback.request_id));
    double instance = 0;  // 3.0 is a whole number as well
    TENON_TRY(label.Read("instance", &instance));
    TENON_TRY(label.ReadScalar("label", &feedback.label));
    TENON_TRY(label.Done());
    if (feedback.request_id.empty()) return label.Wrong("id", "expected the X-Request-Id of the answer");
    if (feedback.label.empty()) return label.Wrong("label", "expected the class or the number that would have been right");
    if (!(instance >= 0 && instance <= std::numeric_limits<int>::max() && std::trunc(instance) == instance)) {
      return label.Wrong("instance", "expected the row of the request, counted from 0");
    }
    feedback.instance = static_cast<int>(instance);
    out.push_back(std::move(feedback));
  }
  return out;
}

// A class of the model, or a number for a regression.
Result<void> CheckLabel(const serve::Served& served, const serve::Feedback& feedback) {
  const auto& classes = served.predictor->classes();
  double number = 0;
  if (classes.empty()) {
    if (ParseDouble(feedback.label, &number)) return {};
    return Error(Code::kInvalidArgument, Str("label '", feedback.label, "' of request ", feedback.request_id, " is not a number"));
  }
  for (const std::string& name : classes) {
    if (name == feedback.label) return {};
  }
  return Error(Code::kInvalidArgument, Str("label '", feedback.label, "' of request ", feedback.request_id, " is no class", DidYouMean(feedback.label, classes)));
}

}  // namespace

void AnswerFeedback(Worker& worker, const HttpRequest& request, std::string_view name, HttpResponse& response) {
  const auto route = serve::Endpoints::FindIn(worker.endpoints(), name);
  if (route == nullptr) return SetError(Code::kNotFound, Str("no endpoint '", name, "'"), response);
  if (!Allowed(request, {Method::kPost}, response)) return;
  serve::FeedbackLog* log = worker.shared().feedback;
  if (log == nullptr) return SetError(Code::kFailedPrecondition, "this server keeps no labels", response);
  auto labels = ReadLabels(request.body);
  if (!labels.ok()) return SetError(labels.error().code(), labels.error().message(), response);
  for (const serve::Feedback& feedback : *labels) {
    if (auto fits = CheckLabel(*route->champion(), feedback); !fits.ok()) return SetError(fits.error().code(), fits.error().message(), response);
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  for (serve::Feedback& feedback : *labels) {
    feedback.at = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    // The first ones may be kept already: sent again they count once.
    if (auto added = log->Add(name, feedback); !added.ok()) return SetError(added.error().code(), added.error().message(), response);
  }
  response.status = 202;
  response.body = Str(R"({"accepted":)", labels->size(), "}");
}

}  // namespace tenon::edge

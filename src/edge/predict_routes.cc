// /v1/endpoints: what there is, and prediction and explanation of rows given as JSON.

#include <string>

#include "base/json.h"
#include "base/text.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

constexpr std::size_t kBatchRows = 4096;  // predicted at a time: what the model's kernels take at once

void AppendPrediction(const Lane& lane, const model::Prediction& prediction, std::string* out) {
  switch (lane.served().predictor->task()) {
    case model::Task::kRegression:
      *out += R"("value":)";
      AppendFloat(prediction.values[0], out);
      return;
    case model::Task::kBinary:
      *out += R"("probability":)";
      AppendFloat(prediction.values[0], out);
      break;
    case model::Task::kMulticlass:
      *out += R"("probabilities":{)";
      for (std::size_t k = 0; k < prediction.values.size(); ++k) {
        if (k != 0) *out += ',';
        if (k < lane.decisions.size()) {
          *out += lane.decisions[k];
        } else {
          *out += Str('"', k, '"');
        }
        *out += ':';
        AppendFloat(prediction.values[k], out);
      }
      *out += '}';
      break;
  }
  *out += R"(,"decision":)";
  const auto decision = static_cast<std::size_t>(prediction.decision);
  if (decision < lane.decisions.size()) {
    *out += lane.decisions[decision];
  } else {
    AppendInt(prediction.decision, out);
  }
}

// Attributions of the margin behind the answer, or estimated ones of the answer itself, which say so: of the positive class,
// of the class decided for, or of the value.
void AppendExplanation(Lane& lane, std::size_t row, int decision, std::string* out) {
  const int output = lane.served().predictor->task() == model::Task::kMulticlass ? decision : 0;
  double base = 0;
  const Result<model::Attribution> found = lane.session.Explain(row, output, &base);
  if (!found) return lane.session.reader().Problem("", Str("cannot be explained: ", found.error().message()));
  const std::vector<double>& contributions = lane.session.contributions();
  *out += R"(,"contributions":{)";
  for (std::size_t i = 0; i < contributions.size(); ++i) {
    if (i != 0) *out += ',';
    AppendJsonString(lane.served().fields[i].name, out);
    *out += ':';
    AppendDouble(contributions[i], out);
  }
  *out += R"(},"base":)";
  AppendDouble(base, out);
  if (found->exact) return;
  *out += R"(,"approximate":{"method":"permutation","of":")";
  *out += lane.served().predictor->task() == model::Task::kRegression ? "value" : "probability";
  *out += R"(","samples":)";
  AppendInt(found->samples, out);
  *out += R"(,"seed":)";
  AppendInt(static_cast<std::int64_t>(found->seed), out);
  *out += R"(,"error":)";
  AppendDouble(found->error, out);
  *out += found->whole ? R"(,"deadline_met":true})" : R"(,"deadline_met":false})";
}

void SetFieldErrors(const std::vector<serve::FieldError>& errors, HttpResponse& response) {
  response.status = 400;
  response.content_type = kJson;
  response.body = R"({"error":{"code":"invalid_argument","message":)";
  AppendJsonString(FieldErrorsAsText(errors), &response.body);
  response.body += R"(,"fields":[)";
  bool first = true;
  for (const serve::FieldError& error : errors) {
    if (!first) response.body += ',';
    first = false;
    response.body += R"({"instance":)";
    AppendInt(error.instance, &response.body);
    response.body += R"(,"field":)";
    AppendJsonString(error.field, &response.body);
    response.body += R"(,"problem":)";
    AppendJsonString(error.problem, &response.body);
    response.body += '}';
  }
  response.body += "]}}";
}

std::vector<std::string> NamesOf(const serve::Endpoints::Map& map) {
  std::vector<std::string> names;
  for (const auto& entry : map) names.push_back(entry.first);
  return names;
}

Json DescribeEndpoint(const serve::Route& route) {
  const serve::Served& served = *route.champion();
  Json out = Json::MakeObject();
  out["name"] = served.endpoint;
  out["model"] = served.model;
  out["version"] = served.version;
  out["task"] = model::NameOf(served.predictor->task());
  if (!served.predictor->classes().empty()) out["classes"] = Json::ListOf(served.predictor->classes());
  if (served.predictor->task() == model::Task::kBinary) out["threshold"] = served.predictor->threshold();
  out["strict"] = served.strict;
  Json fields = Json::MakeArray();
  for (const serve::Served::Field& field : served.fields) {
    Json row = Json::MakeObject();
    row["name"] = field.name;
    row["type"] = table::NameOf(field.type);
    row["required"] = field.required;
    if (field.least != 0 || field.most != 0) {
      row["least"] = field.least;
      row["most"] = field.most;
    }
    if (!field.domain.empty()) row["domain"] = Json::ListOf(field.domain);
    if (!field.shape.empty()) row["shape"] = Json::ListOf(field.shape);
    fields.Push(std::move(row));
  }
  out["fields"] = std::move(fields);
  Json arms = Json::MakeArray();
  for (const serve::Arm& arm : route.arms) {
    Json row = Json::MakeObject();
    row["model"] = arm.served->model;
    row["role"] = serve::NameOf(arm.role);
    row["share"] = arm.role == serve::Role::kChampion ? route.ShareOfChampion() : arm.share;
    arms.Push(std::move(row));
  }
  out["arms"] = std::move(arms);
  return out;
}

void Predict(Worker& worker, const HttpRequest& request, std::string_view name, bool explain, HttpResponse& response) {
  Lane* lane = worker.Ask(name, request);
  if (lane == nullptr && serve::Endpoints::FindIn(*worker.unloaded(), name) != nullptr) {
    return SetError(Code::kUnavailable, worker.WhyNot(name).message(), response);
  }
  if (lane == nullptr) {
    return SetError(Code::kNotFound, Str("no endpoint '", name, "'", DidYouMean(name, NamesOf(worker.endpoints()))), response);
  }
  if (!Allowed(request, {Method::kPost}, response)) return worker.Count(*lane, 405);
  if (!request.has_length) {
    SetErrorStatus(411, "the request says not how long its body is; send Content-Length or Transfer-Encoding: chunked", response);
    return worker.Count(*lane, 411);
  }
  if (!PredictInstances(worker, *lane, request, {.model = true, .explain = explain}, response)) {
    const auto& errors = lane->session.reader().errors();
    if (worker.Unanswered()) {
      SetError(Code::kUnavailable, Worker::kUnanswered, response);
    } else if (!worker.decoder().problem().empty()) {
      SetError(Code::kInvalidArgument, worker.decoder().problem(), response);
    } else {
      SetFieldErrors(errors, response);
    }
  }
  worker.Count(*lane, response.status);
}

}  // namespace

bool PredictInstances(Worker& worker, Lane& lane, const HttpRequest& request, PredictStyle style, HttpResponse& response) {
  if (style.explain && lane.served().disguise.laplace > 0) {
    lane.session.reader().errors().assign(1, {0, "", "explanations are not given here: they would tell the exact score that serve.outputs hides"});
    return false;
  }
  const std::string_view id = worker.RequestId(request.Header("x-request-id"));
  if (!id.empty()) response.AddHeader("X-Request-Id", id);
  if (style.model) {
    response.body += lane.head;
  } else {
    response.body += R"({"predictions":[)";
  }
  worker.DropKept();
  serve::Rows& rows = lane.session.rows();
  rows.Clear();
  bool first = true;
  const auto predict = [&] {
    const std::span<const float> values = worker.PredictRows(lane);
    if (lane.session.reader().failed()) return rows.Clear();
    const auto outputs = static_cast<std::size_t>(lane.served().predictor->outputs());
    std::string& out = response.body;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::span<const float> mine = values.subspan(i * outputs, outputs);
      const model::Prediction prediction{mine, lane.served().predictor->Decide(mine.data())};
      out += first ? "{" : ",{";
      first = false;
      AppendPrediction(lane, prediction, &out);
      const serve::Rung rung = worker.rung(i);
      if (rung != serve::Rung::kModel) out += Str(R"(,"rung":")", serve::NameOf(rung), '"');
      if (style.explain && rung == serve::Rung::kModel) AppendExplanation(lane, i, prediction.decision, &out);
      out += '}';
    }
    rows.Clear();
  };
  const bool whole = worker.decoder().ReadInstances(request.body, lane.session.reader(), [&] {
    rows.Add(lane.session.reader().row());
    if (rows.size() == kBatchRows) predict();
  });
  if (!whole || lane.session.reader().failed()) {
    response.body.clear();
    return false;
  }
  if (rows.size() != 0) predict();
  if (lane.session.reader().failed() || worker.Unanswered()) {  // a model that reads columns could not take a value
    response.body.clear();
    return false;
  }
  response.body += "]}";
  worker.LogKept(lane, id);
  return true;
}

std::string FieldErrorsAsText(const std::vector<serve::FieldError>& errors) {
  constexpr std::size_t kMostShown = 5;
  std::string out;
  for (std::size_t i = 0; i < errors.size() && i < kMostShown; ++i) {
    const serve::FieldError& error = errors[i];
    if (i != 0) out += "; ";
    out += error.field.empty() ? error.problem : Str("instance ", error.instance, ", field '", error.field, "': ", error.problem);
  }
  if (errors.size() > kMostShown) out += Str("; and ", errors.size() - kMostShown, " more");
  return out;
}

void AnswerEndpoints(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response) {
  if (rest.empty() || rest == "/") {
    if (!Allowed(request, {Method::kGet}, response)) return;
    Json list = Json::MakeArray();
    for (const auto& entry : worker.endpoints()) list.Push(DescribeEndpoint(*entry.second));
    Json body = Json::MakeObject();
    body["endpoints"] = std::move(list);
    response.body = body.Dump();
    return;
  }
  const std::string_view name = worker.Decoded(rest.substr(1));
  if (name.data() == nullptr || name.find('/') != std::string_view::npos) {
    return SetError(Code::kNotFound, "an endpoint's path is /v1/endpoints/<name>, :predict or :explain behind it", response);
  }
  const std::size_t colon = name.rfind(':');
  const std::string_view verb = colon == std::string_view::npos ? std::string_view() : name.substr(colon);
  if (verb == ":predict") return Predict(worker, request, name.substr(0, colon), false, response);
  if (verb == ":explain") return Predict(worker, request, name.substr(0, colon), true, response);
  if (verb == ":feedback") return AnswerFeedback(worker, request, name.substr(0, colon), response);
  if (!verb.empty()) return SetError(Code::kNotFound, Str("no verb '", verb, "'; there are :predict, :explain and :feedback"), response);
  if (!Allowed(request, {Method::kGet}, response)) return;
  const auto route = serve::Endpoints::FindIn(worker.endpoints(), name);
  if (route == nullptr) {
    return SetError(Code::kNotFound, Str("no endpoint '", name, "'", DidYouMean(name, NamesOf(worker.endpoints()))), response);
  }
  response.body = DescribeEndpoint(*route).Dump();
}

}  // namespace tenon::edge

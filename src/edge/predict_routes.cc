// /v1/endpoints: what there is, and prediction and explanation of rows given as JSON.

#include <string>

#include "base/json.h"
#include "base/text.h"
#include "edge/predict_internal.h"
#include "serve/batch_trial.h"

namespace tenon::edge {
namespace {

}  // namespace

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

void AppendPredictionObject(const Lane& lane, const AnsweredRow& row, std::string* out) {
  *out += row.first ? "{" : ",{";
  AppendPrediction(lane, row.prediction, out);
  if (!row.stage.empty()) *out += Str(R"(,"stage":")", row.stage, '"');
  if (row.rung != serve::Rung::kModel) *out += Str(R"(,"rung":")", serve::NameOf(row.rung), '"');
  *out += '}';
}

bool Explain(Lane& lane, const AnsweredRow& row, Explained* out) {
  out->output = lane.served().predictor->task() == model::Task::kMulticlass ? row.prediction.decision : 0;
  const Result<model::Attribution> found = lane.session.Explain(row.index, out->output, &out->base);
  if (!found) {
    lane.session.reader().Problem("", Str("cannot be explained: ", found.error().message()));
    return false;
  }
  out->how = *found;
  return true;
}

void AppendContributions(const Lane& lane, std::string* out) {
  const std::vector<double>& contributions = lane.session.contributions();
  for (std::size_t i = 0; i < contributions.size(); ++i) {
    if (i != 0) *out += ',';
    AppendJsonString(lane.served().fields[i].name, out);
    *out += ':';
    AppendDouble(contributions[i], out);
  }
}

bool MayExplain(Lane& lane) {
  if (lane.served().disguise.laplace == 0) return true;
  lane.session.reader().errors().assign(1, {0, "", "explanations are not given here: they would tell the exact score that serve.outputs hides"});
  return false;
}

PredictFailure WhyNoAnswer(Worker& worker, Lane& lane, std::string_view problem) {
  if (worker.Unanswered()) {
    const Error why = worker.WhyUnanswered();
    return {RowOf(why.code()).http, std::string(why.message()), nullptr};
  }
  if (!problem.empty()) return {400, std::string(problem), nullptr};
  return {400, {}, &lane.session.reader().errors()};
}

void AppendExplanation(Lane& lane, const AnsweredRow& row, std::string* out) {
  Explained explained;
  if (!Explain(lane, row, &explained)) return;
  *out += R"(,"contributions":{)";
  AppendContributions(lane, out);
  *out += R"(},"base":)";
  AppendDouble(explained.base, out);
  if (explained.how.exact) return;
  *out += R"(,"approximate":{"method":"permutation","of":")";
  *out += lane.served().predictor->task() == model::Task::kRegression ? "value" : "probability";
  *out += R"(","samples":)";
  AppendInt(explained.how.samples, out);
  *out += R"(,"seed":)";
  AppendInt(static_cast<std::int64_t>(explained.how.seed), out);
  *out += R"(,"error":)";
  AppendDouble(explained.how.error, out);
  *out += explained.how.whole ? R"(,"deadline_met":true})" : R"(,"deadline_met":false})";
}

namespace {

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
  if (const model::Cascade* cascade = served.predictor->cascade(); cascade != nullptr) {
    out["cascade"]["cheap"] = cascade->cheap_name;
    out["cascade"]["costly"] = cascade->costly_name;
  }
  Json fields = Json::MakeArray();
  for (const serve::Served::Field& field : served.fields) {
    Json row = Json::MakeObject();
    row["name"] = field.name;
    row["type"] = table::NameOf(field.type);
    row["required"] = field.required;
    if (!field.masked && (field.least != 0 || field.most != 0)) {
      row["least"] = field.least;
      row["most"] = field.most;
    }
    if (!field.domain.empty() && !field.masked) row["domain"] = Json::ListOf(field.domain);
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
    if (arm.batching != nullptr) row["batching"] = arm.batching->Describe();
    arms.Push(std::move(row));
  }
  out["arms"] = std::move(arms);
  return out;
}

// {"model":..,"predictions":[..]}
bool PredictInstances(Worker& worker, Lane& lane, const HttpRequest& request, bool explain, HttpResponse& response) {
  if (explain && !MayExplain(lane)) return false;
  std::string& out = response.body;
  out += lane.head;
  const auto read = [&](serve::RowReader& reader, const auto& each) { return worker.decoder().ReadInstances(request.body, reader, each); };
  const bool answered = AnswerRows(worker, lane, request, response, read, [&](const AnsweredRow& row) {
    AppendPredictionObject(lane, row, &out);
    if (!explain || row.rung != serve::Rung::kModel) return;
    out.pop_back();
    AppendExplanation(lane, row, &out);
    out += '}';
  });
  if (!answered) return false;
  out += "]}";
  return true;
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
  const Result<const HttpRequest*> whole = worker.Complete(request, *lane, "instances");
  if (!whole.ok()) {
    SetError(whole.error().code(), whole.error().message(), response);
  } else if (!PredictInstances(worker, *lane, **whole, explain, response)) {
    const PredictFailure why = WhyNoAnswer(worker, *lane, worker.decoder().problem());
    why.fields == nullptr ? SetErrorStatus(why.status, why.text, response) : SetFieldErrors(*why.fields, response);
  }
  worker.Count(*lane, response.status);
}

}  // namespace

void AnswerInstance(Worker& worker, const HttpRequest& request, std::string_view name, HttpResponse& response) {
  Lane* lane = worker.Ask(name, request);
  if (lane == nullptr) {
    const Error why = worker.WhyNot(name);
    return SetError(why.code(), why.message(), response);
  }
  const Result<const HttpRequest*> whole = worker.Complete(request, *lane, {});
  if (!whole.ok()) {
    SetError(whole.error().code(), whole.error().message(), response);
    return worker.Count(*lane, response.status);
  }
  std::string& out = response.body;
  out = R"({"model":)";
  AppendJsonString(lane->served().model, &out);
  const auto read = [&](serve::RowReader& reader, const auto& each) { return worker.decoder().ReadInstance((*whole)->body, reader, each); };
  const bool answered = AnswerRows(worker, *lane, **whole, response, read, [&](const AnsweredRow& row) {
    out += ',';
    AppendPrediction(*lane, row.prediction, &out);
    if (row.rung != serve::Rung::kModel) out += Str(R"(,"rung":")", serve::NameOf(row.rung), '"');
  });
  if (answered) {
    if (const std::string_view id = worker.request_id(); !id.empty() && !worker.own()) {
      out += R"(,"id":)";
      AppendJsonString(id, &out);
    }
    out += '}';
  } else {
    const PredictFailure why = WhyNoAnswer(worker, *lane, worker.decoder().problem());
    why.fields == nullptr ? SetErrorStatus(why.status, why.text, response) : SetFieldErrors(*why.fields, response);
  }
  worker.Count(*lane, response.status);
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
  if (verb == ":stream") return AnswerInstance(worker, request, name.substr(0, colon), response);
  if (verb == ":feedback") return AnswerFeedback(worker, request, name.substr(0, colon), response);
  if (!verb.empty()) return SetError(Code::kNotFound, Str("no verb '", verb, "'; there are :predict, :explain, :stream and :feedback"), response);
  if (!Allowed(request, {Method::kGet}, response)) return;
  const auto route = serve::Endpoints::FindIn(worker.endpoints(), name);
  if (route == nullptr) {
    return SetError(Code::kNotFound, Str("no endpoint '", name, "'", DidYouMean(name, NamesOf(worker.endpoints()))), response);
  }
  response.body = DescribeEndpoint(*route).Dump();
}

}  // namespace tenon::edge

// /v2: the Open Inference Protocol over REST, with its binary tensor and statistics extensions.

#include <bit>

#include "base/json.h"
#include "base/text.h"
#include "edge/oip_tensor_internal.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

Json TensorInfo(std::string_view name, std::string_view datatype, Json::Array shape) {
  Json out = Json::MakeObject();
  out["name"] = name;
  out["datatype"] = datatype;
  out["shape"] = std::move(shape);
  return out;
}

// The outputs of a version: what is asked for when a request names none.
struct Output {
  std::string_view name;
  std::string_view datatype;
  std::int64_t width;  // 0: one number a row
};
std::vector<Output> OutputsOf(const serve::Served& served) {
  const std::string_view decision = served.predictor->classes().empty() ? "INT64" : "BYTES";
  switch (served.predictor->task()) {
    case model::Task::kRegression: return {{"value", "FP32", 0}};
    case model::Task::kBinary: return {{"probability", "FP32", 0}, {"decision", decision, 0}};
    default: return {{"probabilities", "FP32", served.predictor->outputs()}, {"decision", decision, 0}};
  }
}

Json::Array ShapeOf(const Output& output, std::int64_t rows) {
  Json::Array shape = {Json(rows)};
  if (output.width != 0) shape.emplace_back(output.width);
  return shape;
}

std::string PlatformOf(const serve::Served& served) { return Str("tenon_", served.predictor->model().format()); }

void DescribeModel(const serve::Served& served, HttpResponse& response) {
  Json out = Json::MakeObject();
  out["name"] = served.endpoint;
  out["versions"] = Json::ListOf(std::vector<std::string>{std::to_string(served.version)});
  out["platform"] = PlatformOf(served);
  Json inputs = Json::MakeArray();
  for (const auto& field : served.fields) inputs.Push(TensorInfo(field.name, OipDatatypeOf(field.type), {Json(-1)}));
  out["inputs"] = std::move(inputs);
  Json outputs = Json::MakeArray();
  for (const Output& output : OutputsOf(served)) outputs.Push(TensorInfo(output.name, output.datatype, ShapeOf(output, -1)));
  out["outputs"] = std::move(outputs);
  response.body = out.Dump();
}

Json ConfigTensor(std::string_view name, std::string_view datatype, std::int64_t width) {
  Json out = Json::MakeObject();
  out["name"] = name;
  out["data_type"] = datatype == "BYTES" ? std::string("TYPE_STRING") : Str("TYPE_", datatype);
  out["dims"] = Json::Array{Json(width == 0 ? std::int64_t{1} : width)};
  return out;
}

void DescribeConfig(const serve::Served& served, HttpResponse& response) {
  Json out = Json::MakeObject();
  out["name"] = served.endpoint;
  out["platform"] = PlatformOf(served);
  out["backend"] = "tenon";
  out["max_batch_size"] = 65536;
  Json inputs = Json::MakeArray();
  for (const auto& field : served.fields) inputs.Push(ConfigTensor(field.name, OipDatatypeOf(field.type), 0));
  out["input"] = std::move(inputs);
  Json outputs = Json::MakeArray();
  for (const Output& output : OutputsOf(served)) outputs.Push(ConfigTensor(output.name, output.datatype, output.width));
  out["output"] = std::move(outputs);
  response.body = out.Dump();
}

Json Duration(std::int64_t count, std::int64_t nanos) {
  Json out = Json::MakeObject();
  out["count"] = count;
  out["ns"] = nanos;
  return out;
}

// Statistics of one model, or of all when the name is empty.
void DescribeStatistics(Worker& worker, std::string_view name, HttpResponse& response) {
  Json list = Json::MakeArray();
  const std::vector<Metrics::Sum> sums = worker.shared().metrics.Sums();
  const auto each = [&](const std::string& endpoint, const std::shared_ptr<const serve::Served>& served) {
    Metrics::Sum mine;
    for (const Metrics::Sum& sum : sums) {
      if (sum.endpoint == endpoint && sum.model == served->model) mine = sum;
    }
    const std::int64_t failed = mine.requests() - mine.succeeded();
    Json stats = Json::MakeObject();
    stats["success"] = Duration(mine.succeeded(), mine.latency_nanos - mine.failed_nanos);
    stats["fail"] = Duration(failed, mine.failed_nanos);
    stats["queue"] = Duration(mine.succeeded(), 0);
    stats["compute_input"] = Duration(mine.succeeded(), 0);
    stats["compute_infer"] = Duration(mine.succeeded(), mine.latency_nanos - mine.failed_nanos);
    stats["compute_output"] = Duration(mine.succeeded(), 0);
    stats["cache_hit"] = Duration(0, 0);
    stats["cache_miss"] = Duration(0, 0);
    Json row = Json::MakeObject();
    row["name"] = endpoint;
    row["version"] = std::to_string(served->version);
    row["last_inference"] = mine.last_millis;
    row["inference_count"] = mine.predictions;
    row["execution_count"] = mine.predictions;
    row["inference_stats"] = std::move(stats);
    row["response_stats"] = Json::MakeObject();
    row["batch_stats"] = Json::MakeArray();
    row["memory_usage"] = Json::MakeArray();
    list.Push(std::move(row));
  };
  for (const auto& [endpoint, route] : worker.endpoints()) {
    if (!name.empty() && endpoint != name) continue;
    for (const serve::Arm& arm : route->arms) each(endpoint, arm.served);
  }
  Json out = Json::MakeObject();
  out["model_stats"] = std::move(list);
  response.body = out.Dump();
}

// The values of all rows, before they are written in the order and form that was asked for.
struct Answers {
  std::vector<float> values;
  std::vector<std::int64_t> decisions;
};

void AppendLittle(std::uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

void AppendElements(const Output& output, const Answers& answers, const std::vector<std::string>& classes, bool binary,
                    std::string* out) {
  if (output.datatype == "FP32") {
    for (std::size_t i = 0; i < answers.values.size(); ++i) {
      if (binary) {
        AppendLittle(std::bit_cast<std::uint32_t>(answers.values[i]), 4, out);
      } else {
        if (i != 0) *out += ',';
        AppendFloat(answers.values[i], out);
      }
    }
    return;
  }
  for (std::size_t i = 0; i < answers.decisions.size(); ++i) {
    const std::int64_t decision = answers.decisions[i];
    if (!binary && i != 0) *out += ',';
    if (output.datatype == "INT64") {
      binary ? AppendLittle(static_cast<std::uint64_t>(decision), 8, out) : AppendInt(decision, out);
      continue;
    }
    const std::string& word = classes[static_cast<std::size_t>(decision)];
    if (binary) {
      AppendLittle(word.size(), 4, out);
      *out += word;
    } else {
      AppendJsonString(word, out);
    }
  }
}

Result<void> WriteAnswers(const serve::Served& served, const OipRequest& request, const Answers& answers, std::int64_t rows,
                          HttpResponse& response) {
  const std::vector<Output> all = OutputsOf(served);
  std::vector<OipRequest::Output> asked = request.outputs;
  if (request.all_outputs) {
    for (const Output& output : all) asked.push_back({std::string(output.name), request.binary_outputs});
  }
  std::string& json = response.body;
  json = R"({"model_name":)";
  AppendJsonString(served.endpoint, &json);
  json += Str(R"(,"model_version":")", served.version, '"');
  if (!request.id.empty()) {
    json += R"(,"id":)";
    AppendJsonString(request.id, &json);
  }
  json += R"(,"outputs":[)";
  std::string raw;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Output* output = nullptr;
    std::vector<std::string> names;
    for (const Output& known : all) {
      names.emplace_back(known.name);
      if (known.name == asked[i].name) output = &known;
    }
    if (output == nullptr) {
      return Error(Code::kInvalidArgument, Str("no output '", asked[i].name, "'", DidYouMean(asked[i].name, names)));
    }
    json += Str(i == 0 ? "" : ",", R"({"name":")", output->name, R"(","datatype":")", output->datatype, R"(","shape":)",
                Json(ShapeOf(*output, rows)).Dump());
    const std::size_t before = raw.size();
    if (asked[i].binary) {
      AppendElements(*output, answers, served.predictor->classes(), true, &raw);
      json += Str(R"(,"parameters":{"binary_data_size":)", raw.size() - before, "}}");
    } else {
      json += R"(,"data":[)";
      AppendElements(*output, answers, served.predictor->classes(), false, &json);
      json += "]}";
    }
  }
  json += "]}";
  if (raw.empty()) return {};
  response.AddHeader("Inference-Header-Content-Length", std::to_string(json.size()));
  response.content_type = "application/octet-stream";
  json += raw;
  return {};
}

Result<void> Infer(Worker& worker, Lane& lane, const HttpRequest& request, HttpResponse& response) {
  std::size_t json_size = request.body.size();
  if (const std::string_view given = request.Header("inference-header-content-length"); given.data() != nullptr) {
    std::int64_t size = 0;
    if (!ParseInt64(given, &size) || size <= 0) {
      return Error(Code::kInvalidArgument, "Inference-Header-Content-Length must be the size of the request's JSON part");
    }
    json_size = static_cast<std::size_t>(size);
  }
  TENON_ASSIGN(const OipRequest asked, ReadOipRequest(request.body, json_size));
  TENON_ASSIGN(const OipRows rows, OipRows::Of(asked, lane.served()));
  serve::RowReader& reader = lane.session.reader();
  reader.errors().clear();
  Answers answers;
  worker.DropKept();
  const std::string_view id = worker.RequestId(request, response);
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    if (!rows.Read(i, reader)) {
      if (reader.errors().size() >= serve::RowReader::kMostErrors) break;
      continue;
    }
    if (reader.failed()) continue;
    const model::Prediction prediction = worker.Predict(lane);
    answers.values.insert(answers.values.end(), prediction.values.begin(), prediction.values.end());
    answers.decisions.push_back(prediction.decision);
  }
  if (reader.failed()) return Error(Code::kInvalidArgument, FieldErrorsAsText(reader.errors()));
  if (worker.Unanswered()) return Error(Code::kUnavailable, std::string(Worker::kUnanswered));
  TENON_TRY(WriteAnswers(lane.served(), asked, answers, rows.rows(), response));
  worker.LogKept(lane, id);
  worker.Spend(rows.rows());
  lane.counters->predictions.Add(rows.rows());
  return {};
}

void AnswerInfer(Worker& worker, Lane& lane, const HttpRequest& request, HttpResponse& response) {
  if (!worker.shared().Ready()) {
    SetPlainError(503, "the server is not ready", response);
  } else if (auto inferred = Infer(worker, lane, request, response); !inferred.ok()) {
    SetPlainError(inferred.error().code() == Code::kUnavailable ? 503 : 400, inferred.error().message(), response);
  }
  worker.Count(lane, response.status);
}

void AnswerIndex(Worker& worker, HttpResponse& response) {
  Json list = Json::MakeArray();
  for (const auto& [name, route] : worker.endpoints()) {
    for (const serve::Arm& arm : route->arms) {
      Json row = Json::MakeObject();
      row["name"] = name;
      row["version"] = std::to_string(arm.served->version);
      row["state"] = "READY";
      row["reason"] = "";
      list.Push(std::move(row));
    }
  }
  response.body = list.Dump();
}

void AnswerServer(HttpResponse& response) {
  Json out = Json::MakeObject();
  out["name"] = "tenon";
  out["version"] = "0.1.0";
  out["extensions"] = Json::ListOf(std::vector<std::string>{"binary_tensor_data", "model_repository", "statistics",
                                                            "parameters", "model_configuration"});
  response.body = out.Dump();
}

// 405 with the protocol's own error body.
bool Takes(const HttpRequest& request, Method method, HttpResponse& response) {
  if (Allowed(request, {method}, response)) return true;
  SetPlainError(405, method == Method::kGet ? "this route takes GET" : "this route takes POST", response);
  return false;
}

// models/<name>[/versions/<v>][/<what>]
void AnswerModel(Worker& worker, const HttpRequest& request, const std::vector<std::string>& path, HttpResponse& response) {
  std::string what;
  std::string version;
  std::size_t next = 2;
  if (path.size() > 3 && path[2] == "versions") {
    version = path[3];
    next = 4;
  }
  if (next < path.size()) what = path[next++];
  if (next < path.size()) return SetPlainError(404, "no such path below this model", response);
  Lane* lane = what == "infer" ? worker.Ask(path[1], request, version) : worker.Find(path[1], version);
  if (lane == nullptr) {
    return SetPlainError(404, Str("no model '", path[1], "'", version.empty() ? "" : " of version " + version), response);
  }
  const serve::Served& served = lane->served();
  if (what == "infer") {
    if (Takes(request, Method::kPost, response)) AnswerInfer(worker, *lane, request, response);
    return;
  }
  if (!Takes(request, Method::kGet, response)) return;
  if (what.empty()) return DescribeModel(served, response);
  if (what == "config") return DescribeConfig(served, response);
  if (what == "stats") return DescribeStatistics(worker, served.endpoint, response);
  if (what != "ready") return SetPlainError(404, Str("no '", what, "' below a model"), response);
  const bool ready = worker.shared().Ready();
  response.status = ready ? 200 : 503;
  response.body = R"({"name":)";
  AppendJsonString(served.endpoint, &response.body);
  response.body += ready ? R"(,"ready":true})" : R"(,"ready":false})";
}

void AnswerModels(Worker& worker, const HttpRequest& request, const std::vector<std::string>& path, HttpResponse& response) {
  if (path.size() == 2 && path[1] == "stats") {
    if (Takes(request, Method::kGet, response)) DescribeStatistics(worker, "", response);
    return;
  }
  if (path.size() > 1) return AnswerModel(worker, request, path, response);
  if (!Takes(request, Method::kGet, response)) return;
  Json names = Json::MakeArray();
  for (const auto& entry : worker.endpoints()) names.Push(entry.first);
  Json out = Json::MakeObject();
  out["models"] = std::move(names);
  response.body = out.Dump();
}

void AnswerRepository(Worker& worker, const HttpRequest& request, const std::vector<std::string>& path,
                      HttpResponse& response) {
  if (!Takes(request, Method::kPost, response)) return;
  if (path.back() == "index") return AnswerIndex(worker, response);
  if (path.size() < 4 || path[path.size() - 3] != "models") return SetPlainError(404, "no such repository path", response);
  const std::string& name = path[path.size() - 2];
  const bool there = worker.Find(name) != nullptr;
  if (path.back() == "load" && there) return;  // it is loaded already
  if (path.back() == "load") return SetPlainError(404, Str("no model '", name, "'; models come by deployment"), response);
  SetPlainError(501, "models come and go by deployment here, not by this protocol", response);
}

void AnswerHealthOf(Worker& worker, const HttpRequest& request, std::string_view what, HttpResponse& response) {
  if (!Takes(request, Method::kGet, response)) return;
  if (what == "live") {
    response.body = R"({"live":true})";
  } else if (what == "ready") {
    const bool ready = worker.shared().Ready();
    response.status = ready ? 200 : 503;
    response.body = ready ? R"({"live":true,"ready":true})" : R"({"live":true,"ready":false})";
  } else {
    SetPlainError(404, "there are /v2/health/live and /v2/health/ready", response);
  }
}

}  // namespace

void AnswerOip(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response) {
  std::vector<std::string> path;
  for (const std::string& segment : Split(rest, '/')) {
    if (segment.empty()) continue;
    path.emplace_back(worker.Decoded(segment));
    if (path.back().empty()) return SetPlainError(404, "the path is not well-formed", response);
  }
  if (path.empty()) {
    if (Takes(request, Method::kGet, response)) AnswerServer(response);
    return;
  }
  if (path[0] == "models") return AnswerModels(worker, request, path, response);
  if (path[0] == "health" && path.size() == 2) return AnswerHealthOf(worker, request, path[1], response);
  if (path[0] == "repository" && path.size() > 1) return AnswerRepository(worker, request, path, response);
  SetPlainError(404, Str("no route ", request.path), response);
}

}  // namespace tenon::edge

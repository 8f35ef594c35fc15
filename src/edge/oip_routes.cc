// /v2: the Open Inference Protocol over REST, with its extensions.

#include "base/json.h"
#include "base/text.h"
#include "edge/oip_internal.h"

namespace tenon::edge {
namespace {

// `row`: the shape of one row; {} of a single element.
Json TensorInfo(std::string_view name, std::string_view datatype, std::span<const std::int64_t> row) {
  Json out = Json::MakeObject();
  out["name"] = name;
  out["datatype"] = datatype;
  Json::Array shape = {Json(-1)};
  for (const std::int64_t size : row) shape.emplace_back(size);
  out["shape"] = std::move(shape);
  return out;
}

void DescribeModel(const Lane& lane, HttpResponse& response) {
  const serve::Served& served = lane.served();
  Json out = Json::MakeObject();
  out["name"] = served.endpoint;
  out["versions"] = Json::ListOf(std::vector<std::string>{std::to_string(served.version)});
  out["platform"] = OipPlatformOf(served);
  Json inputs = Json::MakeArray();
  for (const auto& field : served.fields) inputs.Push(TensorInfo(field.name, OipDatatypeOf(field), OipShapeOf(field)));
  out["inputs"] = std::move(inputs);
  Json outputs = Json::MakeArray();
  for (const OipOutput& output : lane.outputs) outputs.Push(TensorInfo(output.name, output.datatype, OipShapeOf(output)));
  out["outputs"] = std::move(outputs);
  response.body = out.Dump();
}

Json ConfigTensor(std::string_view name, std::string_view datatype, std::span<const std::int64_t> row) {
  Json out = Json::MakeObject();
  out["name"] = name;
  out["data_type"] = datatype == "BYTES" ? std::string("TYPE_STRING") : Str("TYPE_", datatype);
  Json::Array dims;
  for (const std::int64_t size : row) dims.emplace_back(size);
  if (row.empty()) dims.emplace_back(std::int64_t{1});
  out["dims"] = std::move(dims);
  return out;
}

void DescribeConfig(const Lane& lane, HttpResponse& response) {
  const serve::Served& served = lane.served();
  Json out = Json::MakeObject();
  out["name"] = served.endpoint;
  out["platform"] = OipPlatformOf(served);
  out["backend"] = "tenon";
  Json policy = Json::MakeObject(), latest = Json::MakeObject();
  latest["num_versions"] = 1;
  policy["latest"] = std::move(latest);
  out["version_policy"] = std::move(policy);
  out["max_batch_size"] = kOipMostBatch;
  Json inputs = Json::MakeArray();
  for (const auto& field : served.fields) inputs.Push(ConfigTensor(field.name, OipDatatypeOf(field), OipShapeOf(field)));
  out["input"] = std::move(inputs);
  Json outputs = Json::MakeArray();
  for (const OipOutput& output : lane.outputs) outputs.Push(ConfigTensor(output.name, output.datatype, OipShapeOf(output)));
  out["output"] = std::move(outputs);
  response.body = out.Dump();
}

Json Duration(std::int64_t count, std::int64_t nanos) {
  Json out = Json::MakeObject();
  out["count"] = count;
  out["ns"] = nanos;
  return out;
}

void DescribeStatistics(const std::vector<OipStatistics>& all, HttpResponse& response) {
  Json list = Json::MakeArray();
  for (const OipStatistics& one : all) {
    const Metrics::Sum& sum = one.sum;
    Json stats = Json::MakeObject();
    stats["success"] = Duration(sum.succeeded(), sum.latency_nanos - sum.failed_nanos + sum.queue_nanos);
    stats["fail"] = Duration(sum.requests() - sum.succeeded(), sum.failed_nanos);
    stats["queue"] = Duration(sum.succeeded(), sum.queue_nanos);
    stats["compute_input"] = Duration(sum.succeeded(), sum.input_nanos);
    stats["compute_infer"] = Duration(sum.succeeded(), sum.predict_nanos);
    stats["compute_output"] = Duration(sum.succeeded(), sum.output_nanos);
    stats["cache_hit"] = Duration(0, 0);
    stats["cache_miss"] = Duration(0, 0);
    Json batches = Json::MakeArray();
    for (const BatchSum& batch : sum.batches) {
      Json entry = Json::MakeObject();
      entry["batch_size"] = batch.size;
      entry["compute_input"] = Duration(batch.count, batch.input_nanos);
      entry["compute_infer"] = Duration(batch.count, batch.predict_nanos);
      entry["compute_output"] = Duration(batch.count, batch.output_nanos);
      batches.Push(std::move(entry));
    }
    Json row = Json::MakeObject();
    row["name"] = one.name;
    row["version"] = one.version;
    row["last_inference"] = sum.last_millis;
    row["inference_count"] = sum.predictions;
    row["execution_count"] = sum.executions;
    row["inference_stats"] = std::move(stats);
    row["response_stats"] = Json::MakeObject();
    row["batch_stats"] = std::move(batches);
    row["memory_usage"] = Json::MakeArray();
    list.Push(std::move(row));
  }
  Json out = Json::MakeObject();
  out["model_stats"] = std::move(list);
  response.body = out.Dump();
}

void WriteAnswers(const Lane& lane, OipMemory& memory, HttpResponse& response) {
  std::string& json = response.body;
  json = R"({"model_name":)";
  AppendJsonString(lane.served().endpoint, &json);
  json += R"(,"model_version":")";
  AppendInt(lane.served().version, &json);
  json += '"';
  if (!memory.request.id.empty()) {
    json += R"(,"id":)";
    AppendJsonString(memory.request.id, &json);
  }
  json += R"(,"outputs":[)";
  memory.raw.clear();
  bool any_binary = false;
  for (const OipChosen& chosen : memory.chosen) {
    if (&chosen != memory.chosen.data()) json += ',';
    json += R"({"name":")";
    json += chosen.output->name;
    json += R"(","datatype":")";
    json += chosen.datatype;
    json += R"(","shape":[)";
    AppendInt(memory.answers.rows, &json);
    if (chosen.width != 0) {
      json += ',';
      AppendInt(chosen.width, &json);
    }
    if (chosen.binary) {
      any_binary = true;
      const std::size_t before = memory.raw.size();
      AppendOipElements(lane, chosen, memory.answers, true, &memory.raw);
      json += R"(],"parameters":{"binary_data_size":)";
      AppendInt(static_cast<std::int64_t>(memory.raw.size() - before), &json);
      json += "}}";
    } else {
      json += R"(],"data":[)";
      AppendOipElements(lane, chosen, memory.answers, false, &json);
      json += "]}";
    }
  }
  json += "]}";
  if (!any_binary) return;
  response.AddHeader("Inference-Header-Content-Length", std::to_string(json.size()));
  response.content_type = "application/octet-stream";
  json += memory.raw;
}

// The version that answers stands in `lane` once it is known.
Result<void> Infer(Worker& worker, std::string_view name, std::string_view version, const HttpRequest& request, Lane*& lane,
                   HttpResponse& response) {
  OipMemory& memory = worker.oip();
  memory.request.Clear();
  std::size_t json_size = request.body.size();
  bool has_json = true;
  if (const std::string_view given = request.Header("inference-header-content-length"); given.data() != nullptr) {
    std::int64_t size = 0;
    if (!ParseInt64(given, &size) || size < 0) {
      return Error(Code::kInvalidArgument, "Inference-Header-Content-Length must be the size of the request's JSON part");
    }
    json_size = static_cast<std::size_t>(size);
    has_json = size != 0;
  }
  if (has_json) {
    TENON_TRY(memory.json.Read(request.body, json_size, &memory.request));
  } else {
    TENON_ASSIGN(Lane* any, FindOip(worker, name, version));
    TENON_TRY(ReadOipRawBody(request.body, any->served(), &memory.request));
  }
  TENON_ASSIGN(lane, AskOip(worker, request, name, version, memory.request));
  const std::string_view id = worker.RequestId(request.Header("x-request-id"));
  if (!id.empty()) response.AddHeader("X-Request-Id", id);
  TENON_TRY(InferOip(worker, *lane, {}, memory));
  WriteAnswers(*lane, memory, response);
  worker.LogKept(*lane, id);
  return {};
}

// The protocol's own error of a failure; it knows fewer statuses than this program has codes.
void SetOipError(const Error& error, HttpResponse& response) {
  response.headers.clear();
  SetPlainError(RowOf(error.code()).http, error.message(), response);
}

// 405 with the protocol's own error body.
bool Takes(const HttpRequest& request, Method method, HttpResponse& response) {
  if (Allowed(request, {method}, response)) return true;
  SetPlainError(405, method == Method::kGet ? "this route takes GET" : "this route takes POST", response);
  return false;
}

void AnswerReady(Worker& worker, std::string_view name, bool found, HttpResponse& response) {
  const bool ready = found && worker.shared().Ready();
  response.status = ready ? 200 : 503;
  response.body = R"({"name":)";
  AppendJsonString(name, &response.body);
  response.body += ready ? R"(,"ready":true})" : R"(,"ready":false})";
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
  Result<Lane*> found = FindOip(worker, path[1], version);
  if (!found.ok()) {
    if (what == "ready" && found.error().code() == Code::kUnavailable) return AnswerReady(worker, path[1], false, response);
    return SetOipError(found.error(), response);
  }
  Lane& lane = **found;
  if (what == "infer") {
    if (!Takes(request, Method::kPost, response)) return worker.Count(lane, 405);
    Lane* answers = &lane;
    if (auto inferred = Infer(worker, path[1], version, request, answers, response); !inferred.ok()) SetOipError(inferred.error(), response);
    return worker.Count(*answers, response.status);
  }
  if (!Takes(request, Method::kGet, response)) return;
  if (what.empty()) return DescribeModel(lane, response);
  if (what == "config") return DescribeConfig(lane, response);
  if (what == "ready") return AnswerReady(worker, path[1], true, response);
  if (what != "stats") return SetPlainError(404, Str("no '", what, "' below a model"), response);
  if (auto all = StatisticsOf(worker, path[1], version); all.ok()) DescribeStatistics(*all, response);
}

void AnswerModels(Worker& worker, const HttpRequest& request, const std::vector<std::string>& path, HttpResponse& response) {
  if (path.size() == 2 && path[1] == "stats") {
    if (!Takes(request, Method::kGet, response)) return;
    if (auto all = StatisticsOf(worker, "", ""); all.ok()) DescribeStatistics(*all, response);
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

void AnswerIndex(Worker& worker, const HttpRequest& request, HttpResponse& response) {
  bool ready_only = false;
  if (!request.body.empty()) {
    auto body = Json::Parse(request.body, "body");
    if (!body.ok() || !body->is_object()) return SetPlainError(400, "the body must be an object such as {\"ready\":true}, or empty", response);
    const Json* ready = body->Find("ready");
    if (ready != nullptr && !ready->is_bool()) return SetPlainError(400, Str("'ready' must be true or false, not ", ready->KindName()), response);
    ready_only = ready != nullptr && ready->Bool();
  }
  Json list = Json::MakeArray();
  for (const OipIndexLine& line : OipIndex(worker, ready_only)) {
    Json row = Json::MakeObject();
    row["name"] = line.name;
    row["version"] = line.version;
    row["state"] = line.state;
    row["reason"] = line.reason;
    list.Push(std::move(row));
  }
  response.body = list.Dump();
}

// repository[/<repository>]/index and repository[/<repository>]/models/<name>/load or /unload
void AnswerRepository(Worker& worker, const HttpRequest& request, const std::vector<std::string>& path, HttpResponse& response) {
  if (!Takes(request, Method::kPost, response)) return;
  if (path.back() == "index" && path.size() <= 3) return AnswerIndex(worker, request, response);
  const bool load = path.back() == "load";
  if (path.size() < 4 || path.size() > 5 || path[path.size() - 3] != "models" || (!load && path.back() != "unload")) {
    return SetPlainError(404, "the repository has index, models/<name>/load and models/<name>/unload", response);
  }
  const std::string& name = path[path.size() - 2];
  if (auto done = load ? LoadOip(worker, name) : UnloadOip(worker, name); !done.ok()) SetOipError(done.error(), response);
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

void AnswerServer(HttpResponse& response) {
  Json out = Json::MakeObject();
  out["name"] = "tenon";
  out["version"] = TENON_VERSION;
  Json extensions = Json::MakeArray();
  for (const std::string_view extension : kOipExtensions) extensions.Push(extension);
  out["extensions"] = std::move(extensions);
  response.body = out.Dump();
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
  if (path[0] == "logging" || path[0] == "trace" || path[0] == "systemsharedmemory" || path[0] == "cudasharedmemory") {
    return SetPlainError(501, Str("this server has no ", path[0], " extension; see the extensions of GET /v2"), response);
  }
  SetPlainError(404, Str("no route ", request.path), response);
}

}  // namespace tenon::edge

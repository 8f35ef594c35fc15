#include <cmath>

#include "base/json.h"
#include "base/text.h"
#include "edge/oip_internal.h"
#include "edge/serving_internal.h"

namespace tenon::edge {
namespace {

constexpr std::string_view kSignature = "serving_default";

void Fail(const Error& error, HttpResponse& response) {
  response.headers.clear();
  SetPlainError(RowOf(error.code()).http, error.message(), response);
}

// The elements of an output: flat, or a list a row.
void AppendOutput(const Lane& lane, const OipChosen& chosen, const OipAnswers& answers, std::string* out) {
  *out += '[';
  if (chosen.width == 0) {
    AppendOipElements(lane, chosen, answers, false, out);
  } else {
    const auto width = static_cast<std::size_t>(chosen.width);
    for (std::size_t i = 0; i < answers.values.size(); ++i) {
      if (i % width == 0) *out += i == 0 ? "[" : ",[";
      AppendFloat(answers.values[i], out);
      *out += i % width == width - 1 ? ']' : ',';
    }
  }
  *out += ']';
}

Result<void> Columnar(Worker& worker, Lane& lane, const HttpRequest& request, HttpResponse& response) {
  OipMemory& memory = worker.oip();
  memory.request.Clear();
  TENON_TRY(memory.json.ReadColumns(request.body, lane.served(), &memory.request));
  const std::string_view id = worker.RequestId(request.Header("x-request-id"));
  response.headers.clear();
  if (!id.empty()) response.AddHeader("X-Request-Id", id);
  TENON_TRY(InferOip(worker, lane, {}, memory));
  std::string& out = response.body;
  out = R"({"outputs":)";
  const bool alone = memory.chosen.size() == 1;
  for (const OipChosen& chosen : memory.chosen) {
    if (!alone) out += Str(&chosen == memory.chosen.data() ? '{' : ',', '"', chosen.output->name, R"(":)");
    AppendOutput(lane, chosen, memory.answers, &out);
  }
  out += alone ? "}" : "}}";
  worker.LogKept(lane, id);
  return {};
}

// One value of an example into the slot of its field; a list of one value stands for the value.
void ReadFeature(const std::string& name, const Json& given, serve::RowReader& reader) {
  const int slot = reader.At(name);
  if (slot < 0) return;
  const Json& value = given.is_array() && given.array().size() == 1 ? given.array()[0] : given;
  if (value.is_null()) return reader.Null(slot);
  if (value.is_bool()) return reader.Bool(slot, value.Bool());
  const bool whole = reader.served().fields[static_cast<std::size_t>(slot)].type == table::Type::kInt64;
  if (whole && value.is_number() && !value.is_int() && std::abs(value.Number()) >= 0x1p63) {
    return reader.Wrong(slot, Str(FormatDouble(value.Number()), ", which takes more than 64 bits"));
  }
  if (value.is_number()) return reader.Number(slot, value.Number());
  if (value.is_string()) return reader.Text(slot, value.String());
  reader.Wrong(slot, value.KindName());
}

Result<void> ReadExamples(const Json& body, serve::RowReader& reader, const std::function<void()>& each) {
  reader.errors().clear();
  TENON_ASSIGN(Fields fields, Fields::Of(body, "request"));
  const Json* context = fields.Find("context");
  const Json* examples = fields.Find("examples");
  const Json* signature = fields.Find("signature_name");  // any: for each verb there is one, and makers name it as they like
  TENON_TRY(fields.Done());
  if (signature != nullptr && !signature->is_string()) return Error(Code::kInvalidArgument, Str("'signature_name' must be a string, not ", signature->KindName()));
  if (examples == nullptr || !examples->is_array() || examples->array().empty()) {
    return Error(Code::kInvalidArgument, R"(the request needs a list of 'examples', such as {"examples":[{"age":41}]})");
  }
  if (context != nullptr && !context->is_object()) return Error(Code::kInvalidArgument, Str("'context' must be an object, not ", context->KindName()));
  const Json::Array& rows = examples->array();
  if (static_cast<std::int64_t>(rows.size()) > reader.served().most_instances) {
    return Error(Code::kInvalidArgument, Str("more than ", reader.served().most_instances, " examples; send fewer at a time"));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].is_object()) return Error(Code::kInvalidArgument, Str("example ", i, " must be an object, not ", rows[i].KindName()));
    reader.Begin(static_cast<int>(i));
    for (const Json* from : {context, &rows[i]}) {
      if (from == nullptr) continue;
      for (const auto& [name, value] : from->object()) ReadFeature(name, value, reader);
    }
    if (reader.End() && !reader.failed()) each();
  }
  return {};
}

void AppendScores(const Lane& lane, std::span<const float> values, std::string* out) {
  *out += '[';
  for (std::size_t k = 0; k < lane.decisions.size(); ++k) {
    *out += k == 0 ? "[" : ",[";
    *out += lane.decisions[k];
    *out += ',';
    AppendFloat(values.size() > 1 ? values[k] : k == 1 ? values[0] : 1 - values[0], out);
    *out += ']';
  }
  *out += ']';
}

// `row`: the shape of one row; {} of a single element.
Json TensorInfo(std::string_view name, std::string_view datatype, std::span<const std::int64_t> row) {
  Json shape = Json::MakeObject();
  shape["dim"] = Json::MakeArray();
  const auto add = [&](std::int64_t size) {
    Json dim = Json::MakeObject();
    dim["size"] = std::to_string(size);
    dim["name"] = "";
    shape["dim"].Push(std::move(dim));
  };
  add(-1);
  for (const std::int64_t size : row) add(size);
  shape["unknown_rank"] = false;
  Json out = Json::MakeObject();
  out["dtype"] = datatype == "FP64" ? std::string("DT_DOUBLE") : datatype == "FP32" ? "DT_FLOAT" : datatype == "FP16" ? "DT_HALF" : datatype == "BF16" ? "DT_BFLOAT16"
                 : datatype == "BYTES" ? "DT_STRING" : Str("DT_", datatype);  // BOOL, INT8 to UINT64
  out["tensor_shape"] = std::move(shape);
  out["name"] = name;
  return out;
}

}  // namespace

void PredictColumnar(Worker& worker, Lane& lane, const HttpRequest& request, HttpResponse& response) {
  if (auto done = Columnar(worker, lane, request, response); !done.ok()) Fail(done.error(), response);
}

void AnswerExamples(Worker& worker, Lane& lane, const HttpRequest& request, bool classify, HttpResponse& response) {
  const model::Task task = lane.served().predictor->task();
  if (classify ? lane.decisions.empty() : task == model::Task::kMulticlass) {
    return SetPlainError(400, Str("the model '", lane.served().endpoint, "' ", classify ? "has no classes; ask it to :regress or to :predict" : "chooses among classes; ask it to :classify or to :predict"), response);
  }
  const auto body = Json::Parse(request.body, "body");
  if (!body.ok()) return Fail(body.error(), response);
  std::string problem;
  std::string& out = response.body;
  out += R"({"results":[)";
  const bool answered = AnswerRows(
      worker, lane, request, response,
      [&](serve::RowReader& reader, const auto& each) {
        const auto read = ReadExamples(*body, reader, each);
        if (!read.ok()) problem = read.error().message();
        return read.ok();
      },
      [&](const AnsweredRow& row) {
        if (!row.first) out += ',';
        classify ? AppendScores(lane, row.prediction.values, &out) : AppendFloat(row.prediction.values[0], &out);
      });
  if (answered) {
    out += "]}";
    return;
  }
  const PredictFailure why = WhyNoAnswer(worker, lane, problem);
  SetPlainError(why.status, why.Text(), response);
}

void DescribeSignature(const Lane& lane, HttpResponse& response) {
  const serve::Served& served = lane.served();
  Json signature = Json::MakeObject();
  signature["inputs"] = Json::MakeObject();
  for (const auto& field : served.fields) signature["inputs"][field.name] = TensorInfo(field.name, OipDatatypeOf(field), OipShapeOf(field));
  signature["outputs"] = Json::MakeObject();
  for (const OipOutput& output : lane.outputs) signature["outputs"][output.name] = TensorInfo(output.name, output.datatype, OipShapeOf(output));
  signature["method_name"] = "tensorflow/serving/predict";
  Json map = Json::MakeObject();
  map["@type"] = "type.googleapis.com/tensorflow.serving.SignatureDefMap";
  map["signature_def"] = Json::MakeObject();
  map["signature_def"][kSignature] = std::move(signature);
  Json spec = Json::MakeObject();
  spec["name"] = served.endpoint;
  spec["signature_name"] = "";
  spec["version"] = std::to_string(served.version);
  Json body = Json::MakeObject();
  body["model_spec"] = std::move(spec);
  body["metadata"] = Json::MakeObject();
  body["metadata"]["signature_def"] = std::move(map);
  response.body = body.Dump();
}

}  // namespace tenon::edge

// What there is: the server, its models, their settings and statistics, health, and the repository.

#include "base/text.h"
#include "edge/grpc_internal.h"
#include "edge/protobuf_internal.h"

namespace tenon::edge::grpc {
namespace {

// The two texts that most requests are: a model's name and version.
struct Named {
  std::string_view name, version;
};

Result<Named> ReadNamed(std::string_view message) {
  Named named;
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.Is(1, ProtoWire::kBytes)) named.name = reader.bytes();
    if (reader.Is(2, ProtoWire::kBytes)) named.version = reader.bytes();
  }
  if (!reader.good()) return MalformedMessage("the request");
  if (!IsUtf8(named.name) || !IsUtf8(named.version)) return Error(Code::kInvalidArgument, "the request has a text that is not UTF-8");
  return named;
}

Result<Lane*> FindNamed(Worker& worker, std::string_view message) {
  TENON_ASSIGN(const Named named, ReadNamed(message));
  return FindOip(worker, named.name, named.version);
}

std::string Packed(std::span<const std::int64_t> values) {
  std::string out;
  for (const std::int64_t value : values) {
    auto left = static_cast<std::uint64_t>(value);
    for (; left >= 0x80; left >>= 7) out.push_back(static_cast<char>(left | 0x80));
    out.push_back(static_cast<char>(left));
  }
  return out;
}

void WriteTensor(ProtoWriter& writer, std::uint32_t field, std::string_view name, std::string_view datatype, std::span<const std::int64_t> row) {
  const std::size_t begin = writer.Begin(field);
  writer.Bytes(1, name);
  writer.Bytes(2, datatype);
  std::vector<std::int64_t> shape = {-1};
  shape.insert(shape.end(), row.begin(), row.end());
  writer.Bytes(3, Packed(shape));
  writer.End(begin);
}

void WriteConfigTensor(ProtoWriter& writer, std::uint32_t field, std::uint32_t dims, std::string_view name, std::string_view datatype,
                       std::span<const std::int64_t> row) {
  const std::size_t begin = writer.Begin(field);
  writer.Bytes(1, name);
  writer.Number(2, static_cast<std::uint64_t>(OipDatatypeNamed(datatype)->config));
  writer.Bytes(dims, row.empty() ? Packed(std::array<std::int64_t, 1>{1}) : Packed(row));
  writer.End(begin);
}

void WriteDuration(ProtoWriter& writer, std::uint32_t field, std::int64_t count, std::int64_t nanos) {
  const std::size_t begin = writer.Begin(field);
  writer.Number(1, static_cast<std::uint64_t>(count));
  writer.Number(2, static_cast<std::uint64_t>(nanos));
  writer.End(begin);
}

void WriteStatistics(ProtoWriter& writer, const OipStatistics& one) {
  const Metrics::Sum& sum = one.sum;
  const std::int64_t good = sum.succeeded();
  const std::size_t begin = writer.Begin(1);
  writer.Bytes(1, one.name);
  writer.Bytes(2, one.version);
  writer.Number(3, static_cast<std::uint64_t>(sum.last_millis));
  writer.Number(4, static_cast<std::uint64_t>(sum.predictions));
  writer.Number(5, static_cast<std::uint64_t>(sum.executions));
  const std::size_t stats = writer.Begin(6);
  WriteDuration(writer, 1, good, sum.latency_nanos - sum.failed_nanos + sum.queue_nanos);
  WriteDuration(writer, 2, sum.requests() - good, sum.failed_nanos);
  WriteDuration(writer, 3, good, sum.queue_nanos);
  WriteDuration(writer, 4, good, sum.input_nanos);
  WriteDuration(writer, 5, good, sum.predict_nanos);
  WriteDuration(writer, 6, good, sum.output_nanos);
  WriteDuration(writer, 7, 0, 0);
  WriteDuration(writer, 8, 0, 0);
  writer.End(stats);
  for (const BatchSum& batch : sum.batches) {
    const std::size_t entry = writer.Begin(7);
    writer.Number(1, static_cast<std::uint64_t>(batch.size));
    WriteDuration(writer, 2, batch.count, batch.input_nanos);
    WriteDuration(writer, 3, batch.count, batch.predict_nanos);
    WriteDuration(writer, 4, batch.count, batch.output_nanos);
    writer.End(entry);
  }
  writer.End(begin);
}

// Triton's clients give the repository in field 1 and the model in 2, KServe's the model in 1; the answers of both fit into
// one message.
void ChangeModel(Worker& worker, const RpcRequest& request, bool load, RpcResponse& response) {
  auto named = ReadNamed(request.message);
  if (!named.ok()) return FailWith(named.error(), response);
  const std::string_view name = named->version.empty() ? named->name : named->version;
  auto done = load ? LoadOip(worker, name) : UnloadOip(worker, name);
  if (!done.ok()) return FailWith(done.error(), response);
  ProtoWriter writer(&response.message);
  writer.Bytes(1, name);
  writer.Number(2, 1);
}

constexpr int kServing = 1, kNotServing = 2, kServiceUnknown = 3;

// Of the whole server (""), of a service by its name, or of a model by its.
int HealthOf(Worker& worker, std::string_view service) {
  if (service.empty() || service == "inference.GRPCInferenceService") return worker.shared().Ready() ? kServing : kNotServing;
  if (worker.Find(service) != nullptr) return worker.shared().Ready() ? kServing : kNotServing;
  return worker.WhyNot(service).code() == Code::kUnavailable ? kNotServing : kServiceUnknown;
}

}  // namespace

void ServerLive(Worker&, const RpcRequest&, RpcResponse& response) { ProtoWriter(&response.message).Number(1, 1); }

void ServerReady(Worker& worker, const RpcRequest&, RpcResponse& response) {
  ProtoWriter(&response.message).Number(1, worker.shared().Ready() ? 1 : 0);
}

void ModelReady(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto lane = FindNamed(worker, request.message);
  if (!lane.ok() && lane.error().code() != Code::kUnavailable) return FailWith(lane.error(), response);
  ProtoWriter(&response.message).Number(1, lane.ok() && worker.shared().Ready() ? 1 : 0);
}

void ServerMetadata(Worker&, const RpcRequest&, RpcResponse& response) {
  ProtoWriter writer(&response.message);
  writer.Bytes(1, "tenon");
  writer.Bytes(2, TENON_VERSION);
  for (const std::string_view extension : kOipExtensions) writer.Bytes(3, extension);
}

void ModelMetadata(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto lane = FindNamed(worker, request.message);
  if (!lane.ok()) return FailWith(lane.error(), response);
  const serve::Served& served = (*lane)->served();
  ProtoWriter writer(&response.message);
  writer.Bytes(1, served.endpoint);
  writer.Bytes(2, std::to_string(served.version));
  writer.Bytes(3, OipPlatformOf(served));
  for (const auto& field : served.fields) WriteTensor(writer, 4, field.name, OipDatatypeOf(field), OipShapeOf(field));
  for (const OipOutput& output : (*lane)->outputs) WriteTensor(writer, 5, output.name, output.datatype, OipShapeOf(output));
}

void ModelConfig(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto lane = FindNamed(worker, request.message);
  if (!lane.ok()) return FailWith(lane.error(), response);
  const serve::Served& served = (*lane)->served();
  ProtoWriter writer(&response.message);
  const std::size_t begin = writer.Begin(1);
  writer.Bytes(1, served.endpoint);
  writer.Bytes(2, OipPlatformOf(served));
  const std::size_t policy = writer.Begin(3), latest = writer.Begin(1);
  writer.Number(1, 1);
  writer.End(latest);
  writer.End(policy);
  writer.Number(4, kOipMostBatch);
  for (const auto& field : served.fields) WriteConfigTensor(writer, 5, 4, field.name, OipDatatypeOf(field), OipShapeOf(field));
  for (const OipOutput& output : (*lane)->outputs) WriteConfigTensor(writer, 6, 3, output.name, output.datatype, OipShapeOf(output));
  writer.Bytes(17, "tenon");
  writer.End(begin);
}

void ModelStatistics(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto named = ReadNamed(request.message);
  if (!named.ok()) return FailWith(named.error(), response);
  auto all = StatisticsOf(worker, named->name, named->version);
  if (!all.ok()) return FailWith(all.error(), response);
  ProtoWriter writer(&response.message);
  for (const OipStatistics& one : *all) WriteStatistics(writer, one);
}

void RepositoryIndex(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  bool ready_only = false;
  ProtoReader reader(request.message);
  while (reader.Next()) {
    if (reader.Is(2, ProtoWire::kVarint)) ready_only = reader.number() != 0;
  }
  if (!reader.good()) return FailWith(MalformedMessage("the request"), response);
  ProtoWriter writer(&response.message);
  for (const OipIndexLine& line : OipIndex(worker, ready_only)) {
    const std::size_t begin = writer.Begin(1);
    writer.Bytes(1, line.name);
    writer.Bytes(2, line.version);
    writer.Bytes(3, line.state);
    writer.Bytes(4, line.reason);
    writer.End(begin);
  }
}

void RepositoryModelLoad(Worker& worker, const RpcRequest& request, RpcResponse& response) { ChangeModel(worker, request, true, response); }

void RepositoryModelUnload(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  ChangeModel(worker, request, false, response);
}

void HealthCheck(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto named = ReadNamed(request.message);
  if (!named.ok()) return FailWith(named.error(), response);
  const int health = HealthOf(worker, named->name);
  if (health == kServiceUnknown) return response.Fail(Code::kNotFound, Str("no service or model '", named->name, "'"));
  ProtoWriter(&response.message).Number(1, static_cast<std::uint64_t>(health));
}

// As Check, but one that is not there may come.
void HealthWatch(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto named = ReadNamed(request.message);
  if (!named.ok()) return FailWith(named.error(), response);
  ProtoWriter(&response.message).Number(1, static_cast<std::uint64_t>(HealthOf(worker, named->name)));
}

void HealthList(Worker& worker, const RpcRequest&, RpcResponse& response) {
  ProtoWriter writer(&response.message);
  const auto add = [&](std::string_view name) {
    const std::size_t entry = writer.Begin(1);
    writer.AlwaysBytes(1, name);
    const std::size_t status = writer.Begin(2);
    writer.Number(1, static_cast<std::uint64_t>(HealthOf(worker, name)));
    writer.End(status);
    writer.End(entry);
  };
  add("");
  add("inference.GRPCInferenceService");
  for (const auto& entry : worker.endpoints()) add(entry.first);
  for (const auto& entry : *worker.unloaded()) add(entry.first);
}

}  // namespace tenon::edge::grpc

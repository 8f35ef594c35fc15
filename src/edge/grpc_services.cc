// Which methods there are, how a call comes to one, and server reflection.

#include <algorithm>

#include "base/text.h"
#include "edge/grpc_internal.h"
#include "edge/protobuf_internal.h"

namespace tenon::edge {
namespace {

constexpr GrpcMethod kMethods[] = {
    {"/inference.GRPCInferenceService/ModelInfer", RpcKind::kUnary, grpc::ModelInfer},
    {"/inference.GRPCInferenceService/ModelStreamInfer", RpcKind::kStream, grpc::ModelStreamInfer},
    {"/inference.GRPCInferenceService/ServerLive", RpcKind::kUnary, grpc::ServerLive},
    {"/inference.GRPCInferenceService/ServerReady", RpcKind::kUnary, grpc::ServerReady},
    {"/inference.GRPCInferenceService/ModelReady", RpcKind::kUnary, grpc::ModelReady},
    {"/inference.GRPCInferenceService/ServerMetadata", RpcKind::kUnary, grpc::ServerMetadata},
    {"/inference.GRPCInferenceService/ModelMetadata", RpcKind::kUnary, grpc::ModelMetadata},
    {"/inference.GRPCInferenceService/ModelConfig", RpcKind::kUnary, grpc::ModelConfig},
    {"/inference.GRPCInferenceService/ModelStatistics", RpcKind::kUnary, grpc::ModelStatistics},
    {"/inference.GRPCInferenceService/RepositoryIndex", RpcKind::kUnary, grpc::RepositoryIndex},
    {"/inference.GRPCInferenceService/RepositoryModelLoad", RpcKind::kUnary, grpc::RepositoryModelLoad},
    {"/inference.GRPCInferenceService/RepositoryModelUnload", RpcKind::kUnary, grpc::RepositoryModelUnload},
    {"/grpc.health.v1.Health/Check", RpcKind::kUnary, grpc::HealthCheck},
    {"/grpc.health.v1.Health/Watch", RpcKind::kWatch, grpc::HealthWatch},
    {"/grpc.health.v1.Health/List", RpcKind::kUnary, grpc::HealthList},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", RpcKind::kStream, grpc::ReflectionInfo},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", RpcKind::kStream, grpc::ReflectionInfo},
};

const ProtoFile* FileNamed(std::string_view name) {
  for (std::size_t i = 0; i < kProtoFileCount; ++i) {
    if (kProtoFiles[i].name == name) return &kProtoFiles[i];
  }
  return nullptr;
}

const ProtoFile* FileWith(std::string_view symbol) {
  for (std::size_t i = 0; i < kProtoFileCount; ++i) {
    const std::span<const std::string_view> symbols(kProtoFiles[i].symbols, kProtoFiles[i].symbol_count);
    if (std::ranges::find(symbols, symbol) != symbols.end()) return &kProtoFiles[i];
  }
  return nullptr;
}

// "/package.Service/Method" -> "package.Service"
std::string_view ServiceOf(const GrpcMethod& method) { return method.path.substr(1, method.path.rfind('/') - 1); }

void WriteFile(const ProtoFile* file, std::string_view asked, ProtoWriter& writer) {
  if (file == nullptr) {
    const std::size_t begin = writer.Begin(7);
    writer.Number(1, static_cast<std::uint64_t>(RowOf(Code::kNotFound).grpc));
    writer.Bytes(2, Str("there is no ", asked, " here"));
    writer.End(begin);
    return;
  }
  const std::size_t begin = writer.Begin(4);
  writer.AlwaysBytes(1, file->descriptor);
  writer.End(begin);
}

void WriteServices(ProtoWriter& writer) {
  const std::size_t begin = writer.Begin(6);
  std::string_view before;
  for (const GrpcMethod& method : kMethods) {
    if (ServiceOf(method) == before) continue;
    before = ServiceOf(method);
    const std::size_t service = writer.Begin(1);
    writer.Bytes(1, before);
    writer.End(service);
  }
  writer.End(begin);
}

// The code of a refusal, which is known by its HTTP status.
int GrpcOf(int status) {
  for (int i = 0; i < kCodeCount; ++i) {
    if (RowOf(static_cast<Code>(i)).http == status) return RowOf(static_cast<Code>(i)).grpc;
  }
  return RowOf(Code::kInternal).grpc;
}

}  // namespace

const GrpcMethod* GrpcMethodAt(std::string_view path) {
  for (const GrpcMethod& method : kMethods) {
    if (method.path == path) return &method;
  }
  return nullptr;
}

RpcKind Worker::KindOf(std::string_view path) const {
  const GrpcMethod* method = GrpcMethodAt(path);
  return method == nullptr ? RpcKind::kUnknown : method->kind;
}

void Worker::Call(const RpcRequest& request, const HttpPeer& peer, RpcResponse& response) {
  const GrpcMethod* method = GrpcMethodAt(request.head->path);
  if (method == nullptr) return response.Fail(Code::kNotFound, Str("no method ", request.head->path));
  if (request.again) {
    Refresh();
    return method->call(*this, request, response);
  }
  Begin(peer);
  AnswerCall(*method, request, peer, response);
}

void Worker::ResumeCall(const RpcRequest& request, const HttpPeer& peer, std::unique_ptr<HttpLater> what, RpcResponse& response) {
  TakeUp(peer, std::move(what));
  AnswerCall(*GrpcMethodAt(request.head->path), request, peer, response);
}

void Worker::AnswerCall(const GrpcMethod& method, const RpcRequest& request, const HttpPeer& peer, RpcResponse& response) {
  peer_ = peer.bell == nullptr ? nullptr : &peer;
  deadline_ = request.deadline;
  if (observer_ != nullptr) {
    observer_->Begin(*request.head);
    answered_ = nullptr;
  }
  CallSeen(method, request, peer, response);
  if (observer_ != nullptr && !suspended_) Observe(method, request, peer, response);
  LeaveOff(&response.later);
}

void Worker::Observe(const GrpcMethod& method, const RpcRequest& request, const HttpPeer& peer, const RpcResponse& response) {
  HttpResponse told;
  for (int code = 0; response.status != 0 && code < kCodeCount; ++code) {
    if (RowOf(static_cast<tenon::Code>(code)).grpc == response.status) told.status = RowOf(static_cast<tenon::Code>(code)).http;
  }
  const bool payloads = observer_->KeepsPayloads() && (method.path.ends_with("/ModelInfer") || method.path.ends_with("/ModelStreamInfer"));
  if (!payloads) return observer_->End({*request.head, peer, told, asker_.name, answered_, began_, response.status});
  HttpRequest whole = *request.head;  // with the message, which is what an event of its payload holds
  whole.body = request.message;
  told.body = response.message;
  observer_->End({whole, peer, told, asker_.name, answered_, began_, response.status});
}

void Worker::CallSeen(const GrpcMethod& method, const RpcRequest& request, const HttpPeer& peer, RpcResponse& response) {
  if (HttpResponse refusal; !resumed_ && !LetIn(*request.head, peer, refusal)) {
    response.status = GrpcOf(refusal.status);
    response.problem = refusal_;
    response.retry = come_back_;
    return;
  }
  ThreadCounters& counters = shared_->metrics.thread(thread_);
  counters.in_flight.Add(1);
  method.call(*this, request, response);
  counters.in_flight.Add(-1);
}

namespace grpc {

// Version 1 and its alpha differ by the package's name only.
void ReflectionInfo(Worker&, const RpcRequest& request, RpcResponse& response) {
  std::string_view host, asked;
  std::uint32_t what = 0;
  ProtoReader reader(request.message);
  while (reader.Next()) {
    if (reader.Is(1, ProtoWire::kBytes)) host = reader.bytes();
    for (const std::uint32_t field : {3U, 4U, 5U, 6U, 7U}) {
      if (!reader.Is(field, ProtoWire::kBytes)) continue;
      what = field;
      asked = reader.bytes();
    }
  }
  if (!reader.good() || !IsUtf8(host) || (what != 5 && !IsUtf8(asked))) return FailWith(MalformedMessage("the request"), response);
  ProtoWriter writer(&response.message);
  writer.Bytes(1, host);
  writer.AlwaysBytes(2, request.message);
  switch (what) {
    case 3: return WriteFile(FileNamed(asked), asked, writer);
    case 4: return WriteFile(FileWith(asked), asked, writer);
    case 7: return WriteServices(writer);
    default: return WriteFile(nullptr, "extension", writer);  // proto3 has none
  }
}

}  // namespace grpc
}  // namespace tenon::edge

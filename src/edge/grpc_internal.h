#pragma once

#include <string_view>

#include "edge/oip_internal.h"

namespace tenon::edge {

// The services of gRPC, by the contracts in api/. Each family of methods is a file.

// Every method there is. Null when a path is none.
struct GrpcMethod {
  std::string_view path;  // "/inference.GRPCInferenceService/ModelInfer"
  RpcKind kind;
  void (*call)(Worker& worker, const RpcRequest& request, RpcResponse& response);
};
const GrpcMethod* GrpcMethodAt(std::string_view path);

// Reads a ModelInferRequest; strict about its bytes.
Result<void> ReadOipProto(std::string_view message, OipRequest* out);

namespace grpc {
void ModelInfer(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ModelStreamInfer(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ServerLive(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ServerReady(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ModelReady(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ServerMetadata(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ModelMetadata(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ModelConfig(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ModelStatistics(Worker& worker, const RpcRequest& request, RpcResponse& response);
void RepositoryIndex(Worker& worker, const RpcRequest& request, RpcResponse& response);
void RepositoryModelLoad(Worker& worker, const RpcRequest& request, RpcResponse& response);
void RepositoryModelUnload(Worker& worker, const RpcRequest& request, RpcResponse& response);
void HealthCheck(Worker& worker, const RpcRequest& request, RpcResponse& response);
void HealthWatch(Worker& worker, const RpcRequest& request, RpcResponse& response);
void HealthList(Worker& worker, const RpcRequest& request, RpcResponse& response);
void ReflectionInfo(Worker& worker, const RpcRequest& request, RpcResponse& response);
}  // namespace grpc

// The error of a message that is none.
Error MalformedMessage(std::string_view what);
void FailWith(const Error& error, RpcResponse& response);

// One file of api/ in the form that reflection gives out; made from the .proto by tools/proto_descriptors.py.
struct ProtoFile {
  std::string_view name;        // "inference.proto"
  std::string_view descriptor;  // a FileDescriptorProto
  const std::string_view* symbols;  // full names of its services, methods, messages and enumerations
  std::size_t symbol_count;
};
extern const ProtoFile kProtoFiles[];
extern const std::size_t kProtoFileCount;

}  // namespace tenon::edge

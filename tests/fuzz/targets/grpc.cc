// Every method of gRPC with any bytes as its message: a status of gRPC, and a message that is one.

#include "edge/grpc_internal.h"
#include "edge/protobuf_internal.h"
#include "fuzz/served.h"

namespace tenon::fuzz {
namespace {

constexpr std::string_view kMethods[] = {
    "/inference.GRPCInferenceService/ModelInfer",      "/inference.GRPCInferenceService/ModelStreamInfer",     "/inference.GRPCInferenceService/ModelReady",
    "/inference.GRPCInferenceService/ModelMetadata",   "/inference.GRPCInferenceService/ModelConfig",          "/inference.GRPCInferenceService/ModelStatistics",
    "/inference.GRPCInferenceService/RepositoryIndex", "/inference.GRPCInferenceService/RepositoryModelLoad",  "/inference.GRPCInferenceService/RepositoryModelUnload",
    "/inference.GRPCInferenceService/ServerMetadata",  "/grpc.health.v1.Health/Check",                         "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",                    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"};

void RunGrpc(std::string_view input) {
  if (input.empty()) return;
  edge::HttpRequest head;
  head.method = edge::Method::kPost;
  head.path = kMethods[static_cast<unsigned char>(input[0]) % std::size(kMethods)];
  ServedLoan& loan = Loan();
  edge::Worker& worker = loan.worker();
  Hold(worker.KindOf(head.path) != edge::RpcKind::kUnknown, Str("there is ", head.path));
  std::string message(input.substr(1));  // its own memory: what is read beyond it is seen
  edge::RpcResponse response;
  worker.Call({.head = &head, .message = message}, {.client = 7}, response);
  Hold(response.status >= 0 && response.status <= 16, "a status of gRPC");
  Hold(response.status == 0 || !response.problem.empty(), "a refusal has a reason");
  Hold(response.status != RowOf(Code::kInternal).grpc, Str("no message is a bug of ours: ", response.problem));
  edge::ProtoReader reader(response.message);
  while (reader.Next()) {
  }
  Hold(reader.good(), "an answer is a message");
  loan.Restore();
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (std::size_t i = 0; i < std::size(kMethods); ++i) {
    std::string message;
    edge::ProtoWriter writer(&message);
    if (i == 6) {
      writer.Number(2, 1);
    } else if (i == 7 || i == 8) {
      writer.Bytes(2, "loan");
    } else if (i == 13) {
      writer.Bytes(1, "h");
      writer.Bytes(4, "inference.GRPCInferenceService");
    } else {
      writer.Bytes(1, "loan");
      if (i > 1) writer.Bytes(2, "2");
    }
    if (i <= 1) {
      const std::size_t begin = writer.Begin(5);
      writer.Bytes(1, "age");
      writer.Bytes(2, "INT64");
      writer.Bytes(3, "\1");
      writer.End(begin);
      writer.AlwaysBytes(7, std::string("\x28\0\0\0\0\0\0\0", 8));
    }
    seeds.push_back(std::string(1, static_cast<char>(i)) + message);
  }
  std::string files(1, '\x0d');
  edge::ProtoWriter(&files).Bytes(3, "inference.proto");
  seeds.push_back(files);
  std::string all(1, '\x0d');
  edge::ProtoWriter(&all).Bytes(7, "*");
  seeds.push_back(all);
  return seeds;
}

}  // namespace

Target MakeGrpc() { return {RunGrpc, Seeds}; }

}  // namespace tenon::fuzz

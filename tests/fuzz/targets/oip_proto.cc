// Infer requests of gRPC: the bytes of a protobuf, read strictly, then as rows.

#include "edge/grpc_internal.h"
#include "edge/protobuf_internal.h"
#include "fuzz/models.h"
#include "serve/testing.h"

namespace tenon::fuzz {
namespace {

void RunOipProto(std::string_view input) {
  static const auto loan = Must(serve::testing::MakeLoan(Ops()), "a version");
  edge::OipRequest request;
  if (auto read = edge::ReadOipProto(input, &request); !read.ok()) return CheckError(read.error());
  serve::Session session(loan);
  edge::OipRows rows;
  if (auto bound = rows.Bind(request, session.reader()); !bound.ok()) return CheckError(bound.error());
  rows.Fill(0, std::min<std::int64_t>(rows.rows(), 2000), session);
  if (session.rows().size() != 0) (void)session.PredictRows();
}

std::vector<std::string> Seeds() {
  const auto request = [](bool raw) {
    std::string out;
    edge::ProtoWriter writer(&out);
    writer.Bytes(1, "loan");
    writer.Bytes(3, "1");
    for (const auto& [name, type] : {std::pair{"age", "INT64"}, {"job", "BYTES"}}) {
      const std::size_t begin = writer.Begin(5);
      writer.Bytes(1, name);
      writer.Bytes(2, type);
      writer.Bytes(3, "\1");
      if (!raw) {
        const std::size_t contents = writer.Begin(5);
        if (std::string_view(type) == "BYTES") writer.Bytes(8, "clerk");
        else writer.Bytes(3, "\x28");
        writer.End(contents);
      }
      writer.End(begin);
    }
    if (raw) {
      writer.AlwaysBytes(7, std::string("\x28\0\0\0\0\0\0\0", 8));
      writer.AlwaysBytes(7, std::string("\5\0\0\0clerk", 9));
    }
    return out;
  };
  return {request(true), request(false)};
}

}  // namespace

Target MakeOipProto() { return {RunOipProto, Seeds}; }

}  // namespace tenon::fuzz

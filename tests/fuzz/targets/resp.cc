// Replies of a server that speaks Redis's protocol: what is read, written again, is read as the same, wherever it is cut.

#include "feature/resp_internal.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

using feature::RespReply;

std::string Written(const RespReply& reply) {
  switch (reply.kind) {
    case RespReply::Kind::kText: return Str("$", reply.text.size(), "\r\n", reply.text, "\r\n");
    case RespReply::Kind::kError: return Str("-", reply.text, "\r\n");
    case RespReply::Kind::kNumber: return Str(":", reply.number, "\r\n");
    case RespReply::Kind::kNull: return "$-1\r\n";
    case RespReply::Kind::kList: break;
  }
  std::string out = Str("*", reply.list.size(), "\r\n");
  for (const RespReply& one : reply.list) out += Written(one);
  return out;
}

void RunResp(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size()) {
    const std::size_t before = at;
    RespReply reply;
    auto whole = feature::ReadResp(input, &at, &reply);
    if (!whole.ok()) return CheckError(whole.error());
    if (!*whole) {
      Hold(at == before, "nothing is taken of what is not whole");
      return;
    }
    Hold(at > before && at <= input.size(), "a reply has bytes, and no more than there are");
    const std::string written = Written(reply);
    RespReply again;
    std::size_t end = 0;
    Hold(Must(feature::ReadResp(written, &end, &again), "what was written again") && end == written.size(), "what was written again is whole");
    Same(Written(again), written, "a reply written again");
    for (const std::size_t cut : {(at - before) / 2, at - before - 1}) {
      std::size_t none = 0;
      auto part = feature::ReadResp(input.substr(before, cut), &none, &again);
      Hold(part.ok() && !*part, "a part of a reply asks for more");
    }
  }
}

std::vector<std::string> Seeds() {
  return {"+OK\r\n-ERR no\r\n:42\r\n$5\r\nab\r\nc\r\n$-1\r\n*-1\r\n", "*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+x\r\n", "*0\r\n$0\r\n\r\n",
          "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "$536870912\r\n", ":9223372036854775808\r\n"};
}

}  // namespace

Target MakeResp() { return {RunResp, Seeds}; }

}  // namespace tenon::fuzz

// HTTP requests: cut into pieces they are the same requests, or the same refusal. The first byte chooses the pieces.

#include <random>

#include "edge/http_parser.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

using Kind = edge::HttpOutcome::Kind;
constexpr edge::HttpLimits kLimits = {.head_bytes = 600, .target_bytes = 200, .body_bytes = 400};

std::string Shown(const edge::HttpRequest& request) {
  std::string out = Str(static_cast<int>(request.method), " ", request.minor_version, request.keep_alive, request.has_length, request.expects_continue, " ",
                        request.path, "?", request.query, "\n");
  for (std::size_t i = 0; i < request.header_count; ++i) out += Str(request.headers[i].name, ": ", request.headers[i].value, "\n");
  std::string decoded(request.path.size(), '\0');
  std::size_t size = 0;
  if (edge::DecodePercent(request.path, decoded.data(), &size)) out += decoded.substr(0, size);
  return out + std::string(request.body) + "\n";
}

// All requests of a connection, and how it ended. Bytes move to other memory between the calls, as a buffer's do.
std::string Conversation(std::string_view bytes, std::uint64_t cuts) {
  std::mt19937_64 random(cuts);
  std::string out, held;
  std::size_t given = 0;
  edge::HttpProgress progress;
  edge::HttpRequest request;
  while (true) {
    std::string moved = held;
    held.assign(held.size(), '\xDD');
    held = std::move(moved);
    const edge::HttpOutcome outcome = edge::ParseRequest(kLimits, progress, held.data(), held.size(), request);
    if (outcome.kind == Kind::kBad) {
      Hold(outcome.status >= 400 && outcome.status < 600 && outcome.problem[0] != '\0', "a refusal has a status and a reason");
      return out + "refused";  // with several faults (too long, and malformed) the pieces decide which is seen first
    }
    if (outcome.kind == Kind::kDone) {
      Hold(outcome.consumed > 0 && outcome.consumed <= held.size(), "a request has bytes, and no more than were given");
      Hold(request.body.size() <= kLimits.body_bytes, "no body is longer than the limit");
      out += Shown(request);
      held.erase(0, outcome.consumed);
      progress = {};
      continue;
    }
    if (given == bytes.size()) return out + "waits for more";
    Hold(held.size() <= 2 * (kLimits.head_bytes + kLimits.body_bytes) + 20000, "a request that is too large is refused in time");
    const std::size_t piece = cuts == 0 ? bytes.size() - given : std::min<std::size_t>(bytes.size() - given, 1 + random() % (random() % 16 + 1));
    held += bytes.substr(given, piece);
    given += piece;
  }
}

void RunHttp(std::string_view input) {
  if (input.empty() || input.size() > 8000) return;
  const std::string whole = Conversation(input.substr(1), 0);
  Same(Conversation(input.substr(1), 1 + static_cast<unsigned char>(input[0])), whole, "a conversation in pieces and whole");
}

std::vector<std::string> Seeds() {
  return {"0GET /v2/models/a?x=%20y HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
          "1POST /v1/endpoints/x:predict HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4;a=b\r\nWiki\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
          "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
          "2\r\nOPTIONS * HTTP/1.1\r\nhost: h\r\nAccept: a, b\r\nAccept:  c \t\r\nConnection: close\r\n\r\n",
          "3GET http://h/p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "4HEAD / HTTP/1.1\nHost: h\n\n",
          "5DELETE /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "6PUT / HTTP/2.0\r\n\r\n"};
}

}  // namespace

Target MakeHttp() { return {RunHttp, Seeds}; }

}  // namespace tenon::fuzz

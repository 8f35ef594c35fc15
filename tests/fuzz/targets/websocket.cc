// What a client of a WebSocket sends: cut into pieces it is the same messages and the same end. The first byte chooses the pieces.

#include <random>

#include "edge/websocket_internal.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

using Got = edge::WebSocketReader::Got;
constexpr std::size_t kMost = 600;

std::string Conversation(std::string_view bytes, std::uint64_t cuts) {
  std::mt19937_64 random(cuts);
  edge::WebSocketReader reader(kMost);
  std::string out;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, cuts == 0 ? bytes.size() : 1 + random() % 9);
    bytes.remove_prefix(piece.size());
    while (true) {
      const Got got = reader.Next(&piece);
      if (got == Got::kMore) break;
      out += Str(static_cast<int>(got), ":");
      if (got == Got::kBad) {
        Hold(reader.close_code() >= 1002 && reader.close_code() <= 1009 && reader.problem()[0] != '\0', "a refusal has a code and a reason");
        return Str(out, reader.close_code());
      }
      Hold(reader.payload().size() <= (got == Got::kText ? kMost : 125), "no payload is longer than the limit");
      Hold(got == Got::kPing || got == Got::kPong || IsUtf8(reader.payload()), "texts are UTF-8");
      out += Str(reader.payload(), "\n");
      if (got == Got::kClose) return Str(out, reader.close_code());
    }
    Hold(piece.empty(), "all bytes are taken");
  }
  return out + (reader.begun() ? "waits for more" : "");
}

void RunWebSocket(std::string_view input) {
  if (input.empty() || input.size() > 8000) return;
  const std::string whole = Conversation(input.substr(1), 0);
  Same(Conversation(input.substr(1), 1 + static_cast<unsigned char>(input[0])), whole, "a conversation in pieces and whole");
  std::string frame;
  edge::AppendWebSocketFrame(edge::WebSocketOpcode::kText, input, &frame);
  Hold(frame.size() > input.size() && frame.ends_with(input), "a frame holds its payload");
}

std::vector<std::string> Seeds() {
  return {std::string("0\x81\x85\x01\x02\x03\x04ig`ljmj", 12), std::string("1\x01\x81\0\0\0\0{\x89\x80\0\0\0\0\x80\x81\0\0\0\0}", 21), std::string("2\x88\x82\0\0\0\0\x03\xe8", 9),
          std::string("3\x81\xfe\0\x80\0\0\0\0", 9) + std::string(128, 'x'), std::string("4\x8a\x80\x01\x02\x03\x04\x82\x80\0\0\0\0", 13)};
}

}  // namespace

Target MakeWebsocket() { return {RunWebSocket, Seeds}; }

}  // namespace tenon::fuzz

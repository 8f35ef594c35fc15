#include "edge/websocket_internal.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "edge/http_body_internal.h"

namespace tenon::edge {
namespace {

using Got = WebSocketReader::Got;

// A frame as a client sends it.
std::string Frame(unsigned first, std::string_view payload, bool masked = true, int bytes = -1) {
  std::string out = {static_cast<char>(first)};
  if (bytes < 0) bytes = payload.size() < 126 ? 0 : payload.size() <= 0xffff ? 2 : 8;
  const unsigned mark = masked ? 0x80 : 0;
  out += static_cast<char>(mark | (bytes == 0 ? static_cast<unsigned>(payload.size()) : bytes == 2 ? 126U : 127U));
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i));
  const unsigned char mask[4] = {0x11, 0xa2, 0x33, 0x44};
  if (masked) out.append(reinterpret_cast<const char*>(mask), 4);
  for (std::size_t i = 0; i < payload.size(); ++i) out += masked ? static_cast<char>(static_cast<unsigned char>(payload[i]) ^ mask[i % 4]) : payload[i];
  return out;
}

// All that is read, the bytes given in pieces of that size.
std::string Told(std::string_view bytes, std::size_t piece, std::size_t most = 1000) {
  WebSocketReader reader(most);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string_view part = bytes.substr(at, piece);
    while (true) {
      const Got got = reader.Next(&part);
      if (got == Got::kMore) break;
      out += Str(static_cast<int>(got), "(", got == Got::kBad ? std::string_view() : reader.payload(), ")");
      if (got == Got::kClose || got == Got::kBad) return out + std::to_string(reader.close_code());
    }
  }
  return out + (reader.begun() ? "..." : "");
}

TEST(WebSocketTest, HowTheBytesAreCutChangesNothing) {
  const std::string conversation = Frame(0x81, R"({"age":41})") + Frame(0x01, "{\"a\":\"\xc3") + Frame(0x89, "ping") + Frame(0x00, "\xa9") + Frame(0x80, "\"}") +
                                   Frame(0x8a, "") + Frame(0x81, std::string(300, 'x')) + Frame(0x81, "") + Frame(0x88, "\x03\xe8good bye");
  const std::string whole = Told(conversation, conversation.size());
  EXPECT_EQ(whole, Str(R"(1({"age":41})2(ping)1({"a":")", "\xc3\xa9", R"("})3()1()", std::string(300, 'x'), ")1()4(good bye)1000"));
  for (std::size_t piece = 1; piece < 40; ++piece) EXPECT_EQ(Told(conversation, piece), whole) << piece;
  for (std::size_t cut = 1; cut < conversation.size(); ++cut) {
    WebSocketReader reader(1000);
    std::string_view first = std::string_view(conversation).substr(0, cut), second = std::string_view(conversation).substr(cut);
    int messages = 0;
    for (std::string_view* part : {&first, &second}) {
      for (Got got = reader.Next(part); got != Got::kMore && got != Got::kClose; got = reader.Next(part)) messages += got == Got::kText ? 1 : 0;
    }
    EXPECT_EQ(messages, 4) << cut;
  }
}

TEST(WebSocketTest, RefusesWhatTheStandardForbids) {
  const std::string long_one(200, 'x');
  for (const auto& [what, bytes, code] : std::initializer_list<std::tuple<const char*, std::string, int>>{
           {"unmasked", Frame(0x81, "x", false), 1002},
           {"reserved bit 1", Frame(0xc1, "x"), 1002},
           {"reserved bit 3", Frame(0x91, "x"), 1002},
           {"opcode 3", Frame(0x83, "x"), 1002},
           {"opcode 11", Frame(0x8b, "x"), 1002},
           {"binary", Frame(0x82, "x"), 1003},
           {"continuation of nothing", Frame(0x80, "x"), 1002},
           {"a message within a message", Frame(0x01, "x") + Frame(0x81, "y"), 1002},
           {"a ping that is cut", Frame(0x09, "x"), 1002},
           {"a long ping", Frame(0x89, long_one), 1002},
           {"a length too long for 16 bits", Frame(0x81, "x", true, 2), 1002},
           {"a length too long for 64 bits", Frame(0x81, long_one, true, 8), 1002},
           {"the highest bit", std::string("\x81\xff\x80\0\0\0\0\0\0\0mask", 14), 1002},
           {"too large", Frame(0x81, std::string(1001, 'x')), 1009},
           {"too large in parts", Frame(0x01, std::string(600, 'x')) + Frame(0x80, std::string(600, 'x')), 1009},
           {"no UTF-8", Frame(0x81, "\xff"), 1007},
           {"UTF-8 that ends too early", Frame(0x01, "\xc3") + Frame(0x80, ""), 1007},
           {"a close of one byte", Frame(0x88, "\x03"), 1002},
           {"close 1005", Frame(0x88, "\x03\xed"), 1002},
           {"close 999", Frame(0x88, "\x03\xe7"), 1002},
           {"close 5000", Frame(0x88, "\x13\x88"), 1002},
           {"a reason that is no UTF-8", Frame(0x88, "\x03\xe8\xff"), 1007}}) {
    for (const std::size_t piece : {std::size_t{1}, bytes.size()}) {
      const std::string told = Told(bytes, piece);
      EXPECT_TRUE(told.ends_with(Str(static_cast<int>(Got::kBad), "()", code))) << what << ": " << told;
    }
  }
  EXPECT_EQ(Told(Frame(0x88, ""), 1), "4()1005");
  EXPECT_EQ(Told(Frame(0x81, "abc").substr(0, 5), 1), "...");
}

TEST(WebSocketTest, WritesFramesAndTheHandshake) {
  EXPECT_EQ(WebSocketAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455, 1.3
  EXPECT_EQ(WebSocketAccept("dGhlIHNhbXBsZSBub25j"), "");
  EXPECT_EQ(WebSocketAccept(""), "");
  for (const std::size_t size : {0, 1, 125, 126, 65535, 65536}) {
    std::string frame;
    AppendWebSocketFrame(WebSocketOpcode::kText, std::string(size, 'x'), &frame);
    EXPECT_EQ(frame.size(), size + (size < 126 ? 2 : size <= 65535 ? 4 : 10));
  }
  std::string close;
  AppendWebSocketClose(1001, std::string(200, 'x'), &close);
  EXPECT_EQ(close.size(), 2U + 125);
}

// The pieces of a body of HTTP/1.1, or what is wrong with it, read in pieces of that size; behind the bar what was left over.
std::string Body(bool chunked, std::size_t length, std::string_view bytes, std::size_t piece_size) {
  HttpBodyReader reader(chunked, length);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += piece_size) {
    std::string_view part = bytes.substr(at, piece_size), piece;
    while (true) {
      const HttpBodyReader::Got got = reader.Next(&part, &piece);
      if (got == HttpBodyReader::Got::kMore) break;
      if (got == HttpBodyReader::Got::kBad) return "bad";
      if (got == HttpBodyReader::Got::kEnd) return out + "|";
      out += piece;
    }
  }
  return out;
}

TEST(HttpBodyTest, ReadsBodiesInPieces) {
  for (std::size_t piece = 1; piece < 30; ++piece) {
    EXPECT_EQ(Body(true, 0, "4;a=b\r\nWiki\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", piece), "Wiki0123456789|") << piece;
    EXPECT_EQ(Body(true, 0, "4\r\nWi", piece), "Wi") << piece;
    EXPECT_EQ(Body(false, 4, "Wikipedia", piece), "Wiki|") << piece;
    for (const char* wrong : {"x\r\n", "-1\r\n", "4\nWiki", "4\r\nWikip\r\n", "4 x\r\nWiki", "123456789\r\n", "0x4\r\nWiki", "\r\n", "0\r\nno trailer\r\n\r\n", "0\r\n: x\r\n\r\n"}) {
      EXPECT_TRUE(Body(true, 0, wrong, piece).ends_with("bad")) << wrong << " " << piece;
    }
  }
}

}  // namespace
}  // namespace tenon::edge

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::edge {

// WebSocket (RFC 6455), the server's end, without sockets and without extensions.

enum class WebSocketOpcode : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// What Sec-WebSocket-Accept must be for a Sec-WebSocket-Key; "" when that is not 16 bytes of base64.
std::string WebSocketAccept(std::string_view key);

// One frame, whole and unmasked, as a server sends it.
void AppendWebSocketFrame(WebSocketOpcode opcode, std::string_view payload, std::string* out);
void AppendWebSocketClose(int code, std::string_view reason, std::string* out);

// Reads the frames of a client, strictly: unmasked frames, reserved bits and opcodes, lengths that could be written shorter, control
// frames that are cut or too long, texts that are no UTF-8 and close codes that nobody may send are refused. However the bytes are
// cut, the same is read. One thread.
class WebSocketReader {
 public:
  enum class Got : std::uint8_t {
    kMore,   // all bytes are taken, and nothing is whole yet
    kText,   // a message
    kPing,
    kPong,
    kClose,  // the client says goodbye: close_code(), 1005 when it gave none
    kBad,    // say close_code() and problem(), and end
  };
  static constexpr std::size_t kPadding = 64;  // readable bytes behind a message, for the JSON decoder
  explicit WebSocketReader(std::size_t most_message) : most_(most_message) {}

  // Takes bytes from the front until something is whole.
  Got Next(std::string_view* bytes);
  // Of what was whole last; valid until the next call.
  std::string_view payload() const { return payload_; }
  int close_code() const { return close_code_; }
  const char* problem() const { return problem_; }
  // A message or frame has begun and is not whole.
  bool begun() const { return have_ != 0 || in_payload_ || fragmented_; }
  std::size_t held() const { return message_.capacity(); }

 private:
  Got Bad(int code, const char* problem);
  std::size_t HeadSize() const;  // as far as is known from the bytes there
  Got ReadHead();
  Got Whole();
  Got WholeClose();

  const std::size_t most_;
  std::array<unsigned char, 14> head_{};
  std::size_t have_ = 0;         // bytes of the head
  bool in_payload_ = false;
  bool fragmented_ = false;      // a message goes on in the next frames
  bool given_ = false;           // message_ was given out and makes room for the next one
  std::uint64_t left_ = 0;       // of the frame's payload
  std::size_t mask_at_ = 0;
  std::string message_, control_;
  std::string_view payload_;
  int close_code_ = 0;
  const char* problem_ = "";
};

}  // namespace tenon::edge

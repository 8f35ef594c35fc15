#include "edge/websocket_internal.h"

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "base/base64.h"

namespace tenon::edge {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kMostKept = 64 << 10;  // of a message's memory that waits for the next one

// SHA-1 (RFC 3174): the handshake asks for it, and nothing here trusts it.
std::string Sha1(std::string text) {
  std::array<std::uint32_t, 5> h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const std::uint64_t bits = 8 * static_cast<std::uint64_t>(text.size());
  text += '\x80';
  while (text.size() % 64 != 56) text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(bits >> shift);
  for (std::size_t block = 0; block < text.size(); block += 64) {
    std::array<std::uint32_t, 80> w{};
    for (std::size_t i = 0; i < 80; ++i) {
      if (i < 16) {
        for (std::size_t k = 0; k < 4; ++k) w[i] = w[i] << 8 | static_cast<unsigned char>(text[block + 4 * i + k]);
      } else {
        w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
      }
    }
    auto [a, b, c, d, e] = h;
    for (std::size_t i = 0; i < 80; ++i) {
      const std::uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
      const std::uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
      const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  std::string out;
  for (const std::uint32_t word : h) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift);
  }
  return out;
}

bool MayBeSent(int code) { return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999); }

}  // namespace

std::string WebSocketAccept(std::string_view key) {
  std::string bytes;
  if (!FromBase64(key, &bytes) || bytes.size() != 16) return {};
  return ToBase64(Sha1(Str(key, kGuid)));
}

void AppendWebSocketFrame(WebSocketOpcode opcode, std::string_view payload, std::string* out) {
  *out += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  const auto size = static_cast<std::uint64_t>(payload.size());
  const int bytes = size < 126 ? 0 : size <= 0xffff ? 2 : 8;
  *out += static_cast<char>(bytes == 0 ? size : bytes == 2 ? 126 : 127);
  for (int i = bytes - 1; i >= 0; --i) *out += static_cast<char>(size >> (8 * i));
  *out += payload;
}

void AppendWebSocketClose(int code, std::string_view reason, std::string* out) {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
  payload += reason.substr(0, 123);
  AppendWebSocketFrame(WebSocketOpcode::kClose, payload, out);
}

WebSocketReader::Got WebSocketReader::Bad(int code, const char* problem) {
  close_code_ = code;
  problem_ = problem;
  return Got::kBad;
}

std::size_t WebSocketReader::HeadSize() const {
  if (have_ < 2) return 2;
  const unsigned size = head_[1] & 0x7f;
  return 2 + (size == 126 ? 2 : size == 127 ? 8 : 0) + ((head_[1] & 0x80) != 0 ? 4 : 0);
}

// A head that is whole.
WebSocketReader::Got WebSocketReader::ReadHead() {
  const auto opcode = static_cast<unsigned>(head_[0] & 0x0f);
  const bool final = (head_[0] & 0x80) != 0;
  if ((head_[0] & 0x70) != 0) return Bad(1002, "reserved bits are set, but no extension was agreed on");
  if ((head_[1] & 0x80) == 0) return Bad(1002, "a client's frames must be masked");
  left_ = head_[1] & 0x7f;
  const std::size_t more = left_ == 126 ? 2 : left_ == 127 ? 8 : 0;
  if (more != 0) {
    left_ = 0;
    for (std::size_t i = 0; i < more; ++i) left_ = left_ << 8 | head_[2 + i];
    if (left_ < (more == 2 ? 126U : 0x10000U)) return Bad(1002, "a length is written longer than it need be");
    if (left_ >> 63 != 0) return Bad(1002, "a length has its highest bit set");
  }
  if (opcode >= 8) {
    if (opcode > 10) return Bad(1002, "an opcode that is not known");
    if (!final || left_ > 125) return Bad(1002, "a control frame is cut or longer than 125 bytes");
    control_.clear();
    return Got::kMore;
  }
  if (opcode == 2) return Bad(1003, "messages are text: an instance as JSON");
  if (opcode > 2) return Bad(1002, "an opcode that is not known");
  if ((opcode == 0) != fragmented_) return Bad(1002, fragmented_ ? "a message begins within another one" : "a frame goes on with a message that was not begun");
  if (!fragmented_) message_.clear();
  if (left_ > most_ - message_.size()) return Bad(1009, "the message is too large");
  fragmented_ = !final;
  return Got::kMore;
}

WebSocketReader::Got WebSocketReader::Next(std::string_view* bytes) {
  if (given_) {
    given_ = false;
    if (message_.capacity() > kMostKept) message_ = std::string();
    message_.clear();
  }
  while (true) {
    if (!in_payload_) {
      while (have_ < HeadSize()) {
        if (bytes->empty()) return Got::kMore;
        head_[have_++] = static_cast<unsigned char>(bytes->front());
        bytes->remove_prefix(1);
      }
      if (ReadHead() == Got::kBad) return Got::kBad;
      in_payload_ = true;
      mask_at_ = 0;
    }
    std::string& to = (head_[0] & 0x08) != 0 ? control_ : message_;
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes->size()));
    const unsigned char* mask = head_.data() + have_ - 4;
    const std::size_t from = to.size();
    to.append(bytes->substr(0, take));
    for (std::size_t i = from; i < to.size(); ++i) to[i] = static_cast<char>(static_cast<unsigned char>(to[i]) ^ mask[mask_at_++ & 3]);
    bytes->remove_prefix(take);
    left_ -= take;
    if (left_ != 0) return Got::kMore;
    in_payload_ = false;
    have_ = 0;
    if (const Got got = Whole(); got != Got::kMore) return got;
  }
}

// A frame whose payload is all there.
WebSocketReader::Got WebSocketReader::Whole() {
  const auto opcode = static_cast<WebSocketOpcode>(head_[0] & 0x0f);
  payload_ = control_;
  if (opcode == WebSocketOpcode::kPing) return Got::kPing;
  if (opcode == WebSocketOpcode::kPong) return Got::kPong;
  if (opcode == WebSocketOpcode::kClose) return WholeClose();
  if (fragmented_) return Got::kMore;
  if (!IsUtf8(message_)) return Bad(1007, "a text is not UTF-8");
  given_ = true;
  const std::size_t size = message_.size();
  message_.append(kPadding, '\0');
  payload_ = std::string_view(message_).substr(0, size);
  return Got::kText;
}

WebSocketReader::Got WebSocketReader::WholeClose() {
  close_code_ = 1005;
  if (control_.empty()) return Got::kClose;
  if (control_.size() == 1) return Bad(1002, "a close code has two bytes");
  close_code_ = static_cast<unsigned char>(control_[0]) << 8 | static_cast<unsigned char>(control_[1]);
  if (!MayBeSent(close_code_)) return Bad(1002, "a close code that may not be sent");
  payload_ = std::string_view(control_).substr(2);
  if (!IsUtf8(payload_)) return Bad(1007, "the reason is not UTF-8");
  return Got::kClose;
}

}  // namespace tenon::edge

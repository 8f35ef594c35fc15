#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::edge {

// Frames of HTTP/2 (RFC 9113, 4 and 6).

inline constexpr std::size_t kFrameHead = 9;
inline constexpr std::size_t kMostFrame = 16384;  // bytes of payload, each way: the protocol's own limit, so that nothing is to be announced

enum class FrameType : std::uint8_t { kData, kHeaders, kPriority, kReset, kSettings, kPushPromise, kPing, kGoaway, kWindowUpdate, kContinuation };

inline constexpr std::uint8_t kEndStream = 0x1, kAck = 0x1, kEndHeaders = 0x4, kPadded = 0x8, kHasPriority = 0x20;

enum class Http2Error : std::uint32_t {
  kNone = 0,
  kProtocol = 1,
  kInternal = 2,
  kFlowControl = 3,
  kStreamClosed = 5,
  kFrameSize = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompression = 9,
  kEnhanceYourCalm = 11,
};

struct FrameHead {
  std::uint32_t size = 0;
  std::uint8_t type = 0, flags = 0;
  std::int32_t stream = 0;
};

inline std::uint32_t Read32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

inline void Append32(std::uint32_t value, std::string* out) {
  const char bytes[4] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
  out->append(bytes, 4);
}

// Of kFrameHead bytes.
inline FrameHead ReadFrameHead(const char* bytes) {
  const std::uint32_t first = Read32(bytes);
  return {first >> 8, static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(bytes[4]), static_cast<std::int32_t>(Read32(bytes + 5) & 0x7fffffffU)};
}

inline void AppendFrameHead(std::size_t size, FrameType type, std::uint8_t flags, std::int32_t stream, std::string* out) {
  Append32(static_cast<std::uint32_t>(size << 8) | static_cast<std::uint32_t>(type), out);
  out->push_back(static_cast<char>(flags));
  Append32(static_cast<std::uint32_t>(stream), out);
}

}  // namespace tenon::edge

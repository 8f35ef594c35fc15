#pragma once

#include <cstdint>
#include <string>

namespace tenon {

// Appends a code point (at most 0x10FFFF, no half of a pair) as UTF-8 (RFC 3629).
inline void AppendUtf8(std::uint32_t point, std::string* out) {
  const auto byte = [out](std::uint32_t value) { out->push_back(static_cast<char>(value)); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      byte(0xE0 | point >> 12);
    } else {
      byte(0xF0 | point >> 18);
      byte(0x80 | (point >> 12 & 0x3F));
    }
    byte(0x80 | (point >> 6 & 0x3F));
  }
  byte(0x80 | (point & 0x3F));
}

}  // namespace tenon

// Texts by code points: lengths, parts, patterns and letter case, without tables of the whole of Unicode.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/utf8.h"
#include "table/expression_internal.h"

namespace tenon::table {
namespace {

// Lower and upper case letters stand in pairs: even upper, odd lower, or the other way round.
bool EvenUpper(std::uint32_t point) {
  return (point >= 0x100 && point <= 0x12F) || (point >= 0x132 && point <= 0x137) || (point >= 0x14A && point <= 0x177) ||
         (point >= 0x460 && point <= 0x481) || (point >= 0x48A && point <= 0x4BF) || (point >= 0x4D0 && point <= 0x52F) ||
         (point >= 0x1E00 && point <= 0x1E95) || (point >= 0x1EA0 && point <= 0x1EFF);
}
bool OddUpper(std::uint32_t point) {
  return (point >= 0x139 && point <= 0x148) || (point >= 0x179 && point <= 0x17E) || (point >= 0x4C1 && point <= 0x4CE);
}

std::uint32_t Lower(std::uint32_t point) {
  if (point >= 0xC0 && point <= 0xDE && point != 0xD7) return point + 0x20;
  if (EvenUpper(point)) return point | 1;
  if (OddUpper(point)) return point + (point & 1);
  if (point == 0x178) return 0xFF;
  if (point == 0x1E9E) return 0xDF;  // sharp s
  if (point == 0x386) return 0x3AC;
  if (point >= 0x388 && point <= 0x38A) return point + 37;
  if (point == 0x38C) return 0x3CC;
  if (point == 0x38E || point == 0x38F) return point + 63;
  if (point >= 0x391 && point <= 0x3AB && point != 0x3A2) return point + 0x20;
  if (point >= 0x400 && point <= 0x40F) return point + 0x50;
  if (point >= 0x410 && point <= 0x42F) return point + 0x20;
  return point;
}

std::uint32_t Upper(std::uint32_t point) {
  if (point >= 0xE0 && point <= 0xFE && point != 0xF7) return point - 0x20;
  if (EvenUpper(point)) return point & ~1U;
  if (OddUpper(point)) return point - (1 - (point & 1));
  if (point == 0xFF) return 0x178;
  if (point == 0xDF) return 0x1E9E;
  if (point == 0xB5) return 0x39C;
  if (point == 0x3AC) return 0x386;
  if (point >= 0x3AD && point <= 0x3AF) return point - 37;
  if (point == 0x3C2) return 0x3A3;
  if (point == 0x3CC) return 0x38C;
  if (point == 0x3CD || point == 0x3CE) return point - 63;
  if (point >= 0x3B1 && point <= 0x3CB) return point - 0x20;
  if (point >= 0x450 && point <= 0x45F) return point - 0x50;
  if (point >= 0x430 && point <= 0x44F) return point - 0x20;
  return point;
}

std::uint32_t Decode(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  if (bytes.size() == 2) return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
  return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
}

template <typename OfPoint>
void AppendMapped(std::string_view text, char first, char last, int shift, OfPoint of_point, std::string* out) {
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t size = PointSize(text, at);
    if (c >= first && c <= last) {
      out->push_back(static_cast<char>(c + shift));
    } else if (size == 2 || size == 3) {
      AppendUtf8(of_point(Decode(text.substr(at, size))), out);
    } else {
      out->append(text.substr(at, size));
    }
    at += size;
  }
}

}  // namespace

std::size_t PointSize(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t size = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
  if (size > text.size() - at) return 1;
  for (std::size_t i = 1; i < size; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 1;
  }
  return size;
}

std::int64_t CountPoints(std::string_view text) {
  std::int64_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += PointSize(text, at)) ++count;
  return count;
}

std::string_view PartOf(std::string_view text, double start, double count) {
  start = std::trunc(start);
  const double size = static_cast<double>(CountPoints(text));
  if (start < 0) start = size + start + 1;
  double end = start + std::trunc(count);  // position after the last
  start = std::max(start, 1.0);
  end = std::min(end, size + 1);
  if (!(start < end)) return text.substr(0, 0);
  std::size_t from = 0;
  for (double at = 1; at < start; ++at) from += PointSize(text, from);
  std::size_t to = from;
  for (double at = start; at < end; ++at) to += PointSize(text, to);
  return text.substr(from, to - from);
}

bool MatchesLike(std::string_view text, std::string_view pattern) {
  // After a mismatch the last % takes one code point more; earlier ones need not be tried again.
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t at = 0;
  std::size_t in_pattern = 0;
  std::size_t after_percent = kNone;
  std::size_t taken = 0;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '%') {
      after_percent = ++in_pattern;
      taken = at;
    } else if (in_pattern < pattern.size() && pattern[in_pattern] == '_') {
      at += PointSize(text, at);
      ++in_pattern;
    } else if (in_pattern < pattern.size() && pattern[in_pattern] == text[at]) {
      ++at;
      ++in_pattern;
    } else if (after_percent != kNone) {
      taken += PointSize(text, taken);
      at = taken;
      in_pattern = after_percent;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '%') ++in_pattern;
  return in_pattern == pattern.size();
}

void AppendLower(std::string_view text, std::string* out) { AppendMapped(text, 'A', 'Z', 'a' - 'A', Lower, out); }
void AppendUpper(std::string_view text, std::string* out) { AppendMapped(text, 'a', 'z', 'A' - 'a', Upper, out); }

}  // namespace tenon::table

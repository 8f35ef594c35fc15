#include "edge/trace.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::edge {
namespace {

constexpr int kFixed64 = 1, kSized = 2, kFixed32 = 5, kVarint = 0;

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;  // capital letters are not allowed
}

bool ReadHex(std::string_view text, std::uint8_t* out) {
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = Digit(text[i]), low = Digit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out[i / 2] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

void AppendTag(int field, int type, std::string* out) { AppendVarint(static_cast<std::uint64_t>(field << 3 | type), out); }

void AppendFixed(std::uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

std::size_t VarintSize(std::uint64_t value) {
  std::size_t size = 1;
  while (value >= 0x80) value >>= 7, ++size;
  return size;
}

std::string_view ViewOf(const auto& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

bool ReadTraceparent(std::string_view header, TraceContext* out) {
  if (header.size() < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-') return false;
  std::uint8_t version = 0, flags = 0;
  TraceContext read;
  if (!ReadHex(header.substr(0, 2), &version) || version == 0xff || !ReadHex(header.substr(3, 32), read.trace.data()) ||
      !ReadHex(header.substr(36, 16), read.parent.data()) || !ReadHex(header.substr(53, 2), &flags)) {
    return false;
  }
  if (version == 0 ? header.size() != 55 : header.size() > 55 && header[55] != '-') return false;
  if (read.trace == std::array<std::uint8_t, 16>{} || !read.has_parent()) return false;
  read.flags = flags & 3;
  *out = read;
  return true;
}

void ReadTracestate(const HttpRequest& request, std::string* out) {
  out->clear();
  std::size_t members = 0;
  for (std::size_t i = 0; i < request.header_count; ++i) {
    if (!EqualsIgnoringCase(request.headers[i].name, "tracestate")) continue;
    for (const std::string& part : Split(request.headers[i].value, ',')) {
      const std::string_view member = Trim(part);
      if (member.empty()) continue;
      const std::size_t equals = member.find('=');
      const bool whole = equals != 0 && equals != std::string_view::npos &&
                         std::ranges::all_of(member, [](char c) { return c >= ' ' && c <= '~'; });
      if (!whole || ++members > 32 || out->size() + member.size() > 511) {
        out->clear();
        return;
      }
      if (!out->empty()) *out += ',';
      *out += member;
    }
  }
}

void AppendHex(const std::uint8_t* bytes, std::size_t size, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < size; ++i) {
    *out += kDigits[bytes[i] >> 4];
    *out += kDigits[bytes[i] & 15];
  }
}

bool Sampled(const TraceContext& trace, double ratio) {
  if (ratio >= 1) return true;
  std::uint64_t low = 0;
  for (std::size_t i = 8; i < 16; ++i) low = (low << 8) | trace.trace[i];
  return static_cast<double>(low >> 1) < ratio * 9223372036854775808.0;  // 2^63
}

void AppendVarint(std::uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void AppendBytesField(int field, std::string_view bytes, std::string* out) {
  AppendTag(field, kSized, out);
  AppendVarint(bytes.size(), out);
  *out += bytes;
}

void SpanWriter::Ids(const TraceContext& context, const std::array<std::uint8_t, 8>& own, std::string_view state) {
  constexpr std::uint32_t kRemoteIsKnown = 0x100, kRemote = 0x200;
  AppendBytesField(1, ViewOf(context.trace), &out_);
  AppendBytesField(2, ViewOf(own), &out_);
  if (!state.empty()) AppendBytesField(3, state, &out_);
  if (context.has_parent()) AppendBytesField(4, ViewOf(context.parent), &out_);
  AppendTag(16, kFixed32, &out_);
  AppendFixed(context.flags | kRemoteIsKnown | (context.has_parent() ? kRemote : 0), 4, &out_);
}

void SpanWriter::Name(std::string_view name) {
  constexpr std::uint64_t kServer = 2;
  AppendBytesField(5, name, &out_);
  AppendTag(6, kVarint, &out_);
  AppendVarint(kServer, &out_);
}

void SpanWriter::Times(std::uint64_t start_nanos, std::uint64_t end_nanos) {
  AppendTag(7, kFixed64, &out_);
  AppendFixed(start_nanos, 8, &out_);
  AppendTag(8, kFixed64, &out_);
  AppendFixed(end_nanos, 8, &out_);
}

// KeyValue {key = 1, value = 2 AnyValue {string_value = 1, int_value = 3}}
void SpanWriter::Attribute(std::string_view key, std::string_view value) {
  const std::size_t inner = 1 + VarintSize(value.size()) + value.size();
  AppendTag(9, kSized, &out_);
  AppendVarint(1 + VarintSize(key.size()) + key.size() + 1 + VarintSize(inner) + inner, &out_);
  AppendBytesField(1, key, &out_);
  AppendTag(2, kSized, &out_);
  AppendVarint(inner, &out_);
  AppendBytesField(1, value, &out_);
}

void SpanWriter::Attribute(std::string_view key, std::int64_t value) {
  const std::size_t inner = 1 + VarintSize(static_cast<std::uint64_t>(value));
  AppendTag(9, kSized, &out_);
  AppendVarint(1 + VarintSize(key.size()) + key.size() + 1 + VarintSize(inner) + inner, &out_);
  AppendBytesField(1, key, &out_);
  AppendTag(2, kSized, &out_);
  AppendVarint(inner, &out_);
  AppendTag(3, kVarint, &out_);
  AppendVarint(static_cast<std::uint64_t>(value), &out_);
}

void SpanWriter::Failed(std::string_view message) {
  constexpr std::uint64_t kError = 2;
  std::string status;
  AppendBytesField(2, message, &status);
  AppendTag(3, kVarint, &status);
  AppendVarint(kError, &status);
  AppendBytesField(15, status, &out_);
}

}  // namespace tenon::edge

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "edge/http_parser.h"

namespace tenon::edge {

// W3C Trace Context: which trace a request belongs to.
struct TraceContext {
  std::array<std::uint8_t, 16> trace{};
  std::array<std::uint8_t, 8> parent{};  // all zero: this is where the trace begins
  std::uint8_t flags = 0;                // bit 0: sampled, bit 1: random
  bool sampled() const { return (flags & 1) != 0; }
  bool has_parent() const { return parent != std::array<std::uint8_t, 8>{}; }
};

// Reads a traceparent header (level 1 and 2; later versions as their first 55 characters). False: begin a new trace.
bool ReadTraceparent(std::string_view header, TraceContext* out);
// All tracestate headers joined, or "" when they are more than 512 bytes or 32 members, or have no such form.
void ReadTracestate(const HttpRequest& request, std::string* out);
void AppendHex(const std::uint8_t* bytes, std::size_t size, std::string* out);

// Whether a new trace is followed: the share of all of them that `ratio` is, by the trace's own bits, so that every
// program decides alike.
bool Sampled(const TraceContext& trace, double ratio);

// A span as OTLP sends it (opentelemetry.proto.trace.v1.Span, protobuf).
class SpanWriter {
 public:
  // Begins anew in `out`, which outlives it.
  explicit SpanWriter(std::string* out) : out_(*out) { out_.clear(); }
  void Ids(const TraceContext& context, const std::array<std::uint8_t, 8>& own, std::string_view state);
  void Name(std::string_view name);  // of a server's span
  void Times(std::uint64_t start_nanos, std::uint64_t end_nanos);
  void Attribute(std::string_view key, std::string_view value);
  void Attribute(std::string_view key, std::int64_t value);
  void Failed(std::string_view message);

 private:
  std::string& out_;
};

// Protobuf's wire format, as far as it is needed here.
void AppendVarint(std::uint64_t value, std::string* out);
void AppendBytesField(int field, std::string_view bytes, std::string* out);

}  // namespace tenon::edge

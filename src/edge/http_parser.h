#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tenon::edge {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kPatch, kOptions, kTrace, kQuery };

// What a request may be at most; more is refused with the status that fits (414, 431, 413).
struct HttpLimits {
  std::size_t head_bytes = 16 << 10;   // request line and headers together
  std::size_t target_bytes = 8 << 10;
  std::size_t body_bytes = 8 << 20;
  static constexpr std::size_t kHeaders = 96;
};

struct HttpHeader {
  std::string_view name;   // as it was sent
  std::string_view value;  // without blanks around it
};

// One request, as views into the bytes it was parsed from. Reused from request to request by its thread.
struct HttpRequest {
  Method method = Method::kGet;
  int minor_version = 1;          // HTTP/1.<minor>
  bool keep_alive = true;
  bool has_length = false;        // said how long its body is (or that it is chunked)
  bool expects_continue = false;
  std::string_view path;          // percent-encoding as it came; starts with '/' or is "*"
  std::string_view query;         // after the '?'
  std::string_view body;
  std::size_t header_count = 0;
  std::array<HttpHeader, HttpLimits::kHeaders> headers;

  // The first header of that name (given in small letters), or an empty view with null data().
  std::string_view Header(std::string_view lower_name) const;
};

// Turns the request's views of these bytes into views of their copy at `to`.
void MoveViews(const char* from, std::size_t size, const char* to, HttpRequest* request);

// How far a connection's current request has come: all that is kept between reads. Start anew with {}.
struct HttpProgress {
  enum class Phase : std::uint8_t { kHead, kSized, kChunkSize, kChunkData, kChunkEnd, kTrailer };
  Phase phase = Phase::kHead;
  bool told_to_continue = false;
  std::size_t begin = 0;      // an empty line before the request line is skipped
  std::size_t scanned = 0;    // looked at so far
  std::size_t line = 0;       // where the current line begins
  std::size_t head_end = 0;   // the body's first byte
  std::size_t body_size = 0;  // as declared, or of the chunks decoded so far
  std::size_t chunk_left = 0;
  std::size_t trailer_bytes = 0;
};

struct HttpOutcome {
  enum class Kind : std::uint8_t {
    kMore,      // not all is there yet
    kContinue,  // as kMore, and the client waits for "100 Continue"; said once
    kDone,      // `consumed` bytes were this request
    kBad,       // answer `status` with `problem` and close: where the next request begins is unknown
  };
  Kind kind = Kind::kMore;
  std::size_t consumed = 0;
  int status = 0;
  const char* problem = "";
};

// Reads one HTTP/1.1 request (RFC 9110, 9112), strictly: bare LF, folded or malformed headers, more than one
// Content-Length, Content-Length beside Transfer-Encoding, codings other than one final "chunked", control characters and
// a missing or second Host are refused, since two readers of such a request could see different ones.
// `data` holds all bytes since the request's first (the same as in the calls before, maybe elsewhere in memory) and
// maybe bytes of later requests. Chunked bodies are decoded in place, which changes bytes of this request only.
// After kDone `request` is whole; its views live as long as `data` stays. Work is linear in the bytes however they are cut.
HttpOutcome ParseRequest(const HttpLimits& limits, HttpProgress& progress, char* data, std::size_t size,
                         HttpRequest& request);

// The same in two steps, for who wants to look at the head before the body is there. The head: kDone when it is whole, and `consumed`
// bytes are it; only while progress.phase is kHead. Then the rest; `head_read_now`: `request` is still what that head said.
HttpOutcome ParseHead(const HttpLimits& limits, HttpProgress& progress, const char* data, std::size_t size, HttpRequest& request);
HttpOutcome ParseBody(const HttpLimits& limits, HttpProgress& progress, char* data, std::size_t size, HttpRequest& request,
                      bool head_read_now);

// How many bytes the request has in all, as far as is known now (0: unknown): to make room at once.
std::size_t BytesExpected(const HttpProgress& progress);

bool EqualsIgnoringCase(std::string_view text, std::string_view lower);
// Whether a comma-separated header value has this token (small letters).
bool HasToken(std::string_view list, std::string_view lower);

// %41 -> A, in place of what a view can show. False for a malformed escape or one of NUL.
bool DecodePercent(std::string_view text, char* out, std::size_t* size);

}  // namespace tenon::edge

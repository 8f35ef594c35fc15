#include "edge/http_parser.h"

#include <cstring>

namespace tenon::edge {
namespace {

using Kind = HttpOutcome::Kind;
using Phase = HttpProgress::Phase;

constexpr std::size_t kMostChunkLine = 256;  // digits and extensions of one chunk
constexpr std::uint8_t kToken = 1, kValue = 2, kTarget = 4;

constexpr std::array<std::uint8_t, 256> MakeClasses() {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    std::uint8_t is = digit || letter ? kToken : std::uint8_t{0};
    for (char mark : std::string_view("!#$%&'*+-.^_`|~")) {
      if (c == static_cast<unsigned char>(mark)) is = kToken;
    }
    if ((c >= 0x20 && c != 0x7f) || c == '\t') is = static_cast<std::uint8_t>(is | kValue);
    if (c > 0x20 && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' &&
        c != '{' && c != '}' && c != '|') {
      is = static_cast<std::uint8_t>(is | kTarget);
    }
    classes[c] = is;
  }
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = MakeClasses();

bool AllOf(std::string_view text, std::uint8_t what) {
  std::uint8_t all = what;
  for (char c : text) all = static_cast<std::uint8_t>(all & kClasses[static_cast<unsigned char>(c)]);
  return all != 0;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

HttpOutcome Bad(int status, const char* problem) { return {Kind::kBad, 0, status, problem}; }
HttpOutcome More() { return {}; }

// Digits only, no sign, no blanks, below 2^53.
bool ParseLength(std::string_view text, std::size_t* out) {
  if (text.empty() || text.size() > 15) return false;
  std::size_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::size_t>(c - '0');
  }
  *out = value;
  return true;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool ReadMethod(std::string_view name, Method* out) {
  struct Row { std::string_view name; Method method; };
  static constexpr std::array<Row, 9> kRows = {{{"POST", Method::kPost}, {"GET", Method::kGet}, {"HEAD", Method::kHead},
      {"PUT", Method::kPut}, {"DELETE", Method::kDelete}, {"PATCH", Method::kPatch}, {"OPTIONS", Method::kOptions},
      {"TRACE", Method::kTrace}, {"QUERY", Method::kQuery}}};
  for (const Row& row : kRows) {
    if (row.name == name) {
      *out = row.method;
      return true;
    }
  }
  return false;
}

// "/path?query", "http://host/path?query" or "*".
bool ReadTarget(std::string_view target, HttpRequest& request) {
  if (!AllOf(target, kTarget)) return false;
  if (target == "*") {
    if (request.method != Method::kOptions) return false;
    request.path = target;
    request.query = {};
    return true;
  }
  if (target.front() != '/') {
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) return false;
    if (!EqualsIgnoringCase(target.substr(0, scheme), "http") && !EqualsIgnoringCase(target.substr(0, scheme), "https")) {
      return false;
    }
    target.remove_prefix(scheme + 3);
    const std::size_t slash = target.find_first_of("/?");
    if (slash == 0) return false;
    if (slash == std::string_view::npos || target[slash] == '?') {
      request.path = "/";
      request.query = slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
      return true;
    }
    target.remove_prefix(slash);
  }
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  request.query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  return true;
}

HttpOutcome ReadRequestLine(const HttpLimits& limits, std::string_view line, HttpRequest& request) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return Bad(400, "the request line is not METHOD target HTTP/1.1");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (method.empty() || !AllOf(method, kToken)) return Bad(400, "the method is not a word");
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || version[6] != '.' || version[5] < '0' || version[5] > '9' ||
      version[7] < '0' || version[7] > '9') {
    return Bad(400, "the request line does not end in HTTP/1.1");
  }
  if (version[5] != '1') return Bad(505, "this server speaks HTTP/1.1 and HTTP/1.0");
  if (target.size() > limits.target_bytes) return Bad(414, "the target is too long");
  if (!ReadMethod(method, &request.method)) return Bad(501, "this method is not known here");
  if (target.empty() || !ReadTarget(target, request)) return Bad(400, "the target is not a path such as /v1/endpoints");
  request.minor_version = version[7] == '0' ? 0 : 1;
  return More();
}

// What the headers say of where the body ends and what happens after it.
struct Framing {
  std::size_t length = 0;
  int hosts = 0;
  bool has_length = false;
  bool chunked = false;
  bool close = false;
  bool keep = false;
};

HttpOutcome ReadHeader(std::string_view name, std::string_view value, Framing& framing, HttpRequest& request) {
  switch (name.size()) {
    case 4:
      if (EqualsIgnoringCase(name, "host")) ++framing.hosts;
      break;
    case 6:
      if (EqualsIgnoringCase(name, "expect")) {
        if (!EqualsIgnoringCase(value, "100-continue")) return Bad(417, "the only expectation known here is 100-continue");
        request.expects_continue = true;
      }
      break;
    case 10:
      if (EqualsIgnoringCase(name, "connection")) {
        framing.close = framing.close || HasToken(value, "close");
        framing.keep = framing.keep || HasToken(value, "keep-alive");
      }
      break;
    case 14:
      if (EqualsIgnoringCase(name, "content-length")) {
        if (framing.has_length) return Bad(400, "more than one Content-Length");
        if (!ParseLength(value, &framing.length)) return Bad(400, "Content-Length is not a number of bytes");
        framing.has_length = true;
      }
      break;
    case 17:
      if (EqualsIgnoringCase(name, "transfer-encoding")) {
        if (framing.chunked) return Bad(400, "more than one Transfer-Encoding");
        if (!EqualsIgnoringCase(value, "chunked")) return Bad(501, "the only transfer coding known here is chunked");
        framing.chunked = true;
      }
      break;
    default:
      break;
  }
  return More();
}

// The whole head, from the request line to the empty line: data[0, end).
HttpOutcome ReadHead(const HttpLimits& limits, const char* data, std::size_t begin, std::size_t end, HttpRequest& request,
                     Framing& framing) {
  request.header_count = 0;
  request.expects_continue = false;
  request.body = {};
  const char* at = data + begin;
  const char* stop = data + end - 2;  // the empty line
  const char* newline = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(stop - at)));
  if (HttpOutcome line = ReadRequestLine(limits, {at, static_cast<std::size_t>(newline - at - 1)}, request);
      line.kind == Kind::kBad) {
    return line;
  }
  for (at = newline + 1; at < stop; at = newline + 1) {
    newline = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(stop - at)));
    const std::string_view line(at, static_cast<std::size_t>(newline - at - 1));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return Bad(400, "a header has no colon");
    const std::string_view name = line.substr(0, colon);
    if (name.empty() || !AllOf(name, kToken)) return Bad(400, "a header's name is not a word");
    const std::string_view value = TrimBlanks(line.substr(colon + 1));
    if (!AllOf(value, kValue)) return Bad(400, "a header has a control character");
    if (request.header_count == HttpLimits::kHeaders) return Bad(431, "too many headers");
    request.headers[request.header_count++] = {name, value};
    if (HttpOutcome header = ReadHeader(name, value, framing, request); header.kind == Kind::kBad) return header;
  }
  if (framing.chunked && framing.has_length) return Bad(400, "Content-Length beside Transfer-Encoding");
  if (framing.chunked && request.minor_version == 0) return Bad(400, "HTTP/1.0 has no Transfer-Encoding");
  if (framing.hosts > 1 || (framing.hosts == 0 && request.minor_version == 1)) return Bad(400, "exactly one Host is needed");
  request.has_length = framing.has_length || framing.chunked;
  request.keep_alive = !framing.close && (request.minor_version == 1 || framing.keep);
  if (request.minor_version == 0) request.expects_continue = false;
  return More();
}

// Looks for the empty line that ends the head. True when it is there: progress.head_end.
bool FindHeadEnd(const HttpLimits& limits, HttpProgress& progress, const char* data, std::size_t size, HttpOutcome* bad) {
  while (progress.scanned < size) {
    const char* found = static_cast<const char*>(std::memchr(data + progress.scanned, '\n', size - progress.scanned));
    if (found == nullptr) break;
    const std::size_t at = static_cast<std::size_t>(found - data);
    if (at == progress.line || data[at - 1] != '\r') {
      *bad = Bad(400, "a line ends in LF without CR");
      return false;
    }
    progress.scanned = at + 1;
    const bool empty = at == progress.line + 1;
    if (empty && progress.line == progress.begin) {
      if (progress.begin != 0) {
        *bad = Bad(400, "empty lines where a request should be");
        return false;
      }
      progress.begin = progress.line = at + 1;
      continue;
    }
    progress.line = at + 1;
    if (empty) {
      progress.head_end = at + 1;
      if (progress.head_end - progress.begin <= limits.head_bytes) return true;
      *bad = Bad(431, "the headers are too large");
      return false;
    }
  }
  progress.scanned = size;
  if (size - progress.begin > limits.head_bytes) {
    *bad = progress.line == progress.begin ? Bad(414, "the target is too long") : Bad(431, "the headers are too large");
  }
  return false;
}

// One line of the chunked coding, its end included; kMore when it is not whole.
HttpOutcome TakeLine(HttpProgress& progress, const char* data, std::size_t size, std::size_t most, std::string_view* line) {
  const std::size_t from = progress.scanned;
  const std::size_t window = size - from < most + 2 ? size - from : most + 2;
  const void* found = std::memchr(data + from, '\n', window);
  if (found == nullptr) return window == most + 2 ? Bad(400, "a chunk's line is too long") : More();
  const std::size_t at = static_cast<std::size_t>(static_cast<const char*>(found) - data);
  if (at == from || data[at - 1] != '\r') return Bad(400, "a chunk's line ends in LF without CR");
  *line = {data + from, at - 1 - from};
  progress.scanned = at + 1;
  return {Kind::kDone, 0, 0, ""};
}

HttpOutcome ReadChunkSize(const HttpLimits& limits, HttpProgress& progress, std::string_view line) {
  std::size_t digits = 0, value = 0;
  while (digits < line.size() && HexDigit(line[digits]) >= 0) {
    if (digits == 8) return Bad(413, "a chunk is too large");
    value = value * 16 + static_cast<std::size_t>(HexDigit(line[digits++]));
  }
  const std::string_view rest = TrimBlanks(line.substr(digits));
  if (digits == 0 || (!rest.empty() && rest.front() != ';')) return Bad(400, "a chunk's size is not hexadecimal");
  if (!AllOf(rest, kValue)) return Bad(400, "a chunk's extension has a control character");
  if (value > limits.body_bytes - progress.body_size) return Bad(413, "the body is too large");
  progress.chunk_left = value;
  progress.phase = value == 0 ? Phase::kTrailer : Phase::kChunkData;
  return More();
}

// Moves on through the chunked coding; kDone when the last trailer line is read (progress.scanned is behind it).
HttpOutcome ReadChunks(const HttpLimits& limits, HttpProgress& progress, char* data, std::size_t size) {
  while (true) {
    switch (progress.phase) {
      case Phase::kChunkSize: {
        std::string_view line;
        if (HttpOutcome took = TakeLine(progress, data, size, kMostChunkLine, &line); took.kind != Kind::kDone) return took;
        if (HttpOutcome read = ReadChunkSize(limits, progress, line); read.kind == Kind::kBad) return read;
        break;
      }
      case Phase::kChunkData: {
        const std::size_t there = size - progress.scanned;
        const std::size_t take = there < progress.chunk_left ? there : progress.chunk_left;
        std::memmove(data + progress.head_end + progress.body_size, data + progress.scanned, take);
        progress.body_size += take;
        progress.scanned += take;
        progress.chunk_left -= take;
        if (progress.chunk_left != 0) return More();
        progress.phase = Phase::kChunkEnd;
        break;
      }
      case Phase::kChunkEnd:
        if (progress.scanned < size && data[progress.scanned] != '\r') return Bad(400, "a chunk is longer than its size");
        if (size - progress.scanned < 2) return More();
        if (data[progress.scanned + 1] != '\n') return Bad(400, "a chunk is longer than its size");
        progress.scanned += 2;
        progress.phase = Phase::kChunkSize;
        break;
      default: {
        std::string_view line;
        const std::size_t before = progress.scanned;
        if (HttpOutcome took = TakeLine(progress, data, size, limits.head_bytes, &line); took.kind != Kind::kDone) return took;
        if (line.empty()) return {Kind::kDone, 0, 0, ""};
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos || !AllOf(line.substr(0, colon), kToken) || !AllOf(line, kValue)) {
          return Bad(400, "a trailer is not a header");
        }
        progress.trailer_bytes += progress.scanned - before;
        if (progress.trailer_bytes > limits.head_bytes) return Bad(431, "the trailers are too large");
        break;
      }
    }
  }
}

HttpOutcome Waiting(HttpProgress& progress, const HttpRequest& request, bool head_read_now) {
  if (!head_read_now || !request.expects_continue || progress.told_to_continue) return More();
  progress.told_to_continue = true;
  return {Kind::kContinue, 0, 0, ""};
}

}  // namespace

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

bool HasToken(std::string_view list, std::string_view lower) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    item = TrimBlanks(item.substr(0, item.find(';')));
    if (EqualsIgnoringCase(item, lower)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::string_view HttpRequest::Header(std::string_view lower_name) const {
  for (std::size_t i = 0; i < header_count; ++i) {
    if (EqualsIgnoringCase(headers[i].name, lower_name)) return headers[i].value;
  }
  return {};
}

bool DecodePercent(std::string_view text, char* out, std::size_t* size) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    out[n++] = c;
  }
  *size = n;
  return true;
}

std::size_t BytesExpected(const HttpProgress& progress) {
  return progress.phase == Phase::kSized ? progress.head_end + progress.body_size : 0;
}

HttpOutcome ParseHead(const HttpLimits& limits, HttpProgress& progress, const char* data, std::size_t size, HttpRequest& request) {
  HttpOutcome bad;
  if (!FindHeadEnd(limits, progress, data, size, &bad)) return bad;
  Framing framing;
  if (HttpOutcome head = ReadHead(limits, data, progress.begin, progress.head_end, request, framing);
      head.kind == Kind::kBad) {
    return head;
  }
  progress.phase = framing.chunked ? Phase::kChunkSize : Phase::kSized;
  progress.body_size = framing.length;
  return {Kind::kDone, progress.head_end, 0, ""};
}

HttpOutcome ParseRequest(const HttpLimits& limits, HttpProgress& progress, char* data, std::size_t size,
                         HttpRequest& request) {
  const bool head_read_now = progress.phase == Phase::kHead;
  if (head_read_now) {
    if (HttpOutcome head = ParseHead(limits, progress, data, size, request); head.kind != Kind::kDone) return head;
  }
  return ParseBody(limits, progress, data, size, request, head_read_now);
}

HttpOutcome ParseBody(const HttpLimits& limits, HttpProgress& progress, char* data, std::size_t size, HttpRequest& request,
                      bool head_read_now) {
  // Not of the head: a stream's body is as long as the client likes.
  if (progress.phase == Phase::kSized && progress.body_size > limits.body_bytes) return Bad(413, "the body is too large");
  std::size_t consumed = progress.head_end + progress.body_size;
  if (progress.phase == Phase::kSized) {
    if (size < consumed) return Waiting(progress, request, head_read_now);
  } else {
    const HttpOutcome chunks = ReadChunks(limits, progress, data, size);
    if (chunks.kind == Kind::kMore) return Waiting(progress, request, head_read_now);
    if (chunks.kind == Kind::kBad) return chunks;
    consumed = progress.scanned;
  }
  if (!head_read_now) {  // the bytes may have moved since, and another request may have used `request`
    Framing framing;
    (void)ReadHead(limits, data, progress.begin, progress.head_end, request, framing);
  }
  request.body = {data + progress.head_end, progress.body_size};
  return {Kind::kDone, consumed, 0, ""};
}

void MoveViews(const char* from, std::size_t size, const char* to, HttpRequest* request) {
  const auto move = [&](std::string_view& view) {
    if (view.data() >= from && view.data() <= from + size) view = {to + (view.data() - from), view.size()};
  };
  for (std::string_view* view : {&request->path, &request->query, &request->body}) move(*view);
  for (std::size_t i = 0; i < request->header_count; ++i) {
    move(request->headers[i].name);
    move(request->headers[i].value);
  }
}

}  // namespace tenon::edge

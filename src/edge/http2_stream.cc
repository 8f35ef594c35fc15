#include "edge/http2_stream_internal.h"

#include "base/text.h"

namespace tenon::edge {
namespace {

struct Verb {
  std::string_view name;
  Method method;
};
constexpr std::array<Verb, 9> kVerbs = {{{"GET", Method::kGet},
                                         {"HEAD", Method::kHead},
                                         {"POST", Method::kPost},
                                         {"PUT", Method::kPut},
                                         {"DELETE", Method::kDelete},
                                         {"PATCH", Method::kPatch},
                                         {"OPTIONS", Method::kOptions},
                                         {"TRACE", Method::kTrace},
                                         {"QUERY", Method::kQuery}}};

}  // namespace

void Http2Stream::Clear() {
  constexpr std::size_t kMostKept = 64 << 10;  // bytes of a buffer that wait for the next request
  static_cast<Http2StreamState&>(*this) = {};
  next = previous = chain = next_ready = nullptr;
  live.reset();
  later.reset();
  fields.clear();
  for (std::string* text : {&head, &in, &out, &problem, &asked, &watched, &told}) {
    text->clear();
    if (text->capacity() > kMostKept) text->shrink_to_fit();
  }
}

bool Http2Stream::Request(HttpRequest* out_request) const {
  HttpRequest& request = *out_request;
  request.method = Method::kOptions;
  const std::string_view verb = At(method.value, method.value_size);
  bool known = false;
  for (const Verb& each : kVerbs) {
    if (each.name != verb) continue;
    request.method = each.method;
    known = true;
  }
  request.minor_version = 1;
  request.keep_alive = true;
  request.has_length = true;
  request.expects_continue = false;
  const std::string_view whole = At(target.value, target.value_size);
  const std::size_t mark = whole.find('?');
  request.path = whole.substr(0, mark);
  request.query = mark == std::string_view::npos ? std::string_view() : whole.substr(mark + 1);
  request.body = {};
  request.header_count = 0;
  for (const HpackField& field : fields) {
    if (request.header_count == request.headers.size()) return false;
    request.headers[request.header_count++] = {At(field.name, field.name_size), At(field.value, field.value_size)};
  }
  return known;
}

bool ParseGrpcTimeout(std::string_view text, std::chrono::nanoseconds* out) {
  if (text.size() < 2 || text.size() > 9) return false;
  std::int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  std::int64_t unit = 0;
  switch (text.back()) {
    case 'H': unit = 3'600'000'000'000; break;
    case 'M': unit = 60'000'000'000; break;
    case 'S': unit = 1'000'000'000; break;
    case 'm': unit = 1'000'000; break;
    case 'u': unit = 1'000; break;
    case 'n': unit = 1; break;
    default: return false;
  }
  constexpr std::int64_t kMost = 100LL * 365 * 24 * 3'600'000'000'000 / 100;  // a year is for ever
  *out = std::chrono::nanoseconds(value > kMost / unit ? kMost : value * unit);
  return true;
}

std::string GrpcMessage(std::string_view text) {
  constexpr std::size_t kMost = 2048;  // in a header, which clients bound
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace tenon::edge

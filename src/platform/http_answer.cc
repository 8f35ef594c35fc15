#include "platform/http_answer.h"

#include "base/text.h"

namespace tenon::platform {
namespace {

constexpr std::size_t kMostHead = 64 << 10;

}  // namespace

std::string HttpHead::Header(std::string_view lower) const {
  for (const std::string& line : Split(lines, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && ToLower(line.substr(0, colon)) == lower) return std::string(Trim(std::string_view(line).substr(colon + 1)));
  }
  return {};
}

Result<HttpHead> ReadHttpHead(Socket& from, std::string* held) {
  std::size_t end = 0;
  while ((end = held->find("\r\n\r\n")) == std::string::npos) {
    if (held->size() > kMostHead) return Error(Code::kDataLoss, "the head of its answer has no end");
    TENON_TRY(from.Receive(held));
  }
  HttpHead head;
  head.lines = held->substr(0, end);
  held->erase(0, end + 4);
  std::int64_t status = 0;
  if (!head.lines.starts_with("HTTP/1.") || head.lines.size() < 12 || !ParseInt64(std::string_view(head.lines).substr(9, 3), &status)) {
    return Error(Code::kDataLoss, "its answer is none of HTTP");
  }
  head.status = static_cast<int>(status);
  if (!ParseInt64(head.Header("content-length"), &head.length) || head.length < 0) head.length = -1;
  return head;
}

Result<std::string> ReadHttpBody(Socket& from, std::string* held, std::int64_t length) {
  const auto size = static_cast<std::size_t>(length);
  while (held->size() < size) {
    if (auto more = from.Receive(held); !more) return std::move(more).error().Context(Str("after ", held->size(), " of ", length, " bytes"));
  }
  std::string body = held->substr(0, size);
  held->erase(0, size);
  return body;
}

}  // namespace tenon::platform

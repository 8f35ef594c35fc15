#include "ota/http_internal.h"

#include "base/text.h"
#include "platform/http_answer.h"
#include "platform/post.h"
#include "platform/socket.h"

namespace tenon::ota {

Result<HttpAnswer> Ask(platform::Files& files, const Origin& at, std::string_view method, std::string_view target, std::string_view headers,
                       std::string_view body, std::size_t most, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  const std::string address = platform::AddressOf({.tls = at.tls, .host = at.host, .port = at.port, .path = ""});
  TENON_ASSIGN(const auto socket, at.tls ? platform::ConnectWithTls(files, address, at.host, at.ca, until) : platform::ConnectTo(address, until),
               Str("connecting to ", address));
  std::string request = Str(method, " ", target, " HTTP/1.1\r\nHost: ", address, "\r\nConnection: close\r\n", headers);
  if (!at.key.empty()) request += Str("Authorization: Bearer ", at.key, "\r\n");
  if (!body.empty()) request += Str("Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n");
  request += "\r\n";
  request += body;
  TENON_TRY(socket->Send(request));
  std::string held;
  TENON_ASSIGN(const platform::HttpHead head, platform::ReadHttpHead(*socket, &held), address);
  if (head.length < 0) return Error(Code::kDataLoss, Str(address, " does not say how long its answer is"));
  if (static_cast<std::uint64_t>(head.length) > most) return Error(Code::kDataLoss, Str(address, " answers with ", head.length, " bytes where at most ", most, " are expected"));
  HttpAnswer answer{.status = head.status, .body = ""};
  TENON_ASSIGN(answer.body, platform::ReadHttpBody(*socket, &held, head.length), address);
  return answer;
}

}  // namespace tenon::ota

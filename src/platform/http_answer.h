#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "platform/socket.h"

namespace tenon::platform {

// The beginning of an answer of HTTP/1.x (RFC 9112), as a client reads it from a socket.
struct HttpHead {
  int status = 0;
  std::string lines;         // status line and headers
  std::int64_t length = -1;  // of the body in bytes; -1: Content-Length does not say
  std::string Header(std::string_view lower) const;  // the value of the first of that name, "" when there is none
};

// `held` has what came beyond the part that was read, before and after the call; it is still empty when an error came before the
// first byte. Errors: those of Receive; data_loss when it is no HTTP, or the head has no end within 64 kB.
Result<HttpHead> ReadHttpHead(Socket& from, std::string* held);
// `length` bytes of a body.
Result<std::string> ReadHttpBody(Socket& from, std::string* held, std::int64_t length);

}  // namespace tenon::platform

#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ota/origin.h"
#include "platform/files.h"

namespace tenon::ota {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// One HTTP/1.1 request on a connection of its own, plain or with TLS, to a server that says how long its answer is. unavailable when
// the other end cannot be reached, is not trusted or stops; deadline_exceeded; data_loss when it does not speak HTTP or sends more
// than `most` bytes.
Result<HttpAnswer> Ask(platform::Files& files, const Origin& at, std::string_view method, std::string_view target, std::string_view headers,
                       std::string_view body, std::size_t most, std::chrono::milliseconds limit);

}  // namespace tenon::ota

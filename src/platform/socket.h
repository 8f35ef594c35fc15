#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon::platform {

// A connection to another program, of bytes both ways. One thread; waits at most until its deadline, so not for threads
// that must not wait.
class Socket {
 public:
  virtual ~Socket() = default;
  // Everything from now on must be done by then: deadline_exceeded otherwise.
  virtual void Until(std::chrono::steady_clock::time_point by) = 0;
  virtual Result<void> Send(std::string_view bytes) = 0;       // all of them
  // Appends what has come, at least one byte. unavailable when the other end has closed.
  virtual Result<void> Receive(std::string* into) = 0;
};

// "host:port", "[::1]:port" or "unix:/path". unavailable when nobody answers, invalid_argument for what is no address.
Result<std::unique_ptr<Socket>> ConnectTo(std::string_view address, std::chrono::steady_clock::time_point by);

// The name of this machine; "machine" when it has none.
std::string HostName();

}  // namespace tenon::platform

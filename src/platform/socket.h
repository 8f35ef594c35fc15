#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/files.h"

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

// The same with TLS: the other end proves to be `host`, by a certificate that the system's authorities signed or those in the
// PEM file `ca`. Further: unavailable when it does not, and what MakeTlsClient (tls.h) gives for `ca`. `files` is read within the call.
Result<std::unique_ptr<Socket>> ConnectWithTls(Files& files, std::string_view address, const std::string& host, const std::string& ca,
                                               std::chrono::steady_clock::time_point by);

}  // namespace tenon::platform

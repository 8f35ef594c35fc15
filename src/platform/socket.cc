#include "platform/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace tenon::platform {
namespace {

using Time = std::chrono::steady_clock::time_point;

class Connection final : public Socket {
 public:
  Connection(int file, std::string peer, Time by) : file_(file), peer_(std::move(peer)), by_(by) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { close(file_); }

  void Until(Time by) override { by_ = by; }

  Result<void> Finish() {  // of connect()
    TENON_TRY(Wait(POLLOUT));
    int failed = 0;
    socklen_t size = sizeof failed;
    if (getsockopt(file_, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) failed = errno;
    if (failed != 0) return Failed(failed);
    return {};
  }

  Result<void> Send(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        TENON_TRY(Wait(POLLOUT));
      } else if (errno != EINTR) {
        return Failed(errno);
      }
    }
    return {};
  }

  Result<void> Receive(std::string* into) override {
    const std::size_t before = into->size();
    into->resize(before + (64 << 10));
    while (true) {
      const ssize_t came = recv(file_, into->data() + before, into->size() - before, 0);
      if (came > 0) {
        into->resize(before + static_cast<std::size_t>(came));
        return {};
      }
      if (came < 0 && errno == EINTR) continue;
      if (came < 0 && errno == EAGAIN) {
        auto waited = Wait(POLLIN);
        if (waited.ok()) continue;
        into->resize(before);
        return waited;
      }
      into->resize(before);
      if (came == 0) return Error(Code::kUnavailable, Str(peer_, " closed the connection"));
      return Failed(errno);
    }
  }

 private:
  Error Failed(int number) const { return Error(Code::kUnavailable, Str(peer_, ": ", std::strerror(number))); }
  Result<void> Wait(short what) {
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(by_ - std::chrono::steady_clock::now()).count();
      if (left <= 0) return Error(Code::kDeadlineExceeded, Str(peer_, " did not answer in time"));
      pollfd one{file_, what, 0};
      const int ready = poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left + 1, 60000)));
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR) return Failed(errno);
    }
  }

  int file_;
  std::string peer_;
  Time by_;
};

Result<std::unique_ptr<Socket>> Connect(const sockaddr* to, socklen_t size, std::string_view peer, Time by) {
  const int file = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (file < 0) return Error(Code::kUnavailable, Str(peer, ": ", std::strerror(errno)));
  auto out = std::make_unique<Connection>(file, std::string(peer), by);
  if (to->sa_family != AF_UNIX) {
    const int on = 1;
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (connect(file, to, size) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return Error(Code::kUnavailable, Str(peer, ": ", std::strerror(errno)));
    TENON_TRY(out->Finish());
  }
  return out;
}

}  // namespace

std::string HostName() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0' ? "machine" : name;
}

Result<std::unique_ptr<Socket>> ConnectTo(std::string_view address, Time by) {
  if (address.starts_with("unix:")) {
    const std::string_view path = address.substr(5);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof to.sun_path) return Error(Code::kInvalidArgument, Str("no path of a socket: '", path, "'"));
    std::memcpy(to.sun_path, path.data(), path.size());
    return Connect(reinterpret_cast<const sockaddr*>(&to), sizeof to, address, by);
  }
  const std::size_t colon = address.rfind(':');
  std::int64_t port = 0;
  if (colon == std::string_view::npos || colon == 0 || !ParseInt64(address.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return Error(Code::kInvalidArgument, Str("'", address, "' is no address; expected host:port or unix:/path"));
  }
  std::string host(address.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); failed != 0) {
    return Error(Code::kUnavailable, Str(address, ": ", gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  Result<std::unique_ptr<Socket>> last = Error(Code::kUnavailable, Str(address, " has no address"));
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    last = Connect(at->ai_addr, at->ai_addrlen, address, by);
    if (last.ok()) break;
  }
  return last;
}

}  // namespace tenon::platform

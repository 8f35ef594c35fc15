#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "ota/http_internal.h"

namespace tenon::ota {
namespace {

constexpr std::size_t kMostHead = 16 << 10;
using Until = std::chrono::steady_clock::time_point;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Error Unreached(std::string_view doing, int error) { return Error(Code::kUnavailable, Str(doing, ": ", std::strerror(error))); }

Result<void> Await(int fd, short events, Until until) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    if (left <= 0) return Error(Code::kUnavailable, "no answer in time");
    pollfd one{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&one, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Unreached("waiting", errno);
  }
}

Result<std::unique_ptr<Socket>> Connect(const std::string& host, int port, Until until) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int wrong = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); wrong != 0) {
    return Error(Code::kUnavailable, Str("no address of ", host, ": ", gai_strerror(wrong)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, freeaddrinfo);
  Error last(Code::kUnavailable, Str("no address of ", host));
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    auto made = std::make_unique<Socket>(socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol));
    if (made->fd() < 0) continue;
    if (connect(made->fd(), at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
      last = Unreached(Str("connecting to ", host, ":", port), errno);
      continue;
    }
    TENON_TRY(Await(made->fd(), POLLOUT, until), Str("connecting to ", host, ":", port));
    int wrong = 0;
    socklen_t size = sizeof wrong;
    getsockopt(made->fd(), SOL_SOCKET, SO_ERROR, &wrong, &size);
    if (wrong == 0) return made;
    last = Unreached(Str("connecting to ", host, ":", port), wrong);
  }
  return last;
}

Result<void> SendAll(int fd, std::string_view bytes, Until until) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      TENON_TRY(Await(fd, POLLOUT, until));
    } else if (errno != EINTR) {
      return Unreached("sending", errno);
    }
  }
  return {};
}

// More bytes at the end of `to`; false at the end of the stream.
Result<bool> Receive(int fd, Until until, std::string* to) {
  char buffer[16 << 10];
  while (true) {
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got > 0) {
      to->append(buffer, static_cast<std::size_t>(got));
      return true;
    }
    if (got == 0) return false;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      TENON_TRY(Await(fd, POLLIN, until));
    } else if (errno != EINTR) {
      return Unreached("receiving", errno);
    }
  }
}

Error Strange(std::string_view what) { return Error(Code::kDataLoss, Str("the other end does not answer as a web server does: ", what)); }

// The value of Content-Length; -1 when there is none.
std::int64_t LengthIn(std::string_view head) {
  const std::string lower = ToLower(head);
  const std::size_t at = lower.find("\r\ncontent-length:");
  if (at == std::string::npos) return -1;
  const std::size_t from = at + 17, end = lower.find("\r\n", from);
  std::int64_t length = -1;
  return ParseInt64(Trim(std::string_view(lower).substr(from, end - from)), &length) && length >= 0 ? length : -1;
}

}  // namespace

Result<HttpAnswer> Ask(const std::string& host, int port, std::string_view method, std::string_view target, std::string_view headers,
                       std::string_view body, std::size_t most, std::chrono::milliseconds limit) {
  const Until until = std::chrono::steady_clock::now() + limit;
  TENON_ASSIGN(const auto socket, Connect(host, port, until));
  std::string request = Str(method, " ", target, " HTTP/1.1\r\nHost: ", host, ":", port, "\r\nConnection: close\r\n", headers);
  if (!body.empty()) request += Str("Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n");
  request += "\r\n";
  request += body;
  TENON_TRY(SendAll(socket->fd(), request, until));
  std::string got;
  std::size_t end = std::string::npos;
  while ((end = got.find("\r\n\r\n")) == std::string::npos) {
    if (got.size() > kMostHead) return Strange("its head has no end");
    TENON_ASSIGN(const bool more, Receive(socket->fd(), until, &got));
    if (!more) return Error(Code::kUnavailable, "the other end stopped before it answered");
  }
  HttpAnswer answer;
  std::int64_t status = 0;
  const std::string_view head = std::string_view(got).substr(0, end + 2);
  if (!head.starts_with("HTTP/1.") || head.size() < 12 || !ParseInt64(head.substr(9, 3), &status)) return Strange("no status line");
  const std::int64_t length = LengthIn(head);
  if (length < 0) return Strange("it does not say how long its answer is");
  if (static_cast<std::uint64_t>(length) > most) return Strange(Str("an answer of ", length, " bytes where at most ", most, " are expected"));
  answer.status = static_cast<int>(status);
  answer.body = got.substr(end + 4);
  while (answer.body.size() < static_cast<std::size_t>(length)) {
    TENON_ASSIGN(const bool more, Receive(socket->fd(), until, &answer.body));
    if (!more) return Error(Code::kUnavailable, Str("the other end stopped after ", answer.body.size(), " of ", length, " bytes"));
  }
  answer.body.resize(static_cast<std::size_t>(length));
  return answer;
}

}  // namespace tenon::ota

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "ota/http_internal.h"
#include "platform/tls.h"

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

Result<void> SendBytes(int fd, std::string_view bytes, Until until) {
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
Result<bool> ReceiveBytes(int fd, Until until, std::string* to) {
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

// A socket, with TLS around it where the service has that.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(platform::Files& files, const Origin& at, Until until) {
    TENON_ASSIGN(auto socket, Connect(at.host, at.port, until));
    std::unique_ptr<Connection> made(new Connection(std::move(socket), until));
    if (!at.tls) return made;
    TENON_ASSIGN(made->tls_, platform::MakeTlsClient(files, at.host, at.ca));
    TENON_TRY(made->Flush());
    std::string early;
    while (!made->tls_->ready()) {
      TENON_ASSIGN(const bool more, made->Receive(&early), Str("connecting to ", at.host, ":", at.port));
      if (!more) return Error(Code::kUnavailable, "the other end stopped within the handshake of TLS");
    }
    made->early_ = std::move(early);
    return made;
  }

  Result<void> Send(std::string_view bytes) {
    if (tls_ == nullptr) return SendBytes(socket_->fd(), bytes, until_);
    tls_->Encrypt(bytes);
    return Flush();
  }

  // More bytes at the end of `to`, with TLS at times none; false at the end of the stream.
  Result<bool> Receive(std::string* to) {
    if (tls_ == nullptr) return ReceiveBytes(socket_->fd(), until_, to);
    if (!early_.empty()) {
      *to += early_;
      early_.clear();
      return true;
    }
    std::string cipher;
    TENON_ASSIGN(const bool more, ReceiveBytes(socket_->fd(), until_, &cipher));
    if (!more) return false;
    std::string plain(cipher.size() + platform::TlsSession::kSlack, '\0');
    std::size_t size = 0;
    const auto state = tls_->Decrypt(cipher, plain.data(), plain.size(), &size);
    auto answered = Flush();  // an alert says why
    using State = platform::TlsSession::State;
    if (state == State::kPlain) return Error(Code::kUnavailable, "the other end does not speak TLS");
    if (state == State::kFailed) return Error(Code::kUnavailable, Str("TLS: ", tls_->problem()));
    TENON_TRY(std::move(answered));
    to->append(plain, 0, size);
    return state != State::kClosed || size > 0;
  }

 private:
  Connection(std::unique_ptr<Socket> socket, Until until) : socket_(std::move(socket)), until_(until) {}
  Result<void> Flush() {
    const std::string bytes = std::move(tls_->output());
    tls_->output().clear();
    return SendBytes(socket_->fd(), bytes, until_);
  }

  std::unique_ptr<Socket> socket_;
  Until until_;
  std::unique_ptr<platform::TlsSession> tls_;
  std::string early_;  // what came with the end of the handshake
};

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

Result<HttpAnswer> Ask(platform::Files& files, const Origin& at, std::string_view method, std::string_view target, std::string_view headers,
                       std::string_view body, std::size_t most, std::chrono::milliseconds limit) {
  const Until until = std::chrono::steady_clock::now() + limit;
  TENON_ASSIGN(const auto connection, Connection::Open(files, at, until));
  std::string request = Str(method, " ", target, " HTTP/1.1\r\nHost: ", at.host, ":", at.port, "\r\nConnection: close\r\n", headers);
  if (!at.key.empty()) request += Str("Authorization: Bearer ", at.key, "\r\n");
  if (!body.empty()) request += Str("Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n");
  request += "\r\n";
  request += body;
  TENON_TRY(connection->Send(request));
  std::string got;
  std::size_t end = std::string::npos;
  while ((end = got.find("\r\n\r\n")) == std::string::npos) {
    if (got.size() > kMostHead) return Strange("its head has no end");
    TENON_ASSIGN(const bool more, connection->Receive(&got));
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
    TENON_ASSIGN(const bool more, connection->Receive(&answer.body));
    if (!more) return Error(Code::kUnavailable, Str("the other end stopped after ", answer.body.size(), " of ", length, " bytes"));
  }
  answer.body.resize(static_cast<std::size_t>(length));
  return answer;
}

}  // namespace tenon::ota

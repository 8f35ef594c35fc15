#include "platform/post.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "platform/tls.h"

namespace tenon::platform {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostAnswer = 64 << 10;

class RealPoster final : public Poster {
 public:
  RealPoster(Files& files, Url url, std::string ca) : files_(files), url_(std::move(url)), ca_(std::move(ca)) {
    const bool v6 = url_.host.find(':') != std::string::npos;
    host_ = Str(v6 ? "[" : "", url_.host, v6 ? "]:" : ":", url_.port);
  }
  ~RealPoster() override { Close(); }

  Result<PostAnswer> Post(const std::vector<std::string>& headers, std::string_view body, std::chrono::milliseconds limit) override {
    by_ = Clock::now() + limit;
    std::string request = Str("POST ", url_.path, " HTTP/1.1\r\nHost: ", host_, "\r\nUser-Agent: tenon\r\nContent-Length: ", body.size(), "\r\n");
    for (const std::string& header : headers) request += header + "\r\n";
    request += "\r\n";
    request += body;
    // A kept connection may have been closed by the other end meanwhile: then once more with a new one.
    const bool kept = fd_ >= 0;
    auto answer = Exchange(request);
    if (!answer && kept && answer.error().code() == Code::kUnavailable && !answered_) answer = Exchange(request);
    if (!answer) {
      Close();
      return std::move(answer).error().Context(Str("sending to ", host_));
    }
    return answer;
  }

 private:
  Result<PostAnswer> Exchange(std::string_view request) {
    answered_ = false;
    if (fd_ < 0) TENON_TRY(Connect());
    if (auto sent = Send(request); !sent) {
      Close();
      return std::move(sent).error();
    }
    auto answer = Read();
    if (!answer) Close();
    return answer;
  }

  Result<void> Connect() {
    Close();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int failed = ::getaddrinfo(url_.host.c_str(), std::to_string(url_.port).c_str(), &hints, &found); failed != 0) {
      return Error(Code::kUnavailable, ::gai_strerror(failed));
    }
    std::string why = "no address";
    for (const addrinfo* at = found; at != nullptr && fd_ < 0; at = at->ai_next) {
      fd_ = ::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd_ < 0) continue;
      int failed = ::connect(fd_, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
      if (failed == EINPROGRESS) {
        socklen_t size = sizeof failed;
        if (!Wait(POLLOUT)) {
          failed = ETIMEDOUT;
        } else if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) {
          failed = errno;
        }
      }
      if (failed == 0) break;
      why = std::strerror(failed);
      Close();
    }
    ::freeaddrinfo(found);
    if (fd_ < 0) return Error(Code::kUnavailable, why);
    const int on = 1;
    (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return url_.tls ? Shake() : Result<void>();
  }

  Result<void> Shake() {
    TENON_ASSIGN(tls_, MakeTlsClient(files_, url_.host, ca_));
    while (true) {
      TENON_TRY(SendRaw());
      if (tls_->ready()) return {};
      TENON_TRY(Receive());
    }
  }

  bool Wait(short events) {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(by_ - Clock::now()).count();
      if (left <= 0) return false;
      pollfd what{fd_, events, 0};
      const int n = ::poll(&what, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
      if (n > 0) return true;
      if (n < 0 && errno != EINTR) return false;
    }
  }

  Result<void> Send(std::string_view bytes) {
    if (tls_ == nullptr) return SendBytes(bytes);
    tls_->Encrypt(bytes);
    return SendRaw();
  }

  Result<void> SendRaw() {
    const std::string bytes = std::move(tls_->output());
    tls_->output().clear();
    return SendBytes(bytes);
  }

  Result<void> SendBytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN || errno == EINTR) {
        if (!Wait(POLLOUT)) return Error(Code::kDeadlineExceeded, "it takes nothing more");
      } else {
        return Error(Code::kUnavailable, std::strerror(errno));
      }
    }
    return {};
  }

  // Appends what comes next to held_; kUnavailable at the end.
  Result<void> Receive() {
    char bytes[16 << 10];
    while (true) {
      const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got == 0) return Error(Code::kUnavailable, "it closed the connection");
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (!Wait(POLLIN)) return Error(Code::kDeadlineExceeded, "it does not answer in time");
        continue;
      }
      if (got < 0) return Error(Code::kUnavailable, std::strerror(errno));
      const std::string_view raw(bytes, static_cast<std::size_t>(got));
      if (tls_ == nullptr) {
        held_ += raw;
        return {};
      }
      std::string plain(raw.size() + TlsSession::kSlack, '\0');
      std::size_t size = 0;
      const auto state = tls_->Decrypt(raw, plain.data(), plain.size(), &size);
      if (state == TlsSession::State::kFailed || state == TlsSession::State::kPlain) {
        (void)SendRaw();
        return Error(Code::kUnavailable, Str("TLS: ", tls_->problem()));
      }
      held_.append(plain, 0, size);
      if (state == TlsSession::State::kClosed && size == 0) return Error(Code::kUnavailable, "it closed the connection");
      return {};
    }
  }

  static std::string HeaderIn(std::string_view head, std::string_view lower) {
    for (const std::string& line : Split(head, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon == std::string::npos || ToLower(line.substr(0, colon)) != lower) continue;
      return std::string(Trim(std::string_view(line).substr(colon + 1)));
    }
    return {};
  }

  Result<PostAnswer> Read() {
    held_.clear();
    std::size_t head = 0;
    while ((head = held_.find("\r\n\r\n")) == std::string::npos) {
      if (held_.size() > kMostAnswer) return Error(Code::kUnavailable, "its answer has no end of headers");
      TENON_TRY(Receive());
      answered_ = true;
    }
    PostAnswer answer;
    if (!held_.starts_with("HTTP/1.") || held_.size() < 12) return Error(Code::kUnavailable, "it does not speak HTTP");
    answer.status = std::atoi(held_.c_str() + 9);
    const std::string_view lines = std::string_view(held_).substr(0, head);
    answer.retry_after = HeaderIn(lines, "retry-after");
    std::int64_t length = -1;
    const bool sized = ParseInt64(HeaderIn(lines, "content-length"), &length) && length >= 0 && length <= static_cast<std::int64_t>(kMostAnswer);
    const bool close = !sized || ToLower(HeaderIn(lines, "connection")) == "close";
    held_.erase(0, head + 4);
    while (sized && held_.size() < static_cast<std::size_t>(length)) TENON_TRY(Receive());
    answer.body = sized ? held_.substr(0, static_cast<std::size_t>(length)) : std::string();
    if (close) Close();
    return answer;
  }

  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    tls_.reset();
  }

  Files& files_;
  const Url url_;
  const std::string ca_;
  std::string host_;
  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;
  std::string held_;
  bool answered_ = false;
  Clock::time_point by_;
};

}  // namespace

Result<Url> ParseUrl(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return Error(Code::kInvalidArgument, Str("'", MaskSecrets(std::string(text)), "' ", what, "; an address is such as http://collector:4318"));
  };
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong("begins neither with http:// nor with https://");
  }
  const std::size_t slash = rest.find('/');
  url.path = slash == std::string_view::npos ? std::string("/") : std::string(rest.substr(slash));
  rest = rest.substr(0, slash);
  if (rest.find('@') != std::string_view::npos) return wrong("has a user name in it; give a header instead");
  for (const char c : text) {
    if (c <= ' ' || c == '\x7f') return wrong("has a blank or control character in it");
  }
  std::int64_t port = url.tls ? 443 : 80;
  std::size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong("has '[' without ']'");
    url.host = rest.substr(1, end - 1);
    colon = end + 1 < rest.size() ? end + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && rest[colon] != ':') return wrong("has something behind ']'");
  } else {
    url.host = rest.substr(0, colon);
  }
  if (colon != std::string_view::npos && (!ParseInt64(rest.substr(colon + 1), &port) || port < 1 || port > 65535)) return wrong("has no port from 1 to 65535 behind its ':'");
  if (url.host.empty()) return wrong("names no host");
  url.port = static_cast<int>(port);
  return url;
}

std::unique_ptr<Poster> MakePoster(Files& files, Url url, std::string ca) {
  return std::make_unique<RealPoster>(files, std::move(url), std::move(ca));
}

}  // namespace tenon::platform

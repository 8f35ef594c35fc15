#include "platform/post.h"

#include "base/text.h"
#include "platform/http_answer.h"
#include "platform/socket.h"

namespace tenon::platform {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kMostAnswer = 64 << 10;  // bytes; a longer body is not read

class RealPoster final : public Poster {
 public:
  RealPoster(Files& files, Url url, std::string ca) : files_(files), url_(std::move(url)), ca_(std::move(ca)), address_(AddressOf(url_)) {}

  Result<PostAnswer> Post(const std::vector<std::string>& headers, std::string_view body, std::chrono::milliseconds limit) override {
    by_ = Clock::now() + limit;
    std::string request = Str("POST ", url_.path, " HTTP/1.1\r\nHost: ", address_, "\r\nUser-Agent: tenon\r\nContent-Length: ", body.size(), "\r\n");
    for (const std::string& header : headers) request += header + "\r\n";
    request += "\r\n";
    request += body;
    // A kept connection may have been closed by the other end meanwhile: then once more with a new one.
    const bool kept = socket_ != nullptr;
    auto answer = Exchange(request);
    if (!answer && kept && answer.error().code() == Code::kUnavailable && held_.empty()) answer = Exchange(request);
    if (!answer) return std::move(answer).error().Context(Str("sending to ", address_));
    return answer;
  }

 private:
  Result<PostAnswer> Exchange(std::string_view request) {
    auto answer = Try(request);
    if (!answer) socket_.reset();
    return answer;
  }

  Result<PostAnswer> Try(std::string_view request) {
    held_.clear();
    if (socket_ == nullptr) {
      TENON_ASSIGN(socket_, url_.tls ? ConnectWithTls(files_, address_, url_.host, ca_, by_) : ConnectTo(address_, by_));
    }
    socket_->Until(by_);
    TENON_TRY(socket_->Send(request));
    TENON_ASSIGN(const HttpHead head, ReadHttpHead(*socket_, &held_));
    PostAnswer answer{.status = head.status, .retry_after = head.Header("retry-after"), .body = ""};
    const bool sized = head.length >= 0 && head.length <= kMostAnswer;
    if (sized) {
      TENON_ASSIGN(answer.body, ReadHttpBody(*socket_, &held_, head.length));
    }
    if (!sized || ToLower(head.Header("connection")) == "close") socket_.reset();
    return answer;
  }

  Files& files_;
  const Url url_;
  const std::string ca_;
  const std::string address_;
  std::unique_ptr<Socket> socket_;
  std::string held_;
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

std::string AddressOf(const Url& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  return Str(v6 ? "[" : "", url.host, v6 ? "]:" : ":", url.port);
}

std::unique_ptr<Poster> MakePoster(Files& files, Url url, std::string ca) {
  return std::make_unique<RealPoster>(files, std::move(url), std::move(ca));
}

}  // namespace tenon::platform

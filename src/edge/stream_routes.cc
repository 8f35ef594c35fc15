// /v1/endpoints/<name>:stream: instances in and predictions out, one by one and in order, for as long as the client likes: lines of JSON
// (answered as lines or, when asked for, as server-sent events), or messages of a WebSocket.

#include <algorithm>
#include <functional>
#include <memory>
#include <span>

#include "base/text.h"
#include "edge/websocket_internal.h"  // before http_server.h, whose kText its own would hide
#include "edge/together_internal.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPadding = 64;     // readable bytes behind a message, for the JSON decoder
constexpr std::size_t kLeastBytesASecond = 16 << 10;
constexpr std::size_t kMostRequestId = 100;
constexpr auto kHeartbeat = std::chrono::seconds(15);

// The head of a stream's request, which outlives the bytes it was read from.
class Head {
 public:
  explicit Head(const HttpRequest& from) : request_(from) {
    std::size_t size = from.path.size() + from.query.size();
    for (std::size_t i = 0; i < from.header_count; ++i) size += from.headers[i].name.size() + from.headers[i].value.size();
    text_.reserve(size);
    const auto keep = [this](std::string_view& view) {
      const std::size_t at = text_.size();
      text_ += view;
      view = std::string_view(text_).substr(at, view.size());
    };
    keep(request_.path);
    keep(request_.query);
    for (std::size_t i = 0; i < request_.header_count; ++i) {
      HttpHeader& header = request_.headers[i];
      keep(header.name);
      keep(header.value);
      if (EqualsIgnoringCase(header.name, "x-request-id") && id_at_ < 0 && header.value.size() <= kMostRequestId) {
        id_ = header.value;
        id_at_ = static_cast<int>(i);
      }
    }
    request_.has_length = true;
  }
  Head(const Head&) = delete;

  // The request that a message is: the client's id with the message's number behind it.
  const HttpRequest& With(std::string_view message) {
    Put(message, &request_, &numbered_);
    return request_;
  }
  // The same as a request of its own, with what it views besides.
  void Put(std::string_view message, HttpRequest* out, std::string* numbered) {
    if (out != &request_) *out = request_;
    ++count_;
    if (id_at_ >= 0) {
      *numbered = Str(id_, "/", count_ - 1);
      out->headers[static_cast<std::size_t>(id_at_)].value = *numbered;
    }
    out->body = message;
  }
  std::string_view path() const { return request_.path; }

 private:
  HttpRequest request_;
  std::string text_, id_, numbered_;
  int id_at_ = -1;
  std::int64_t count_ = 0;
};

// Of the path of a stream, as it is written there.
std::string EndpointOf(std::string_view path) {
  constexpr std::string_view kPrefix = "/v1/endpoints/", kVerb = ":stream";
  const std::string_view name = path.substr(kPrefix.size(), path.size() - kPrefix.size() - kVerb.size());
  return std::string(name);
}

// What both ways of streaming do: each message is a request of its own, with all that is looked at and counted of one.
class Messages {
 public:
  Messages(Worker& worker, const HttpRequest& head) : worker_(worker), head_(head), most_(worker.shared().most_body), endpoint_(EndpointOf(head_.path())), moved_(Clock::now()), told_(moved_) {}
  // The answer to a message, valid until the next.
  const HttpResponse& Answer(std::string_view message, const HttpPeer& peer) {
    response_.Clear();
    HttpPeer at_once = peer;
    at_once.bell = nullptr;  // a message's answer is written where it was read
    worker_.Handle(head_.With(message), at_once, response_);
    moved_ = told_ = Clock::now();
    return response_;
  }
  // Whether several messages at once are worth more than one by one.
  bool together() const { return Together::Pays(worker_, endpoint_); }
  // The answers to messages that are there at once, each valid during `say`, until that says false.
  void AnswerAll(std::span<const std::string_view> messages, const HttpPeer& peer, const std::function<bool(const HttpResponse&)>& say) {
    if (messages.size() < 2) {
      for (const std::string_view message : messages) {
        if (!say(Answer(message, peer))) return;
      }
      return;
    }
    if (together_ == nullptr) together_ = std::make_unique<Together>(worker_);
    std::vector<HttpRequest> requests(messages.size());
    std::vector<std::string> numbered(messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) head_.Put(messages[i], &requests[i], &numbered[i]);
    bool more = true;
    together_->Answer(requests, peer, [&](std::size_t, HttpResponse& answer) { more = more && say(answer); });
    moved_ = told_ = Clock::now();
  }
  // A message began to arrive and is not whole: whether it takes too long.
  bool TooSlow(Clock::time_point now, std::size_t bytes) const {
    return now - moved_ > worker_.shared().slow + std::chrono::seconds(bytes / kLeastBytesASecond);
  }
  bool Idle(Clock::time_point now) const { return now - moved_ > worker_.shared().idle; }
  std::size_t most() const { return most_; }
  Clock::time_point moved_at() const { return moved_; }
  void Moved() { moved_ = Clock::now(); }
  // Whether it is time for a sign of life.
  bool Beat(Clock::time_point now, Clock::duration every) {
    if (now - told_ < every) return false;
    told_ = now;
    return true;
  }
  Clock::duration idle() const { return worker_.shared().idle; }

 private:
  Worker& worker_;
  Head head_;
  const std::size_t most_;
  const std::string endpoint_;
  std::unique_ptr<Together> together_;
  HttpResponse response_;
  Clock::time_point moved_, told_;
};

class LineStream final : public HttpStream {
 public:
  LineStream(Worker& worker, const HttpRequest& head, bool events) : messages_(worker, head), events_(events) {}

  void Take(std::string_view bytes, const HttpPeer& peer, std::string* out) override {
    if (over_) return;
    if (held_.empty()) messages_.Moved();
    held_ += bytes;
    held_.append(kPadding, '\0');
    const std::size_t size = held_.size() - kPadding;
    std::size_t at = 0;
    more_ = false;
    const std::size_t most = messages_.together() ? Together::kMost : 1;
    while (!over_) {
      lines_.clear();
      while (lines_.size() < most) {
        const std::size_t end = std::string_view(held_).substr(0, size).find('\n', std::max(at, looked_));
        looked_ = 0;
        if (end == std::string::npos) break;
        if (out->size() >= kMostOutput) {
          more_ = true;
          break;
        }
        const std::string_view line = std::string_view(held_).substr(at, end - at);
        if (!Trim(line).empty()) lines_.push_back(line);
        at = end + 1;
      }
      if (lines_.empty()) break;
      Lines(peer, out);
    }
    if (ended_ && !more_ && !over_) {
      const std::string_view line = std::string_view(held_).substr(at, size - at);
      lines_.assign(Trim(line).empty() ? 0 : 1, line);
      Lines(peer, out);
      over_ = true;
    }
    held_.resize(size);
    held_.erase(0, over_ ? size : at);
    looked_ = more_ ? 0 : held_.size();
    if (held_.size() > messages_.most() && !more_) {
      Refuse(413, "a line is too large", out);
    }
    if (held_.empty() && held_.capacity() > (std::size_t{256} << 10)) held_.shrink_to_fit();
  }

  bool more() const override { return more_ && !over_; }

  void End(const HttpPeer& peer, std::string* out) override {
    ended_ = true;
    if (!more_) Take({}, peer, out);
  }

  void Tick(Clock::time_point now, std::string* out) override {
    if (over_ || more_) return;
    if (!held_.empty() && messages_.TooSlow(now, held_.size())) return Refuse(408, "a line took too long to arrive", out);
    if (messages_.Idle(now)) return Refuse(408, "nothing came for too long", out);
    if (events_ && messages_.Beat(now, kHeartbeat)) *out += ":\n\n";  // a comment: those between see that it lives
  }

  void Drain(std::string* out) override {
    if (!over_) Refuse(503, "the server is stopping", out);
  }
  bool over() const override { return over_; }
  std::size_t held() const override { return held_.capacity(); }

 private:
  void Lines(const HttpPeer& peer, std::string* out) {
    messages_.AnswerAll(lines_, peer, [&](const HttpResponse& answer) {
      Say(answer.body, out);
      over_ = answer.status == 401 || answer.status == 403 || answer.status == 404;  // so it would go on
      return !over_;
    });
  }

  void Say(std::string_view json, std::string* out) const {
    if (events_) *out += "data: ";
    *out += json;
    *out += events_ ? "\n\n" : "\n";
  }

  void Refuse(int status, std::string_view text, std::string* out) {
    HttpResponse answer;
    SetErrorStatus(status, text, answer);
    Say(answer.body, out);
    over_ = true;
  }

  Messages messages_;
  const bool events_;
  bool more_ = false, ended_ = false, over_ = false;
  std::string held_;         // lines that are not answered yet
  std::vector<std::string_view> lines_;  // of it, that are there at once
  std::size_t looked_ = 0;   // of it, in which there is no end of a line
};

class SocketStream final : public HttpStream {
 public:
  SocketStream(Worker& worker, const HttpRequest& head) : messages_(worker, head), reader_(worker.shared().most_body) {}

  void Take(std::string_view bytes, const HttpPeer& peer, std::string* out) override {
    if (over_) return;
    if (!bytes.empty() && !reader_.begun()) messages_.Moved();
    std::string_view rest = bytes;
    if (more_) {
      held_ += bytes;
      rest = held_;
    }
    more_ = false;
    const bool together = messages_.together();
    while (!over_ && !rest.empty()) {
      if (out->size() >= kMostOutput) {
        more_ = true;
        break;
      }
      const WebSocketReader::Got got = reader_.Next(&rest);
      if (together && got == WebSocketReader::Got::kText && !closing_) {
        Gather(reader_.payload(), peer, out);
        continue;
      }
      AnswerGathered(peer, out);  // what is said goes in the order of what was asked
      if (!over_) Read(got, peer, out);
    }
    AnswerGathered(peer, out);
    held_ = std::string(more_ ? rest : std::string_view());
  }

  bool more() const override { return more_ && !over_; }
  void End(const HttpPeer&, std::string*) override { over_ = true; }

  void Tick(Clock::time_point now, std::string* out) override {
    if (over_ || more_) return;
    if (closing_) {
      over_ = now - messages_.moved_at() > std::chrono::seconds(2);
    } else if (messages_.Idle(now)) {
      Close(1001, "nothing came for too long", out);
    } else if (reader_.begun() && messages_.TooSlow(now, reader_.held())) {
      Close(1008, "a message took too long to arrive", out);
    } else if (now - messages_.moved_at() > messages_.idle() / 3 && messages_.Beat(now, messages_.idle() / 3)) {
      AppendWebSocketFrame(WebSocketOpcode::kPing, {}, out);
    }
  }

  void Drain(std::string* out) override {
    if (!closing_ && !over_) AppendWebSocketClose(1001, "the server is stopping", out);
    over_ = true;
  }
  bool over() const override { return over_; }
  std::size_t held() const override { return reader_.held() + held_.capacity(); }

 private:
  // Keeps a message until those that are there at once are known.
  void Gather(std::string_view message, const HttpPeer& peer, std::string* out) {
    constexpr std::size_t kMostGathered = 1 << 20;  // bytes
    gathered_bytes_ += message.size();
    gathered_.emplace_back().reserve(message.size() + kPadding);
    gathered_.back().append(message).append(kPadding, '\0');
    if (gathered_.size() >= Together::kMost || gathered_bytes_ >= kMostGathered) AnswerGathered(peer, out);
  }

  void AnswerGathered(const HttpPeer& peer, std::string* out) {
    if (gathered_.empty()) return;
    std::vector<std::string_view> views;
    for (const std::string& message : gathered_) views.push_back(std::string_view(message).substr(0, message.size() - kPadding));
    messages_.AnswerAll(views, peer, [&](const HttpResponse& answer) { return Say(answer, out); });
    gathered_.clear();
    gathered_bytes_ = 0;
  }

  // False: it ends with this.
  bool Say(const HttpResponse& answer, std::string* out) {
    AppendWebSocketFrame(WebSocketOpcode::kText, answer.body, out);
    if (answer.status == 401 || answer.status == 403 || answer.status == 404) Close(1008, "see the last message", out);
    return !closing_;
  }

  void Read(WebSocketReader::Got got, const HttpPeer& peer, std::string* out) {
    switch (got) {
      case WebSocketReader::Got::kMore: return;
      case WebSocketReader::Got::kText: {
        if (!closing_) Say(messages_.Answer(reader_.payload(), peer), out);
        return;
      }
      case WebSocketReader::Got::kPing: {
        if (!closing_) AppendWebSocketFrame(WebSocketOpcode::kPong, reader_.payload(), out);
        return;
      }
      case WebSocketReader::Got::kPong: return;
      case WebSocketReader::Got::kClose: {
        if (!closing_) reader_.close_code() == 1005 ? AppendWebSocketFrame(WebSocketOpcode::kClose, {}, out) : AppendWebSocketClose(reader_.close_code(), {}, out);
        over_ = true;
        return;
      }
      case WebSocketReader::Got::kBad: {
        if (!closing_) AppendWebSocketClose(reader_.close_code(), reader_.problem(), out);
        over_ = true;
      }
    }
  }

  // Says goodbye first; the client's answer to it ends the connection, or two seconds without one.
  void Close(int code, std::string_view reason, std::string* out) {
    AppendWebSocketClose(code, reason, out);
    closing_ = true;
    messages_.Moved();
  }

  Messages messages_;
  WebSocketReader reader_;
  bool more_ = false, closing_ = false, over_ = false;
  std::string held_;  // bytes that are not read yet
  std::vector<std::string> gathered_;  // messages that are there at once, with kPadding behind each
  std::size_t gathered_bytes_ = 0;
};

// A page of another site must not use the reader's place in the network: its Origin is another host.
bool SameOrigin(const HttpRequest& request) {
  const std::string_view origin = request.Header("origin");
  if (origin.empty()) return true;
  const std::size_t at = origin.find("://");
  return at != std::string_view::npos && origin.substr(at + 3) == request.Header("host");
}

// The answer that agrees to a WebSocket, or says why not.
bool Upgrade(const HttpRequest& request, HttpResponse& response) {
  if (request.Header("sec-websocket-version") != "13") {
    SetErrorStatus(426, "this server speaks version 13 of WebSocket (RFC 6455)", response);
    response.AddHeader("Upgrade", "websocket");
    response.AddHeader("Sec-WebSocket-Version", "13");
    return false;
  }
  const std::string accept = WebSocketAccept(request.Header("sec-websocket-key"));
  if (accept.empty() || !HasToken(request.Header("connection"), "upgrade") || request.minor_version == 0) {
    SetErrorStatus(400, "a WebSocket begins with GET, HTTP/1.1, 'Connection: Upgrade' and a Sec-WebSocket-Key of 16 bytes in base64", response);
    return false;
  }
  if (!SameOrigin(request)) {
    SetErrorStatus(403, Str("a page of ", request.Header("origin"), " may not ask here: its host is another one"), response);
    return false;
  }
  response.status = 101;
  response.AddHeader("Upgrade", "websocket");
  response.AddHeader("Connection", "Upgrade");
  response.AddHeader("Sec-WebSocket-Accept", accept);
  return true;
}

}  // namespace

bool Worker::Streams(const HttpRequest& request) const { return request.path.ends_with(":stream"); }

std::unique_ptr<HttpStream> Worker::Open(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) {
  Begin(peer);
  if (observer_ != nullptr) observer_->Begin(request);
  answered_ = nullptr;
  std::unique_ptr<HttpStream> stream = LetIn(request, peer, response) ? OpenLetIn(request, response) : nullptr;
  // What is opened is told of by its messages.
  if (observer_ != nullptr && stream == nullptr) observer_->End({request, peer, response, asker_.name, answered_, began_});
  return stream;
}

std::unique_ptr<HttpStream> Worker::OpenLetIn(const HttpRequest& request, HttpResponse& response) {
  constexpr std::string_view kPrefix = "/v1/endpoints/", kVerb = ":stream";
  const std::string_view path = request.path;
  const auto lost = [&] { SetError(Code::kNotFound, Str("streams are at /v1/endpoints/<name>:stream, not at ", path), response); };
  if (!path.starts_with(kPrefix) || path.size() <= kPrefix.size() + kVerb.size()) return lost(), nullptr;
  const std::string_view name = Decoded(path.substr(kPrefix.size(), path.size() - kPrefix.size() - kVerb.size()));
  if (name.empty()) return lost(), nullptr;
  if (Ask(name, request) == nullptr) {
    const Error why = WhyNot(name);
    SetError(why.code(), why.message(), response);
    return nullptr;
  }
  if (request.method == Method::kGet && HasToken(request.Header("upgrade"), "websocket")) {
    if (!Upgrade(request, response)) return nullptr;
    return std::make_unique<SocketStream>(*this, request);
  }
  if (!Allowed(request, {Method::kPost}, response)) return nullptr;
  if (const std::string_view coding = request.Header("content-encoding"); !coding.empty() && !EqualsIgnoringCase(coding, "identity")) {
    SetErrorStatus(415, "a stream is taken as it is, without a Content-Encoding", response);
    return nullptr;
  }
  if (!request.has_length) {
    SetErrorStatus(411, "the request says not how long its body is; send Transfer-Encoding: chunked or Content-Length", response);
    return nullptr;
  }
  const bool events = HasToken(request.Header("accept"), "text/event-stream");
  response.content_type = events ? "text/event-stream" : "application/x-ndjson";
  response.AddHeader("Cache-Control", "no-store");
  response.AddHeader("X-Accel-Buffering", "no");  // for proxies that would wait for all of it
  return std::make_unique<LineStream>(*this, request, events);
}

}  // namespace tenon::edge

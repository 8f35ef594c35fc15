#include "edge/http2_requests_internal.h"

#include "base/text.h"
#include "edge/compression_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLeastPacked = 1024;     // bytes of a message worth compressing
constexpr std::size_t kPrefix = 5;             // before each message: compressed?, size
constexpr std::size_t kPadding = 64;           // readable bytes behind what a handler gets
constexpr std::size_t kLeastBytesASecond = 16 << 10;
constexpr std::string_view kTakes = "identity, gzip, deflate";

std::uint32_t Big32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

void Http2Requests::Reset(Http2Stream& stream, Http2Sender::Why why) {
  stream.reset = stream.finished = true;
  sender_.Reset(stream, why);
}

bool Http2Requests::Fill(const Http2Stream& stream) {
  if (filled_ == &stream) return true;
  filled_ = stream.Request(&request_) ? &stream : nullptr;
  return filled_ != nullptr;
}

// As HttpLoop::TooLateNow.
bool Http2Requests::TooLate() const {
  return peer_.turn_away_at == 1 || std::chrono::nanoseconds(Clock::now().time_since_epoch()).count() > peer_.turn_away_at;
}

void Http2Requests::Begin(Http2Stream& stream) {
  const std::string_view type = stream.At(stream.type.value, stream.type.value_size);
  stream.grpc = type.substr(0, 16) == "application/grpc" && (type.size() == 16 || type[16] == '+' || type[16] == ';');
  if (stream.too_large || !Fill(stream)) return Reset(stream, Http2Sender::Why::kTooMuch);
  may_wait_ = peer_.turn_away_at != 0 && handler_.MayWait(request_);
  if (may_wait_ && TooLate()) {
    const std::string_view body = handler_.TurnedAway(request_);
    stream.finished = true;
    return sender_.TurnAway(stream, body);
  }
  if (stream.grpc) return BeginCall(stream, request_);
  if (handler_.Streams(request_)) BeginLive(stream);
}

void Http2Requests::BeginCall(Http2Stream& stream, const HttpRequest& asked) {
  if (asked.method != Method::kPost) return Finish(stream, RowOf(Code::kInternal).grpc, "a call of gRPC is a POST");
  if (const std::string_view given = asked.Header("grpc-timeout"); given.data() != nullptr) {
    std::chrono::nanoseconds timeout{};
    if (!ParseGrpcTimeout(given, &timeout)) return Finish(stream, RowOf(Code::kInternal).grpc, Str("grpc-timeout is '", given, "'; expected such as 100m"));
    stream.deadline = now_ + timeout;
  }
  if (const std::string_view given = asked.Header("grpc-encoding"); given.data() != nullptr && given != "identity") {
    if (given != "gzip" && given != "deflate") return Finish(stream, 12, Str("messages in '", given, "' are not taken here; there are: ", kTakes));
    stream.coding = given == "gzip" ? "gzip" : "deflate";
  }
  stream.kind = handler_.KindOf(asked.path);
  if (stream.kind == RpcKind::kUnknown) Finish(stream, 12, Str("no method ", asked.path));
}

std::size_t Http2Requests::MostHeld() const { return 4 * (limits_.most_body + kPrefix) + static_cast<std::size_t>(kHttp2ConnectionWindow); }

void Http2Requests::FinishFull(Http2Stream& stream) {
  rpc_.later.reset();
  Finish(stream, RowOf(Code::kResourceExhausted).grpc, "too many requests are under way on this connection");
}

void Http2Requests::Add(Http2Stream& stream, std::string_view bytes) {
  if (stream.finished || stream.reset) return;
  if (stream.live != nullptr) {
    Live(stream, bytes, false);
    if (held_ > MostHeld()) Reset(stream, Http2Sender::Why::kTooMuch);
    return sender_.More(stream);
  }
  // Whole messages are read where they lie.
  if (stream.grpc && stream.in.empty() && stream.later == nullptr) bytes.remove_prefix(TakeMessages(stream, bytes));
  if (stream.finished || stream.reset || bytes.empty()) return;
  if (held_ + bytes.size() > MostHeld()) return stream.grpc ? FinishFull(stream) : Reset(stream, Http2Sender::Why::kTooMuch);
  if (stream.kind == RpcKind::kStream && stream.in.empty()) BeginToArrive(stream);
  stream.in.append(bytes);
  held_ += bytes.size();
  if (!stream.grpc) {
    if (stream.in.size() > limits_.most_body) {
      held_ -= stream.in.size();
      stream.in.clear();
      response_.Clear();
      SetErrorStatus(413, "the body is too large", response_);
      AnswerPlainly(stream);
    }
    return;
  }
  if (stream.in.size() > bytes.size()) ReadMessages(stream);
}

// The next message of a stream: its time runs from here.
void Http2Requests::BeginToArrive(Http2Stream& stream) const {
  stream.begun = stream.moved = now_;
  stream.moved_bytes = 0;
}

void Http2Requests::ReadMessages(Http2Stream& stream) {
  const std::size_t used = TakeMessages(stream, stream.in);
  held_ -= used;
  stream.in.erase(0, used);
  if (used != 0 && stream.kind == RpcKind::kStream) BeginToArrive(stream);
  if (stream.finished) {
    held_ -= stream.in.size();
    stream.in.clear();
  }
}

std::size_t Http2Requests::TakeMessages(Http2Stream& stream, std::string_view bytes) {
  std::size_t at = 0;
  while (!stream.finished && stream.later == nullptr && bytes.size() - at >= kPrefix) {
    const std::size_t size = Big32(bytes.data() + at + 1);
    const auto packing = static_cast<unsigned char>(bytes[at]);
    if (size > limits_.most_body) {
      Finish(stream, RowOf(Code::kResourceExhausted).grpc, Str("a message of ", size, " bytes is larger than the ", limits_.most_body, " taken here"));
      break;
    }
    if (packing > 1 || (packing == 1 && stream.coding.empty())) {
      Finish(stream, RowOf(Code::kInternal).grpc, packing == 1 ? "a message is compressed, but there is no grpc-encoding" : "the bytes are no message of gRPC");
      break;
    }
    if (bytes.size() - at - kPrefix < size) break;
    if (stream.kind != RpcKind::kStream && (!stream.ended || bytes.size() - at - kPrefix != size)) {
      if (bytes.size() - at - kPrefix != size) Finish(stream, RowOf(Code::kInternal).grpc, "this method takes one message, and more came");
      break;  // one message is handled when the client has ended
    }
    std::string_view message = bytes.substr(at + kPrefix, size);
    if (packing == 1) {
      bool too_large = false;
      if (!Inflate(message, limits_.most_body, &inflated_, &too_large)) {
        Finish(stream, RowOf(too_large ? Code::kResourceExhausted : Code::kInternal).grpc,
               too_large ? "the message is too large when it is decompressed" : "the message is not what its grpc-encoding says");
        break;
      }
      inflated_.append(kPadding, '\0');
      message = std::string_view(inflated_).substr(0, inflated_.size() - kPadding);
    }
    at += kPrefix + size;
    CallHandler(stream, message, false);
  }
  return at;
}

void Http2Requests::CallHandler(Http2Stream& stream, std::string_view message, bool again) {
  rpc_.Clear();
  if (stream.deadline != Clock::time_point{} && Clock::now() >= stream.deadline) {
    return Finish(stream, RowOf(Code::kDeadlineExceeded).grpc, "the deadline passed before the request was read");
  }
  if (!Fill(stream)) return Reset(stream, Http2Sender::Why::kInternal);
  if (!again && stream.kind == RpcKind::kWatch) stream.watched = message;
  try {
    handler_.Call({&request_, message, stream.deadline, again}, peer_, rpc_);
  } catch (...) {  // the outermost one: whatever it was, the others are still served
    rpc_.Clear();
    rpc_.Fail(Code::kInternal, "this request met a bug of the server");
  }
  if (rpc_.later != nullptr) {
    if (held_ + message.size() > MostHeld()) return FinishFull(stream);  // compressed, many large ones fit into few bytes
    stream.later = std::move(rpc_.later);
    stream.asked.reserve(message.size() + kPadding);
    stream.asked = message;
    stream.asked.append(kPadding, '\0');
    held_ += stream.asked.size();
    return;
  }
  TakeAnswer(stream, again);
}

void Http2Requests::TakeAnswer(Http2Stream& stream, bool again) {
  if (rpc_.status != 0) return Finish(stream, rpc_.status, rpc_.problem, rpc_.retry);
  if (stream.kind == RpcKind::kWatch) {
    if (again && rpc_.message == stream.told) return;
    stream.told = rpc_.message;
  }
  Say(stream, rpc_.message, rpc_.metadata);
  if (stream.kind == RpcKind::kUnary) Finish(stream, 0, {});
}

void Http2Requests::Say(Http2Stream& stream, std::string_view message, std::string_view metadata) {
  bool compressed = false;
  if (!stream.coding.empty() && message.size() >= kLeastPacked && Deflate(message, stream.coding == "gzip", &packed_)) {
    compressed = true;
    message = packed_;
  }
  const auto size = static_cast<std::uint32_t>(message.size());
  const char prefix[kPrefix] = {static_cast<char>(compressed ? 1 : 0), static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                static_cast<char>(size >> 8), static_cast<char>(size)};
  if (!stream.answered) {
    head_.clear();
    head_.push_back({":status", "200"});
    head_.push_back({"content-type", "application/grpc"});
    if (!stream.coding.empty()) {
      head_.push_back({"grpc-encoding", stream.coding});
      head_.push_back({"grpc-accept-encoding", kTakes});
    }
    if (!metadata.empty()) AddHeaders(metadata);
    if (stream.kind == RpcKind::kUnary && sender_.Whole(stream, head_, {prefix, kPrefix}, message)) {
      stream.finished = true;
      return;
    }
  }
  stream.out.append(prefix, kPrefix);
  stream.out.append(message);
  stream.answered ? sender_.More(stream) : StartAnswer(stream, true);
}

void Http2Requests::StartAnswer(Http2Stream& stream, bool body) {
  stream.answered = true;
  stream.begun = stream.moved = now_;
  stream.moved_bytes = 0;
  if (!sender_.Head(stream, head_, body)) Reset(stream, Http2Sender::Why::kInternal);
}

void Http2Requests::Finish(Http2Stream& stream, int status, std::string_view problem, std::chrono::milliseconds retry) {
  if (stream.finished) return;
  stream.finished = true;
  stream.later.reset();
  stream.status = status;
  stream.problem = problem;
  stream.moved = now_;
  if (stream.answered) return sender_.More(stream);
  const std::string number = std::to_string(status), words = GrpcMessage(problem), later = std::to_string(retry.count());
  head_.assign({{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", number}, {"grpc-message", words}});
  if (retry.count() > 0) head_.push_back({"grpc-retry-pushback-ms", later});
  if (status == 12) head_.push_back({"grpc-accept-encoding", kTakes});
  StartAnswer(stream, false);
}

void Http2Requests::End(Http2Stream& stream) {
  if (stream.finished || stream.reset) return;
  if (stream.live != nullptr) {
    Live(stream, {}, true);
    return sender_.More(stream);
  }
  if (!stream.grpc) {
    if (!Fill(stream)) return Reset(stream, Http2Sender::Why::kInternal);
    stream.in.append(kPadding, '\0');
    held_ += kPadding;
    request_.body = std::string_view(stream.in).substr(0, stream.in.size() - kPadding);
    response_.Clear();
    try {
      handler_.Handle(request_, peer_, response_);
    } catch (...) {
      response_.Clear();
      SetError(Code::kInternal, "this request met a bug of the server", response_);
    }
    stream.later = std::move(response_.later);
    if (stream.later == nullptr) AnswerPlainly(stream);
    return;
  }
  ReadMessages(stream);
  EndCall(stream);
}

void Http2Requests::EndCall(Http2Stream& stream) {
  if (stream.finished || stream.reset || stream.later != nullptr) return;
  if (!stream.in.empty()) return Finish(stream, RowOf(Code::kInternal).grpc, "the request ends within a message");
  if (stream.kind == RpcKind::kStream) return Finish(stream, 0, {});
  if (!stream.answered) Finish(stream, RowOf(Code::kInternal).grpc, "the request has no message");
}

void Http2Requests::Resume(Http2Stream& stream, const HttpPeer& peer) {
  Arrived(peer);
  std::unique_ptr<HttpLater> later = std::move(stream.later);
  if (!Fill(stream)) return Reset(stream, Http2Sender::Why::kInternal);
  if (stream.grpc) return ResumeCall(stream, std::move(later));
  request_.body = std::string_view(stream.in).substr(0, stream.in.size() - kPadding);
  response_.Clear();
  try {
    handler_.Resume(request_, peer_, std::move(later), response_);
  } catch (...) {
    response_.Clear();
    SetError(Code::kInternal, "this request met a bug of the server", response_);
  }
  stream.later = std::move(response_.later);
  if (stream.later == nullptr) AnswerPlainly(stream);
}

void Http2Requests::ResumeCall(Http2Stream& stream, std::unique_ptr<HttpLater> later) {
  rpc_.Clear();
  const std::string_view message = std::string_view(stream.asked).substr(0, stream.asked.size() - kPadding);
  try {
    handler_.ResumeCall({&request_, message, stream.deadline, false}, peer_, std::move(later), rpc_);
  } catch (...) {
    rpc_.Clear();
    rpc_.Fail(Code::kInternal, "this request met a bug of the server");
  }
  stream.later = std::move(rpc_.later);
  if (stream.later != nullptr) return;
  held_ -= stream.asked.size();
  stream.asked.clear();
  if (stream.kind == RpcKind::kStream) BeginToArrive(stream);  // what is behind it was not asked for meanwhile
  TakeAnswer(stream, false);
  ReadMessages(stream);
  if (stream.ended) EndCall(stream);
}

void Http2Requests::FrameHead() {
  status_ = std::to_string(response_.status);
  head_.assign({{":status", status_}, {"content-type", response_.content_type}, {"server", "tenon"}});
  AddHeaders(response_.headers);
}

// "Name: value\r\n" lines; the names in small letters here.
void Http2Requests::AddHeaders(std::string_view lines) {
  names_ = lines;
  for (std::size_t at = 0; at < names_.size();) {
    const std::size_t colon = names_.find(':', at), end = names_.find("\r\n", at);
    if (colon == std::string::npos || end == std::string::npos) break;
    for (std::size_t i = at; i < colon; ++i) names_[i] = names_[i] >= 'A' && names_[i] <= 'Z' ? static_cast<char>(names_[i] + 32) : names_[i];
    head_.push_back({std::string_view(names_).substr(at, colon - at), Trim(std::string_view(names_).substr(colon + 1, end - colon - 1))});
    at = end + 2;
  }
}

void Http2Requests::AnswerPlainly(Http2Stream& stream) {
  stream.finished = true;
  FrameHead();
  const std::string length = std::to_string(response_.body.size());
  head_.push_back({"content-length", length});
  if (stream.At(stream.method.value, stream.method.value_size) != "HEAD") stream.out = response_.body;
  StartAnswer(stream, true);
}

void Http2Requests::BeginLive(Http2Stream& stream) {
  response_.Clear();
  try {
    stream.live = handler_.Open(request_, peer_, response_);
  } catch (...) {
    response_.Clear();
    SetError(Code::kInternal, "this request met a bug of the server", response_);
  }
  if (stream.live == nullptr) return AnswerPlainly(stream);
  stream.kind = RpcKind::kStream;
  FrameHead();
  StartAnswer(stream, true);
}

// Gives it bytes, or the word that no more will come; counts what it holds.
void Http2Requests::Live(Http2Stream& stream, std::string_view bytes, bool end) {
  if (bytes.empty() && !end) peer_.turn_away_at = 0;  // what it goes on with was let in when it came
  try {
    end ? stream.live->End(peer_, &stream.out) : stream.live->Take(bytes, peer_, &stream.out);
    stream.finished = stream.live->over();
  } catch (...) {
    stream.finished = true;
  }
  held_ += stream.live->held() - stream.live_held;
  stream.live_held = stream.live->held();
}

void Http2Requests::Drain(Http2Stream& stream) {
  if (stream.live == nullptr || stream.finished) return;
  stream.live->Drain(&stream.out);
  stream.finished = true;
  sender_.More(stream);
}

// As over HTTP/1.1: a byte now and then buys no more time than bytes at the least speed would.
bool Http2Requests::TooSlow(const Http2Stream& stream, Clock::time_point now) const {
  return now - stream.begun > limits_.slow + std::chrono::seconds(stream.moved_bytes / kLeastBytesASecond);
}

void Http2Requests::Tick(Http2Stream& stream, Clock::time_point now) {
  now_ = now;
  const bool lasts = stream.kind == RpcKind::kStream || stream.kind == RpcKind::kWatch;
  // A message that has begun to arrive is not waited for longer because it belongs to a stream.
  const bool waits = (stream.kind == RpcKind::kStream && stream.in.empty()) || (stream.kind == RpcKind::kWatch && stream.ended);
  const bool pending = stream.out_from < stream.out.size();
  if (stream.live != nullptr && !stream.finished && !pending) {
    stream.live->Tick(now, &stream.out);
    stream.finished = stream.live->over();
    return sender_.More(stream);
  }
  if (stream.deadline != Clock::time_point{} && now >= stream.deadline && !stream.finished) {
    Finish(stream, RowOf(Code::kDeadlineExceeded).grpc, "the deadline passed");
  } else if (stream.kind == RpcKind::kWatch && stream.answered && !stream.finished && !pending) {
    const std::string message = stream.watched;
    CallHandler(stream, message, true);
  } else if ((now - stream.moved > limits_.slow || ((!lasts || !stream.in.empty()) && TooSlow(stream, now))) && (pending || !waits) && stream.later == nullptr) {
    Reset(stream, Http2Sender::Why::kCancel);  // the request does not arrive, or the answer is not taken
  }
}

}  // namespace tenon::edge

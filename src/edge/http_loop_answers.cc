// Requests of HTTP/1.1 as the handler answers them, in the order they came.

#include <charconv>

#include "edge/http_loop_internal.h"

namespace tenon::edge {
namespace {

using Kind = HttpOutcome::Kind;

constexpr std::string_view kContinueLine = "HTTP/1.1 100 Continue\r\n\r\n";

void AppendNumber(std::size_t value, std::string* out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out->append(digits, end);
}

}  // namespace

std::size_t HttpLoop::Process(Connection& c, char* data, std::size_t size) {
  std::size_t at = 0;
  c.stuck = false;
  while (at < size && !c.last) {
    if (output_.size() > kMostOutput) {
      c.stuck = true;
      break;
    }
    const bool head_now = c.progress.phase == HttpProgress::Phase::kHead;
    HttpOutcome outcome;
    if (head_now) outcome = ParseHead(limits_, c.progress, data + at, size - at, request_);
    if (head_now && outcome.kind == Kind::kDone && handler_->Streams(request_)) {
      BeginStream(c, {data + at + outcome.consumed, size - at - outcome.consumed});
      return size;
    }
    if (!head_now || outcome.kind == Kind::kDone) outcome = ParseBody(limits_, c.progress, data + at, size - at, request_, head_now);
    if (outcome.kind == Kind::kMore) break;
    if (outcome.kind == Kind::kContinue) {
      output_ += kContinueLine;
      break;
    }
    if (outcome.kind == Kind::kBad) {
      Refuse(c, outcome.status, outcome.problem);
      break;
    }
    c.greeted = true;
    c.progress = {};
    c.may_wait = queue_limit_ != 0 && handler_->MayWait(request_);
    c.may_wait && TooLateNow() ? AppendTurnedAway(c) : Answer(c, data + at, outcome.consumed);
    at += outcome.consumed;
    if (c.waiting != nullptr) break;
  }
  return at;
}

HttpPeer HttpLoop::PeerOf(Connection& c) const {
  return {c.client, c.tls != nullptr ? c.tls->peer() : std::string_view(), c.address, c.tls != nullptr, turn_away_at_, arrived_,
          &bell_, &c, c.serial};
}

void HttpLoop::Answer(Connection& c, const char* data, std::size_t size) {
  response_.Clear();
  try {
    handler_->Handle(request_, PeerOf(c), response_);
  } catch (...) {  // the outermost one: whatever it was, the others are still served
    response_.Clear();
    SetError(Code::kInternal, "this request met a bug of the server", response_);
  }
  response_.later != nullptr ? Wait(c, data, size) : AppendAnswer(c);
}

void HttpLoop::AppendAnswer(Connection& c) {
  c.last = response_.close || !request_.keep_alive || stopping_;
  AppendResponse(response_, !c.last, request_.method == Method::kHead);
  if (response_.body.capacity() > kMostOutput) response_.body = std::string();
}

void HttpLoop::AppendTurnedAway(Connection& c) {
  const std::string_view body = handler_->TurnedAway(request_);
  c.last = !request_.keep_alive || stopping_;
  output_ += busy_head_;
  AppendNumber(body.size(), &output_);
  output_ += c.last ? "\r\nConnection: close\r\n\r\n" : request_.minor_version == 0 ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\n\r\n";
  if (request_.method != Method::kHead) output_ += body;
}

void HttpLoop::Refuse(Connection& c, int status, const char* problem) {
  response_.Clear();
  SetErrorStatus(status, problem, response_);
  AppendResponse(response_, false, false);
  c.last = true;
}

void HttpLoop::AppendResponse(const HttpResponse& response, bool keep_alive, bool head_only) {
  if (response.status == 200 && response.content_type.data() == kJson.data()) {
    output_ += ok_head_;
  } else {
    output_ += "HTTP/1.1 ";
    AppendNumber(static_cast<std::size_t>(response.status), &output_);
    output_ += ' ';
    output_ += ReasonOf(response.status);
    output_ += "\r\n";
    output_ += date_;
    output_ += "Content-Type: ";
    output_ += response.content_type;
    output_ += "\r\nContent-Length: ";
  }
  AppendNumber(response.body.size(), &output_);
  output_ += "\r\n";
  output_ += response.headers;
  if (!keep_alive) {
    output_ += "Connection: close\r\n";
  } else if (request_.minor_version == 0) {
    output_ += "Connection: keep-alive\r\n";
  }
  output_ += "\r\n";
  if (!head_only) output_ += response.body;
}

}  // namespace tenon::edge

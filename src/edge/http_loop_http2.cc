// Connections that speak HTTP/2: how they begin, and what the loop does with them beside reading and sending.

#include <utility>

#include "edge/http_loop_internal.h"

namespace tenon::edge {

// A client of HTTP/2 says so with its first bytes, which are no request of HTTP/1.1.
HttpLoop::Speaks HttpLoop::Guess(const Connection& c, std::string_view begin) const {
  if (c.http2 != nullptr) return Speaks::kHttp2;
  if (c.greeted || c.progress.scanned != 0) return Speaks::kHttp1;
  const std::string_view head = begin.substr(0, kHttp2Preface.size());
  if (head != kHttp2Preface.substr(0, head.size())) return Speaks::kHttp1;
  return head.size() == kHttp2Preface.size() ? Speaks::kHttp2 : Speaks::kUnclear;
}

void HttpLoop::OnHttp2(Connection& c, std::string_view bytes) {
  if (c.http2 == nullptr) {
    c.http2 = std::make_unique<Http2Connection>(http2_limits_, *handler_);
    ++http2_count_;
    if (stopping_) c.http2->Drain();
  }
  c.http2->Receive(bytes, PeerOf(c));
  CountHttp2(c);
  c.may_wait = queue_limit_ != 0;  // the rest is for the connection to say
  c.held_size = 0;
  c.started = false;
  if (c.ended) c.last = true;
  Touch(c);
  Flush(c);
}

// Who makes it too much, all connections together, is let go.
void HttpLoop::CountHttp2(Connection& c) {
  const std::size_t held = c.http2->held(), before = std::exchange(c.http2_held, held);
  held_bytes_ += held - before;
  if (held > before && held_bytes_ > kMostHeld) c.last = true;
}

void HttpLoop::OnHttp2Due(Connection& c) {
  if (!c.http2->idle()) return Touch(c);  // slow requests have limits of their own
  c.http2->Drain();
  Flush(c);
}

void HttpLoop::TickHttp2() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& slab : slabs_) {
    for (std::size_t i = 0; i < 64; ++i) {
      Connection& c = slab[i];
      if (c.fd < 0 || c.http2 == nullptr || c.draining) continue;
      c.http2->Tick(now);
      CountHttp2(c);
      if (c.unsent.empty()) Flush(c);
    }
  }
}

void HttpLoop::DrainHttp2(Connection& c) {
  if (c.unsent.empty()) OnReadable(c);  // what has arrived is still answered
  if (c.fd < 0 || c.http2 == nullptr || c.draining) return;
  c.http2->Drain();
  if (c.unsent.empty()) Flush(c);
}

}  // namespace tenon::edge

// Requests whose answers come later (HttpLater): kept while they wait, and answered when their bell has rung.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "edge/http_loop_internal.h"

namespace tenon::edge {

// On HTTP/1.1 answers go out in the order of their requests, so that nothing further of the connection is read until this one's is out.
void HttpLoop::Wait(Connection& c, const char* data, std::size_t size) {
  if (held_bytes_ + size > kMostHeld) {
    response_.Clear();
    SetErrorStatus(503, "too many requests wait for their answers here; try again later", response_);
    return AppendAnswer(c);
  }
  held_bytes_ += size;
  auto waiting = std::make_unique<Http1Waiting>();
  waiting->bytes.reserve(size + kPadding);
  waiting->bytes.assign(data, size);
  waiting->bytes.append(kPadding, '\0');
  waiting->request = request_;
  MoveViews(data, size, waiting->bytes.data(), &waiting->request);
  waiting->what = std::move(response_.later);
  waiting->arrived = arrived_;
  c.waiting = std::move(waiting);
}

void HttpLoop::OnBell() {
  bell_->Take(&rung_);
  for (const HttpBell::Call& call : rung_) {
    Connection& c = *static_cast<Connection*>(call.connection);  // slabs stay as long as the loop
    if (c.fd < 0 || c.serial != call.serial || c.draining) continue;
    if (c.http2 != nullptr) {
      c.http2->Resume(call.number, PeerOf(c));
      Touch(c);
      if (c.unsent.empty()) Flush(c);
    } else if (c.waiting != nullptr && c.waiting->what->number() == call.number) {
      c.waiting->ready = true;
      if (c.unsent.empty()) Resume(c);
    }
  }
}

void HttpLoop::Resume(Connection& c) {
  std::unique_ptr<Http1Waiting> waiting = std::move(c.waiting);
  request_ = waiting->request;
  HttpPeer peer = PeerOf(c);
  peer.arrived = waiting->arrived;
  response_.Clear();
  try {
    handler_->Resume(request_, peer, std::move(waiting->what), response_);
  } catch (...) {  // the outermost one: whatever it was, the others are still served
    response_.Clear();
    SetError(Code::kInternal, "this request met a bug of the server", response_);
  }
  if (response_.later != nullptr) {
    waiting->what = std::move(response_.later);
    waiting->ready = false;
    c.waiting = std::move(waiting);
    return;
  }
  AppendAnswer(c);
  held_bytes_ -= waiting->bytes.size() - kPadding;
  if (waiting->parked) Watch(c, EPOLLIN);
  c.started = false;
  Touch(c);
  if (c.held_size != 0 && !c.last) {
    c.stuck = true;  // goes on with what came meanwhile
  } else if (c.ended) {
    c.last = true;
  }
  Flush(c);
}

// While a request waits its connection is not read, only watched: a client that is gone, or that said that it sends no more, is not
// answered.
void HttpLoop::OnEventWaiting(Connection& c, std::uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLRDHUP)) != 0) return Close(c);
  if ((events & EPOLLOUT) != 0) return OnWritable(c);
  char one;
  const ssize_t got = ::recv(c.fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return Close(c);
  if (got < 0) return;
  c.waiting->parked = true;
  Watch(c, EPOLLRDHUP);
}

}  // namespace tenon::edge

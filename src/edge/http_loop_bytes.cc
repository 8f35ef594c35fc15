// What a connection's bytes go through: received and sent, plain or TLS, kept until a request is whole or a client takes more.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "edge/http_loop_internal.h"

namespace tenon::edge {
namespace {

constexpr std::int64_t kDrainTicks = 8;
constexpr std::size_t kMostCopied = 16 << 10;
constexpr std::size_t kLeastBytesATick = 4096;  // that a client sends of a large body, or takes of a large answer: 16 kB a second

}  // namespace

HttpLoop::Got HttpLoop::Receive(Connection& c, char* to, std::size_t room, std::size_t* size) {
  if (c.tls != nullptr && !c.draining) return ReceiveTls(c, to, room, size);
  const ssize_t got = ::recv(c.fd, to, room, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Got::kNothing : Got::kEnd;
  *size = static_cast<std::size_t>(got);
  return got == 0 ? Got::kEnd : Got::kBytes;
}

HttpLoop::Got HttpLoop::ReceiveTls(Connection& c, char* to, std::size_t room, std::size_t* size) {
  using State = platform::TlsSession::State;
  const std::size_t most = std::min(kCipherBytes, room - platform::TlsSession::kSlack);
  const ssize_t got = ::recv(c.fd, cipher_.get(), most, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Got::kNothing : Got::kEnd;
  if (got == 0) return Got::kEnd;
  const bool was_ready = c.tls->ready();
  const State state = c.tls->Decrypt({cipher_.get(), static_cast<std::size_t>(got)}, to, room, size);
  if (state == State::kFailed || state == State::kPlain) {
    static constexpr std::string_view kSpeakTls =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 33\r\nConnection: close\r\n\r\n"
        "this port speaks TLS: use https\r\n";
    std::size_t sent = 0;
    if (Send(c, state == State::kPlain ? kSpeakTls : std::string_view(c.tls->output()), &sent)) ::shutdown(c.fd, SHUT_WR);
    return Got::kEnd;
  }
  if (c.tls->ready() && !was_ready) Touch(c);
  if (state == State::kClosed) {
    if (*size == 0) return Got::kEnd;
    c.ended = true;
  }
  return *size == 0 ? Got::kNothing : Got::kBytes;
}

bool HttpLoop::Send(Connection& c, std::string_view bytes, std::size_t* sent) {
  const ssize_t done = ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (done < 0 && errno != EAGAIN && errno != EINTR) return false;
  *sent = done < 0 ? 0 : static_cast<std::size_t>(done);
  return true;
}

void HttpLoop::OnReadable(Connection& c) {
  char* data = read_.get();
  std::size_t room = kReadBytes, before = 0;
  if (c.held_size != 0 && c.held_size <= kMostCopied && BytesExpected(c.progress) <= kReadBytes / 2) {
    std::memcpy(data, c.held.get(), c.held_size);  // so that more requests, which follow, are read with the rest of this one
    before = c.held_size;
    room -= before;
  } else if (c.held_size != 0) {
    // Room for what a client declares is made as its bytes come: a declaration costs nothing.
    const std::size_t expected = BytesExpected(c.progress), twice = std::max(c.held_size * 2, kReadBytes / 4);
    std::size_t wanted = expected > c.held_size ? std::min(expected, twice) : twice;
    if (c.tls != nullptr) wanted = std::max(wanted, c.held_size + kCipherBytes + platform::TlsSession::kSlack);
    if (wanted > c.held_capacity && held_bytes_ + wanted > kMostHeld) {
      Refuse(c, 503, "too many requests are half way here; try again later");
      c.held_size = 0;
      Flush(c);
      return;
    }
    Room(c, wanted);
    data = c.held.get();
    before = c.held_size;
    room = c.held_capacity - before;
  }
  std::size_t got = 0;
  const Got what = Receive(c, data + before, room, &got);
  if (what == Got::kEnd) return Close(c);  // with whatever of a request was there
  if (c.draining) return;
  if (what == Got::kNothing) {
    if (c.tls != nullptr) Flush(c);
    return;
  }
  const std::size_t size = before + got;
  if (data == read_.get()) c.held_size = 0;
  if (c.stream != nullptr) return OnStream(c, {data, size});
  const Speaks speaks = Guess(c, {data, size});
  if (speaks == Speaks::kHttp2) return OnHttp2(c, {data, size});
  if (speaks == Speaks::kUnclear) return Keep(c, data, size, false);
  const std::size_t used = Process(c, data, size);
  if (c.ended && !c.stuck && c.waiting == nullptr) c.last = true;
  if (c.last) {
    c.held_size = 0;
  } else {
    Keep(c, data + used, size - used, used != 0);
  }
  Flush(c);
}

void HttpLoop::Keep(Connection& c, const char* rest, std::size_t size, bool progressed) {
  if (size == 0) {
    c.held_size = 0;
    if (c.held_capacity > kReadBytes / 4) {
      c.held.reset();
      held_bytes_ -= c.held_capacity;
      c.held_capacity = 0;
    }
    c.started = false;
    Touch(c);
    return;
  }
  if (c.held_size == 0) Room(c, size);  // else `rest` lies in `held` itself and only moves down
  std::memmove(c.held.get(), rest, size);
  c.held_size = size;
  if (!c.started || progressed) {  // the time to arrive runs from the request's first byte
    c.started = true;
    c.began = tick_;
  }
  wheel_.Set(&c, tick_, c.began + slow_ticks_ + 1 + static_cast<std::int64_t>(size / kLeastBytesATick));
}

void HttpLoop::Room(Connection& c, std::size_t capacity) {
  if (capacity <= c.held_capacity) return;
  capacity = std::max<std::size_t>(capacity, 4096);
  std::unique_ptr<char[]> larger(new char[capacity + kPadding]());
  if (c.held_size != 0) std::memcpy(larger.get(), c.held.get(), c.held_size);
  c.held = std::move(larger);
  held_bytes_ += capacity - c.held_capacity;
  c.held_capacity = capacity;
}

bool HttpLoop::Flush(Connection& c) {
  if (c.tls != nullptr) {
    if (!output_.empty()) c.tls->Encrypt(output_);
    output_.swap(c.tls->output());
    c.tls->output().clear();
  }
  if (!output_.empty()) {
    std::size_t done = 0;
    if (!Send(c, output_, &done)) {
      output_.clear();
      Close(c);
      return false;
    }
    if (done < output_.size()) {
      c.unsent.assign(output_, done);
      c.unsent_from = 0;
      Watch(c, EPOLLOUT);
      // Who takes little by little is waited for as long as that many bytes may take, not longer for every byte.
      const auto more = static_cast<std::int64_t>(c.unsent.size() / kLeastBytesATick);
      wheel_.Set(&c, tick_, tick_ + slow_ticks_ + 1 + more);
    }
    output_.clear();
    if (output_.capacity() > 4 * kMostOutput) output_.shrink_to_fit();
  }
  return !c.unsent.empty() || FinishSending(c);
}

// All is sent: go on with what was held back, or end.
bool HttpLoop::FinishSending(Connection& c) {
  if (c.waiting != nullptr) {
    if (c.waiting->ready) Resume(c);
    return c.fd >= 0;
  }
  if (c.http2 != nullptr && !c.draining) {
    c.http2->Pump(&output_);
    if (!output_.empty()) return Flush(c);
    c.last = c.last || c.http2->over();
  }
  if (c.stream != nullptr && !c.draining) {
    if (c.stream->more() && !c.last) {
      StreamBytes(c, {});
      return Flush(c);
    }
    c.last = c.last || c.ended;
  }
  if (c.stuck) {
    const std::size_t used = Process(c, c.held.get(), c.held_size);
    const std::size_t size = c.held_size;
    if (c.ended && !c.stuck && c.waiting == nullptr) c.last = true;
    if (c.last) {
      c.held_size = 0;
    } else {
      Keep(c, c.held.get() + used, size - used, used != 0);
    }
    return Flush(c);
  }
  if (c.last && !c.draining) {
    // Closing with unread bytes would reset the connection and might take the answer with it.
    c.draining = true;
    c.started = false;
    c.held_size = 0;
    if (c.tls != nullptr) {
      std::size_t sent = 0;
      c.tls->Close();
      (void)Send(c, c.tls->output(), &sent);  // a courtesy: all that matters is sent
    }
    ::shutdown(c.fd, SHUT_WR);
    wheel_.Set(&c, tick_, tick_ + kDrainTicks);
  }
  return true;
}

void HttpLoop::OnWritable(Connection& c) {
  std::size_t sent = 0;
  if (!Send(c, std::string_view(c.unsent).substr(c.unsent_from), &sent)) return Close(c);
  c.unsent_from += sent;
  if (c.unsent_from < c.unsent.size()) return;
  c.unsent = std::string();
  c.unsent_from = 0;
  Watch(c, EPOLLIN);
  Touch(c);
  FinishSending(c);
}

void HttpLoop::Watch(Connection& c, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &c;
  (void)::epoll_ctl(poll_, EPOLL_CTL_MOD, c.fd, &event);
}

}  // namespace tenon::edge

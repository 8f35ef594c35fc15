#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>

#include "edge/http1_stream_internal.h"
#include "edge/http2_internal.h"
#include "edge/http_parser.h"
#include "platform/tls.h"

namespace tenon::edge {

// A request of HTTP/1.1 whose answer comes later.
struct Http1Waiting {
  std::unique_ptr<HttpLater> what;
  HttpRequest request;   // views into `bytes`
  std::string bytes;
  std::chrono::steady_clock::time_point arrived{};
  bool ready = false;    // it may be answered as soon as the answers before it are sent
  bool parked = false;   // more has come meanwhile: the socket is watched for its end only
};

// One client's connection. Lives in a slab of its loop and is used again.
struct Connection {
  int fd = -1;
  std::uint64_t client = 0;
  std::uint64_t serial = 0;      // no two connections of a loop have the same
  std::string address;
  std::unique_ptr<platform::TlsSession> tls;  // null: plain
  HttpProgress progress;
  // Bytes of a request that is not whole yet, or that waits for earlier answers to be sent. Whole requests are read and
  // answered from the loop's own buffer, so that an idle connection holds none.
  std::unique_ptr<char[]> held;
  std::size_t held_size = 0;
  std::size_t held_capacity = 0;
  std::unique_ptr<Http2Connection> http2;  // once it has begun as one
  std::size_t http2_held = 0;               // bytes that it keeps, as counted
  std::unique_ptr<Http1Stream> stream;      // once a request of HTTP/1.1 has become one: the connection's last
  std::unique_ptr<Http1Waiting> waiting;    // nothing is read or answered while there is one
  std::string unsent;            // as it goes to the network; while there is any, nothing more is read
  std::size_t unsent_from = 0;
  std::int64_t due = 0;          // tick when it is given up
  std::int64_t began = 0;        // tick of the request's first byte
  std::int64_t since = 0;        // steady time when a request came that is left unread, as there is too much to do; 0: none is
  std::int64_t wheel_tick = 0;   // tick of the wheel's slot it is in
  Connection* next = nullptr;    // in the wheel's slot, or of the free ones
  Connection* previous = nullptr;
  bool greeted = false;          // it has asked something, in HTTP/1.1
  bool may_wait = false;         // what it asked last was nothing that must be answered under any load
  bool started = false;          // some bytes of a request have come
  bool last = false;             // closes when all is sent
  bool draining = false;         // all is sent and our side closed; reads and drops what still comes
  bool ended = false;            // the client said that nothing more comes (TLS)
  bool stuck = false;            // whole requests are held back until `unsent` is gone
};

// When connections are due, in slots of one tick; moved lazily, so that a request costs one assignment.
class TimerWheel {
 public:
  static constexpr std::int64_t kSlots = 512;
  void Set(Connection* connection, std::int64_t now, std::int64_t due);
  void Remove(Connection* connection);
  // Takes out all that are due by `now` and hands them to `each`, which may close them.
  template <typename Each>
  void Advance(std::int64_t now, Each each);

 private:
  void Link(Connection* connection, std::int64_t tick);
  std::array<Connection*, kSlots> slots_{};
  std::int64_t at_ = 0;
};

template <typename Each>
void TimerWheel::Advance(std::int64_t now, Each each) {
  if (at_ == 0 || now - at_ > kSlots) at_ = now - std::min(now - 1, kSlots);
  for (; at_ <= now; ++at_) {
    Connection* waiting = slots_[static_cast<std::size_t>(at_ % kSlots)];
    while (waiting != nullptr) {
      Connection* following = waiting->next;
      if (waiting->wheel_tick <= now) {
        Remove(waiting);
        if (waiting->due <= now) {
          each(*waiting);
        } else {
          Link(waiting, std::min(waiting->due, now + kSlots - 2));
        }
      }
      waiting = following;
    }
  }
}

}  // namespace tenon::edge

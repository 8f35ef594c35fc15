#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "edge/http_server.h"

namespace tenon::edge {

// What a client of HTTP/2 begins with (RFC 9113, 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Http2Limits {
  std::size_t most_header = 16 << 10;  // of a request: names and values
  std::size_t most_body = 8 << 20;     // of a request, or of one message; more is refused
  std::chrono::steady_clock::duration slow = std::chrono::seconds(10);  // a request to arrive, an answer to be taken
};

// One connection that speaks HTTP/2: bytes in, bytes out, no sockets. Requests of gRPC (content-type application/grpc) go
// to the handler message by message, others as over HTTP/1.1. Bounded: streams, bytes held, frames that ask for nothing.
// One thread; the handler outlives it.
class Http2Connection {
 public:
  Http2Connection(const Http2Limits& limits, HttpHandler& handler);
  ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;

  // Takes bytes from the client and answers what is whole.
  void Receive(std::string_view bytes, const HttpPeer& from);
  // Appends what is to be sent now, about a megabyte at most; call it again when that is sent.
  void Pump(std::string* out);
  // About four times a second: deadlines, watching calls, clients that are too slow.
  void Tick(std::chrono::steady_clock::time_point now);
  // What the request of that number waits for (HttpLater) is there.
  void Resume(std::uint64_t number, const HttpPeer& peer);
  // Tells the client to go elsewhere; what has begun is still answered, what only watches ends.
  void Drain();
  // Nothing more will come or go.
  bool over() const;
  // Bytes that are kept of requests, and of answers as of the last Tick.
  std::size_t held() const;
  bool idle() const;  // no request is under way
  // The same, and what was asked last may be turned away where there is too much to do (HttpHandler::MayWait).
  bool may_wait() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::edge

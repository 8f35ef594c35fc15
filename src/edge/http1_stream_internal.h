#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "edge/http_body_internal.h"
#include "edge/http_server.h"

namespace tenon::edge {

// A stream (HttpStream) on a connection of HTTP/1.1: takes the body out of its coding and puts the answer into chunks; or neither, once
// the connection was upgraded. One thread.
class Http1Stream {
 public:
  // `length` of the body when it is not chunked; `chunked_answer`: else it lasts until the connection ends, as for HTTP/1.0.
  Http1Stream(std::unique_ptr<HttpStream> what, bool upgraded, bool chunked, std::size_t length, bool chunked_answer)
      : what_(std::move(what)), upgraded_(upgraded), chunked_answer_(chunked_answer), body_(chunked, length) {}

  // Bytes from the network; none: goes on with what is held.
  void Receive(std::string_view bytes, const HttpPeer& peer, std::string* out);
  void Tick(std::chrono::steady_clock::time_point now, std::string* out);
  void Drain(std::string* out);
  bool more() const { return !over_ && what_->more(); }
  bool over() const { return over_; }
  std::size_t held() const { return what_->held(); }
  std::size_t counted = 0;  // of held(), in the loop's sum

 private:
  void Read(std::string_view bytes, const HttpPeer& peer);
  void Say(std::string* out);

  std::unique_ptr<HttpStream> what_;
  const bool upgraded_, chunked_answer_;
  HttpBodyReader body_;
  bool body_ended_ = false, over_ = false;
  std::string part_;
};

}  // namespace tenon::edge

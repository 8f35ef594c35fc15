#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"

namespace tenon::edge {

struct HttpPeer;

// Where other threads say that what a request waits for is there: one an event loop. Ring from any thread; the rest on the loop's own.
class HttpBell {
 public:
  // Of one request that waits: its connection, as the loop knows it, and its number.
  struct Call {
    void* connection = nullptr;
    std::uint64_t serial = 0;  // of the connection: another one may stand at its place later
    std::uint64_t number = 0;
  };
  explicit HttpBell(int wake) : wake_(wake) {}
  std::uint64_t NewNumber() { return ++numbers_; }
  void Ring(const Call& call);
  // What rang since the last Take.
  void Take(std::vector<Call>* out);
  // Nobody listens any more: further rings are nothing.
  void Close();

 private:
  std::uint64_t numbers_ = 0;
  Mutex mutex_;
  int wake_ TENON_GUARDED_BY(mutex_);  // an eventfd of the loop's; -1: closed
  std::vector<Call> rung_ TENON_GUARDED_BY(mutex_);
};

// What a request waits for whose answer comes later: made by a handler while it handles the request (HttpResponse::later), kept by
// the loop, given back to the handler when wake() was called (HttpHandler::Resume). Destroyed on the loop's thread: when the answer is
// given, or before that when the client or the server is gone, which is how a handler hears that nobody wants it any more.
class HttpLater {
 public:
  // The peer's bell must not be null.
  explicit HttpLater(const HttpPeer& peer);
  virtual ~HttpLater() = default;
  HttpLater(const HttpLater&) = delete;
  HttpLater& operator=(const HttpLater&) = delete;

  // Says that it is there. May be kept and called from any thread, at any time, also when the request or the server is gone: then it is
  // nothing. Once is enough; more often means that the handler is asked again.
  class Wake {
   public:
    void operator()() const { bell_->Ring(call_); }

   private:
    friend class HttpLater;
    std::shared_ptr<HttpBell> bell_;
    HttpBell::Call call_;
  };
  const Wake& wake() const { return wake_; }
  std::uint64_t number() const { return wake_.call_.number; }

 private:
  Wake wake_;
};

}  // namespace tenon::edge

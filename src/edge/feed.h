#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "platform/byte_ring.h"

namespace tenon::edge {

// What a feed's records come to. Called on the feed's own thread, which may wait for disks and networks.
class FeedSink {
 public:
  virtual ~FeedSink() = default;
  virtual void Take(std::string_view record) = 0;
  // After each look at the rings, about twenty times a second; `ending`: nothing comes after it, be brief.
  virtual void Rest(bool ending) = 0;
};

// Records from a server's threads to one thread of its own: a ring each, so that Put never waits; what finds no room is
// dropped and counted.
class Feed {
 public:
  Feed(int threads, std::uint64_t ring_bytes, std::unique_ptr<FeedSink> sink);
  ~Feed();  // hands over what is there
  // From that thread only.
  void Put(int thread, std::string_view record) {
    if (!rings_[static_cast<std::size_t>(thread)]->Put(0, record)) dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  std::int64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void Run();
  void Drain();

  std::vector<std::unique_ptr<platform::ByteRing>> rings_;
  std::unique_ptr<FeedSink> sink_;
  std::atomic<std::int64_t> dropped_{0};
  Mutex mutex_;
  Condition wake_;
  bool ending_ TENON_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tenon::edge

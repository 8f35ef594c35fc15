#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace tenon::edge {

// A token bucket a client: `rate` requests a second on average, bursts of one second's worth (at least one). Kept as the
// time when the bucket will be full again (the generic cell rate algorithm), one atomic word a client; clients whose
// keys share a cell share a bucket, which a random seed makes rare and not to be aimed at. Thread-safe, without locks.
class RateLimit {
 public:
  RateLimit(double rate, std::uint64_t seed);
  // Takes a token; false when there is none, with the time until there is one.
  bool Take(std::uint64_t client, std::chrono::steady_clock::time_point now, std::chrono::nanoseconds* wait);

 private:
  static constexpr std::size_t kCells = 1 << 16;
  std::int64_t interval_;  // nanoseconds a token
  std::int64_t burst_;     // nanoseconds of tokens a bucket holds
  std::uint64_t seed_;
  std::unique_ptr<std::atomic<std::int64_t>[]> cells_;
};

}  // namespace tenon::edge

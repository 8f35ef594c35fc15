#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace tenon::edge {

// A token bucket a client: `rate` tokens a second on average, bursts of `burst` (at least one token). Kept as the time when the bucket will be full again (the generic cell rate algorithm), one atomic word a client; clients whose
// keys share a cell share a bucket, which a random seed makes rare and not to be aimed at. Thread-safe, without locks.
class RateLimit {
 public:
  RateLimit(double rate, std::uint64_t seed, std::chrono::nanoseconds burst = std::chrono::seconds(1));
  // Takes a token; false when there is none, with the time until there is one. A rate other than 0 stands for the
  // limit's own.
  bool Take(std::uint64_t client, std::chrono::steady_clock::time_point now, std::chrono::nanoseconds* wait, double rate = 0);
  // Whether there is a token, without taking it.
  bool Has(std::uint64_t client, std::chrono::steady_clock::time_point now, std::chrono::nanoseconds* wait) const;
  // Takes that many, though there may be fewer: the client waits for the difference.
  void Spend(std::uint64_t client, std::chrono::steady_clock::time_point now, std::int64_t tokens);

 private:
  std::atomic<std::int64_t>& CellOf(std::uint64_t client) const;
  static constexpr std::size_t kCells = 1 << 16;
  std::int64_t interval_;  // nanoseconds a token
  std::int64_t burst_;     // nanoseconds of tokens a bucket holds
  std::uint64_t seed_;
  std::unique_ptr<std::atomic<std::int64_t>[]> cells_;
};

}  // namespace tenon::edge

#include "edge/rate_limit.h"

#include <algorithm>

#include "base/hash.h"

namespace tenon::edge {

RateLimit::RateLimit(double rate, std::uint64_t seed)
    : interval_(static_cast<std::int64_t>(1e9 / rate)), burst_(std::max<std::int64_t>(1'000'000'000, interval_)), seed_(seed),
      cells_(new std::atomic<std::int64_t>[kCells]()) {}

bool RateLimit::Take(std::uint64_t client, std::chrono::steady_clock::time_point now, std::chrono::nanoseconds* wait) {
  std::atomic<std::int64_t>& cell = cells_[Hash64(client, seed_) % kCells];
  const std::int64_t at = std::chrono::nanoseconds(now.time_since_epoch()).count();
  std::int64_t full = cell.load(std::memory_order_relaxed);
  while (true) {
    const std::int64_t next = std::max(full, at) + interval_;
    if (next - at > burst_) {
      *wait = std::chrono::nanoseconds(next - at - burst_);
      return false;
    }
    if (cell.compare_exchange_weak(full, next, std::memory_order_relaxed)) return true;
  }
}

}  // namespace tenon::edge

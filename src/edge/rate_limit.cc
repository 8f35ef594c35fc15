#include "edge/rate_limit.h"

#include <algorithm>

#include "base/hash.h"

namespace tenon::edge {

namespace {

std::int64_t NanosOf(std::chrono::steady_clock::time_point at) { return std::chrono::nanoseconds(at.time_since_epoch()).count(); }

}  // namespace

RateLimit::RateLimit(double rate, std::uint64_t seed, std::chrono::nanoseconds burst)
    : interval_(rate > 0 ? static_cast<std::int64_t>(1e9 / rate) : 0), burst_(std::max<std::int64_t>(burst.count(), interval_)),
      seed_(seed), cells_(new std::atomic<std::int64_t>[kCells]()) {}

bool RateLimit::Take(std::uint64_t client, std::chrono::steady_clock::time_point now, std::chrono::nanoseconds* wait, double rate) {
  std::atomic<std::int64_t>& cell = CellOf(client);
  const std::int64_t at = NanosOf(now), interval = rate > 0 ? static_cast<std::int64_t>(1e9 / rate) : interval_;
  const std::int64_t burst = std::max(burst_, interval);
  std::int64_t full = cell.load(std::memory_order_relaxed);
  while (true) {
    const std::int64_t next = std::max(full, at) + interval;
    if (next - at > burst) {
      *wait = std::chrono::nanoseconds(next - at - burst);
      return false;
    }
    if (cell.compare_exchange_weak(full, next, std::memory_order_relaxed)) return true;
  }
}

bool RateLimit::Has(std::uint64_t client, std::chrono::steady_clock::time_point now, std::chrono::nanoseconds* wait) const {
  const std::int64_t at = NanosOf(now), next = std::max(CellOf(client).load(std::memory_order_relaxed), at) + interval_;
  if (next - at <= burst_) return true;
  *wait = std::chrono::nanoseconds(next - at - burst_);
  return false;
}

void RateLimit::Spend(std::uint64_t client, std::chrono::steady_clock::time_point now, std::int64_t tokens) {
  std::atomic<std::int64_t>& cell = CellOf(client);
  const std::int64_t at = NanosOf(now);
  std::int64_t full = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(full, std::max(full, at) + tokens * interval_, std::memory_order_relaxed)) {
  }
}

std::atomic<std::int64_t>& RateLimit::CellOf(std::uint64_t client) const { return cells_[Hash64(client, seed_) % kCells]; }

}  // namespace tenon::edge

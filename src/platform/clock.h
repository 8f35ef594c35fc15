#pragma once

#include <atomic>

#include "base/call.h"

namespace tenon::platform {

// The machine's clocks. Safe from any thread.
class RealClock final : public Clock {
 public:
  Micros Now() const override;
  std::chrono::steady_clock::time_point Steady() const override;
};

// Time that moves only when told to, for tests: both clocks go on together. Safe from any thread.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Micros start = 0) : now_(start) {}
  Micros Now() const override { return now_; }
  std::chrono::steady_clock::time_point Steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(now_.load()));
  }
  void Advance(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<Micros> now_;
};

}  // namespace tenon::platform

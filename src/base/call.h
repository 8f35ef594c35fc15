#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace tenon {

enum class Level { kDebug, kInfo, kWarning, kError };

// Where a message goes is decided in app/. Safe from any thread.
class Log {
 public:
  virtual ~Log() = default;
  virtual void Write(Level level, std::string_view message) = 0;
};

// Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Micros Now() const = 0;                                        // wall clock
  virtual std::chrono::steady_clock::time_point Steady() const = 0;      // for deadlines and durations
};

// How far a long call has come. `fraction` is 0..1, or negative when nobody can know.
struct Progress {
  std::string_view what;
  double fraction = -1;
};

// What every long function is told first: when to stop, by when, for whom, from which seed. Cheap to copy; the objects
// pointed to outlive the call. A default Call never stops, writes nowhere and has seed 1: for tests and short helpers.
struct Call {
  std::stop_token stop;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::string actor = "local";
  std::uint64_t seed = 1;
  int threads = 1;
  tenon::Log* log = nullptr;      // may be null
  const tenon::Clock* clock = nullptr;  // may be null: the real one
  std::function<void(const tenon::Progress&)> progress;  // may be empty; from one thread at a time

  // cancelled or deadline_exceeded once it is time to give up; loops ask it every few thousand rows.
  Result<void> Check() const;
  void Say(Level level, std::string_view message) const;
  void Report(std::string_view what, double fraction = -1) const;
  Micros Now() const;
};

}  // namespace tenon

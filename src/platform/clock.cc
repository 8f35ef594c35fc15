#include "platform/clock.h"

namespace tenon::platform {

Micros RealClock::Now() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::chrono::steady_clock::time_point RealClock::Steady() const { return std::chrono::steady_clock::now(); }

}  // namespace tenon::platform

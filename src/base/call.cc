#include "base/call.h"

namespace tenon {

Result<void> Call::Check() const {
  if (stop.stop_requested()) return Error(Code::kCancelled, "stopped on request");
  if (deadline != std::chrono::steady_clock::time_point::max()) {
    const auto now = clock != nullptr ? clock->Steady() : std::chrono::steady_clock::now();
    if (now >= deadline) return Error(Code::kDeadlineExceeded, "the time given for it is over");
  }
  return {};
}

void Call::Say(Level level, std::string_view message) const {
  if (log != nullptr) log->Write(level, message);
}

void Call::Report(std::string_view what, double fraction) const {
  if (progress) progress({what, fraction});
}

Micros Call::Now() const {
  if (clock != nullptr) return clock->Now();
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace tenon

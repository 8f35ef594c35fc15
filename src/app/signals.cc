#include "app/signals.h"

#include <csignal>
#include <cstdlib>
#include <thread>

namespace tenon::app {

// Signals are taken by one thread that waits for them, so that no handler runs anywhere else.
void StopOnSignals(std::stop_source stop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::thread([signals, stop]() mutable {
    int taken = 0;
    sigwait(&signals, &taken);
    stop.request_stop();
    // The second signal means it.
    sigwait(&signals, &taken);
    std::_Exit(128 + taken);
  }).detach();
}

}  // namespace tenon::app

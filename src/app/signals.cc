#include "app/signals.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
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

int InheritedSocket() {
  const char* process = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  const bool ours = process != nullptr && count != nullptr && std::atol(process) == ::getpid() && std::atoi(count) >= 1;
  return ours ? 3 : -1;
}

void Leave(Terminal& terminal, const std::function<int()>& work) {
  int status = 0;
  try {
    status = work();
  } catch (const std::exception& unforeseen) {
    terminal.Note(std::string("error: ") + unforeseen.what());
    status = RowOf(Code::kInternal).exit;
  }
  std::fflush(nullptr);
  std::_Exit(status);
}

}  // namespace tenon::app

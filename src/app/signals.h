#pragma once

#include <functional>
#include <stop_token>

#include "app/terminal.h"

namespace tenon::app {

// Asks `stop` to stop at the first SIGINT or SIGTERM, ends the process at the second, and lets writes to closed sockets fail
// instead of killing it. Once, first thing in main: threads that were started before would take signals themselves.
void StopOnSignals(std::stop_source stop);

// The socket that whoever started this program listens at for it (sd_listen_fds(3): LISTEN_PID and LISTEN_FDS), so that
// requests wait there until it is up; -1 when there is none. Once, before programs are started.
int InheritedSocket();

// The last thing in main: does the work and leaves with the status it gives, at once, as libraries loaded on use start threads
// of their own whose teardown has no order. What is thrown all the same is told, as an internal error.
[[noreturn]] void Leave(Terminal& terminal, const std::function<int()>& work);

}  // namespace tenon::app

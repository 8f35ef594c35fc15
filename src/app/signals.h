#pragma once

#include <stop_token>

namespace tenon::app {

// Asks `stop` to stop at the first SIGINT or SIGTERM, ends the process at the second, and lets writes to closed sockets fail
// instead of killing it. Once, first thing in main: threads that were started before would take signals themselves.
void StopOnSignals(std::stop_source stop);

}  // namespace tenon::app

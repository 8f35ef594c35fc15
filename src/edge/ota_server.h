#pragma once

#include <memory>

#include "edge/server.h"
#include "ota/depot.h"

namespace tenon::edge {

// Gives releases out to devices: a server of its own, because a bundle's first read waits for the disk. docs/15-devices.md
//   GET  /v1/ota/<channel>?device=..&version=..     what the device should have, signed; {"release":null} when it has it
//   GET  /v1/ota/<channel>/bundles/<sha256>         the bundle; Range is honoured
//   POST /v1/ota/<channel>/reports                  what the device says
//   GET  /healthz
// The depot outlives the server. What is given out is signed, and no secret; where options.access has keys, any of them is asked for,
// except by /healthz.
Result<std::unique_ptr<Server>> StartOtaServer(const ServerOptions& options, ota::Depot& depot);

}  // namespace tenon::edge

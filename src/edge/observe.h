#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "platform/files.h"

namespace tenon::edge {

// Where and how spans are sent: OTLP over HTTP, protobuf.
struct TraceOptions {
  std::string url;                   // "http://collector:4318/v1/traces"; "": no tracing
  double sample = 1;                 // share of the traces that begin here; others follow their parent
  std::vector<std::string> headers;  // whole lines, such as "Authorization: Bearer ..."
  std::string service = "tenon";     // service.name
  std::string ca;                    // PEM of who is trusted; "": whom the system trusts
};

// One JSON line a request.
struct AccessLogOptions {
  std::string path;                  // "": none
  double sample = 1;                 // share of the requests answered without an error; errors are always logged
  std::int64_t rotate_bytes = 64 << 20;
  int keep = 5;                      // rotated files: <path>.1 is the newest
};

// CloudEvents of predictions, as KServe's logger sends them.
struct EventOptions {
  std::string url;                   // "": none
  std::string mode = "all";          // all, request, response
  std::string source;                // "": the server's own address
  std::string ca;
};

struct ObserveOptions {
  platform::Files* files = nullptr;  // needed when anything is on; outlives the server
  TraceOptions trace;
  AccessLogOptions access_log;
  EventOptions events;
  bool any() const { return !trace.url.empty() || !access_log.path.empty() || !events.url.empty(); }
};

}  // namespace tenon::edge

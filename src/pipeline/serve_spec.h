#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tenon::pipeline {

// What the user wrote under `serve.tls`. Paths are below the project's folder unless absolute.
struct TlsSpec {
  std::string certificate, key;  // PEM; "": no TLS
  std::string client_ca;         // who signs clients' certificates; "": none is asked for
  std::vector<std::string> client_scopes = {"predict", "explain"};
  static Result<TlsSpec> Parse(const Json* json, std::string_view folder, std::string_view file);
};

// What the user wrote under `serve.limits`: what one client may, and when all together are too many.
struct LimitsSpec {
  double budget = 0;                                         // predictions a day and principal; 0: no limit
  std::chrono::milliseconds longest_queue{0};                // 0: no limit
  std::int64_t connections = 0;                              // at a time; 0: 16384 a thread
  std::int64_t instances = 0;                                // of one request; 0: no limit but most_body
  std::int64_t text_bytes = 0;                               // of one value; 0: no limit but most_body
  static Result<LimitsSpec> Parse(const Json* json, std::string_view file);
};

// What the user wrote under `serve.outputs`: how answers are made less exact.
struct OutputsSpec {
  int round = -1;          // decimals; -1: as they are
  double epsilon = 0;      // of laplace; 0: no noise
  double sensitivity = 1;
  static Result<OutputsSpec> Parse(const Json* json, std::string_view file);
};

// What the user wrote under `serve.trace`.
struct TraceSpec {
  std::string endpoint;    // "http://collector:4318"; "": none
  double sample = 1;
  std::vector<std::string> headers;
  std::string service;     // "": the project's name
  std::string ca;
  static Result<TraceSpec> Parse(const Json* json, std::string_view folder, std::string_view file);
};

// What the user wrote under `serve.access_log`.
struct AccessLogSpec {
  std::string path;        // "": none
  double sample = 1;
  std::int64_t rotate_bytes = 64 << 20;
  int keep = 5;
  static Result<AccessLogSpec> Parse(const Json* json, std::string_view folder, std::string_view file);
};

// What the user wrote under `serve.events`.
struct EventsSpec {
  std::string url;         // "": none
  std::string mode = "all";
  std::string source;
  std::string ca;
  static Result<EventsSpec> Parse(const Json* json, std::string_view folder, std::string_view file);
};

// What the user wrote under `serve.log`: the inference log.
struct LogSpec {
  double sample = 1;
  std::chrono::microseconds keep{0};
  std::int64_t keep_bytes = 0;
  std::vector<std::string> drop, hash;  // fields
  std::chrono::microseconds parquet_every{0};  // how long a time one Parquet file covers; 0: none are written
  std::chrono::microseconds parquet_keep{0};   // 0: for ever
  static Result<LogSpec> Parse(const Json* json, std::string_view file);
};

}  // namespace tenon::pipeline

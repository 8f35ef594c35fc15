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
  std::int64_t connections = 0;                              // of one address; 0: no limit
  std::int64_t instances = 0;                                // of one request; 0: no limit but most_body
  std::int64_t text_bytes = 0;                               // of one value; 0: no limit but most_body
  static Result<LimitsSpec> Parse(const Json* json, std::string_view file);
};

}  // namespace tenon::pipeline

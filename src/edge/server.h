#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/json.h"
#include "edge/answer_stream.h"
#include "edge/observe.h"
#include "govern/access.h"
#include "platform/tls.h"
#include "serve/core_price.h"
#include "serve/feedback.h"
#include "serve/inference_log.h"
#include "serve/mirror.h"
#include "serve/route.h"

namespace tenon::edge {

// A call of the feature server, and its answer.
struct FeatureCall {
  std::string_view path, query, body, accept;
  bool sensitive = false;  // whether the asker may read features that are marked so
};
struct FeatureReply {
  int status = 200;
  std::string body = {};
  std::string_view content_type = {};  // lives for ever; "": JSON, or nothing
};
// Answers one; from any thread.
using AnswerFeatureCall = std::function<FeatureReply(const FeatureCall& call)>;

// Looks up what models read of feature views, for the rows of requests of every protocol. Called from any thread.
class RowCompletion {
 public:
  virtual ~RowCompletion() = default;
  // Whether a model with these fields reads a feature of a view.
  virtual bool Completes(const std::vector<std::string>& fields) const = 0;
  // Adds the features to rows, objects by field name, and takes out what only names entities and times. `sensitive`: whether the asker may
  // have features looked up that are marked so. Errors: invalid_argument naming the row, permission_denied.
  virtual Result<void> Complete(std::vector<Json>& rows, const std::vector<std::string>& fields, bool sensitive) = 0;
  // What was looked up until now: for /metrics. Seconds since 1970; 0: none.
  struct View {
    std::string name;
    std::int64_t found = 0, absent = 0, stale = 0;
    double newest_event = 0, materialized = 0;
  };
  virtual std::vector<View> Views() const = 0;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  int port = 8080;                  // 0: a free one; -1: none, streams alone are answered
  int inherited = -1;               // a socket that listens already, instead of address and port: its waiting connections are
                                    // taken; the server closes it. -1: none
  int threads = 0;                  // 0: one a core
  std::int64_t most_body = 8 << 20; // bytes of a request's body; more is 413
  std::int64_t most_header = 16 << 10;
  int grpc_port = -1;               // a port of its own for gRPC, beside the one that takes both; 0: a free one, -1: none
  bool repository = true;           // whether requests may load and unload models
  double rate = 0;                  // requests a second and principal (key, certificate, else address); 0: no limit; more is 429
  double budget = 0;                // predictions a day and principal; 0: no limit; more is 429
  std::chrono::milliseconds longest_queue = std::chrono::milliseconds(0);  // waited longer under load: 503; 0: no limit
  int most_connections = 0;         // at a time; who comes when there are so many gets 503 and is closed; 0: 16384 a thread
  serve::CorePrice price;           // what answers cost is told when it is given
  const govern::Access* access = nullptr;      // outlives the server; null: open to everybody
  ObserveOptions observe;
  std::vector<AnswerStreamOptions> streams;    // sources whose records are answered beside requests
  const platform::TlsServer* tls = nullptr;  // outlives the server; null: plain HTTP
  // What rollouts need; each may be null and outlives the server.
  serve::Tallies* tallies = nullptr;       // counts what the arms do
  serve::Mirror* mirror = nullptr;         // shows requests to shadows
  serve::FeedbackLog* feedback = nullptr;  // takes labels; without it there is no :feedback
  RowCompletion* completion = nullptr;     // outlives the server; null: requests bring all that a model reads
  AnswerFeatureCall features;              // Feast's calls over the online features; empty: there are none
  std::function<Json()> readiness;         // what /healthz says beside "ready": the arms, and why one is left out
  std::chrono::seconds idle = std::chrono::seconds(60);      // a connection without a request is closed
  std::chrono::seconds slow = std::chrono::seconds(10);      // a request that takes longer to arrive is 408
};

// The HTTP/1.1 server: one event loop a thread, each with its own listening socket (SO_REUSEPORT); answers all
// pipelined requests of a read with one write; endpoints are read without a lock. Routes: docs/reference/http.md
//   POST /v1/endpoints/<name>:predict | :explain   {"instances":[{...}]}
//   POST /v1/endpoints/<name>:feedback             {"labels":[{"id":"...","label":"..."}]}
//   POST /v1/endpoints/<name>:stream, GET for a WebSocket   instances one by one
//   GET  /v1/endpoints[/<name>]
//   Open Inference Protocol V2: /v2, /v2/health/live|ready, /v2/models/..., infer
//   V1 and TensorFlow Serving: /v1/models/<name>[/versions/<v>][:predict|:classify|:regress]
//   Vertex AI: /v1/projects/<p>/locations/<l>/endpoints/<name>:predict|:explain
//   /metrics  /healthz  /
class Server {
 public:
  virtual ~Server() = default;       // as Stop
  virtual int port() const = 0;       // takes HTTP/1.1, and HTTP/2 of clients that begin with it, so gRPC too
  virtual int grpc_port() const = 0;  // the port of its own, or the same
  // Ready says no from now on; requests under way finish, up to `grace`; then connections close. Idempotent.
  virtual void Stop(std::chrono::milliseconds grace) = 0;
  virtual void StopStreams() {}                                          // what is under way is kept
  virtual std::vector<AnswerStreamState> streams() const { return {}; }  // as those of the options
};

// Everything given outlives the server; `log` may be null. `ready` is asked by readiness probes and may be empty.
Result<std::unique_ptr<Server>> StartServer(const ServerOptions& options, serve::Endpoints& endpoints,
                                            serve::InferenceLog* log, std::function<bool()> ready);

}  // namespace tenon::edge

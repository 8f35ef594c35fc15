#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "edge/feed.h"
#include "edge/guard.h"
#include "edge/http_server.h"
#include "edge/observe.h"
#include "edge/trace.h"
#include "platform/post.h"
#include "serve/endpoint.h"

namespace tenon::edge {

// What the sinks counted; written by their threads.
struct ObserveCounts {
  std::atomic<std::int64_t> spans_sent{0}, spans_failed{0}, lines_written{0}, lines_failed{0}, events_sent{0}, events_failed{0};
};

// Spans in batches, with retries. `files` outlives it.
Result<std::unique_ptr<FeedSink>> MakeTraceSink(platform::Files& files, const TraceOptions& options, ObserveCounts& counts);
Result<std::unique_ptr<FeedSink>> MakeAccessLogSink(platform::Files& files, const AccessLogOptions& options, ObserveCounts& counts);
Result<std::unique_ptr<FeedSink>> MakeEventSink(platform::Files& files, const EventOptions& options, ObserveCounts& counts);

// What is kept of requests and shared by a server's threads.
class Observers {
 public:
  // Errors: an address that is none, a log file that cannot be opened.
  static Result<std::unique_ptr<Observers>> Make(const ObserveOptions& options, int threads, std::string source);
  const ObserveOptions options;
  const std::string source;  // of events
  ObserveCounts counts;
  std::unique_ptr<Feed> traces, access_log, events;  // null: off

 private:
  Observers(const ObserveOptions& its_options, std::string its_source) : options(its_options), source(std::move(its_source)) {}
};

// One event of a prediction, as it goes through the feed.
struct PayloadEvent {
  bool response = false;
  std::string_view id, endpoint, model, content_type, traceparent, body, source;
  std::int64_t at = 0;  // microseconds since 1970
};
void AppendPayloadEvent(const PayloadEvent& event, std::string* out);
bool ReadPayloadEvent(std::string_view record, PayloadEvent* out);  // views into the record

// One thread's part: looks at each request before and after it is answered.
class Observer {
 public:
  Observer(Observers& shared, int thread, std::uint64_t seed);
  struct Seen {
    const HttpRequest& request;      // as it was routed
    const HttpPeer& peer;
    const HttpResponse& response;    // before it is compressed
    std::string_view asker;
    const serve::Served* served;     // null: no version answered
    std::chrono::steady_clock::time_point began;
    int grpc = -1;                   // the status of a call of gRPC; -1: it is none
  };
  // Finds the request's trace, or begins one.
  void Begin(const HttpRequest& request);
  void End(const Seen& seen);
  bool KeepsPayloads() const { return shared_.events != nullptr; }

 private:
  void WriteLine(const Seen& seen, std::int64_t nanos, std::int64_t now);
  void WriteSpan(const Seen& seen, std::int64_t nanos, std::int64_t now);
  void WriteEvents(const Seen& seen, std::int64_t nanos, std::int64_t now);
  std::uint64_t Random();

  Observers& shared_;
  const int thread_;
  std::uint64_t state_;
  TraceContext trace_;
  std::array<std::uint8_t, 8> own_{};
  std::string tracestate_, line_, span_, event_, id_, traceparent_, second_text_;
  std::int64_t second_ = -1;
};

// "/v1/endpoints/{name}:predict": the path without what differs from request to request.
std::string_view RouteOf(std::string_view path);

}  // namespace tenon::edge

#include <cstdio>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "edge/observer_internal.h"

namespace tenon::edge {
namespace {

constexpr std::uint64_t kRingBytes = 1 << 20, kEventRingBytes = 8 << 20;
constexpr std::size_t kMostAgent = 200, kMostPath = 2048, kMostId = 128;

std::string_view NameOf(Method method) {
  static constexpr std::string_view kNames[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"};
  return kNames[static_cast<std::size_t>(method)];
}

void AppendNumber(std::int64_t value, std::string* out) { *out += std::to_string(value); }

void AppendField(std::string_view key, std::string_view value, std::string* out) {
  *out += ",\"";
  *out += key;
  *out += "\":";
  AppendJsonString(value, out);
}

// ":predict" at the end of a path, or nothing.
std::string_view VerbOf(std::string_view path) {
  for (const std::string_view verb : {":predict", ":explain", ":classify", ":regress", ":rawPredict", ":stream"}) {
    if (path.ends_with(verb)) return verb;
  }
  return {};
}

bool IsInference(std::string_view route) { return route.ends_with("/infer") || !VerbOf(route).empty(); }

}  // namespace

std::string_view RouteOf(std::string_view path) {
  const auto ends = [&](std::string_view end) { return path.ends_with(end); };
  if (path.starts_with("/v1/endpoints/")) {
    if (ends(":stream")) return "/v1/endpoints/{name}:stream";
    return ends(":predict") ? "/v1/endpoints/{name}:predict" : ends(":explain") ? "/v1/endpoints/{name}:explain" : "/v1/endpoints/{name}";
  }
  if (path.starts_with("/v1/models/")) {
    for (const std::string_view route : {"/v1/models/{name}:predict", "/v1/models/{name}:explain", "/v1/models/{name}:classify", "/v1/models/{name}:regress"}) {
      if (ends(route.substr(route.rfind(':')))) return route;
    }
    return "/v1/models/{name}";
  }
  if (path.starts_with("/v1/projects/")) {
    constexpr std::string_view kPrefix = "/v1/projects/{project}/locations/{location}/endpoints/{name}";
    for (const std::string_view route : {"/v1/projects/{project}/locations/{location}/endpoints/{name}:predict", "/v1/projects/{project}/locations/{location}/endpoints/{name}:explain",
                                         "/v1/projects/{project}/locations/{location}/endpoints/{name}:rawPredict"}) {
      if (ends(route.substr(kPrefix.size()))) return route;
    }
    return kPrefix;
  }
  if (path.starts_with("/v2/models/")) {
    for (const std::string_view route : {"/v2/models/{name}/infer", "/v2/models/{name}/ready", "/v2/models/{name}/config", "/v2/models/{name}/stats"}) {
      if (ends(route.substr(route.rfind('/')))) return route;
    }
    return "/v2/models/{name}";
  }
  if (path.starts_with("/v2/repository/")) return "/v2/repository";
  for (const std::string_view route : {"/", "/healthz", "/metrics", "/v1/endpoints", "/v1/models", "/openapi.json", "/docs", "/v2", "/v2/models", "/v2/health/live", "/v2/health/ready"}) {
    if (path == route) return route;
  }
  return {};
}

Result<std::unique_ptr<Observers>> Observers::Make(const ObserveOptions& options, int threads, std::string source) {
  std::unique_ptr<Observers> made(new Observers(options, options.events.source.empty() ? std::move(source) : options.events.source));
  if (!options.trace.url.empty()) {
    TENON_ASSIGN(auto sink, MakeTraceSink(*options.files, options.trace, made->counts), "tracing");
    made->traces = std::make_unique<Feed>(threads, kRingBytes, std::move(sink));
  }
  if (!options.access_log.path.empty()) {
    TENON_ASSIGN(auto sink, MakeAccessLogSink(*options.files, options.access_log, made->counts), "the access log");
    made->access_log = std::make_unique<Feed>(threads, kRingBytes, std::move(sink));
  }
  if (!options.events.url.empty()) {
    TENON_ASSIGN(auto sink, MakeEventSink(*options.files, options.events, made->counts), "payload events");
    made->events = std::make_unique<Feed>(threads, kEventRingBytes, std::move(sink));
  }
  return made;
}

Observer::Observer(Observers& shared, int thread, std::uint64_t seed) : shared_(shared), thread_(thread), state_(Hash64(seed, static_cast<std::uint64_t>(thread) + 1)) {}

std::uint64_t Observer::Random() {
  state_ += 0x9e3779b97f4a7c15;  // splitmix64
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void Observer::Begin(const HttpRequest& request) {
  tracestate_.clear();
  const std::uint64_t own = Random() | 1;
  for (std::size_t i = 0; i < 8; ++i) own_[i] = static_cast<std::uint8_t>(own >> (8 * i));
  if (ReadTraceparent(request.Header("traceparent"), &trace_)) {
    if (trace_.sampled()) ReadTracestate(request, &tracestate_);
    return;
  }
  trace_ = {};
  const std::uint64_t high = Random(), low = Random() | 1;
  for (std::size_t i = 0; i < 8; ++i) {
    trace_.trace[i] = static_cast<std::uint8_t>(high >> (8 * i));
    trace_.trace[8 + i] = static_cast<std::uint8_t>(low >> (8 * i));
  }
  trace_.flags = 2;  // its bits are random
  if (shared_.traces != nullptr && Sampled(trace_, shared_.options.trace.sample)) trace_.flags |= 1;
}

void Observer::End(const Seen& seen) {
  const std::int64_t nanos = std::chrono::nanoseconds(std::chrono::steady_clock::now() - seen.began).count();
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (shared_.access_log != nullptr) WriteLine(seen, nanos, now);
  if (shared_.traces != nullptr && trace_.sampled()) WriteSpan(seen, nanos, now);
  const bool inference = seen.grpc >= 0 ? !seen.request.body.empty() : IsInference(RouteOf(seen.request.path));
  if (shared_.events != nullptr && inference) WriteEvents(seen, nanos, now);
}

void Observer::WriteLine(const Seen& seen, std::int64_t nanos, std::int64_t now) {
  const AccessLogOptions& options = shared_.options.access_log;
  if (options.sample < 1 && seen.response.status < 400 && static_cast<double>(Random() >> 11) * 0x1p-53 >= options.sample) return;
  const std::int64_t micros = now / 1000;
  if (micros / 1'000'000 != second_) {
    second_ = micros / 1'000'000;
    second_text_ = FormatTimestamp(second_ * 1'000'000);
    second_text_.pop_back();  // the Z
  }
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>(micros % 1'000'000));
  line_ = "{\"time\":\"";
  line_ += second_text_;
  line_ += fraction;
  line_ += "\",\"method\":\"";
  line_ += NameOf(seen.request.method);
  line_ += '"';
  AppendField("path", seen.request.path.substr(0, kMostPath), &line_);
  if (!seen.request.query.empty()) AppendField("query", MaskSecrets(std::string(seen.request.query.substr(0, kMostPath))), &line_);
  line_ += ",\"status\":";
  AppendNumber(seen.response.status, &line_);
  line_ += ",\"seconds\":";
  line_ += FormatDouble(static_cast<double>(nanos / 100) * 1e-7);
  line_ += ",\"bytes_in\":";
  AppendNumber(static_cast<std::int64_t>(seen.request.body.size()), &line_);
  line_ += ",\"bytes_out\":";
  AppendNumber(static_cast<std::int64_t>(seen.response.body.size()), &line_);
  AppendField("client", seen.peer.address, &line_);
  if (!seen.asker.empty()) AppendField("principal", seen.asker, &line_);
  if (seen.served != nullptr) AppendField("model", seen.served->model, &line_);
  if (const std::string_view agent = seen.request.Header("user-agent"); !agent.empty()) AppendField("agent", agent.substr(0, kMostAgent), &line_);
  if (const std::string_view id = seen.request.Header("x-request-id"); !id.empty()) AppendField("request_id", id.substr(0, kMostId), &line_);
  if (trace_.has_parent() || trace_.sampled()) {
    line_ += ",\"trace_id\":\"";
    AppendHex(trace_.trace.data(), trace_.trace.size(), &line_);
    line_ += '"';
  }
  line_ += "}\n";
  shared_.access_log->Put(thread_, line_);
}

// https://opentelemetry.io/docs/specs/semconv/http/http-spans/ : the names of a server's span.
void Observer::WriteSpan(const Seen& seen, std::int64_t nanos, std::int64_t now) {
  SpanWriter span(&span_);
  span.Ids(trace_, own_, tracestate_);
  const std::string_view method = NameOf(seen.request.method), route = RouteOf(seen.request.path);
  id_ = seen.grpc >= 0 ? seen.request.path.substr(1) : method;
  if (!route.empty()) {
    id_ += ' ';
    id_ += route;
  }
  span.Name(id_);
  span.Times(static_cast<std::uint64_t>(now - nanos), static_cast<std::uint64_t>(now));
  span.Attribute("http.request.method", method);
  span.Attribute("url.path", seen.request.path.substr(0, kMostPath));
  span.Attribute("url.scheme", seen.peer.encrypted ? std::string_view("https") : std::string_view("http"));
  if (!route.empty()) span.Attribute("http.route", route);
  span.Attribute("http.response.status_code", std::int64_t{seen.response.status});
  if (seen.grpc >= 0) {  // https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
    const std::size_t slash = seen.request.path.rfind('/');
    span.Attribute("rpc.system", std::string_view("grpc"));
    span.Attribute("rpc.service", seen.request.path.substr(1, slash - 1));
    span.Attribute("rpc.method", seen.request.path.substr(slash + 1));
    span.Attribute("rpc.grpc.status_code", std::int64_t{seen.grpc});
  }
  span.Attribute("network.protocol.version", seen.grpc >= 0 ? std::string_view("2") : seen.request.minor_version == 0 ? std::string_view("1.0") : std::string_view("1.1"));
  span.Attribute("client.address", seen.peer.address);
  if (const std::string_view host = seen.request.Header("host"); !host.empty()) span.Attribute("server.address", host.substr(0, host.rfind(':')));
  if (const std::string_view agent = seen.request.Header("user-agent"); !agent.empty()) span.Attribute("user_agent.original", agent.substr(0, kMostAgent));
  if (seen.served != nullptr) {
    span.Attribute("tenon.endpoint", seen.served->endpoint);
    span.Attribute("tenon.model", seen.served->model);
  }
  if (seen.response.status >= 500) {  // of a server's span 4xx is the client's affair
    span.Attribute("error.type", std::to_string(seen.response.status));
    span.Failed(ReasonOf(seen.response.status));
  }
  shared_.traces->Put(thread_, span_);
}

void Observer::WriteEvents(const Seen& seen, std::int64_t nanos, std::int64_t now) {
  const std::string_view given = seen.request.Header("ce-id");
  if (!given.empty() && given.size() <= kMostId) {
    id_ = given;
  } else {  // a random UUID (RFC 9562, version 4)
    const std::uint64_t a = Random(), b = Random();
    char text[40];
    std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(a >> 32), static_cast<unsigned>(a >> 16 & 0xffff),
                  static_cast<unsigned>(a & 0xfff), static_cast<unsigned>(0x8000 | (b >> 48 & 0x3fff)),
                  static_cast<unsigned long long>(b & 0xffffffffffff));
    id_ = text;
  }
  traceparent_ = "00-";
  AppendHex(trace_.trace.data(), trace_.trace.size(), &traceparent_);
  traceparent_ += '-';
  AppendHex(own_.data(), own_.size(), &traceparent_);
  traceparent_ += trace_.sampled() ? "-01" : "-00";
  PayloadEvent event;
  event.id = id_;
  if (seen.served != nullptr) {
    event.endpoint = seen.served->endpoint;
    event.model = seen.served->model;
  }
  event.content_type = seen.request.Header("content-type");
  if (event.content_type.empty()) event.content_type = kJson;
  if (seen.grpc >= 0) event.content_type = "application/protobuf";  // the message alone, without the frames of gRPC
  event.traceparent = traceparent_;
  event.source = shared_.source;
  const std::string& mode = shared_.options.events.mode;
  if (mode != "response") {
    event.at = (now - nanos) / 1000;
    event.body = seen.request.body;
    event_.clear();
    AppendPayloadEvent(event, &event_);
    shared_.events->Put(thread_, event_);
  }
  if (mode != "request" && seen.response.status == 200) {
    event.response = true;
    event.at = now / 1000;
    event.body = seen.response.body;
    event_.clear();
    AppendPayloadEvent(event, &event_);
    shared_.events->Put(thread_, event_);
  }
}

}  // namespace tenon::edge

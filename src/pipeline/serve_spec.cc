#include "pipeline/serve_spec.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "govern/scope.h"
#include "platform/files.h"

namespace tenon::pipeline {
namespace {

Result<void> ReadDuration(Fields& fields, std::string_view key, std::chrono::microseconds* out) {
  std::string text;
  TENON_TRY(fields.ReadScalar(key, &text));
  if (text.empty() || text == "0") return {};
  auto read = ParseDuration(text);
  if (!read) return fields.Wrong(key, read.error().message());
  *out = *read;
  return {};
}

constexpr std::chrono::microseconds kDay = std::chrono::hours(24);

// serve.log.parquet: {every: 1h, keep: 365d}
Result<void> ReadParquet(const Json& json, std::string_view file, LogSpec* spec) {
  TENON_ASSIGN(Fields fields, Fields::Of(json, "serve.log.parquet", file));
  TENON_TRY(ReadDuration(fields, "every", &spec->parquet_every));
  TENON_TRY(ReadDuration(fields, "keep", &spec->parquet_keep));
  TENON_TRY(fields.Done());
  if (spec->parquet_every < std::chrono::seconds(1) || kDay % spec->parquet_every != std::chrono::microseconds(0)) {
    return fields.Wrong("every", "expected how long a time one file covers, a part of a day such as 1h, 15m or 24h");
  }
  const auto gone = spec->keep.count() > 0 ? spec->keep : std::chrono::microseconds::max();
  if (gone < 2 * spec->parquet_every) return fields.Wrong("every", "log.keep must be at least twice as long: segments would be removed before they are in a file");
  return {};
}

}  // namespace

Result<TlsSpec> TlsSpec::Parse(const Json* json, std::string_view folder, std::string_view file) {
  TlsSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.tls", file));
  TENON_TRY(fields.Read("certificate", &spec.certificate));
  TENON_TRY(fields.Read("key", &spec.key));
  TENON_TRY(fields.Read("client_ca", &spec.client_ca));
  TENON_TRY(fields.Read("client_scopes", &spec.client_scopes));
  TENON_TRY(fields.Done());
  if (spec.certificate.empty() || spec.key.empty()) return fields.Wrong("", "needs both 'certificate' and 'key', two PEM files");
  if (auto scopes = govern::Scopes::Of(spec.client_scopes); !scopes) return fields.Wrong("client_scopes", scopes.error().message());
  for (std::string* path : {&spec.certificate, &spec.key, &spec.client_ca}) {
    if (!path->empty()) *path = platform::JoinPath(folder, *path);
  }
  return spec;
}

Result<LimitsSpec> LimitsSpec::Parse(const Json* json, std::string_view file) {
  LimitsSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.limits", file));
  TENON_TRY(fields.Read("budget", &spec.budget));
  std::chrono::microseconds queue{0};
  TENON_TRY(ReadDuration(fields, "longest_queue", &queue));
  spec.longest_queue = std::chrono::duration_cast<std::chrono::milliseconds>(queue);
  TENON_TRY(fields.Read("connections", &spec.connections));
  TENON_TRY(fields.Read("instances", &spec.instances));
  TENON_TRY(fields.Read("text_bytes", &spec.text_bytes));
  TENON_TRY(fields.Done());
  if (queue.count() != 0 && queue < std::chrono::milliseconds(1)) return fields.Wrong("longest_queue", "expected at least 1ms, or 0 for no limit");
  if (spec.budget < 0) return fields.Wrong("budget", "expected predictions a day, 0 for no limit");
  if (spec.connections < 0 || spec.connections > 1'000'000) return fields.Wrong("connections", "expected a count up to 1000000, 0 for 16384 a thread");
  for (const auto& [key, value] : {std::pair<const char*, std::int64_t>{"instances", spec.instances}, {"text_bytes", spec.text_bytes}}) {
    if (value < 0) return fields.Wrong(key, "expected a count, 0 for no limit");
  }
  return spec;
}

Result<OutputsSpec> OutputsSpec::Parse(const Json* json, std::string_view file) {
  OutputsSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.outputs", file));
  TENON_TRY(fields.Read("round", &spec.round));
  if (fields.Find("round") != nullptr && (spec.round < 0 || spec.round > 9)) return fields.Wrong("round", Str("expected 0 to 9 decimals, got ", spec.round));
  if (const Json* laplace = fields.Find("laplace"); laplace != nullptr) {
    TENON_ASSIGN(Fields inner, Fields::Of(*laplace, "serve.outputs.laplace", file));
    TENON_TRY(inner.Read("epsilon", &spec.epsilon));
    TENON_TRY(inner.Read("sensitivity", &spec.sensitivity));
    TENON_TRY(inner.Done());
    if (!(spec.epsilon > 0)) return inner.Wrong("epsilon", "expected a number above 0; the noise has the scale sensitivity / epsilon");
    if (!(spec.sensitivity > 0)) return inner.Wrong("sensitivity", "expected a number above 0");
  }
  TENON_TRY(fields.Done());
  return spec;
}

namespace {

Result<void> CheckShare(const Fields& fields, double sample) {
  if (sample >= 0 && sample <= 1) return {};
  return fields.Wrong("sample", Str("expected a share from 0 to 1, got ", sample));
}

void Below(std::string_view folder, std::string* path) {
  if (!path->empty()) *path = platform::JoinPath(folder, *path);
}

}  // namespace

Result<TraceSpec> TraceSpec::Parse(const Json* json, std::string_view folder, std::string_view file) {
  TraceSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.trace", file));
  TENON_TRY(fields.Read("endpoint", &spec.endpoint));
  TENON_TRY(fields.Read("sample", &spec.sample));
  TENON_TRY(fields.Read("headers", &spec.headers));
  TENON_TRY(fields.Read("service", &spec.service));
  TENON_TRY(fields.Read("ca", &spec.ca));
  TENON_TRY(fields.Done());
  TENON_TRY(CheckShare(fields, spec.sample));
  Below(folder, &spec.ca);
  return spec;
}

Result<AccessLogSpec> AccessLogSpec::Parse(const Json* json, std::string_view folder, std::string_view file) {
  AccessLogSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.access_log", file));
  TENON_TRY(fields.Read("path", &spec.path));
  TENON_TRY(fields.Read("sample", &spec.sample));
  TENON_TRY(fields.Read("rotate_bytes", &spec.rotate_bytes));
  TENON_TRY(fields.Read("keep", &spec.keep));
  TENON_TRY(fields.Done());
  TENON_TRY(CheckShare(fields, spec.sample));
  if (spec.path.empty()) return fields.Wrong("path", "must be set, such as access.log");
  if (spec.rotate_bytes < 1024) return fields.Wrong("rotate_bytes", "expected at least 1024 bytes");
  if (spec.keep < 0) return fields.Wrong("keep", "expected a count of old files");
  Below(folder, &spec.path);
  return spec;
}

Result<EventsSpec> EventsSpec::Parse(const Json* json, std::string_view folder, std::string_view file) {
  EventsSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.events", file));
  TENON_TRY(fields.Read("url", &spec.url));
  TENON_TRY(fields.Read("mode", &spec.mode));
  TENON_TRY(fields.Read("source", &spec.source));
  TENON_TRY(fields.Read("ca", &spec.ca));
  TENON_TRY(fields.Done());
  if (spec.url.empty()) return fields.Wrong("url", "must be set, such as http://broker/default");
  const std::vector<std::string> modes = {"all", "request", "response"};
  if (std::ranges::find(modes, spec.mode) == modes.end()) return fields.Wrong("mode", Str("no '", spec.mode, "'", DidYouMean(spec.mode, modes)));
  Below(folder, &spec.ca);
  return spec;
}

Result<LogSpec> LogSpec::Parse(const Json* json, std::string_view file) {
  LogSpec spec;
  if (json == nullptr) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.log", file));
  TENON_TRY(fields.Read("sample", &spec.sample));
  TENON_TRY(ReadDuration(fields, "keep", &spec.keep));
  TENON_TRY(fields.Read("keep_bytes", &spec.keep_bytes));
  TENON_TRY(fields.Read("drop", &spec.drop));
  TENON_TRY(fields.Read("hash", &spec.hash));
  if (const Json* parquet = fields.Find("parquet"); parquet != nullptr && !parquet->is_null()) TENON_TRY(ReadParquet(*parquet, file, &spec));
  TENON_TRY(fields.Done());
  TENON_TRY(CheckShare(fields, spec.sample));
  if (spec.keep_bytes < 0) return fields.Wrong("keep_bytes", "expected bytes, 0 for no limit");
  return spec;
}

}  // namespace tenon::pipeline

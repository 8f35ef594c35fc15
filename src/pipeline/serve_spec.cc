#include "pipeline/serve_spec.h"

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
  for (const auto& [key, value] : {std::pair<const char*, std::int64_t>{"connections", spec.connections}, {"instances", spec.instances}, {"text_bytes", spec.text_bytes}}) {
    if (value < 0) return fields.Wrong(key, "expected a count, 0 for no limit");
  }
  return spec;
}

}  // namespace tenon::pipeline

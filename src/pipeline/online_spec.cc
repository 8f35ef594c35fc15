#include "pipeline/online_spec.h"

#include "base/text.h"
#include "base/time.h"

namespace tenon::pipeline {
namespace {

// {kind: redis, address: ...} or a kind's name alone; unknown settings are the kind's to refuse.
Result<void> ReadKind(const Json& json, std::string_view path, std::string_view file, std::string* kind, Json* settings) {
  if (json.is_string()) {
    *kind = json.String();
    return {};
  }
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  TENON_TRY(fields.Read("kind", kind));
  for (const auto& [name, value] : json.object()) {
    if (name != "kind") (*settings)[name] = value;
  }
  return {};
}

Result<void> ReadDuration(Fields& fields, std::string_view name, std::chrono::microseconds* out) {
  std::string text;
  TENON_TRY(fields.Read(name, &text));
  if (text.empty()) return {};
  auto length = ParseDuration(text);
  if (!length.ok()) return fields.Wrong(name, length.error().message());
  *out = *length;
  return {};
}

}  // namespace

Result<OnlineSpec> OnlineSpec::Parse(const Json* json, std::string_view file) {
  OnlineSpec spec;
  if (json == nullptr || json->is_null()) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "online", file));
  if (const Json* store = fields.Find("store"); store != nullptr) TENON_TRY(ReadKind(*store, "online.store", file, &spec.store, &spec.settings));
  TENON_TRY(fields.Read("overrides", &spec.overrides));
  std::string as_of = "request";
  TENON_TRY(fields.Read("as_of", &as_of));
  if (as_of != "request" && as_of != "record") return fields.Wrong("as_of", Str("expected request or record, got '", as_of, "'"));
  spec.moving = as_of == "request";
  TENON_TRY(fields.Done());
  return spec;
}

Result<StreamSpec> StreamSpec::Parse(const Json* json, std::string_view file) {
  StreamSpec spec;
  if (json == nullptr || json->is_null()) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "stream", file));
  if (const Json* from = fields.Find("from"); from != nullptr) TENON_TRY(ReadKind(*from, "stream.from", file, &spec.from, &spec.settings));
  TENON_TRY(fields.Read("source", &spec.source));
  TENON_TRY(fields.Read("id", &spec.rules.id));
  TENON_TRY(ReadDuration(fields, "lateness", &spec.rules.lateness));
  TENON_TRY(ReadDuration(fields, "ahead", &spec.rules.ahead));
  TENON_TRY(ReadDuration(fields, "refresh", &spec.refresh));
  TENON_TRY(fields.Done());
  return spec;
}

}  // namespace tenon::pipeline

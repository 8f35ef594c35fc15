#include "pipeline/answer_stream_spec.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

constexpr int kMostThreads = 16;
constexpr std::int64_t kMostBatch = 10000;

// {kind: kafka, topic: ...} or a kind's name alone; further settings are the kind's to refuse.
Result<void> ReadKind(Fields& fields, std::string_view key, const std::string& path, std::string_view file, std::string* kind, Json* settings) {
  const Json* json = fields.Find(key);
  if (json == nullptr) return fields.Wrong("", Str("needs '", key, "', such as ", key == "from" ? "{kind: kafka, topic: orders}" : "{kind: kafka, topic: scores}"));
  if (json->is_string()) {
    *kind = json->String();
    return {};
  }
  TENON_ASSIGN(Fields inner, Fields::Of(*json, path, file));
  TENON_TRY(inner.Read("kind", kind));
  if (kind->empty()) return inner.Wrong("", "needs 'kind'");
  for (const auto& [name, value] : json->object()) {
    if (name != "kind") (*settings)[name] = value;
  }
  return {};
}

Result<AnswerStreamSpec> ParseOne(const std::string& name, const Json& json, std::string_view file) {
  AnswerStreamSpec spec;
  spec.name = name;
  const std::string path = Str("serve.streams.", name);
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  TENON_TRY(ReadKind(fields, "from", path + ".from", file, &spec.from, &spec.from_settings));
  TENON_TRY(ReadKind(fields, "to", path + ".to", file, &spec.to, &spec.to_settings));
  spec.id_given = fields.Find("id") != nullptr;
  spec.time_given = fields.Find("time") != nullptr;
  TENON_TRY(fields.Read("id", &spec.id));
  TENON_TRY(fields.Read("time", &spec.time));
  TENON_TRY(fields.Read("threads", &spec.threads));
  TENON_TRY(fields.Read("batch", &spec.batch));
  TENON_TRY(fields.Done());
  if (spec.threads < 1 || spec.threads > kMostThreads) return fields.Wrong("threads", Str("expected 1 to ", kMostThreads, ", got ", spec.threads));
  if (spec.batch < 1 || spec.batch > kMostBatch) return fields.Wrong("batch", Str("expected 1 to ", kMostBatch, " records, got ", spec.batch));
  if (spec.to != "kafka" && spec.from_settings.Find("group") != nullptr) {
    return fields.Wrong("from", Str("group: processes that share a topic keep positions in it, which goes with `to: {kind: kafka}`, not with ", spec.to));
  }
  if (spec.to == "kafka" && spec.from_settings.Find("partitions") != nullptr) {
    return fields.Wrong("from", "partitions: with `to: {kind: kafka}` the group of the stream's processes shares them out");
  }
  TENON_ASSIGN(const auto source, spec.Source(file));
  TENON_ASSIGN(const auto sink, spec.Sink(file));
  return spec;
}

}  // namespace

Result<std::vector<AnswerStreamSpec>> AnswerStreamSpec::Parse(const Json* json, std::string_view file) {
  std::vector<AnswerStreamSpec> out;
  if (json == nullptr || json->is_null()) return out;
  TENON_ASSIGN(Fields fields, Fields::Of(*json, "serve.streams", file));
  for (const auto& [name, one] : json->object()) {
    const bool plain = !name.empty() && std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
    if (!plain) return fields.Wrong(name, Str("'", name, "' cannot be the name of a stream: small letters, digits, - and _"));
    TENON_ASSIGN(AnswerStreamSpec spec, ParseOne(name, one, file));
    out.push_back(std::move(spec));
  }
  return out;
}

void AnswerStreamSpec::Settle(std::string_view project, std::string_view key, std::string_view time_column) {
  if (!id_given) id = key;
  if (!time_given) time = time_column;
  if (to != "kafka" || from != "kafka") return;
  if (from_settings.Find("group") == nullptr) from_settings["group"] = Str(project, ".", name);
  const Json* brokers = from_settings.Find("brokers");
  if (brokers != nullptr && to_settings.Find("brokers") == nullptr) to_settings["brokers"] = *brokers;
  const Json* properties = from_settings.Find("properties");
  if (properties == nullptr || to_settings.Find("properties") != nullptr) return;
  // How the cluster is reached holds for both sides; what concerns reading does not.
  Json shared = Json::MakeObject();
  for (const auto& [property, value] : properties->object()) {
    if (property.starts_with("sasl.") || property.starts_with("ssl.") || property == "security.protocol") shared[property] = value;
  }
  to_settings["properties"] = std::move(shared);
}

Result<std::unique_ptr<feature::EventSourceKind>> AnswerStreamSpec::Source(std::string_view file) const {
  Kinds<feature::EventSourceKind> kinds;
  TENON_TRY(feature::AddAll(kinds));
  return kinds.Create(from, from_settings, Str("serve.streams.", name, ".from"), file);
}

Result<std::unique_ptr<feature::EventSinkKind>> AnswerStreamSpec::Sink(std::string_view file) const {
  Kinds<feature::EventSinkKind> kinds;
  TENON_TRY(feature::AddAll(kinds));
  return kinds.Create(to, to_settings, Str("serve.streams.", name, ".to"), file);
}

}  // namespace tenon::pipeline

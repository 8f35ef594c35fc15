#include <algorithm>
#include <map>

#include "base/text.h"
#include "dataset/offsets_internal.h"

namespace tenon::dataset {

bool OfTopic(const ingest::SourceSpec& spec) {
  return std::ranges::any_of(spec.paths, [](const std::string& path) { return path.starts_with("kafka://"); });
}

Json OffsetsOf(const table::Schema& schema, const std::vector<table::Batch>& rows, const Json* before) {
  std::map<std::int64_t, std::int64_t> next;
  const int partition = schema.Find(kPartition), offset = schema.Find(kOffset);
  const bool there = partition >= 0 && offset >= 0 && schema[partition].type == table::Type::kInt64 && schema[offset].type == table::Type::kInt64;
  for (const table::Batch& batch : rows) {
    if (!there) break;
    const table::Column& parts = batch.column(partition);
    const table::Column& offsets = batch.column(offset);
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.rows()); ++i) {
      std::int64_t& at = next[parts.ints()[i]];
      at = std::max(at, offsets.ints()[i] + 1);
    }
  }
  if (before != nullptr && before->is_object()) {
    for (const auto& [part, at] : before->object()) {
      std::int64_t number = 0;
      if (!ParseInt64(part, &number) || !at.is_int()) continue;
      std::int64_t& own = next[number];
      own = std::max(own, at.Int());
    }
  }
  Json out = Json::MakeObject();
  for (const auto& [part, at] : next) out[Str(part)] = at;
  return out;
}

std::string SinceOf(const Json& offsets) {
  std::string out;
  for (const auto& [part, at] : offsets.object()) out += Str(out.empty() ? "" : ",", part, ":", at.Int());
  return out;
}

Result<void> NoteOffsets(store::Store& store, const std::string& snapshot, const Json& offsets) {
  TENON_ASSIGN(auto record, store.FindRecord("snapshot", snapshot));
  if (!record) return {};
  if (const Json* known = record->body.Find("offsets"); known != nullptr && *known == offsets) return {};
  record->body["offsets"] = offsets;
  return store.PutRecord("snapshot", snapshot, record->body);
}

}  // namespace tenon::dataset

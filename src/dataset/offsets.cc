#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <span>

#include "base/text.h"
#include "dataset/offsets_internal.h"

namespace tenon::dataset {

bool OfTopic(const ingest::SourceSpec& spec) {
  return std::ranges::any_of(spec.paths, [](const std::string& path) { return path.starts_with("kafka://"); });
}

namespace {

constexpr std::int64_t kBatchRows = 65536;

// The columns of a record's place; nothing where the rows do not have them, as after an `sql` that drops them.
std::optional<std::pair<int, int>> PlaceColumns(const table::Schema& schema) {
  const int partition = schema.Find(kPartition), offset = schema.Find(kOffset);
  const bool there = partition >= 0 && offset >= 0 && schema[partition].type == table::Type::kInt64 && schema[offset].type == table::Type::kInt64;
  return there ? std::optional(std::pair(partition, offset)) : std::nullopt;
}

}  // namespace

void SortByPlace(std::vector<table::Batch>* rows) {
  if (rows->empty()) return;
  const auto columns = PlaceColumns(rows->front().schema());
  if (!columns) return;
  using Place = std::pair<std::int64_t, std::int64_t>;
  std::vector<Place> places;
  for (const table::Batch& batch : *rows) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.rows()); ++i) places.emplace_back(batch.column(columns->first).ints()[i], batch.column(columns->second).ints()[i]);
  }
  if (std::ranges::is_sorted(places)) return;
  std::vector<std::int64_t> order(places.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int64_t row) { return places[static_cast<std::size_t>(row)]; });
  const table::Batch all = table::Batch::Concat(*rows);
  rows->clear();
  for (std::size_t at = 0; at < order.size(); at += kBatchRows) rows->push_back(all.Take(std::span(order).subspan(at, std::min<std::size_t>(kBatchRows, order.size() - at))));
}

Json OffsetsOf(const table::Schema& schema, const std::vector<table::Batch>& rows, const Json* before, std::string_view position) {
  std::map<std::int64_t, std::int64_t> next;
  const auto columns = PlaceColumns(schema);
  for (const table::Batch& batch : rows) {
    if (!columns) break;
    const table::Column& parts = batch.column(columns->first);
    const table::Column& offsets = batch.column(columns->second);
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
  for (const std::string& one : Split(position, ',')) {
    std::int64_t part = 0, at = 0;
    const std::size_t colon = one.find(':');
    if (colon == std::string::npos || !ParseInt64(std::string_view(one).substr(0, colon), &part) || !ParseInt64(std::string_view(one).substr(colon + 1), &at)) continue;
    std::int64_t& own = next[part];
    own = std::max(own, at);
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

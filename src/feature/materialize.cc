#include "feature/materialize.h"

#include <algorithm>
#include <unordered_map>

#include "base/text.h"

namespace tenon::feature {
namespace {

using table::Batch;
using table::Column;

constexpr std::string_view kAsked = "asked at";  // no source has a column of this name by chance
constexpr std::int64_t kTogether = 8192;

struct Entity {
  std::int32_t batch;
  std::int64_t row;   // one of its events
  Micros latest;
};

// The entities that have an event known at `until`, in the order of their first one.
Result<std::vector<std::pair<std::string, Entity>>> EntitiesOf(const ViewRows& view, Micros until) {
  const ViewPlan& plan = *view.plan;
  std::unordered_map<std::string, std::size_t> places;
  std::vector<std::pair<std::string, Entity>> out;
  for (std::size_t b = 0; b < view.rows->size(); ++b) {
    const Batch& batch = (*view.rows)[b];
    TENON_ASSIGN(const Events events, plan.EventsOf(batch));
    std::vector<int> columns;
    for (const std::string& name : plan.view().entity) columns.push_back(batch.schema().Find(name));
    std::string key;
    for (std::size_t i = 0; i < events.at.size(); ++i) {
      if (events.used[i] == 0 || events.at[i] > until || (!events.known.empty() && events.known[i] > until)) continue;
      if (!events.deleted.empty() && events.deleted[i] != 0) continue;
      key.clear();
      AppendEntityKey(batch, columns, plan.entity_types(), static_cast<std::int64_t>(i), &key);
      if (key.empty()) continue;
      const auto [at, fresh] = places.try_emplace(key, out.size());
      if (fresh) {
        out.emplace_back(key, Entity{static_cast<std::int32_t>(b), static_cast<std::int64_t>(i), events.at[i]});
      } else {
        out[at->second].second.latest = std::max(out[at->second].second.latest, events.at[i]);
      }
    }
  }
  return out;
}

// One row an entity: its columns and the moment.
Batch Asking(const ViewRows& view, std::span<const std::pair<std::string, Entity>> entities, Micros until) {
  std::vector<table::Field> fields;
  std::vector<Column> columns;
  for (const std::string& name : view.plan->view().entity) {
    const table::Schema& schema = view.rows->front().schema();
    const int at = schema.Find(name);
    table::ColumnBuilder builder(schema[at].type);
    for (const auto& [key, entity] : entities) {
      const Column& column = (*view.rows)[static_cast<std::size_t>(entity.batch)].column(at);
      switch (schema[at].type) {
        case table::Type::kString: builder.AddText(column.Text(entity.row)); break;
        case table::Type::kFloat64: builder.Add(column.Number(entity.row)); break;
        case table::Type::kBool: builder.AddInt(column.bools()[static_cast<std::size_t>(entity.row)]); break;
        default: builder.AddInt(column.ints()[static_cast<std::size_t>(entity.row)]);
      }
    }
    fields.push_back(schema[at]);
    columns.push_back(builder.Finish());
  }
  fields.push_back({std::string(kAsked), table::Type::kTimestamp});
  columns.push_back(Column::Of(std::vector<std::int64_t>(entities.size(), until), table::Type::kTimestamp));
  return Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

bool SameAs(const RecordLayout& layout, const RecordPacker& packer, Micros at, const Records& records, std::size_t row) {
  if (!records.Found(row) || records.at(row) != at) return false;
  for (std::size_t f = 0; f < layout.features(); ++f) {
    const bool null = (packer.words()[f / 64] >> (f % 64) & 1) != 0;
    if (null != records.IsNull(row, f)) return false;
    if (null) continue;
    const std::uint64_t word = packer.words()[layout.null_words() + f];
    if (layout.fields()[static_cast<int>(f)].type == table::Type::kString) {
      if (packer.texts().substr(word >> 32, word & 0xffffffffU) != records.Text(row, f)) return false;
    } else if (word != static_cast<std::uint64_t>(records.Int(row, f))) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<Materialized> Materialize(const Call& call, const ViewRows& view, Micros until, bool full, OnlineTable& table) {
  Materialized out;
  if (view.rows->empty()) return out;
  TENON_ASSIGN(const auto entities, EntitiesOf(view, until));
  out.entities = static_cast<std::int64_t>(entities.size());
  for (const auto& [key, entity] : entities) out.newest_event = std::max(out.newest_event, entity.latest);
  if (entities.empty()) return out;
  TENON_ASSIGN(const Batch joined, JoinAsOf(call, Asking(view, entities, until), kAsked, {&view, 1}));
  std::vector<std::string> names;
  for (const FeatureSpec& feature : view.plan->view().features) names.push_back(ColumnOf(view.plan->view(), feature));
  TENON_ASSIGN(const Batch values, joined.Select(names));
  const RecordLayout& layout = table.layout();
  Records records;
  for (std::size_t begin = 0; begin < entities.size(); begin += kTogether) {
    TENON_TRY(call.Check());
    const std::size_t count = std::min<std::size_t>(kTogether, entities.size() - begin);
    std::vector<std::string_view> keys;
    for (std::size_t i = 0; i < count; ++i) keys.push_back(entities[begin + i].first);
    if (!full) TENON_TRY(table.Get(keys, &records));
    std::vector<RecordPacker> packers;
    packers.reserve(count);
    std::vector<OnlineEntry> entries;
    for (std::size_t i = 0; i < count; ++i) {
      const Micros latest = entities[begin + i].second.latest;
      RecordPacker packer(layout);
      packer.SetRow(values, static_cast<std::int64_t>(begin + i));
      if (!full && SameAs(layout, packer, latest, records, i)) {
        ++out.unchanged;
        continue;
      }
      packers.push_back(std::move(packer));
      entries.push_back({keys[i], latest, until, packers.back().words(), packers.back().texts()});
    }
    TENON_ASSIGN(const std::int64_t stored, table.Put(entries, Newest::kCreated));
    out.stored += stored;
    call.Report("materializing", static_cast<double>(begin + count) / static_cast<double>(entities.size()));
  }
  return out;
}

}  // namespace tenon::feature

#include "pipeline/online.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "dataset/erase.h"
#include "feature/event_rows.h"
#include "ingest/read.h"
#include "pipeline/features.h"
#include "pipeline/own_events.h"

namespace tenon::pipeline {
namespace {

std::string SchemaPath(const Project& project) { return platform::JoinPath(OnlineFolder(project), "sources.json"); }

}  // namespace

std::string OnlineFolder(const Project& project) { return platform::JoinPath(project.data_folder(), "online"); }

Result<FeatureRows> ReadFeatureRows(const Call& call, platform::Files& files, const Project& project, const Kits& kits) {
  FeatureRows out;
  TENON_ASSIGN(const auto store, StoreOf(files, project));
  std::vector<const ingest::SourceSpec*> sources = {&project.source};
  for (const ingest::SourceSpec& other : project.other_sources) sources.push_back(&other);
  for (const ingest::SourceSpec* source : sources) {
    const bool read = std::ranges::any_of(project.features.views, [&](const feature::FeatureView& view) { return view.from == source->name; });
    if (!read) continue;
    TENON_ASSIGN(auto reader, ingest::Read(call, *source, kits.readers), Str("data.", source->name));
    OnlineRows& rows = out[source->name];
    rows.schema = reader->schema();
    while (true) {
      TENON_ASSIGN(auto batch, reader->Next(call));
      if (!batch) break;
      rows.rows.push_back(*std::move(batch));
    }
    if (store != nullptr) {
      TENON_ASSIGN(rows.rows, dataset::LeaveOutErased(*source, std::move(rows.rows), *store), Str("data.", source->name));
    }
  }
  return out;
}

FeatureSchemas SchemasOf(const FeatureRows& rows) {
  FeatureSchemas out;
  for (const auto& [name, source] : rows) out[name] = source.schema;
  return out;
}

Result<FeatureSchemas> ReadFeatureSchemas(const Call& call, platform::Files& files, const Project& project, const Kits& kits) {
  if (files.Exists(SchemaPath(project))) {
    TENON_ASSIGN(const std::string text, files.Read(SchemaPath(project)));
    TENON_ASSIGN(const Json json, Json::Parse(text, SchemaPath(project)));
    FeatureSchemas out;
    if (!json.is_object()) return Error(Code::kDataLoss, Str(SchemaPath(project), " is damaged; remove it"));
    for (const auto& [name, fields] : json.object()) {
      TENON_ASSIGN(table::Schema schema, table::Schema::FromJson(fields), SchemaPath(project));
      out[name] = std::make_shared<const table::Schema>(std::move(schema));
    }
    const bool all = std::ranges::all_of(project.features.views, [&](const feature::FeatureView& view) { return out.contains(view.from); });
    if (all) return out;
  }
  TENON_ASSIGN(const FeatureRows rows, ReadFeatureRows(call, files, project, kits));
  return SchemasOf(rows);
}

Result<std::unique_ptr<OnlineFeatures>> OnlineFeatures::Open(platform::Files& files, const Project& project, FeatureSchemas sources) {
  if (project.features.views.empty()) {
    return Error(Code::kFailedPrecondition, Str(project.file, " has no feature views; add a chapter such as features: {customer: {entity: customer_id, aggregate: {amount: {mean: 7d}}}}"));
  }
  auto out = std::make_unique<OnlineFeatures>();
  out->files_ = &files;
  out->folder_ = OnlineFolder(project);
  out->sources_ = std::move(sources);
  TENON_TRY(files.MakeFolders(out->folder_));
  Kinds<feature::OnlineStoreKind> kinds;
  TENON_TRY(feature::AddAll(kinds));
  TENON_ASSIGN(out->store_, feature::StartOnlineStore(kinds, project.online.store, project.online.settings, files, out->folder_), "the online store");
  for (const feature::FeatureView& view : project.features.views) {
    OnlineView one;
    const auto source = out->sources_.find(view.from);
    if (source == out->sources_.end()) return Error(Code::kNotFound, Str("features.", view.name, ": no rows of a source '", view.from, "' were read"));
    TENON_ASSIGN(one.plan, feature::ViewPlan::Make(view, *source->second));
    one.asked = project.source.time;
    one.own = CountsOwnEvents(project, *one.plan);
    const bool moves = project.online.moving && (one.plan->moves() || one.own);
    TENON_ASSIGN(one.layout, feature::RecordLayout::Of(one.plan->output(), moves), Str("features.", view.name));
    // By its meaning: another definition never reads records of this one.
    const std::string name = Str(project.name, ".", view.name, "@", one.plan->view().Hash().substr(0, 8));
    TENON_ASSIGN(one.table, out->store_->Open(name, one.layout));
    if (moves) {
      TENON_ASSIGN(const feature::RecordLayout states, feature::StateLayout());
      TENON_ASSIGN(one.states, out->store_->Open(name + ".states", states));
    }
    out->views_.push_back(std::move(one));
  }
  Json schemas = Json::MakeObject();
  for (const auto& [name, fields] : out->sources_) schemas[name] = fields->ToJson();
  const std::string schema = schemas.Dump();
  if (auto there = files.Exists(SchemaPath(project)) ? files.Read(SchemaPath(project)) : Result<std::string>(std::string()); !there.ok() || *there != schema) {
    TENON_TRY(files.Write(SchemaPath(project), schema));
  }
  return out;
}

Result<const OnlineView*> OnlineFeatures::View(std::string_view name) const {
  std::vector<std::string> known;
  for (const OnlineView& view : views_) {
    if (view.plan->view().name == name) return &view;
    known.push_back(view.plan->view().name);
  }
  return Error(Code::kNotFound, Str("no feature view '", name, "'", DidYouMean(name, known)));
}

Result<std::vector<std::string>> OnlineFeatures::KeysOf(const feature::ViewPlan& plan, const std::vector<const Json*>& values) {
  std::vector<table::Field> fields;
  std::vector<table::Column> columns;
  std::vector<int> places;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const std::string& name = plan.view().entity[k];
    const bool text = plan.entity_types()[k] == table::Type::kString;
    // Numbers of any width name the same entity; a text that is one stands for it.
    table::ColumnBuilder builder(text ? table::Type::kString : table::Type::kFloat64), whole(table::Type::kInt64);
    bool all_whole = !text;
    for (const Json& value : values[k]->array()) {
      if (text && (value.is_string() || value.is_null())) {
        value.is_null() ? builder.AddNull() : builder.AddText(value.String());
      } else if (!text && (value.is_number() || value.is_null() || value.is_bool())) {
        all_whole = all_whole && (value.is_int() || value.is_null() || value.is_bool());
        value.is_null() ? builder.AddNull() : builder.Add(value.is_bool() ? value.Bool() : value.Number());
        value.is_null() || !all_whole ? whole.AddNull() : whole.AddInt(value.is_bool() ? value.Bool() : value.Int());
      } else {
        return Error(Code::kInvalidArgument, Str("entity ", name, ": expected ", text ? "a text" : "a number", ", got ", value.Dump()));
      }
    }
    fields.push_back({name, text ? table::Type::kString : all_whole ? table::Type::kInt64 : table::Type::kFloat64});
    columns.push_back(all_whole ? whole.Finish() : builder.Finish());
    places.push_back(static_cast<int>(k));
  }
  const table::Batch batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
  std::vector<std::string> out(static_cast<std::size_t>(batch.rows()));
  for (std::size_t i = 0; i < out.size(); ++i) feature::AppendEntityKey(batch, places, plan.entity_types(), static_cast<std::int64_t>(i), &out[i]);
  return out;
}

Result<std::vector<std::pair<std::string, feature::Materialized>>> OnlineFeatures::Materialize(const Call& call, const FeatureRows& rows, const std::vector<std::string>& names,
                                                                                                Micros until, bool full) {
  std::vector<const OnlineView*> wanted;
  for (const std::string& name : names) {
    TENON_ASSIGN(const OnlineView* view, View(name));
    wanted.push_back(view);
  }
  for (const OnlineView& view : views_) {
    if (names.empty()) wanted.push_back(&view);
  }
  std::vector<std::pair<std::string, feature::Materialized>> out;
  TENON_ASSIGN(Json fresh, Freshness());
  for (const OnlineView* view : wanted) {
    const std::string& name = view->plan->view().name;
    TENON_ASSIGN(const feature::Materialized done, feature::Materialize(call, {view->plan, &rows.find(view->plan->view().from)->second.rows}, until, full, *view->table, view->states.get()),
                 Str("materializing ", name));
    if (view->states != nullptr) TENON_TRY(view->states->Flush());
    TENON_TRY(view->table->Flush());
    out.emplace_back(name, done);
    Json& one = fresh[name];
    one["until"] = FormatTimestamp(until);
    one["at"] = FormatTimestamp(call.Now());
    one["entities"] = done.entities;
    one["newest_event"] = done.newest_event == 0 ? Json() : Json(FormatTimestamp(done.newest_event));
  }
  TENON_TRY(files_->Write(platform::JoinPath(folder_, "materialized.json"), fresh.Pretty()));
  return out;
}

Result<Json> OnlineFeatures::Freshness() const {
  const std::string path = platform::JoinPath(folder_, "materialized.json");
  if (!files_->Exists(path)) return Json::MakeObject();
  TENON_ASSIGN(const std::string text, files_->Read(path));
  return Json::Parse(text, path);
}

Result<std::int64_t> OnlineFeatures::Push(const OnlineView& view, const Json& frame, Micros now) const {
  const feature::ViewPlan& plan = *view.plan;
  if (!frame.is_object() || frame.object().empty()) return Error(Code::kInvalidArgument, "df: expected columns, each a list of values");
  std::size_t rows = 0;
  std::vector<const Json*> entities;
  for (const auto& [name, values] : frame.object()) {
    if (!values.is_array()) return Error(Code::kInvalidArgument, Str("df.", name, ": expected a list, got ", values.KindName()));
    if (&name != &frame.object().front().first && values.array().size() != rows) {
      return Error(Code::kInvalidArgument, Str("df.", name, " has ", values.array().size(), " values, ", frame.object().front().first, " has ", rows));
    }
    rows = values.array().size();
  }
  for (const std::string& name : plan.view().entity) {
    const Json* values = frame.Find(name);
    if (values == nullptr) return Error(Code::kInvalidArgument, Str("df has no column '", name, "', the entity of view ", plan.view().name));
    entities.push_back(values);
  }
  const Json* times = frame.Find(plan.view().time);
  if (times == nullptr) times = frame.Find("event_timestamp");
  if (times == nullptr && !plan.view().always()) return Error(Code::kInvalidArgument, Str("df has no column '", plan.view().time, "' with the time of each row"));
  const Json* made = frame.Find("created");
  TENON_ASSIGN(const std::vector<std::string> keys, KeysOf(plan, entities));
  feature::RowsFromJson reader(plan.output());
  std::vector<feature::OnlineEntry> entries;
  for (std::size_t i = 0; i < rows; ++i) {
    Json row = Json::MakeObject();
    for (const table::Field& field : plan.output()->fields()) {
      if (const Json* values = frame.Find(field.name); values != nullptr) row[field.name] = values->array()[i];
    }
    TENON_TRY(reader.Add(row), Str("df, row ", i));
    Micros at = 0, created = now;
    for (const auto& [values, into] : {std::pair(times, &at), std::pair(made, &created)}) {
      if (values == nullptr) continue;
      const Json& value = values->array()[i];
      if (std::string why = feature::WhyNotOfType(value, table::Type::kTimestamp); !why.empty() || value.is_null()) {
        return Error(Code::kInvalidArgument, Str("df, row ", i, ": ", why.empty() ? "no time" : why));
      }
      value.is_int() ? *into = value.Int() : ParseTimestamp(value.String(), into);
    }
    if (keys[i].empty()) return Error(Code::kInvalidArgument, Str("df, row ", i, " names no entity"));
    entries.push_back({.key = keys[i], .at = at, .created = created});
  }
  const table::Batch batch = reader.Finish();
  std::vector<feature::RecordPacker> packers;
  packers.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    packers.emplace_back(view.table->layout());
    packers.back().SetRow(batch, static_cast<std::int64_t>(i));
    entries[i].words = packers.back().words();
    entries[i].texts = packers.back().texts();
  }
  return view.table->Put(entries, feature::Newest::kEvent);
}

}  // namespace tenon::pipeline

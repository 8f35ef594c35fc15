// features materialize, get, publish, stream, aside, verify: what becomes of feature views online.

#include "app/commands/all.h"
#include "pipeline/online.h"
#include "pipeline/stream_features.h"
#include "pipeline/verify_features.h"

namespace tenon::app {
namespace {

Result<Micros> TimeOf(const Args& args, const std::string& name, Micros fallback) {
  const std::string text = args.Text(name);
  if (text.empty()) return fallback;
  Micros at = 0;
  if (!ParseTimestamp(text, &at)) return Error(Code::kInvalidArgument, Str("--", name, ": expected a time such as 2024-02-29T23:59:59Z, got '", text, "'"));
  return at;
}

Result<int> Materialize(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(const Micros until, TimeOf(args, "until", context.call.Now()));
  Call call = context.call;
  call.progress = [&](const Progress& progress) { context.terminal.Live(Str(progress.what)); };
  TENON_ASSIGN(const pipeline::FeatureRows rows, pipeline::ReadFeatureRows(call, context.files, project, context.kits));
  TENON_ASSIGN(auto online, pipeline::OnlineFeatures::Open(context.files, project, pipeline::SchemasOf(rows)));
  auto done = online->Materialize(call, rows, args.Texts("view"), until, args.Bool("full"));
  context.terminal.ClearLive();
  if (!done.ok()) return std::move(done).error();
  Json lines = Json::MakeArray();
  for (const auto& [view, made] : *done) {
    Json line;
    line["view"] = view;
    line["until"] = FormatTimestamp(until);
    line["entities"] = made.entities;
    line["stored"] = made.stored;
    line["unchanged"] = made.unchanged;
    line["newest_event"] = made.newest_event == 0 ? Json() : Json(FormatTimestamp(made.newest_event));
    if (context.json) context.terminal.JsonLine(line);
    else context.terminal.Line(Str(view, ": ", FormatCount(made.entities), " entities until ", FormatTimestamp(until), ", ", FormatCount(made.stored), " records stored, ",
                                   FormatCount(made.unchanged), " unchanged"));
  }
  return 0;
}

Result<int> Get(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(const auto schema, pipeline::ReadFeatureSchemas(context.call, context.files, project, context.kits));
  TENON_ASSIGN(auto online, pipeline::OnlineFeatures::Open(context.files, project, schema));
  TENON_ASSIGN(const pipeline::OnlineView* view, online->View(args.Text("view")));
  const auto& entity = view->plan->view().entity;
  const std::vector<std::string> given = args.Texts("entity");
  if (given.size() != entity.size()) return Error(Code::kInvalidArgument, Str("--entity: the view ", args.Text("view"), " is of ", Join(entity, ", "), ": give one value for each"));
  std::vector<Json> lists;
  for (std::size_t k = 0; k < given.size(); ++k) {
    double number = 0;
    std::int64_t whole = 0;
    Json value(given[k]);
    if (view->plan->entity_types()[k] != table::Type::kString) {
      if (ParseInt64(given[k], &whole)) value = Json(whole);
      else if (ParseDouble(given[k], &number)) value = Json(number);
    }
    lists.emplace_back(Json::Array{value});
  }
  std::vector<const Json*> values;
  for (const Json& list : lists) values.push_back(&list);
  TENON_ASSIGN(const std::vector<std::string> keys, pipeline::OnlineFeatures::KeysOf(*view->plan, values));
  const std::string_view key = keys[0];
  feature::Records records;
  TENON_ASSIGN(const Micros at, TimeOf(args, "at", std::numeric_limits<Micros>::min()));
  TENON_TRY(view->values().Get({&key, 1}, {&at, 1}, &records));
  Json line;
  line["view"] = args.Text("view");
  line["found"] = records.Found(0);
  if (records.Found(0)) {
    line["event"] = FormatTimestamp(records.at(0));
    line["created"] = FormatTimestamp(records.created(0));
    Json features = Json::MakeObject();
    for (std::size_t f = 0; f < view->layout.features(); ++f) {
      const table::Field& field = view->layout.fields()[static_cast<int>(f)];
      Json& value = features[field.name];
      if (records.IsNull(0, f)) continue;
      if (field.type == table::Type::kString) value = Json(records.Text(0, f));
      else if (field.type == table::Type::kFloat64) value = Json(records.Number(0, f));
      else if (field.type == table::Type::kTimestamp) value = Json(FormatTimestamp(records.Int(0, f)));
      else if (field.type == table::Type::kBool) value = Json(records.Int(0, f) != 0);
      else value = Json(records.Int(0, f));
    }
    line["features"] = features;
  }
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(line.Pretty());
  return records.Found(0) ? 0 : 1;
}

Result<int> Publish(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(const std::int64_t events, pipeline::PublishEvents(context.call, context.files, project, args.Text("in")));
  Json line;
  line["events"] = events;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(FormatCount(events), " events appended"));
  return 0;
}

std::string TextOf(const pipeline::StreamReport& report) {
  const feature::StreamCounts& counts = report.counts;
  return Str(FormatCount(report.taken), " events in ", FormatShort(report.seconds, 3), " s (", FormatCount(static_cast<std::int64_t>(static_cast<double>(report.taken) / std::max(report.seconds, 1e-9))),
             " a second); since the beginning ", FormatCount(counts.events), ": ", FormatCount(counts.counted), " counted, ", FormatCount(counts.late), " of them late, ",
             FormatCount(counts.corrections), " corrections, ", FormatCount(counts.duplicates), " duplicates, ", FormatCount(counts.left_out), " left out, ",
             FormatCount(counts.malformed + counts.poisoned + counts.too_late), " put aside");
}

Result<int> Stream(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  const pipeline::StreamRun wanted{.to_end = args.Bool("to-end"), .reset = args.Bool("reset"), .history = args.Bool("history")};
  auto done = pipeline::StreamFeatures(context.call, context.files, project, context.kits, wanted,
                                       [&](const pipeline::StreamReport& so_far) { context.terminal.Live(TextOf(so_far)); });
  context.terminal.ClearLive();
  TENON_ASSIGN(const pipeline::StreamReport report, std::move(done));
  Json line = report.counts.ToJson();
  line["taken"] = report.taken;
  line["seconds"] = report.seconds;
  line["time"] = report.time == 0 ? Json() : Json(FormatTimestamp(report.time));
  line["behind"] = report.behind;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(TextOf(report));
  return 0;
}

Result<int> Aside(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(const auto events, pipeline::EventsSetAside(context.files, project, args.Int("most")));
  for (const feature::SetAside& one : events) {
    Json line;
    line["partition"] = one.partition;
    line["offset"] = one.offset;
    line["kind"] = one.kind;
    line["reason"] = one.reason;
    line["value"] = one.value;
    context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(one.partition, "/", one.offset, " ", one.kind, ": ", one.reason));
  }
  return 0;
}

Result<int> Verify(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  Call call = context.call;
  call.progress = [&](const Progress& progress) { context.terminal.Live(Str(progress.what)); };
  TENON_ASSIGN(const pipeline::FeatureRows rows, pipeline::ReadFeatureRows(call, context.files, project, context.kits));
  TENON_ASSIGN(auto online, pipeline::OnlineFeatures::Open(context.files, project, pipeline::SchemasOf(rows)));
  auto done = pipeline::VerifyFeatures(call, rows, *online, args.Int("rows"));
  context.terminal.ClearLive();
  if (!done.ok()) return std::move(done).error();
  bool same = true;
  for (const pipeline::FeatureParity& view : *done) {
    same = same && view.differences == 0 && view.live_differences == 0;
    Json line;
    line["view"] = view.view;
    line["rows"] = view.rows;
    line["values"] = view.values;
    line["asked"] = view.asked;
    line["differences"] = view.differences;
    line["live_records"] = view.live;
    line["live_differences"] = view.live_differences;
    line["examples"] = Json::ListOf(view.examples);
    if (context.json) {
      context.terminal.JsonLine(line);
      continue;
    }
    context.terminal.Line(Str(view.view, ": ", FormatCount(view.rows), " rows replayed, ", view.asked > 0 ? Str(FormatCount(view.asked), " of them asked before they were stored, ") : std::string(), FormatCount(view.values), " values of stream and online compared with offline, ", FormatCount(view.differences),
                              " differ; ", FormatCount(view.live), " records online now, ", FormatCount(view.live_differences), " differ"));
    for (const std::string& example : view.examples) context.terminal.Line(Str("  ", example));
  }
  return same ? 0 : 1;
}

}  // namespace

void AddOnline(std::vector<Command>& to) {
  to.push_back({.name = "features materialize",
                .summary = "Store the values of feature views in the online store, as known at a time; only what changed is written",
                .example = "tenon features materialize examples/card-fraud --until 2024-03-01T00:00:00Z",
                .flags = {ProjectFlag(),
                          {.name = "--until", .help = "the moment that the values are of; now when not given"},
                          {.name = "--view", .help = "only this view; may be given again", .kind = Flag::Kind::kTexts},
                          {.name = "--full", .help = "write every record, changed or not", .kind = Flag::Kind::kBool}},
                .run = Materialize});
  to.push_back({.name = "features online",
                .summary = "Show what the online store has of one entity, as stored or as of a moment; exit status 1 when nothing",
                .example = "tenon features online examples/card-fraud --view customer --entity 4711",
                .flags = {ProjectFlag(),
                          {.name = "--view", .help = "the feature view", .required = true},
                          {.name = "--entity", .help = "its value, again for each entity column", .kind = Flag::Kind::kTexts},
                          {.name = "--at", .help = "as of this moment, as a request of then would get it; as it is stored when not given"}},
                .run = Get});
  to.push_back({.name = "features publish",
                .summary = "Append events to the project's own log, from which `features stream` reads",
                .example = "tenon features publish examples/card-fraud --in events.jsonl",
                .flags = {ProjectFlag(), {.name = "--in", .help = "JSON objects, one a line; - for standard input", .fallback = "-"}},
                .run = Publish});
  to.push_back({.name = "features stream",
                .summary = "Compute feature views from events as they come, each counted once whatever is killed when",
                .example = "tenon features stream examples/card-fraud --to-end",
                .flags = {ProjectFlag(),
                          {.name = "--to-end", .help = "stop when there are no more events", .kind = Flag::Kind::kBool},
                          {.name = "--history", .help = "first take the rows of `data:` in the order of time", .kind = Flag::Kind::kBool},
                          {.name = "--reset", .help = "forget the state and begin with the first event", .kind = Flag::Kind::kBool}},
                .run = Stream});
  to.push_back({.name = "features aside",
                .summary = "List the events that the stream put aside, with the reasons",
                .example = "tenon features aside examples/card-fraud",
                .flags = {ProjectFlag(), {.name = "--most", .help = "how many", .kind = Flag::Kind::kInt, .fallback = "100"}},
                .run = Aside});
  to.push_back({.name = "features verify",
                .summary = "Compare offline, stream and online values row by row, and what is online now; exit status 1 when any differs",
                .example = "tenon features verify examples/card-fraud --rows 10000",
                .flags = {ProjectFlag(), {.name = "--rows", .help = "of the source, the earliest; 0: all", .kind = Flag::Kind::kInt, .fallback = "100000"}},
                .run = Verify});
}

}  // namespace tenon::app

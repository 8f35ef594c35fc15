#include <algorithm>
#include <cmath>
#include <functional>

#include "app/commands/all.h"
#include "dataset/acquire.h"
#include "dataset/history.h"
#include "dataset/sensitive.h"
#include "dataset/snapshot.h"
#include "pipeline/data_pages.h"
#include "table/profile_slices.h"

namespace tenon::app {
namespace {

Result<int> Add(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  if (!args.Texts("files").empty()) {
    project.source.grows = false;
    project.source.watermark.clear();
    project.source.connect = Json();
    project.source.paths = args.Texts("files");
    project.source.folder = ".";
  }
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  TENON_ASSIGN(const dataset::Acquired got, dataset::Acquire(context.call, project.source, context.kits.readers, *opened, args.Bool("full")));
  const dataset::SnapshotPtr& snapshot = got.snapshot;
  for (const std::string& text : got.said) context.terminal.Note(text);
  TENON_TRY(dataset::NoteVersion(context.call, *opened, project.source.name, snapshot->hash()));
  Json line;
  line["read"] = got.read;
  line["whole"] = got.whole;
  line["snapshot"] = snapshot->hash();
  line["rows"] = snapshot->rows();
  line["schema"] = snapshot->schema().ToJson();
  context.json ? context.terminal.JsonLine(line)
               : context.terminal.Line(Str("snapshot ", snapshot->hash().substr(0, 12), ": ", FormatCount(snapshot->rows()), " rows x ", snapshot->schema().size(), " columns",
                                        got.whole ? "" : Str("; ", FormatCount(got.read), " new read")));
  return 0;
}

std::string Bytes(const Json& body, std::string_view name) {
  if (body.Find(name) == nullptr) return "";  // of a program that stored every snapshot whole
  const auto bytes = static_cast<double>(body.IntAt(name));
  return bytes < 1e4 ? Str(body.IntAt(name), " B") : bytes < 1e7 ? Str(FormatShort(bytes / 1e3), " kB") : Str(FormatShort(bytes / 1e6), " MB");
}

Result<int> List(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  TENON_ASSIGN(auto records, opened->Records("snapshot"));
  std::vector<std::vector<std::string>> rows = {{"snapshot", "source", "rows", "made", "size", "added"}};
  for (const auto& record : records) {
    Json line;
    line["snapshot"] = record.name;
    line["source"] = record.body.StringAt("source");
    line["rows"] = record.body.IntAt("rows");
    line["at"] = FormatTimestamp(record.at);
    for (const char* name : {"bytes", "added"}) {
      if (const Json* value = record.body.Find(name)) line[name] = *value;
    }
    if (context.json) context.terminal.JsonLine(line);
    rows.push_back({record.name.substr(0, 12), line.StringAt("source"), FormatCount(line.IntAt("rows")), line.StringAt("at").substr(0, 16),
                    Bytes(record.body, "bytes"), Bytes(record.body, "added")});
  }
  if (!context.json) records.empty() ? context.terminal.Line("no snapshot yet; `tenon data add` or `tenon run` makes one") : context.terminal.Table(rows);
  return 0;
}

// The source asked for; the project's own when none is.
Result<std::string> SourceOf(Context& context, const Args& args) {
  if (!args.Text("source").empty()) return args.Text("source");
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  return project.source.name;
}

// Of records of a topic: up to which offset of each partition a snapshot has them. "" where there is none.
std::string OffsetsText(const Json* offsets) {
  std::string out;
  if (offsets == nullptr || !offsets->is_object()) return out;
  for (const auto& [partition, next] : offsets->object()) out += Str(out.empty() ? "" : " ", partition, ":", next.Int());
  return out;
}

Result<int> History(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  TENON_ASSIGN(const std::string source, SourceOf(context, args));
  TENON_ASSIGN(const auto versions, dataset::HistoryOf(*opened, source));
  if (versions.empty()) return Error(Code::kNotFound, Str("nothing was read of source ", source, " yet; `tenon data add` or `tenon run` does"));
  std::vector<std::vector<std::string>> rows = {{"version", "since", "snapshot", "rows"}};
  bool topic = false;  // whether there is anything to say of offsets
  for (const dataset::SourceVersion& version : versions) {
    TENON_ASSIGN(const auto record, opened->FindRecord("snapshot", version.snapshot));
    Json line;
    line["version"] = version.version;
    line["at"] = FormatTimestamp(version.at);
    line["snapshot"] = version.snapshot;
    line["rows"] = record ? Json(record->body.IntAt("rows")) : Json();
    const Json* offsets = record ? record->body.Find("offsets") : nullptr;
    if (offsets != nullptr) line["offsets"] = *offsets;
    topic = topic || offsets != nullptr;
    if (context.json) context.terminal.JsonLine(line);
    rows.push_back({Str(version.version), line.StringAt("at").substr(0, 19), version.snapshot.substr(0, 12), record ? FormatCount(record->body.IntAt("rows")) : "(gone)", OffsetsText(offsets)});
  }
  rows[0].push_back("next offsets");
  for (auto& row : rows) {
    if (!topic) row.pop_back();
  }
  if (!context.json) context.terminal.Table(rows);
  return 0;
}

// The snapshot named, or the newest.
Result<dataset::SnapshotPtr> Named(Context& context, const store::Store& from, const std::string& name) {
  if (!name.empty()) return dataset::LoadSnapshot(context.call, from, name);
  TENON_ASSIGN(auto records, from.Records("snapshot"));
  if (records.empty()) return Error(Code::kNotFound, "no snapshot yet; `tenon data add` or `tenon run` makes one");
  return dataset::LoadSnapshot(context.call, from, records.back().name);
}

// A line a column: what people ask first.
void ShowProfile(Context& context, const table::Profile& profile, const ingest::Sensitive& sensitive) {
  std::vector<std::vector<std::string>> rows = {{"column", "type", "missing", "distinct", "min", "mean", "max", "most frequent"}};
  for (const table::ColumnProfile& column : profile.columns()) {
    std::string top;
    for (const table::Frequency& value : column.Top(3)) top += Str(value.value.substr(0, 18), " (", FormatShort(value.count), ")  ");
    const bool hidden = sensitive.contains(column.field().name);
    if (hidden) top = "(sensitive)";
    const bool numbers = column.numeric() && !hidden;
    const bool time = column.field().type == table::Type::kTimestamp;
    const auto number = [&](double value) {
      return !numbers ? "" : time && std::isfinite(value) ? FormatTimestamp(static_cast<Micros>(value)).substr(0, 19) : FormatShort(value);
    };
    rows.push_back({column.field().name, std::string(NameOf(column.field().type)), FormatCount(column.missing()),
                    FormatCount(static_cast<std::int64_t>(column.distinct())), number(column.min()), number(column.mean()), number(column.max()), top});
  }
  context.terminal.Table(rows);
}

// The statistics for programs, without the values of what is sensitive.
Json ProfileJson(const table::Profile& profile, const ingest::Sensitive& sensitive) {
  Json out = profile.ToJson();
  for (Json& column : out["columns"].array()) {
    if (!sensitive.contains(column.StringAt("name"))) continue;
    for (const char* key : {"top", "min", "max", "mean", "quantiles", "histogram"}) column[key] = nullptr;
  }
  return out;
}

// Every row of a source, in memory that does not grow with it: a file that can be had in pieces is read so.
Result<void> EachBatch(Context& context, const ingest::SourceSpec& source, const std::function<Result<void>(const table::Schema&)>& begin,
                       const std::function<void(const table::Batch&)>& add) {
  constexpr std::uint64_t kBytes = 8 << 20;
  TENON_ASSIGN(const auto pieces, ingest::ReadPieces(context.call, source, context.kits.readers));
  if (pieces == nullptr) {
    TENON_ASSIGN(auto reader, ingest::Read(context.call, source, context.kits.readers));
    TENON_TRY(begin(*reader->schema()));
    while (true) {
      TENON_ASSIGN(std::optional<table::Batch> batch, reader->Next(context.call));
      if (!batch) return {};
      add(*batch);
    }
  }
  TENON_TRY(pieces->Learn(context.call));
  TENON_TRY(begin(*pieces->schema()));
  std::int64_t lines = pieces->lines_before();
  for (std::uint64_t at = pieces->begin(); at < pieces->end();) {
    TENON_ASSIGN(const ingest::Piece piece, pieces->Read(context.call, at, std::min(at + kBytes, pieces->end()), {}));
    if (!piece.bad.empty()) {
      return Error(Code::kInvalidArgument, Str(pieces->path(), ":", lines + piece.bad[0].line, ": ", piece.bad[0].problem));
    }
    if (piece.rows.rows() > 0) add(piece.rows);
    lines += piece.lines;
    if (piece.end <= at) break;
    pieces->Forget(at, piece.end);
    at = piece.end;
  }
  return {};
}

// Batch by batch, so that any number of rows takes the memory of some: no snapshot is made.
Result<int> ProfileFiles(Context& context, const Args& args) {
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  if (!args.Texts("files").empty()) {
    project.source.paths = args.Texts("files");
    project.source.folder = ".";
  }
  table::Profile profile;
  std::optional<table::SlicedProfile> slices;
  const auto begin = [&](const table::Schema& schema) -> Result<void> {
    profile = table::Profile(schema);
    const std::string by = args.Text("by");
    if (by.empty()) return {};
    if (project.source.sensitive.contains(by)) return Error(Code::kInvalidArgument, Str("--by: '", by, "' is sensitive (data.sensitive); its values are not shown"));
    TENON_ASSIGN(slices, table::SlicedProfile::Make(schema, by), "--by");
    return {};
  };
  TENON_TRY(EachBatch(context, project.source, begin, [&](const table::Batch& batch) { slices ? slices->Add(batch) : profile.Add(batch); }));
  if (slices) {
    for (const auto& [value, one] : slices->slices()) {
      Json line = ProfileJson(one, project.source.sensitive);
      line["slice"] = value;
      if (context.json) context.terminal.JsonLine(line);
      if (context.json) continue;
      context.terminal.Line(Str(args.Text("by"), " ", value, ": ", FormatCount(one.rows()), " rows"));
      ShowProfile(context, one, project.source.sensitive);
    }
    return 0;
  }
  if (context.json) {
    context.terminal.JsonLine(ProfileJson(profile, project.source.sensitive));
    return 0;
  }
  context.terminal.Line(Str(FormatCount(profile.rows()), " rows"));
  ShowProfile(context, profile, project.source.sensitive);
  return 0;
}

// What a source was, if its rows are still there.
Result<dataset::SnapshotPtr> LoadVersion(Context& context, const store::Store& from, const std::string& source, const dataset::SourceVersion& version) {
  TENON_ASSIGN(const auto record, from.FindRecord("snapshot", version.snapshot));
  if (!record) return Error(Code::kNotFound, Str("version ", version.version, " of source ", source, " is known by its name alone: its rows were removed (`tenon data gc`)"));
  return dataset::LoadSnapshot(context.call, from, version.snapshot);
}

Result<int> Show(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  std::string name = args.Text("snapshot");
  if (const std::string when = args.Text("as-of"); !when.empty()) {
    if (!name.empty()) return Error(Code::kInvalidArgument, "give a snapshot or --as-of, not both");
    TENON_ASSIGN(const std::string source, SourceOf(context, args));
    TENON_ASSIGN(const dataset::SourceVersion version, dataset::AsOf(*opened, source, when), "--as-of");
    TENON_ASSIGN(const dataset::SnapshotPtr found, LoadVersion(context, *opened, source, version));
    name = found->hash();
  }
  TENON_ASSIGN(dataset::SnapshotPtr snapshot, Named(context, *opened, name));
  TENON_ASSIGN(table::Profile profile, table::ProfileOf(context.call, snapshot->schema(), snapshot->batches()));
  const ingest::Sensitive sensitive = dataset::SensitiveOf(snapshot->about());
  TENON_ASSIGN(const auto record, opened->FindRecord("snapshot", snapshot->hash()));
  const Json* offsets = record ? record->body.Find("offsets") : nullptr;
  if (context.json) {
    Json line;
    line["snapshot"] = snapshot->hash();
    line["rows"] = snapshot->rows();
    if (offsets != nullptr) line["offsets"] = *offsets;
    line["profile"] = ProfileJson(profile, sensitive);
    context.terminal.JsonLine(line);
    return 0;
  }
  context.terminal.Line(Str("snapshot ", snapshot->hash(), ", ", FormatCount(snapshot->rows()), " rows", offsets == nullptr ? "" : ", records of a topic up to (partition:next offset) ", OffsetsText(offsets)));
  ShowProfile(context, profile, sensitive);
  const int shown = static_cast<int>(args.Int("rows"));
  std::int64_t left = shown;
  for (const table::Batch& batch : snapshot->batches()) {
    for (std::int64_t i = 0; i < batch.rows() && left > 0; ++i, --left) {
      Json row = batch.RowAt(i);
      for (const auto& [column, treatment] : sensitive) {
        if (row.Find(column) != nullptr) row[column] = "***";
      }
      context.terminal.Line(row.Dump());
    }
  }
  return 0;
}

Result<int> Explore(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  if (!args.Texts("files").empty()) {
    project.source.paths = args.Texts("files");
    project.source.folder = ".";
  }
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  TENON_ASSIGN(auto reader, ingest::Read(context.call, project.source, context.kits.readers));
  TENON_ASSIGN(auto snapshot, dataset::Snapshot(context.call, *reader, project.source, *opened));
  TENON_ASSIGN(const auto report, validate::Validate(context.call, *snapshot, nullptr, {}, project.problem.label, project.validate, context.kits.checks));
  const std::string path = args.Text("out").empty() ? platform::JoinPath(project.data_folder(), "explore.html") : args.Text("out");
  const pipeline::DataPage page{project.name, project.source.name, snapshot->hash().substr(0, 12), Str("tenon data explore ", folder)};
  TENON_ASSIGN(const std::string html, pipeline::ExplorePage(context.call, page, *snapshot, report, project.problem.label));
  TENON_TRY(context.files.Write(path, html));
  Json line;
  line["page"] = path;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str("wrote ", path));
  return 0;
}

// A snapshot by its hash, or what the project's source was at a time or as a version.
Result<dataset::SnapshotPtr> NamedOrAsOf(Context& context, const store::Store& from, const Args& args, const std::string& name) {
  std::int64_t number = 0;
  const bool version = name.size() < 6 && ParseInt64(name, &number);
  if (!version && name.find('-') == std::string::npos) return dataset::LoadSnapshot(context.call, from, name);
  TENON_ASSIGN(const std::string source, SourceOf(context, args));
  TENON_ASSIGN(const dataset::SourceVersion found, dataset::AsOf(from, source, name));
  return LoadVersion(context, from, source, found);
}

std::string NamesIn(const Json& list) {
  std::vector<std::string> out;
  for (const Json& name : list.array()) out.push_back(name.String());
  return Join(out, ", ");
}

void ShowSchemaDiff(Context& context, const Json& schema) {
  if (!schema.Find("added")->array().empty()) context.terminal.Line("columns that came: " + NamesIn(*schema.Find("added")));
  if (!schema.Find("removed")->array().empty()) context.terminal.Line("columns that are gone: " + NamesIn(*schema.Find("removed")));
  for (const Json& item : schema.Find("renamed")->array()) context.terminal.Line(Str("column ", item.StringAt("before"), " is ", item.StringAt("after"), " now"));
  for (const Json& item : schema.Find("changed")->array()) {
    context.terminal.Line(Str("column ", item.StringAt("name"), " was ", item.StringAt("before"), ", is ", item.StringAt("after")));
  }
}

void ShowDiff(Context& context, const Json& diff) {
  ShowSchemaDiff(context, *diff.Find("schema"));
  const Json& rows = *diff.Find("rows");
  const std::string key = diff.StringAt("key");
  context.terminal.Line(Str("rows: ", FormatCount(rows.IntAt("before")), " before, ", FormatCount(rows.IntAt("after")), " after; ", key.empty() ? "" : Str("by ", key, " "),
                            FormatCount(rows.IntAt("added")), " added, ", FormatCount(rows.IntAt("removed")), " removed, ", FormatCount(rows.IntAt("changed")), " changed"));
  std::vector<std::vector<std::string>> table = {{"column", "rows changed", "psi", "missing", "mean or distinct"}};
  for (const Json& column : diff.Find("columns")->array()) {
    const bool time = column.StringAt("type") == NameOf(table::Type::kTimestamp);
    const auto number = [&](const std::string& name) -> std::string {
      const Json* value = column.Find(name);
      if (value == nullptr || !value->is_number()) return "";
      return time && name.starts_with("mean") ? FormatTimestamp(static_cast<Micros>(value->Number())).substr(0, 19) : FormatShort(value->Number());
    };
    const auto both = [&](const std::string& name) { return column.Find(name + "_before") == nullptr ? "" : Str(number(name + "_before"), " -> ", number(name + "_after")); };
    table.push_back({column.StringAt("name"), FormatCount(column.IntAt("rows_changed")), number("psi"), both("missing"), both("mean") + both("distinct")});
  }
  context.terminal.Table(table);
  for (const char* what : {"added", "removed", "changed"}) {
    for (const Json& example : diff.Find("examples")->Find(what)->array()) context.terminal.Line(Str(what, " ", example.Dump()));
  }
}

Result<int> Diff(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  TENON_ASSIGN(auto before, NamedOrAsOf(context, *opened, args, args.Text("before")), "before");
  TENON_ASSIGN(auto after, NamedOrAsOf(context, *opened, args, args.Text("after")), "after");
  TENON_ASSIGN(const dataset::Difference difference, dataset::Compare(context.call, *before, *after));
  if (const std::string path = args.Text("html"); !path.empty()) {
    const std::string from = before->hash().substr(0, 12), to = after->hash().substr(0, 12);
    const pipeline::DataPage page{"", after->source(), to, Str("tenon data diff ", from, " ", to, " --project ", args.Text("project"), " --html ", path)};
    TENON_TRY(context.files.Write(path, pipeline::DiffPage(page, from, difference)));
  }
  if (context.json) {
    context.terminal.JsonLine(difference.summary);
  } else {
    ShowDiff(context, difference.summary);
  }
  return 0;
}

}  // namespace

void AddData(std::vector<Command>& to) {
  const Flag project = {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."};
  to.push_back({.name = "data add",
                .summary = "Read the project's source (or the files given) into an immutable snapshot",
                .example = "tenon data add examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--files", .help = "read these instead of the project's", .kind = Flag::Kind::kTexts},
                          {.name = "--full", .help = "read all again, also what an incremental source knows", .kind = Flag::Kind::kBool}},
                .run = Add});
  to.push_back({.name = "data ls", .summary = "List snapshots, with their size and what each really added", .example = "tenon data ls examples/loan-approval", .flags = {ProjectFlag()}, .run = List});
  to.push_back({.name = "data history",
                .summary = "List what a source was found to be over time",
                .example = "tenon data history examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--source", .help = "its name; the project's own when not given"}},
                .run = History});
  to.push_back({.name = "data show",
                .summary = "Show a snapshot's columns with their statistics",
                .example = "tenon data show --project examples/loan-approval --rows 3",
                .flags = {{.name = "snapshot", .help = "hash or its first digits; the newest when not given"}, project,
                          {.name = "--as-of", .help = "what the source was then: a time, or the number of a version (`tenon data history`)"},
                          {.name = "--source", .help = "the source of --as-of; the project's own when not given"},
                          {.name = "--rows", .help = "rows to print below", .kind = Flag::Kind::kInt, .fallback = "0"}},
                .run = Show});
  to.push_back({.name = "data profile",
                .summary = "Read the project's source (or the files given) once and show the columns' statistics; keeps nothing",
                .example = "tenon data profile examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--by", .help = "a column: the statistics of each of its values' rows"}, {.name = "--files", .help = "read these instead of the project's", .kind = Flag::Kind::kTexts}},
                .run = ProfileFiles});
  to.push_back({.name = "data explore",
                .summary = "Write a page about the data: distributions, correlations, time, what is missing, suggested transforms",
                .example = "tenon data explore examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--files", .help = "explore these instead of the project's", .kind = Flag::Kind::kTexts},
                          {.name = "--out", .help = "where the page goes; .tenon/explore.html when not given"}},
                .run = Explore});
  to.push_back({.name = "data diff",
                .summary = "Compare two snapshots: columns, distributions, rows by key",
                .example = "tenon data diff 3f2a91 9c04d7 --project examples/loan-approval",
                .flags = {{.name = "before", .help = "a hash or its first digits, the number of a version (`tenon data history`), or a time", .required = true},
                          {.name = "after", .help = "the same", .required = true}, project,
                          {.name = "--source", .help = "the source of versions and times; the project's own when not given"},
                          {.name = "--html", .help = "write a page with plots to this file"}},
                .run = Diff});
}

}  // namespace tenon::app

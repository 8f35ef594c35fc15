#include <algorithm>

#include "app/commands/all.h"
#include "dataset/erase.h"
#include "dataset/sensitive.h"
#include "dataset/snapshot.h"
#include "pipeline/before.h"
#include "pipeline/data_pages.h"
#include "pipeline/edit_project.h"
#include "pipeline/features.h"
#include "pipeline/references.h"
#include "registry/registry.h"
#include "validate/check.h"

namespace tenon::app {
namespace {

void ShowAnomaly(Terminal& terminal, const validate::Anomaly& anomaly) {
  std::string severity(NameOf(anomaly.severity));
  severity = anomaly.severity == validate::Severity::kError     ? terminal.Red(severity)
             : anomaly.severity == validate::Severity::kWarning ? terminal.Yellow(severity)
                                                                : terminal.Dim(severity);
  terminal.Line(Str(severity, "  ", terminal.Bold(anomaly.column), anomaly.column.empty() ? "" : ": ", anomaly.short_text));
  if (!anomaly.long_text.empty()) terminal.Line(Str("       ", anomaly.long_text));
  for (const Json& row : anomaly.rows) terminal.Line(Str("       ", row.Dump()));
  if (!anomaly.fix.empty()) terminal.Line(Str("       fix: ", anomaly.fix));
  if (!anomaly.accept.empty()) terminal.Line(Str("       or take it as it is: --accept ", anomaly.check, ":", anomaly.column));
}

// Features of views stand beside the rows of a run only: rows that come without them lack nothing.
void LeaveOutFeatures(const pipeline::Project& project, std::vector<validate::ColumnExpectation>* schema) {
  std::erase_if(*schema, [&](const validate::ColumnExpectation& one) {
    return std::ranges::find(project.validate.as_known, one.name) != project.validate.as_known.end();
  });
}

// The last snapshot that a run validated, or what --against names.
Result<validate::Before> BeforeOf(Context& context, store::Store& store, const pipeline::Project& project, const std::string& against, const std::string& now) {
  validate::Before out;
  if (against.empty()) {
    TENON_ASSIGN(const auto last, store.FindRecord("validated", project.source.name));
    if (!last || last->body.StringAt("snapshot") == now) return out;
    return pipeline::ReadBefore(context.call, store, last->body, project.validate);
  }
  std::string hash = against;
  if (against == "training") {
    const registry::Registry versions(store);
    TENON_ASSIGN(const registry::ModelVersion champion, versions.Resolve(Str(project.name, "@champion")), "--against training");
    hash = champion.lineage.StringAt("snapshot");
    if (hash.empty()) return Error(Code::kFailedPrecondition, Str("the champion of ", project.name, " was brought in from elsewhere: what it learnt from is not known here"));
  }
  if (against == "training") {
    TENON_ASSIGN(const dataset::Renamed renamed, dataset::NameNow(store, hash));
    hash = renamed.hash;
  }
  TENON_ASSIGN(out.snapshot, dataset::LoadSnapshot(context.call, store, hash), "--against");
  TENON_ASSIGN(out.profile, table::ProfileOf(context.call, out.snapshot->schema(), out.snapshot->batches()));
  out.schema = validate::InferSchema(*out.profile);
  return out;
}

// Writes the settings of the findings into the project file.
Result<int> Accept(Context& context, const pipeline::Project& project, const validate::ValidationReport& report, const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const validate::Anomaly& one : report.anomalies) {
    if (!one.accept.empty()) known.push_back(Str(one.check, ":", one.column));
  }
  TENON_ASSIGN(const auto bytes, context.files.Map(project.file));
  std::string text(bytes->view());
  for (const std::string& name : wanted) {
    if (name != "all" && std::ranges::find(known, name) == known.end()) {
      return Error(Code::kNotFound, known.empty() ? Str("no finding '", name, "' that a setting would accept; there is none") : Str("no finding '", name, "' that a setting would accept", DidYouMean(name, known)));
    }
    for (const validate::Anomaly& one : report.anomalies) {
      if (name != "all" && Str(one.check, ":", one.column) != name) continue;
      for (const validate::Setting& setting : one.accept) {
        TENON_ASSIGN(text, pipeline::EditProject(text, project.file, {setting.path, setting.value, setting.append}));
        context.terminal.Line(Str("set    ", Join(setting.path, "."), setting.append ? " += " : " = ", setting.value.Dump()));
      }
    }
  }
  TENON_TRY(pipeline::ParseProject(text, project.folder, project.file), "after the edit");
  TENON_TRY(context.files.Write(project.file, text));
  context.terminal.Line(Str("wrote  ", project.file));
  return 0;
}

// One row to predict, against what the last run expects of rows.
Result<int> ValidateRow(Context& context, const pipeline::Project& project, const std::string& text) {
  TENON_ASSIGN(const Json row, Json::Parse(text, "--row"));
  if (!row.is_object()) return Error(Code::kInvalidArgument, Str("--row: expected an object such as {\"age\": 40}, got ", row.KindName()));
  TENON_ASSIGN(auto opened, OpenStore(context, project.folder, store::Store::Access::kRead));
  TENON_ASSIGN(auto last, opened->FindRecord("validated", project.source.name));
  if (!last) return Error(Code::kFailedPrecondition, "nothing is expected of rows yet; `tenon run` makes a schema");
  TENON_ASSIGN(auto schema, pipeline::ReadSchema(*opened, last->body));
  LeaveOutFeatures(project, &schema);
  std::vector<std::string> masked;
  for (const auto& [column, treatment] : project.source.sensitive) masked.push_back(column);
  TENON_ASSIGN(const auto found, validate::ValidateRow(schema, project.validate, project.problem.label, row, masked));
  bool passed = true;
  Json list = Json::MakeArray();
  for (const validate::Anomaly& one : found) {
    passed = passed && one.severity < project.validate.fail_on;
    context.json ? list.Push(one.ToJson()) : ShowAnomaly(context.terminal, one);
  }
  if (context.json) {
    Json line;
    line["passed"] = passed;
    line["anomalies"] = std::move(list);
    context.terminal.JsonLine(line);
  } else {
    context.terminal.Line(Str(found.size(), " findings: ", passed ? context.terminal.Green("as expected of a row") : context.terminal.Red("not as expected of a row")));
  }
  return passed ? 0 : 1;
}

// What is held against rows that come later.
Result<void> TakeAsBase(store::Store& store, const pipeline::Project& project, const std::string& snapshot, const validate::ValidationReport& report) {
  Json schema = Json::MakeArray();
  for (const auto& expected : report.schema) schema.Push(expected.ToJson());
  Json body = Json::MakeObject();
  body["snapshot"] = snapshot;
  TENON_ASSIGN(body["profile"], store.Put(report.profile.Save()));
  TENON_ASSIGN(body["schema"], store.Put(schema.Canonical()));
  body["previous"] = Json::MakeObject();
  return store.PutRecord("validated", project.source.name, body);
}

// The rows with their features, as a run sees them.
Result<dataset::SnapshotPtr> WithFeatures(Context& context, const pipeline::Project& project, const dataset::DatasetSnapshot& rows, store::Store& store) {
  TENON_ASSIGN(auto sources, pipeline::ReadViewSources(context.call, context.kits.readers, project));
  std::vector<ingest::SourceSpec> specs = project.other_sources;
  specs.push_back(project.source);
  for (const ingest::SourceSpec& spec : specs) {  // as a run stores them
    for (auto& source : sources) {
      if (source.source != spec.name) continue;
      TENON_ASSIGN(source.batches, dataset::Treat(spec.sensitive, std::move(source.batches), store));
      TENON_ASSIGN(source.batches, dataset::LeaveOutErased(spec, std::move(source.batches), store));
    }
  }
  TENON_ASSIGN(table::Batch joined, pipeline::WithFeatures(context.call, project, table::Batch::Concat(rows.batches()), project.source.time, sources));
  const auto schema = joined.shared_schema();
  auto reader = table::ReaderOver(schema, {std::move(joined)});
  return dataset::Snapshot(context.call, *reader, project.source, store, true);
}

Result<int> ValidateData(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  if (!args.Text("row").empty()) return ValidateRow(context, project, args.Text("row"));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  if (!args.Texts("files").empty()) {
    project.source.paths = args.Texts("files");
    project.source.folder = ".";
  }
  TENON_ASSIGN(auto reader, ingest::Read(context.call, project.source, context.kits.readers));
  TENON_ASSIGN(auto snapshot, dataset::Snapshot(context.call, *reader, project.source, *opened));
  const bool joined = !project.features.views.empty() && args.Texts("files").empty();
  if (joined) {
    TENON_ASSIGN(snapshot, WithFeatures(context, project, *snapshot, *opened));
  }
  TENON_ASSIGN(validate::Before before, BeforeOf(context, *opened, project, args.Text("against"), snapshot->hash()));
  if (!joined) LeaveOutFeatures(project, &before.schema);
  validate::ValidateSpec spec = project.validate;
  TENON_TRY(pipeline::ReadReferences(context.call, context.kits.readers, project.folder, &spec));
  TENON_ASSIGN(const auto report, validate::Validate(context.call, *snapshot, nullptr, before, project.problem.label, spec, context.kits.checks));
  if (const std::string path = args.Text("html"); !path.empty()) {
    const pipeline::DataPage page{project.name, project.source.name, snapshot->hash().substr(0, 12), Str("tenon validate ", folder, " --html ", path)};
    TENON_TRY(context.files.Write(path, pipeline::ValidationPage(page, report, before.profile ? &*before.profile : nullptr)));
  }
  if (args.Bool("base")) {
    TENON_TRY(TakeAsBase(*opened, project, snapshot->hash(), report));
    context.terminal.Line(Str("base   snapshot ", snapshot->hash().substr(0, 12), ": later rows are held against it"));
    return 0;
  }
  if (!args.Texts("accept").empty()) return Accept(context, project, report, args.Texts("accept"));
  if (context.json) {
    Json line = report.ToJson();
    line["snapshot"] = snapshot->hash();
    context.terminal.JsonLine(line);
  } else {
    for (const validate::Anomaly& anomaly : report.anomalies) ShowAnomaly(context.terminal, anomaly);
    context.terminal.Line(Str(FormatCount(snapshot->rows()), " rows, ", report.anomalies.size(), " findings: ",
                              report.passed ? context.terminal.Green("fit to learn from") : context.terminal.Red("not fit to learn from")));
  }
  return report.passed ? 0 : 1;
}

}  // namespace

void AddValidate(std::vector<Command>& to) {
  to.push_back({.name = "validate",
                .summary = "Check the data: schema, missing values, ranges, leakage, labels, personal data; against the last snapshot",
                .example = "tenon validate examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--files", .help = "check these instead of the project's", .kind = Flag::Kind::kTexts},
                          {.name = "--against", .help = "a snapshot to compare with, or `training`: that of the champion; the last one when not given"},
                          {.name = "--accept", .help = "findings to take as they are, such as domain:state, or all: writes the project file", .kind = Flag::Kind::kTexts},
                          {.name = "--base", .help = "take these rows as what later ones are held against, whatever was found: a shift that is meant", .kind = Flag::Kind::kBool},
                          {.name = "--row", .help = "check one row, an object of JSON, by the schema of the last run"},
                          {.name = "--html", .help = "write a page with findings and plots to this file"}},
                .run = ValidateData});
}

}  // namespace tenon::app

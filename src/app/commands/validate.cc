#include "app/commands/all.h"
#include "dataset/snapshot.h"
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
  if (!anomaly.fix.empty()) terminal.Line(Str("       fix: ", anomaly.fix));
}

Result<int> ValidateData(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  if (!args.Texts("files").empty()) {
    project.source.paths = args.Texts("files");
    project.source.folder = ".";
  }
  TENON_ASSIGN(auto reader, ingest::Read(context.call, project.source, context.kits.readers));
  TENON_ASSIGN(auto snapshot, dataset::Snapshot(context.call, *reader, project.source, *opened));
  const table::Profile* old_profile = nullptr;
  table::Profile loaded;
  std::vector<validate::ColumnExpectation> old_schema;
  TENON_ASSIGN(auto last, opened->FindRecord("validated", project.source.name));
  if (last && last->body.StringAt("snapshot") != snapshot->hash()) {
    TENON_ASSIGN(auto profile_bytes, opened->Get(last->body.StringAt("profile")));
    TENON_ASSIGN(loaded, table::Profile::Load(profile_bytes->view()));
    TENON_ASSIGN(auto schema_bytes, opened->Get(last->body.StringAt("schema")));
    TENON_ASSIGN(Json schema, Json::Parse(schema_bytes->view()));
    for (const Json& item : schema.array()) {
      TENON_ASSIGN(auto expected, validate::ColumnExpectation::FromJson(item));
      old_schema.push_back(std::move(expected));
    }
    old_profile = &loaded;
  }
  TENON_ASSIGN(auto report, validate::Validate(context.call, *snapshot, nullptr, old_profile, old_profile != nullptr ? &old_schema : nullptr,
                                               project.problem.label, project.validate, context.kits.checks));
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
                .summary = "Check the data: schema, missing values, ranges, duplicates, leakage; against the last snapshot",
                .example = "tenon validate examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--files", .help = "check these instead of the project's", .kind = Flag::Kind::kTexts}},
                .run = ValidateData});
}

}  // namespace tenon::app

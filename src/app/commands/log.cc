#include <limits>

#include "app/commands/all.h"
#include "pipeline/export_log.h"

namespace tenon::app {
namespace {

// "2030-01-31", or a time ago: "6h".
Result<Micros> TimeOf(const Call& call, const std::string& flag, const std::string& text, Micros otherwise) {
  Micros at = otherwise;
  if (text.empty() || ParseTimestamp(text, &at)) return at;
  TENON_ASSIGN(const auto ago, ParseDuration(text), Str(flag, " is a time such as 2030-01-31, or how long ago: 6h"));
  return call.Now() - ago.count();
}

Result<int> Export(Context& context, const Args& args) {
  const std::string folder = args.Text("project"), out = args.Text("out");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(const Micros from, TimeOf(context.call, "--from", args.Text("from"), 0));
  TENON_ASSIGN(const Micros until, TimeOf(context.call, "--until", args.Text("until"), std::numeric_limits<Micros>::max()));
  TENON_ASSIGN(const auto report, pipeline::ExportLog(context.call, context.files, platform::JoinPath(project.data_folder(), "inference"),
                                                      project.serve.endpoint, from, until, out, args.Bool("labels")));
  TENON_ASSIGN(const auto all, serve::FindMissing(context.files, platform::JoinPath(project.data_folder(), "inference")));
  const auto missing = serve::MissingOf(all, project.serve.endpoint, from, until);
  Json line;
  line["out"] = out;
  line["rows"] = report.entries;
  line["torn_bytes"] = report.torn_bytes;
  line["missing"] = serve::SumOf(missing);
  if (context.json) {
    context.terminal.JsonLine(line);
    return 0;
  }
  context.terminal.Line(Str(FormatCount(report.entries), " answers in ", out));
  if (report.torn_bytes > 0) context.terminal.Note(Str(FormatCount(report.torn_bytes), " bytes at the end of segments were cut off by a crash and are lost"));
  for (const auto& one : missing) context.terminal.Note(serve::Describe({one}));
  return 0;
}

}  // namespace

void AddLog(std::vector<Command>& to) {
  to.push_back({.name = "log export",
                .summary = "Write the inference log as a table: Parquet, CSV or JSON lines",
                .example = "tenon log export examples/loan-approval --out answers.parquet --from 7d",
                .flags = {ProjectFlag(),
                          {.name = "--out", .help = "a file; .parquet, .csv or .jsonl", .required = true},
                          {.name = "--from", .help = "a time such as 2030-01-31, or how long ago: 7d"},
                          {.name = "--until", .help = "likewise"},
                          {.name = "--labels", .help = "with a column `label`: what :feedback said that the answer should have been", .kind = Flag::Kind::kBool}},
                .run = Export});
}

}  // namespace tenon::app

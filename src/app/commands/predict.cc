#include <algorithm>

#include "app/commands/all.h"
#include "pipeline/predict.h"
#include "registry/registry.h"

namespace tenon::app {
namespace {

Result<int> PredictRows(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kRead));
  const registry::Registry registry(*opened);
  const std::string reference = args.Text("model").empty() ? project.name : args.Text("model");
  TENON_ASSIGN(registry::ModelVersion version, registry.Resolve(reference));
  TENON_ASSIGN(auto bytes, opened->Get(version.bundle), version.id());
  TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), version.id());
  TENON_ASSIGN(auto predictor, model::Predictor::Load(bundle, context.kits.ops, context.kits.formats), version.id());
  Call call = context.call;
  call.progress = [&](const Progress& progress) { context.terminal.Live(Str("predicting ", progress.what)); };
  if (args.Int("threads") > 0) call.threads = static_cast<int>(std::min<std::int64_t>(args.Int("threads"), 256));
  Json connect;
  if (!args.Text("connect").empty()) {
    TENON_ASSIGN(connect, Json::ParseYaml(args.Text("connect"), "--connect"));
  }
  const bool piped = args.Text("out") == "-";
  if (args.Text("format") != "" && !piped) return Error(Code::kInvalidArgument, "--format is for --out -; a file's format is its ending");
  const pipeline::PredictSpec spec{.in = args.Text("in"), .out = args.Text("out"), .form = args.Text("format"), .connect = std::move(connect), .bad_rows = args.Text("bad-rows"), .model = version.id(),
                                   .bundle = version.bundle, .fresh = args.Bool("fresh")};
  auto predicted = pipeline::PredictFile(call, context.files, project, *predictor, context.kits, spec);
  context.terminal.ClearLive();
  TENON_ASSIGN(const pipeline::PredictedFile done, std::move(predicted));
  Json line;
  line["model"] = version.id();
  line["rows"] = done.rows;
  line["out"] = args.Text("out");
  line["seconds"] = done.seconds;
  if (!spec.bad_rows.empty()) line["bad_rows"] = done.bad;
  if (done.resumed > 0) line["resumed_rows"] = done.resumed;
  std::string text = Str(FormatCount(done.rows), " rows predicted by ", version.id(), " -> ", args.Text("out"));
  if (done.resumed > 0) text += Str("; ", FormatCount(done.resumed), " of them before it was interrupted");
  if (done.bad > 0) text += Str("; ", FormatCount(done.bad), done.bad == 1 ? " bad row" : " bad rows", " -> ", spec.bad_rows);
  if (piped) {
    context.terminal.Note(context.json ? line.Dump() : text);
  } else {
    context.json ? context.terminal.JsonLine(line) : context.terminal.Line(text);
  }
  return 0;
}

}  // namespace

void AddPredict(std::vector<Command>& to) {
  to.push_back({.name = "predict",
                .summary = "Predict every row of files or of a table, of any size, bit-equal to the service",
                .example = "tenon predict examples/loan-approval new.csv --out answers.csv",
                .flags = {{.name = "project", .help = "folder with tenon.yaml", .required = true},
                          {.name = "in", .help = "rows: a file, 'a pattern*.csv', a folder, s3://, https://, postgresql://, or - for standard input", .required = true},
                          {.name = "--out", .help = "answers: .csv, .jsonl or .parquet, or - for standard output", .required = true},
                          {.name = "--format", .help = "of --out -: csv when not given", .choices = {"csv", "jsonl"}},
                          {.name = "--connect", .help = "settings of an address, as under data: in the project file: '{table: public.new, password: env:SHOP}'"},
                          {.name = "--model", .help = "name@7 or name@champion; the champion when not given"},
                          {.name = "--bad-rows", .help = "rows that cannot be read go here, with place and reason, as JSON lines; else the first is an error"},
                          {.name = "--threads", .help = "0: as many as cores", .kind = Flag::Kind::kInt, .fallback = "0"},
                          {.name = "--fresh", .help = "begin anew, even where an interrupted run of the same could go on", .kind = Flag::Kind::kBool}},
                .run = PredictRows});
}

}  // namespace tenon::app

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
  TENON_ASSIGN(auto done, pipeline::PredictFile(call, project, *predictor, context.kits, args.Text("in"), args.Text("out")));
  context.terminal.ClearLive();
  Json line;
  line["model"] = version.id();
  line["rows"] = done.rows;
  line["out"] = args.Text("out");
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(FormatCount(done.rows), " rows predicted by ", version.id(), " -> ", args.Text("out")));
  return 0;
}

}  // namespace

void AddPredict(std::vector<Command>& to) {
  to.push_back({.name = "predict",
                .summary = "Predict every row of a file into another file, bit-equal to the service",
                .example = "tenon predict examples/loan-approval new.csv --out answers.csv",
                .flags = {{.name = "project", .help = "folder with tenon.yaml", .required = true},
                          {.name = "in", .help = "rows: CSV, JSON lines, Parquet, Arrow", .required = true},
                          {.name = "--out", .help = "answers: .csv, .jsonl or .parquet", .required = true},
                          {.name = "--model", .help = "name@7 or name@champion; the champion when not given"}},
                .run = PredictRows});
}

}  // namespace tenon::app

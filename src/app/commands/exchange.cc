// Models of other makers in, ours out.

#include "app/commands/all.h"
#include "pipeline/import.h"
#include "registry/registry.h"

namespace tenon::app {
namespace {

std::vector<std::string> Listed(const std::string& text) {
  std::vector<std::string> out;
  for (const std::string& part : Split(text, ',')) {
    if (!Trim(part).empty()) out.emplace_back(Trim(part));
  }
  return out;
}

// A folder that has no project yet becomes one, so that the model can be served from it at once.
Result<void> MakeProject(Context& context, const std::string& folder, const pipeline::ImportSpec& spec) {
  const std::string path = platform::JoinPath(folder, "tenon.yaml");
  if (context.files.Exists(path)) return {};
  TENON_TRY(context.files.MakeFolders(folder));
  const std::string name = spec.name.empty() ? "imported" : spec.name;
  const std::string text = Str("# Made by `tenon models import`: the model came from elsewhere. To train a successor, name its data and label.\nproject: ",
                               Json(name).Dump(), "\ndata: ", Json(spec.samples.empty() ? "rows.csv" : spec.samples).Dump(), "\nproblem:\n  label: ",
                               Json(spec.label.empty() ? "label" : spec.label).Dump(), "\n");
  TENON_TRY(pipeline::ParseProject(text, folder, path), "making a project for the model");
  return context.files.Write(path, text);
}

Result<int> Import(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  pipeline::ImportSpec spec;
  spec.file = args.Text("file");
  spec.name = args.Text("name");
  spec.format = args.Text("format") == "sklearn" ? "onnx" : args.Text("format");
  spec.samples = args.Text("samples");
  spec.outputs = Listed(args.Text("outputs"));
  spec.label = args.Text("label");
  spec.classes = Listed(args.Text("labels"));
  spec.task = args.Text("task");
  spec.link = args.Text("link");
  spec.tolerance = args.Number("tolerance");
  spec.threshold = args.Number("threshold");
  spec.python = args.Text("python");
  spec.against = args.Text("against");
  spec.metric = args.Text("metric");
  spec.most_loss = args.Number("max-loss");
  if (!(spec.most_loss >= 0)) return Error(Code::kInvalidArgument, Str("--max-loss ", spec.most_loss, " is negative"));
  if (spec.against.empty() && !spec.metric.empty()) return Error(Code::kInvalidArgument, "--metric is of what --against compares; say beside which version");
  if (!(spec.threshold >= 0 && spec.threshold <= 1)) return Error(Code::kInvalidArgument, Str("--threshold ", spec.threshold, " is not within 0..1"));
  if (!(spec.tolerance >= 0)) return Error(Code::kInvalidArgument, Str("--tolerance ", spec.tolerance, " is negative"));
  if (!context.files.Exists(spec.file)) return Error(Code::kNotFound, Str("there is no model file ", spec.file));
  TENON_TRY(MakeProject(context, folder, spec));
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  if (spec.name.empty()) spec.name = project.name;
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  TENON_ASSIGN(const auto imported, pipeline::ImportModel(context.call, *opened, context.kits, spec));
  registry::Registry registry(*opened);
  const registry::ModelVersion& version = imported.version;
  const bool judged = !imported.loss.metric.empty(), promote = args.Bool("promote") && version.gates_passed;
  if (promote) TENON_TRY(registry.Promote(context.call, version.name, version.version, "champion", false));
  if (context.json) {
    Json line;
    line["model"] = version.id();
    line["format"] = imported.format;
    line["compared_with"] = imported.compared_with;
    line["rows"] = imported.rows;
    line["difference"] = imported.difference;
    line["notes"] = Json::ListOf(imported.notes);
    line["promoted"] = promote;
    if (judged) line["loss"] = imported.loss.ToJson();
    context.terminal.JsonLine(line);
    return version.gates_passed ? 0 : 1;
  }
  Terminal& terminal = context.terminal;
  terminal.Line(Str(terminal.Bold(version.id()), " is ", platform::NameOf(spec.file), " (", version.lineage.StringAt("learner"), "), answered by ",
                    imported.format == "onnx" ? "ONNX Runtime" : Str("our ", imported.format, " engine")));
  terminal.Line(imported.compared_with.empty()
                    ? "not compared with its maker's answers: give rows with --samples, and their answers with --outputs"
                    : Str(FormatCount(imported.rows), " rows compared with ", imported.compared_with, ", the largest difference is ", FormatShort(imported.difference, 3)));
  for (const std::string& note : imported.notes) terminal.Note(note);
  if (judged) {
    const Json& gate = version.gates.array().back();
    terminal.Line(Str(imported.loss.metric, " on ", FormatCount(imported.loss.rows), " rows: ", FormatShort(imported.loss.before, 5), " of ", imported.loss.against, ", ",
                      FormatShort(imported.loss.after, 5), " of this"));
    terminal.Line(Str("  gate       ", gate.BoolAt("passed") ? terminal.Green("passed") : terminal.Red("FAILED"), "  ", gate.StringAt("name"), "  (", gate.StringAt("why"), ")"));
    if (!version.gates_passed) return 1;
  }
  terminal.Line(terminal.Dim(promote ? Str("it is champion; `tenon serve ", folder, "` answers with it")
                                                  : Str("`tenon models promote ", version.id(), " --project ", folder, "` makes it answer")));
  return 0;
}

Result<int> Export(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  const registry::Registry registry(*opened);
  TENON_ASSIGN(const registry::ModelVersion version, registry.Resolve(args.Text("model")));
  TENON_ASSIGN(auto bytes, opened->Get(version.bundle), version.id());
  std::string out = args.Text("out"), format = args.Text("format");
  if (format.empty()) format = out.ends_with(".onnx") ? "onnx" : out.ends_with(".pmml") ? "pmml" : "bundle";
  if (out.empty()) out = Str(version.id(), format == "bundle" ? ".tenon" : Str(".", format));
  std::string written;
  if (format == "bundle") {
    written = bytes->view();
  } else {
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), version.id());
    TENON_ASSIGN(auto predictor, model::Predictor::Load(bundle, context.kits.ops, context.kits.formats), version.id());
    if (predictor->cascade() != nullptr) {
      return Error(Code::kFailedPrecondition, Str(version.id(), " is a cascade of two models, which ", format, " has no words for; export it as a bundle"));
    }
    TENON_ASSIGN(const auto exporter, context.kits.exporters.Create(format));
    TENON_ASSIGN(written, exporter->Export(*predictor, version.id()), version.id());
  }
  TENON_TRY(context.files.Write(out, written));
  Json line;
  line["model"] = version.id();
  line["format"] = format;
  line["out"] = out;
  line["bytes"] = written.size();
  context.json ? context.terminal.JsonLine(line)
               : context.terminal.Line(Str(version.id(), " -> ", out, " (", format, ", ", FormatCount(static_cast<std::int64_t>(written.size())), " bytes)"));
  return 0;
}

}  // namespace

void AddExchange(std::vector<Command>& to) {
  to.push_back({.name = "models import",
                .summary = "Bring in a model that others made (XGBoost, LightGBM, ONNX, PMML, SavedModel), checked on sample rows",
                .example = "tenon models import fraud-project model.json --name fraud --samples rows.csv --outputs p --promote",
                .flags = {ProjectFlag(),
                          {.name = "file", .help = "the model: XGBoost JSON or UBJSON, LightGBM text, ONNX, PMML, or a SavedModel's folder", .required = true},
                          {.name = "--name", .help = "of the model it becomes; the project's when not given"},
                          {.name = "--format", .help = "when the file does not show it", .choices = {"xgboost", "lightgbm", "onnx", "sklearn", "pmml"}},
                          {.name = "--samples", .help = "rows of its inputs: CSV, JSON lines, Parquet, Arrow"},
                          {.name = "--outputs", .help = "columns of the samples, a,b,c: what its own library answered"},
                          {.name = "--label", .help = "column of the samples that is the label, not an input"},
                          {.name = "--labels", .help = "the classes in the order of its outputs, a,b,c"},
                          {.name = "--task", .help = "when the file does not say it", .choices = {"binary", "multiclass", "regression"}},
                          {.name = "--link", .help = "from an ONNX model's outputs to predictions", .choices = {"identity", "logistic", "softmax"}},
                          {.name = "--tolerance", .help = "how far from --outputs an answer may be", .kind = Flag::Kind::kNumber, .fallback = "1e-6"},
                          {.name = "--threshold", .help = "of the decision for the second class", .kind = Flag::Kind::kNumber, .fallback = "0.5"},
                          {.name = "--python", .help = "of a SavedModel: the Python that has TensorFlow and tf2onnx", .fallback = "python3"},
                          {.name = "--against", .help = "name@7: a version that it may not be worse than, on the samples with their --label (a quantised network beside the floats)"},
                          {.name = "--metric", .help = "of --against; roc_auc, accuracy or rmse by the task when not given"},
                          {.name = "--max-loss", .help = "of --metric beside --against: the upper end of the interval of the loss", .kind = Flag::Kind::kNumber, .fallback = "0.002"},
                          {.name = "--promote", .help = "make it champion, if it passes", .kind = Flag::Kind::kBool}},
                .run = Import});
  to.push_back({.name = "models export",
                .summary = "Write a version, transforms and all, to a file: a bundle for tenon-serve and libtenon, or a format that others read",
                .example = "tenon models export loan-approval@1 --project examples/loan-approval --format onnx --out loan.onnx",
                .flags = {{.name = "model", .help = "name, name@7, name@champion or name@latest", .required = true},
                          {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."},
                          {.name = "--format", .help = "what to write; when not given, onnx or pmml where --out ends so, else bundle", .choices = {"bundle", "onnx", "pmml"}},
                          {.name = "--out", .help = "file to write; name@7.tenon, name@7.onnx or name@7.pmml when not given"}},
                .run = Export});
}

}  // namespace tenon::app

#include "pipeline/import.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "model/importer.h"
#include "pipeline/release.h"
#include "pipeline/saved_model.h"
#include "platform/tensor_program.h"
#include "serve/endpoint.h"

namespace tenon::pipeline {
namespace {

constexpr std::int64_t kMostRows = 10000;   // of samples that are compared
constexpr std::int64_t kMadeRows = 64;
constexpr std::int64_t kMadeNumbers = 1 << 20;  // of a field in all made rows

struct Samples {
  table::Batch rows;       // columns of inputs, as they are read without knowing the model
  table::Column label;     // when there is one
  table::Batch recorded;   // what the maker's library answered; no columns: nothing was recorded
  bool there = false;
};

Result<table::Batch> ReadRows(const Call& call, const Kits& kits, const std::string& path,
                              std::vector<std::pair<std::string, std::string>> types) {
  ingest::SourceSpec source;
  source.paths = {path};
  source.types = std::move(types);
  TENON_ASSIGN(auto reader, ingest::Read(call, source, kits.readers), path);
  std::vector<table::Batch> batches;
  std::int64_t rows = 0;
  while (rows < kMostRows) {
    TENON_ASSIGN(auto batch, reader->Next(call), path);
    if (!batch) break;
    batches.push_back(batch->Slice(0, std::min(batch->rows(), kMostRows - rows)));
    rows += batches.back().rows();
  }
  if (batches.empty()) return Error(Code::kInvalidArgument, Str(path, ": has no rows"));
  return table::Batch::Concat(batches);
}

Result<Samples> ReadSamples(const Call& call, const Kits& kits, const ImportSpec& spec) {
  Samples out;
  if (spec.samples.empty()) {
    if (!spec.outputs.empty()) return Error(Code::kInvalidArgument, "--outputs names columns of the sample rows; give them with --samples");
    return out;
  }
  TENON_ASSIGN(const table::Batch all, ReadRows(call, kits, spec.samples, {}));
  std::vector<std::string> inputs;
  for (const std::string& name : all.schema().Names()) {
    if (name != spec.label && std::ranges::find(spec.outputs, name) == spec.outputs.end()) inputs.push_back(name);
  }
  TENON_ASSIGN(out.rows, all.Select(inputs));
  if (!spec.outputs.empty()) {
    TENON_ASSIGN(out.recorded, all.Select(spec.outputs), spec.samples);
  }
  if (!spec.label.empty()) {
    TENON_ASSIGN(out.label, all.Named(spec.label), spec.samples);
  }
  out.there = true;
  return out;
}

// The inputs of the samples, with the types that the model reads.
Result<table::Batch> Typed(const Call& call, const Kits& kits, const ImportSpec& spec, const model::Imported& imported) {
  std::vector<std::pair<std::string, std::string>> types;
  std::vector<std::string> names;
  for (const table::Field& field : imported.graph.inputs) {
    types.emplace_back(field.name, std::string(NameOf(field.type)));
    names.push_back(field.name);
  }
  TENON_ASSIGN(const table::Batch all, ReadRows(call, kits, spec.samples, std::move(types)));
  return all.Select(names);
}

// A tensor of zeros and ones as nested lists, which any type of numbers holds; another one by `at`.
void AddMadeTensor(std::span<const Json> shape, std::size_t at, std::size_t* place, std::string* out) {
  if (shape.empty()) {
    *out += (++*place * (at + 1)) % 7 < 3 ? "1" : "0";
    return;
  }
  *out += '[';
  for (std::int64_t i = 0; i < shape[0].Int(); ++i) {
    if (i != 0) *out += ',';
    AddMadeTensor(shape.subspan(1), at, place, out);
  }
  *out += ']';
}

// Of the largest tensor among a row's fields; 1 when there is none.
std::int64_t LargestField(const model::Imported& imported) {
  std::int64_t largest = 1;
  for (const table::Field& field : imported.graph.inputs) {
    const Json* facts = imported.inputs.Find(field.name);
    const Json* shape = facts == nullptr ? nullptr : facts->Find("shape");
    std::int64_t size = 1;
    if (shape != nullptr) {
      for (const Json& extent : shape->array()) size *= std::max<std::int64_t>(1, extent.Int());
    }
    largest = std::max(largest, size);
  }
  return largest;
}

// Rows around the numbers where the model's answers change, a missing one here and there, and texts that it knows. Fewer of them where
// a field is a large tensor.
table::Batch MadeRows(const model::Imported& imported) {
  const std::int64_t rows = std::clamp<std::int64_t>(kMadeNumbers / LargestField(imported), 2, kMadeRows);
  std::vector<table::Column> columns;
  for (std::size_t c = 0; c < imported.graph.inputs.size(); ++c) {
    const table::Field& field = imported.graph.inputs[c];
    const Json* facts = imported.inputs.Find(field.name);
    const Json* domain = facts == nullptr ? nullptr : facts->Find("domain");
    const Json* shape = facts == nullptr ? nullptr : facts->Find("shape");
    const bool required = shape != nullptr || (facts != nullptr && facts->BoolAt("required"));
    const std::vector<double>& near = imported.values[c];
    table::ColumnBuilder builder(field.type);
    for (std::int64_t i = 0; i < rows; ++i) {
      // Steps that share no divisor with each other, so that columns do not move together.
      const auto at = static_cast<std::size_t>(i) * (2 * c + 1) + c;
      if (!required && at % 16 == 15) {
        builder.AddNull();
      } else if (shape != nullptr) {
        std::string tensor;
        std::size_t place = 0;
        AddMadeTensor(shape->array(), at, &place, &tensor);
        builder.AddText(tensor);
      } else if (field.type == table::Type::kString) {
        const bool known = domain != nullptr && !domain->array().empty();
        builder.AddText(known ? domain->array()[at % domain->array().size()].String() : "");
      } else if (field.type == table::Type::kFloat64) {
        const double value = near.empty() ? static_cast<double>(at % 5) - 2 : near[at % near.size()];
        builder.Add(i % 3 == 0 ? value : value + (i % 3 == 1 ? 0.25 : -0.25) * std::max(1.0, std::abs(value)));
      } else {
        builder.AddInt(static_cast<std::int64_t>(at % 2));
      }
    }
    columns.push_back(builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(imported.graph.inputs), std::move(columns));
}

Result<std::shared_ptr<const model::Predictor>> PredictorOf(const Call& call, const Kits& kits, const transform::GraphSpec& graph,
                                                            const table::Batch& rows, std::shared_ptr<const model::Model> model,
                                                            const std::vector<std::string>& classes, double threshold) {
  TENON_ASSIGN(auto fitted, transform::Fit(call, graph, {rows}, {}, {}, 0, kits.ops), "the imported model's inputs");
  return model::Predictor::Make(std::move(fitted), std::move(model), {}, threshold, classes);
}

std::string ShownRow(const table::Batch& rows, std::int64_t row) {
  std::string shown = rows.RowAt(row).Dump();
  if (shown.size() > 400) shown = shown.substr(0, 400) + "...";
  return shown;
}

// The first row on which two lists of answers differ by more than they may, or -1.
struct Difference {
  std::int64_t row = -1;
  std::size_t output = 0;
  double most = 0;
};
Difference Compare(std::span<const float> ours, std::span<const double> theirs, std::size_t outputs, double tolerance) {
  Difference found;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double mine = static_cast<double>(ours[i]), yours = theirs[i];
    if (std::bit_cast<std::uint32_t>(ours[i]) == std::bit_cast<std::uint32_t>(static_cast<float>(yours))) continue;
    const double apart = std::abs(mine - yours);
    found.most = std::isnan(apart) ? apart : std::max(found.most, apart);
    if (apart <= tolerance * std::max(1.0, std::abs(yours))) continue;
    if (found.row < 0) {
      found.row = static_cast<std::int64_t>(i / outputs);
      found.output = i % outputs;
    }
  }
  return found;
}

Result<void> CompareRecorded(const ImportSpec& spec, const Samples& samples, const table::Batch& rows, const model::Predictor& predictor,
                             const std::vector<float>& answers, ImportedVersion* out) {
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  if (spec.outputs.size() != outputs) {
    return Error(Code::kInvalidArgument, Str("the model answers with ", outputs, outputs == 1 ? " number" : " numbers", " a row, --outputs names ",
                                             spec.outputs.size(), ": ", Join(spec.outputs, ", "),
                                             predictor.task() == model::Task::kBinary ? " (the probability of the second class is wanted)" : ""));
  }
  std::vector<double> recorded;
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    for (std::size_t k = 0; k < outputs; ++k) {
      const table::Column& column = samples.recorded.column(static_cast<int>(k));
      if (column.type() == table::Type::kString) return Error(Code::kInvalidArgument, Str("the recorded output '", spec.outputs[k], "' is text, not numbers"));
      recorded.push_back(column.Number(i));
    }
  }
  const Difference found = Compare(answers, recorded, outputs, spec.tolerance);
  out->difference = found.most;
  out->rows = rows.rows();
  out->compared_with = "recorded outputs";
  if (found.row < 0) return {};
  const std::size_t at = static_cast<std::size_t>(found.row) * outputs + found.output;
  return Error(Code::kInvalidArgument, Str("sample row ", found.row + 1, " gives ", static_cast<double>(answers[at]), " where '", spec.outputs[found.output],
                                           "' says ", recorded[at], ", more than ", spec.tolerance, " apart; nothing was registered. The row: ",
                                           ShownRow(rows, found.row)));
}

Result<std::vector<float>> AnswersOf(const Call& call, const model::Predictor& predictor, const table::Batch& rows) {
  model::Predictor::Scratch scratch;
  return predictor.PredictBatch(call, rows, scratch);
}

// The answers that the file itself brings along.
Result<void> CompareVerification(const Call& call, const model::Predictor& predictor, const model::Verification& verification, ImportedVersion* out) {
  TENON_ASSIGN(const std::vector<float> answers, AnswersOf(call, predictor, verification.rows));
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  const auto refuse = [&](std::int64_t row, const std::string& ours, const std::string& theirs) {
    return Error(Code::kInvalidArgument, Str("row ", row + 1, " of the file's own ModelVerification gives ", ours, " where it says ", theirs,
                                             "; nothing was registered. The row: ", ShownRow(verification.rows, row)));
  };
  for (std::size_t row = 0; row < verification.labels.size(); ++row) {
    const std::string& ours = predictor.classes()[static_cast<std::size_t>(predictor.Decide(answers.data() + row * outputs))];
    if (ours != verification.labels[row]) return refuse(static_cast<std::int64_t>(row), ours, verification.labels[row]);
  }
  if (!verification.answers.empty()) {
    const Difference found = Compare(answers, verification.answers, outputs, verification.tolerance);
    out->difference = found.most;
    if (found.row >= 0) {
      const std::size_t at = static_cast<std::size_t>(found.row) * outputs + found.output;
      return refuse(found.row, Str(static_cast<double>(answers[at])), Str(verification.answers[at]));
    }
  }
  out->rows = verification.rows.rows();
  out->compared_with = verification.labels.empty() ? "the file's own ModelVerification" : "the classes of the file's own ModelVerification";
  return {};
}

// A SavedModel's own outputs of a row as our answers: the link that the user said, and of two classes the second.
void AddWanted(const ImportSpec& spec, model::Task task, std::span<const double> raw, std::vector<double>* wanted) {
  std::vector<double> values(raw.begin(), raw.end());
  if (spec.link == "logistic") {
    for (double& value : values) value = 1 / (1 + std::exp(-value));
  } else if (spec.link == "softmax") {
    const double most = *std::ranges::max_element(values);
    double sum = 0;
    for (double& value : values) sum += value = std::exp(value - most);
    for (double& value : values) value /= sum;
  }
  if (task == model::Task::kBinary && values.size() == 2) values.erase(values.begin());
  wanted->insert(wanted->end(), values.begin(), values.end());
}

// The converted network beside the SavedModel itself, run by TensorFlow.
Result<void> CompareSaved(const Call& call, store::Store& store, const ImportSpec& spec, std::string_view onnx, const table::Batch& rows, const model::Predictor& predictor,
                          const std::vector<float>& answers, ImportedVersion* out) {
  TENON_ASSIGN(const SavedAnswers told, AskSavedModel(call, store.files(), spec.file, spec.python, onnx, rows));
  if (!told.problem.empty()) {
    out->notes.push_back(Str("not compared with TensorFlow: ", told.problem));
    return {};
  }
  std::vector<double> wanted;
  for (std::size_t at = 0; at < told.values.size(); at += told.width) AddWanted(spec, predictor.task(), std::span(told.values).subspan(at, told.width), &wanted);
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  if (wanted.size() != answers.size()) return Error(Code::kInvalidArgument, Str("the SavedModel gives ", told.width, " numbers a row where ", outputs, " are answered"));
  constexpr double kTolerance = 1e-5;  // the two add up in other orders
  const Difference found = Compare(answers, wanted, outputs, kTolerance);
  out->difference = found.most;
  out->rows = rows.rows();
  out->compared_with = Str("TensorFlow ", told.version);
  if (found.row < 0) return {};
  const std::size_t at = static_cast<std::size_t>(found.row) * outputs + found.output;
  return Error(Code::kInvalidArgument, Str("row ", found.row + 1, " gives ", static_cast<double>(answers[at]), " where the SavedModel gives ", wanted[at], "; nothing was registered. The row: ", ShownRow(rows, found.row)));
}

// How it does beside a version that is there, on the samples' labels.
Result<ImportLoss> JudgeBeside(const Call& call, store::Store& store, const Kits& kits, const ImportSpec& spec, const Samples& samples, const table::Batch& rows,
                               const model::Predictor& predictor) {
  if (!samples.there || spec.label.empty()) return Error(Code::kInvalidArgument, "--against is judged on labelled rows: give them with --samples and --label");
  const registry::Registry versions(store);
  TENON_ASSIGN(const registry::ModelVersion other, versions.Resolve(spec.against), "--against");
  TENON_ASSIGN(auto bytes, store.Get(other.bundle), other.id());
  TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), other.id());
  TENON_ASSIGN(const auto theirs, model::Predictor::Load(bundle, kits.ops, kits.formats), other.id());
  return LossBeside(call, kits, rows, samples.label, predictor, *theirs, other.id(), spec.metric, spec.most_loss);
}

Json GateOf(const ImportLoss& loss) {
  Json gate;
  gate["name"] = Str("loss of ", loss.metric, " <= ", loss.limit);
  gate["value"] = loss.loss.high;
  gate["limit"] = loss.limit;
  gate["passed"] = loss.passed();
  gate["why"] = Str("it loses ", FormatShort(loss.loss.value, 3), " [", FormatShort(loss.loss.low, 3), ", ", FormatShort(loss.loss.high, 3), "] beside ", loss.against, " on ",
                    loss.rows, " rows");
  return gate;
}

// What is kept of a model brought in: it and its answers on the rows.
struct Checked {
  std::shared_ptr<const model::Predictor> predictor;
  std::vector<float> answers;
};

// Our translation of it, when it answers as its own runtime does on every row; else the runtime.
Result<Checked> Choose(const Call& call, const Kits& kits, const ImportSpec& spec, model::Imported& imported, const table::Batch& rows,
                       ImportedVersion* out) {
  Checked ours;
  TENON_ASSIGN(ours.predictor, PredictorOf(call, kits, imported.graph, rows, std::move(imported.model), imported.classes, spec.threshold));
  TENON_ASSIGN(ours.answers, AnswersOf(call, *ours.predictor, rows));
  if (imported.reference == nullptr) return ours;
  transform::GraphSpec plain;
  plain.inputs = imported.graph.inputs;
  Checked theirs;
  TENON_ASSIGN(theirs.predictor, PredictorOf(call, kits, plain, rows, std::move(imported.reference), imported.classes, spec.threshold));
  TENON_ASSIGN(theirs.answers, AnswersOf(call, *theirs.predictor, rows));
  const auto outputs = static_cast<std::size_t>(theirs.predictor->outputs());
  const std::vector<double> wanted(theirs.answers.begin(), theirs.answers.end());
  const Difference found = Compare(ours.answers, wanted, outputs, imported.tolerance);
  TENON_ASSIGN(const std::string version, platform::TensorProgram::Version());
  if (found.row < 0) {
    out->compared_with = Str("ONNX Runtime ", version);
    out->rows = rows.rows();
    out->difference = found.most;
    return ours;
  }
  const std::size_t at = static_cast<std::size_t>(found.row) * outputs + found.output;
  out->notes.push_back(Str("run by ONNX Runtime: our engine would give ", static_cast<double>(ours.answers[at]), " for row ", found.row + 1,
                           " where it gives ", wanted[at]));
  imported.tolerance = 1e-5;
  return theirs;
}

Result<Json> ManifestInputs(const Call& call, const model::Predictor& predictor, const model::Imported& imported, const Samples& samples,
                            const table::Batch& rows, std::map<std::string, std::string>* sections) {
  Json inputs = Json::MakeArray();
  if (samples.there) {
    TENON_ASSIGN(const table::Profile profile, table::ProfileOf(call, rows.schema(), {rows}));
    TENON_ASSIGN(inputs, InputsOf(predictor.graph(), profile));
    (*sections)["profile"] = profile.Save();
    TENON_ASSIGN((*sections)["predictions"], PredictionsProfile(call, predictor, rows));
  } else {
    for (const table::Field& field : predictor.graph().inputs()) {
      Json input;
      input["name"] = field.name;
      input["type"] = NameOf(field.type);
      inputs.Push(std::move(input));
    }
  }
  for (Json& input : inputs.array()) {
    input["required"] = false;
    const Json* facts = imported.inputs.Find(input.StringAt("name"));
    if (facts == nullptr || !facts->is_object()) continue;
    for (const auto& [key, value] : facts->object()) input[key] = value;
    if (facts->Find("shape") != nullptr) input["domain"] = Json::MakeArray();
  }
  return inputs;
}

}  // namespace

Result<ImportedVersion> ImportModel(const Call& call, store::Store& store, const Kits& kits, const ImportSpec& spec) {
  ImportedVersion out;
  const bool saved = IsSavedModel(store.files(), spec.file);
  std::string bytes;
  if (saved) {
    TENON_ASSIGN(bytes, ConvertSavedModel(call, store.files(), spec.file, spec.python));
  } else {
    TENON_ASSIGN(bytes, store.files().Read(spec.file), Str("reading the model ", spec.file));
  }
  TENON_ASSIGN(const auto importer, model::ChooseImporter(kits.importers, saved ? "onnx" : spec.format, bytes), spec.file);
  TENON_ASSIGN(const Samples samples, ReadSamples(call, kits, spec));
  const model::ImportRequest request{.bytes = bytes, .samples = samples.there ? &samples.rows : nullptr, .task = spec.task, .link = spec.link, .classes = spec.classes};
  TENON_ASSIGN(model::Imported imported, importer->Import(request), spec.file);
  out.notes = imported.notes;
  table::Batch rows;
  if (samples.there) {
    TENON_ASSIGN(rows, Typed(call, kits, spec, imported), "the sample rows");
  } else {
    rows = imported.verification.rows.rows() > 0 ? imported.verification.rows : MadeRows(imported);
  }
  if (!imported.reference_problem.empty() && spec.outputs.empty()) {
    return Error(Code::kFailedPrecondition, Str("our reading of ", spec.file, " cannot be checked: ", imported.reference_problem,
                                                "; or give the maker's own answers with --samples and --outputs"));
  }
  TENON_ASSIGN(const Checked checked, Choose(call, kits, spec, imported, rows, &out), spec.file);
  const model::Predictor& predictor = *checked.predictor;
  if (imported.verification.rows.rows() > 0) TENON_TRY(CompareVerification(call, predictor, imported.verification, &out), spec.file);
  if (saved) TENON_TRY(CompareSaved(call, store, spec, bytes, rows, predictor, checked.answers, &out), spec.file);
  if (!spec.outputs.empty()) TENON_TRY(CompareRecorded(spec, samples, rows, predictor, checked.answers, &out), spec.file);
  if (!spec.against.empty()) {
    TENON_ASSIGN(out.loss, JudgeBeside(call, store, kits, spec, samples, rows, predictor));
  }
  out.format = predictor.model().format();

  Json lineage;
  lineage["imported_from"] = platform::NameOf(spec.file);
  lineage["sha256"] = HashOf(bytes);
  lineage["source"] = imported.about;
  lineage["learner"] = imported.about.StringAt("maker", "imported");
  lineage["checked"]["rows"] = out.rows;
  lineage["checked"]["with"] = out.compared_with;
  lineage["checked"]["difference"] = out.difference;
  Json manifest;
  manifest["version"] = 1;
  manifest["name"] = spec.name;
  manifest["task"] = NameOf(predictor.task());
  manifest["label"] = spec.label;
  manifest["classes"] = Json::ListOf(imported.classes);
  manifest["threshold"] = spec.threshold;
  manifest["calibration"] = model::Calibration().ToJson();
  manifest["model_format"] = out.format;
  if (out.format == "onnx") manifest["golden_tolerance"] = imported.tolerance;
  std::map<std::string, std::string> sections;
  TENON_ASSIGN(manifest["inputs"], ManifestInputs(call, predictor, imported, samples, rows, &sections));
  manifest["features"] = Json::ListOf(predictor.graph().feature_names());
  manifest["lineage"] = lineage;
  manifest["created_by"] = Str("tenon ", TENON_VERSION);
  sections["graph"] = predictor.graph().Save();
  sections["model"] = predictor.model().Save();
  TENON_ASSIGN(const Json golden, GoldenOf(call, predictor, rows));
  sections["golden"] = golden.Canonical();
  const std::string bundle = model::Bundle::Write(manifest, sections);

  registry::ModelVersion version;
  version.name = spec.name;
  TENON_ASSIGN(version.bundle, store.Put(bundle));
  // What a deployment does is done here first: nothing is registered that would be refused later.
  TENON_ASSIGN(auto stored, store.Get(version.bundle));
  TENON_ASSIGN(auto opened, model::Bundle::Open(stored));
  TENON_TRY(serve::MakeServed(opened, spec.name, spec.name, 1, kits.ops, kits.formats), "trying the bundle");
  version.metrics["test"] = Json::MakeObject();
  version.gates = Json::MakeArray();
  if (!out.compared_with.empty()) {
    Json gate;
    gate["name"] = Str("answers equal ", out.compared_with);
    gate["value"] = out.difference;
    gate["limit"] = !spec.outputs.empty() ? spec.tolerance : imported.verification.rows.rows() > 0 ? imported.verification.tolerance : imported.tolerance;
    gate["passed"] = true;
    gate["why"] = Str(out.rows, " rows compared");
    version.gates.Push(std::move(gate));
  }
  version.gates_passed = true;
  if (!out.loss.metric.empty()) {
    version.gates.Push(GateOf(out.loss));
    version.gates_passed = out.loss.passed();
    version.metrics["test"][out.loss.metric] = out.loss.after;
  }
  version.lineage = lineage;
  version.author = call.actor;
  registry::Registry versions(store);
  TENON_ASSIGN(out.version, versions.Add(call, std::move(version)), "register");
  return out;
}

}  // namespace tenon::pipeline

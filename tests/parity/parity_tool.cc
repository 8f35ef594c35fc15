// Of a project that was run: its held-out rows and the answers that were judged, for others to compare with; and its forest
// against the library that grew it. Usage: parity_tool <project> <folder for the files> <rows to explain; 0: all>
// Writes rows.jsonl (what the model reads of each held-out row) and offline.f32 (its answers, 32-bit floats), and prints one
// JSON line. Exit status 1 when something differs.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "model/forest.h"
#include "model/xgboost_testing_internal.h"
#include "pipeline/run_internal.h"
#include "train/train.h"

namespace tenon::pipeline {
namespace {

// One forest, the rows it is compared on, and what differed.
struct Compared {
  const model::XgboostLibrary& xgboost;
  const std::vector<float>& tile;
  std::int64_t rows, width;
  int outputs;
  std::int64_t leaves = 0, other_leaves = 0, margins = 0, other_margins = 0;
  double worst_attribution = 0, worst_deployed = 0;
};

bool SameBits(float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }
double Apart(double a, double b) { return std::abs(a - b) / std::max(1.0, std::abs(b)); }

std::int64_t Different(const std::vector<float>& a, const std::vector<float>& b) {
  std::int64_t out = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) out += SameBits(a[i], b[i]) ? 0 : 1;
  return out;
}

// The trees of one original, as we read them, against the library's own answers to every row.
Result<void> CompareOriginal(const train::Original& original, Compared* out, std::vector<double>* sum) {
  TENON_ASSIGN(void* const booster, out->xgboost.Load(original.model));
  TENON_ASSIGN(void* const matrix, out->xgboost.Matrix(out->tile, out->width, {}));
  TENON_ASSIGN(model::ForestSpec spec, model::ReadXgboost(original.model));
  spec.trees.resize(static_cast<std::size_t>(original.rounds) * static_cast<std::size_t>(out->outputs));
  TENON_ASSIGN(const std::vector<float> theirs, out->xgboost.Predict(booster, matrix, 6, original.rounds));
  const std::vector<std::int32_t> ours = model::Leaves(spec, out->tile.data(), out->rows, out->width);
  if (theirs.size() != ours.size()) return Error(Code::kInternal, Str("XGBoost gives ", theirs.size(), " leaves, we ", ours.size()));
  out->leaves += static_cast<std::int64_t>(ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) out->other_leaves += ours[i] == static_cast<std::int32_t>(theirs[i]) ? 0 : 1;
  TENON_ASSIGN(const auto forest, model::MakeForest(spec));
  std::vector<float> margins(static_cast<std::size_t>(out->rows * out->outputs));
  forest->Margin(out->tile.data(), out->rows, out->width, margins.data());
  TENON_ASSIGN(const std::vector<float> their_margins, out->xgboost.Predict(booster, matrix, 1, original.rounds));
  out->margins += static_cast<std::int64_t>(margins.size());
  out->other_margins += Different(margins, their_margins);
  // With the margins that the rows had in training.
  std::vector<float> base;
  for (std::int64_t i = 0; i < out->rows; ++i) base.insert(base.end(), original.base.begin(), original.base.end());
  TENON_ASSIGN(void* const with_base, out->xgboost.Matrix(out->tile, out->width, {}));  // answers are cached by matrix
  TENON_TRY(out->xgboost.SetBaseMargins(with_base, base, out->outputs));
  TENON_ASSIGN(const std::vector<float> based, out->xgboost.Predict(booster, with_base, 1, original.rounds));
  out->xgboost.FreeMatrix(with_base);
  sum->resize(based.size(), 0);
  for (std::size_t i = 0; i < based.size(); ++i) (*sum)[i] += static_cast<double>(based[i]);
  out->xgboost.FreeMatrix(matrix);
  out->xgboost.Free(booster);
  return {};
}

// Attributions of the deployed forest against the mean of the library's, on rows spread over all.
Result<std::int64_t> CompareAttributions(const std::vector<train::Original>& originals, const model::Model& deployed, std::int64_t most,
                                         Compared* out) {
  const std::int64_t n = most == 0 ? out->rows : std::min(most, out->rows);
  std::vector<float> some;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = out->tile.data() + i * out->rows / n * out->width;
    some.insert(some.end(), row, row + out->width);
  }
  const std::size_t each = static_cast<std::size_t>(out->outputs) * static_cast<std::size_t>(out->width + 1);
  std::vector<double> theirs(static_cast<std::size_t>(n) * each, 0);
  for (const train::Original& original : originals) {
    TENON_ASSIGN(void* const booster, out->xgboost.Load(original.model));
    TENON_ASSIGN(void* const matrix, out->xgboost.Matrix(some, out->width, {}));
    TENON_ASSIGN(const std::vector<float> contributions, out->xgboost.Predict(booster, matrix, 2, original.rounds));
    if (contributions.size() != theirs.size()) return Error(Code::kInternal, "the attributions have another shape");
    const double factor = original.scale / static_cast<double>(originals.size());
    for (std::size_t i = 0; i < theirs.size(); ++i) theirs[i] += factor * static_cast<double>(contributions[i]);
    out->xgboost.FreeMatrix(matrix);
    out->xgboost.Free(booster);
  }
  // In the unit of what is predicted: of a regression a deviation of the labels is 1.
  const double unit = originals[0].scale;
  std::vector<double> ours(each);
  for (std::int64_t i = 0; i < n; ++i) {
    deployed.Contributions(some.data() + i * out->width, ours.data());
    for (std::size_t k = 0; k < each; ++k) {
      if (k % static_cast<std::size_t>(out->width + 1) == static_cast<std::size_t>(out->width)) continue;  // the base value is ours
      const double apart = Apart(ours[k] / unit, theirs[static_cast<std::size_t>(i) * each + k] / unit);
      if (!(apart <= out->worst_attribution)) out->worst_attribution = apart;
    }
  }
  return n;
}

// Trains the forest again: the bytes must be those that were kept, so what the library grew now is what it grew then.
Result<Json> CompareForest(RunState& state, const Candidate& candidate, std::int64_t explained) {
  TENON_ASSIGN(auto graph, state.LoadGraph(candidate.graph));
  TENON_ASSIGN(const PartRows* training, state.RowsOf(dataset::Part::kTrain));
  TENON_ASSIGN(const PartRows* validation, state.RowsOf(dataset::Part::kValidation));
  TENON_ASSIGN(const PartRows* test, state.RowsOf(dataset::Part::kTest));
  const std::int64_t width = graph->width();
  transform::FittedGraph::Scratch scratch;
  const auto matrix_of = [&](const std::vector<float>& tile, const PartRows& rows) {
    return train::Matrix{.values = tile.data(), .rows = static_cast<std::int64_t>(rows.label.size()), .features = graph->width(),
                         .label = rows.label, .weight = {}, .names = graph->feature_names()};
  };
  std::vector<float> train_tile(training->label.size() * static_cast<std::size_t>(width));
  TENON_TRY(graph->ApplyTraining(training->batch, training->label.data(), training->fold.data(), train_tile.data(), width, scratch));
  std::vector<float> validation_tile(validation->label.size() * static_cast<std::size_t>(width));
  TENON_TRY(graph->Apply(validation->batch, validation_tile.data(), width, scratch));
  std::vector<float> tile(test->label.size() * static_cast<std::size_t>(width));
  TENON_TRY(graph->Apply(test->batch, tile.data(), width, scratch));

  Call seeded = state.call;
  seeded.seed = state.project.train.seed;
  TENON_ASSIGN(auto learner, state.kits.learners.Create(candidate.learner, state.project.train.SettingsOf(candidate.learner), "train", state.project.file));
  TENON_ASSIGN(auto again, learner->Train(seeded, matrix_of(train_tile, *training), matrix_of(validation_tile, *validation),
                                          {state.task(), static_cast<int>(state.card.classes.size())}, nullptr));
  TENON_ASSIGN(auto kept, state.store.Get(candidate.model));
  const std::vector<train::Original> originals = learner->originals();
  if (originals.empty()) return Error(Code::kInternal, "the learner keeps nothing to compare with");

  TENON_ASSIGN(const model::XgboostLibrary xgboost, model::XgboostLibrary::Open());
  Compared compared{xgboost, tile, static_cast<std::int64_t>(test->label.size()), width, again->outputs()};
  std::vector<double> sum;
  for (const train::Original& original : originals) TENON_TRY(CompareOriginal(original, &compared, &sum));
  std::vector<float> deployed(sum.size());
  again->Margin(tile.data(), compared.rows, width, deployed.data());
  const bool exact = originals.size() == 1 && state.task() != model::Task::kRegression;
  std::int64_t other_deployed = 0;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const double theirs = originals[0].centre + originals[0].scale * sum[i] / static_cast<double>(originals.size());
    other_deployed += SameBits(deployed[i], static_cast<float>(theirs)) ? 0 : 1;
    const double apart = Apart((static_cast<double>(deployed[i]) - originals[0].centre) / originals[0].scale, (theirs - originals[0].centre) / originals[0].scale);
    if (!(apart <= compared.worst_deployed)) compared.worst_deployed = apart;
  }
  TENON_ASSIGN(const std::int64_t explained_rows, CompareAttributions(originals, *again, explained, &compared));
  // Leaves that were rescaled were rounded again, and their sum a tree at a time: half a bit each.
  const double rounding = std::max(1e-5, static_cast<double>(compared.leaves / compared.rows) * 0x1p-24);
  Json out;
  out["library"] = learner->library();
  out["same_bytes_again"] = again->Save() == kept->view();
  out["bags"] = static_cast<std::int64_t>(originals.size());
  out["rows"] = compared.rows;
  out["leaves"] = compared.leaves;
  out["different_leaves"] = compared.other_leaves;
  out["margins"] = compared.margins;
  out["different_margins"] = compared.other_margins;
  out["deployed_exact"] = exact;
  out["deployed_different"] = other_deployed;
  out["deployed_apart"] = compared.worst_deployed;
  out["explained_rows"] = explained_rows;
  out["attributions_apart"] = compared.worst_attribution;
  out["equal"] = out.BoolAt("same_bytes_again") && compared.other_leaves == 0 && compared.other_margins == 0 && (!exact || other_deployed == 0) &&
                 compared.worst_deployed <= rounding && compared.worst_attribution <= 1e-5;
  return out;
}

// The metrics of the answers, reckoned again as the evaluation did, against those that were kept.
Result<std::int64_t> DifferentMetrics(RunState& state, const registry::ModelVersion& version, const model::Predictor& predictor,
                                      const std::vector<float>& predicted, std::int64_t* compared) {
  TENON_ASSIGN(const PartRows* test, state.RowsOf(dataset::Part::kTest));
  evaluate::EvaluateSpec spec = state.project.evaluate;
  spec.bootstrap = 10;
  spec.slices.clear();
  const evaluate::Scored scored{.task = state.task(), .outputs = predictor.outputs(), .predicted = predicted, .actual = test->label, .weight = {}, .threshold = predictor.threshold()};
  TENON_ASSIGN(const auto report, evaluate::Evaluate(state.call, test->batch, scored, state.card.classes, {}, spec, {}, state.kits.metrics));
  std::int64_t different = 0;
  const Json* kept = version.metrics.Find("test");
  if (kept == nullptr) return Error(Code::kInternal, "the version has no metrics");
  for (const auto& [name, estimate] : report.metrics) {
    ++*compared;
    const double was = kept->NumberAt(name, std::nan(""));
    different += std::bit_cast<std::uint64_t>(was) == std::bit_cast<std::uint64_t>(estimate.value) || (std::isnan(was) && std::isnan(estimate.value)) ? 0 : 1;
  }
  return different;
}

Result<bool> Main(const std::string& folder, const std::string& to, std::int64_t explained) {
  auto files = platform::RealFiles();
  TENON_ASSIGN(Kits kits, Kits::Make());
  TENON_ASSIGN(Project project, LoadProject(*files, folder));
  TENON_ASSIGN(auto store, store::Store::Open(*files, project.data_folder(), store::Store::Access::kWrite));
  Call call;
  call.threads = 2;
  Steps steps(call, *store, "parity", [](const StepEvent&) {}, false);
  RunState state(call, project, *store, kits, steps);
  TENON_TRY(state.Ingest());
  TENON_TRY(state.Frame());
  TENON_TRY(state.Split());
  TENON_TRY(state.Train());
  if (steps.done() > 0) return Error(Code::kFailedPrecondition, Str("the project was not run: ", steps.done(), " steps had to be done"));
  const registry::Registry versions(*store);
  TENON_ASSIGN(const registry::ModelVersion version, versions.Resolve(project.name));
  const Candidate& candidate = state.candidates[state.chosen];
  if (version.lineage.StringAt("model") != candidate.model) return Error(Code::kFailedPrecondition, Str(version.id(), " was not made by the last run"));
  TENON_ASSIGN(auto bytes, store->Get(version.bundle));
  TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
  TENON_ASSIGN(auto predictor, model::Predictor::Load(bundle, kits.ops, kits.formats));
  TENON_ASSIGN(const PartRows* test, state.RowsOf(dataset::Part::kTest));
  model::Predictor::Scratch scratch;
  TENON_ASSIGN(const std::vector<float> predicted, predictor->PredictBatch(call, test->batch, scratch));
  std::vector<std::string> names;
  Json inputs = Json::MakeArray();
  for (const table::Field& field : predictor->graph().inputs()) {
    names.push_back(field.name);
    Json input;
    input["name"] = field.name;
    input["type"] = table::NameOf(field.type);
    inputs.Push(std::move(input));
  }
  TENON_ASSIGN(const table::Batch rows, test->batch.Select(names));
  std::string lines;
  for (std::int64_t i = 0; i < rows.rows(); ++i) lines += rows.RowAt(i).Dump() + "\n";
  TENON_TRY(files->Write(platform::JoinPath(to, "rows.jsonl"), lines));
  TENON_TRY(files->Write(platform::JoinPath(to, "offline.f32"), {reinterpret_cast<const char*>(predicted.data()), predicted.size() * sizeof(float)}));
  Json out;
  std::int64_t metrics = 0;
  TENON_ASSIGN(const std::int64_t different, DifferentMetrics(state, version, *predictor, predicted, &metrics));
  out["model"] = version.id();
  out["endpoint"] = project.serve.endpoint;
  out["task"] = state.card.task;
  out["classes"] = Json::ListOf(state.card.classes);
  out["inputs"] = std::move(inputs);
  out["learner"] = candidate.learner;
  out["rows"] = rows.rows();
  out["metrics"] = metrics;
  out["different_metrics"] = different;
  bool equal = different == 0;
  for (const Candidate& other : state.candidates) {
    if (other.learner != "boosted_trees") continue;
    TENON_ASSIGN(out["forest"], CompareForest(state, other, explained), "the forest");
    equal = equal && out.Find("forest")->BoolAt("equal");
  }
  out["equal"] = equal;
  std::puts(out.Dump().c_str());
  return equal;
}

}  // namespace
}  // namespace tenon::pipeline

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: parity_tool <project> <folder for the files> <rows to explain; 0: all>\n", stderr);
    return 2;
  }
  auto done = tenon::pipeline::Main(argv[1], argv[2], std::strtoll(argv[3], nullptr, 10));
  if (!done) std::fprintf(stderr, "error: %s\n", done.error().ToString().c_str());
  std::fflush(nullptr);
  std::_Exit(done ? (*done ? 0 : 1) : 2);
}

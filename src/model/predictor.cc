#include "model/predictor.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

#include "model/column_slots_internal.h"

namespace tenon::model {
namespace {

constexpr std::int64_t kTileBytes = 1 << 19;  // a tile of features stays in the second-level cache
constexpr std::int64_t kMostTileRows = 4096;
constexpr std::int64_t kRowsAThread = 8192;   // below, starting a thread costs more than it saves

std::int64_t TileRows(int width) {
  const std::int64_t rows = kTileBytes / (std::max(width, 1) * static_cast<std::int64_t>(sizeof(float)));
  return std::clamp<std::int64_t>(rows / 64 * 64, 64, kMostTileRows);  // slices of columns then share their validity bits
}

void Calibrate(const Calibration& calibration, Task task, float* values, std::int64_t n) {
  if (task != Task::kBinary) return;
  for (std::int64_t i = 0; i < n; ++i) values[i] = calibration.Apply(values[i]);
}

Error WrongSection(std::string_view section, std::string_view what) {
  return Error(Code::kInvalidArgument, Str("the bundle's section ", section, ": ", what));
}

Result<std::vector<std::string>> ClassesIn(const Json& manifest, const Model& model) {
  std::vector<std::string> classes;
  if (const Json* list = manifest.Find("classes"); list != nullptr && !list->is_null()) {
    if (!list->is_array()) return WrongSection("manifest", Str("classes is ", list->KindName(), ", not a list"));
    for (const Json& name : list->array()) classes.push_back(name.is_string() ? name.String() : name.Dump());
  }
  const std::size_t expected = model.task() == Task::kRegression ? 0
                               : model.task() == Task::kBinary   ? 2
                                                                 : static_cast<std::size_t>(model.outputs());
  if (classes.size() != expected) {
    return WrongSection("manifest", Str("a ", NameOf(model.task()), " model of ", model.outputs(), " outputs has ", expected,
                                        " classes; it names ", classes.size()));
  }
  return classes;
}

}  // namespace

Result<std::shared_ptr<const Predictor>> Predictor::Load(std::shared_ptr<const Bundle> bundle,
                                                         const Kinds<transform::Op>& ops, const Kinds<Format>& formats) {
  const Json& manifest = bundle->manifest();
  TENON_ASSIGN(std::shared_ptr<const transform::FittedGraph> graph,
               transform::FittedGraph::Load(bundle->section("graph"), ops), "loading the section graph");
  TENON_ASSIGN(const auto format, formats.Create(manifest.StringAt("model_format")), "choosing the format of the section model");
  TENON_ASSIGN(std::shared_ptr<const Model> model, format->Load(bundle->section("model")), "loading the section model");
  if (const ColumnModel* columns = model->by_columns(); columns != nullptr && columns->columns() != graph->inputs()) {
    return WrongSection("model", "it reads the input columns itself, but others than the graph has as its inputs");
  }
  if (model->features() != graph->width()) {
    return WrongSection("model", Str("it reads ", model->features(), " features, the graph makes ", graph->width()));
  }
  TENON_ASSIGN(const Task task, TaskNamed(manifest.StringAt("task")), "reading the section manifest");
  if (task != model->task()) {
    return WrongSection("model", Str("it is a ", NameOf(model->task()), " model, the manifest says ", NameOf(task)));
  }
  TENON_ASSIGN(auto classes, ClassesIn(manifest, *model));
  const Json* settings = manifest.Find("calibration");
  TENON_ASSIGN(Calibration calibration, Calibration::FromJson(settings == nullptr ? Json() : *settings),
               "reading the section manifest");
  const double threshold = manifest.NumberAt("threshold", 0.5);
  if (!(threshold >= 0 && threshold <= 1)) return WrongSection("manifest", Str("the threshold ", threshold, " is not within 0..1"));
  auto made = std::make_shared<Predictor>();
  made->bundle_ = std::move(bundle);
  made->graph_ = std::move(graph);
  made->model_ = std::move(model);
  made->calibration_ = std::move(calibration);
  made->threshold_ = threshold;
  made->classes_ = std::move(classes);
  const Json* cascade = manifest.Find("cascade");
  if (cascade == nullptr) return made;
  return LoadCascade(std::move(made), *cascade, ops, formats);
}

// The cheap model of a bundle that has one.
Result<std::shared_ptr<const Predictor>> Predictor::LoadCascade(std::shared_ptr<const Predictor> costly, const Json& cascade,
                                                                const Kinds<transform::Op>& ops, const Kinds<Format>& formats) {
  const Bundle& bundle = *costly->bundle_;
  TENON_ASSIGN(std::shared_ptr<const transform::FittedGraph> graph,
               transform::FittedGraph::Load(bundle.section("cheap_graph"), ops), "loading the section cheap_graph");
  TENON_ASSIGN(const auto format, formats.Create(cascade.StringAt("format")), "choosing the format of the section cheap_model");
  TENON_ASSIGN(std::shared_ptr<const Model> model, format->Load(bundle.section("cheap_model")), "loading the section cheap_model");
  if (model->features() != graph->width()) {
    return WrongSection("cheap_model", Str("it reads ", model->features(), " features, the graph makes ", graph->width()));
  }
  const Json* settings = cascade.Find("calibration");
  TENON_ASSIGN(Calibration calibration, Calibration::FromJson(settings == nullptr ? Json() : *settings), "reading the section manifest");
  TENON_ASSIGN(const Sureness sure, Sureness::FromJson(cascade, costly->task()), "reading the section manifest");
  auto cheap = Make(std::move(graph), std::move(model), std::move(calibration), costly->threshold_, costly->classes_);
  return MakeCascade(costly, std::move(cheap), sure, cascade.StringAt("cheap"), cascade.StringAt("costly"));
}

std::shared_ptr<const Predictor> Predictor::Make(std::shared_ptr<const transform::FittedGraph> graph,
                                                 std::shared_ptr<const Model> model, Calibration calibration, double threshold,
                                                 std::vector<std::string> classes) {
  auto made = std::make_shared<Predictor>();
  made->graph_ = std::move(graph);
  made->model_ = std::move(model);
  made->calibration_ = std::move(calibration);
  made->threshold_ = threshold;
  made->classes_ = std::move(classes);
  return made;
}

Prediction Predictor::PredictRow(const double* numbers, const std::string_view* texts, Scratch& scratch) const {
  Prediction prediction;
  if (cascade_ != nullptr && CheapAnswers(numbers, texts, scratch, &prediction)) return prediction;
  return PredictRowAlone(numbers, texts, scratch);
}

Prediction Predictor::PredictRowAlone(const double* numbers, const std::string_view* texts, Scratch& scratch) const {
  if (model_->by_columns() != nullptr) return PredictColumnsOfRow(numbers, texts, scratch);
  const auto outputs = static_cast<std::size_t>(model_->outputs());
  scratch.tile.resize(std::max(scratch.tile.size(), static_cast<std::size_t>(graph_->width())));
  scratch.values.resize(std::max(scratch.values.size(), outputs));
  graph_->ApplyRow(numbers, texts, scratch.tile.data(), scratch.graph);
  model_->Predict(scratch.tile.data(), 1, graph_->width(), scratch.values.data());
  Calibrate(calibration_, task(), scratch.values.data(), 1);
  return {{scratch.values.data(), outputs}, Decide(scratch.values.data())};
}

Prediction Predictor::PredictColumnsOfRow(const double* numbers, const std::string_view* texts, Scratch& scratch) const {
  const auto outputs = static_cast<std::size_t>(model_->outputs());
  scratch.values.resize(std::max(scratch.values.size(), outputs));
  if (auto done = model_->by_columns()->PredictColumns({numbers, texts, 1}, scratch.values.data()); !done) {
    std::fill_n(scratch.values.begin(), outputs, std::numeric_limits<float>::quiet_NaN());
    scratch.problem = std::move(done).error();
    return {{scratch.values.data(), outputs}, -1, &*scratch.problem};
  }
  Calibrate(calibration_, task(), scratch.values.data(), 1);
  return {{scratch.values.data(), outputs}, Decide(scratch.values.data())};
}

Result<void> Predictor::PredictTogether(const double* numbers, const std::string_view* texts, std::int64_t n, float* out) const {
  TENON_TRY(model_->by_columns()->PredictTogether({numbers, texts, n}, out));
  Calibrate(calibration_, task(), out, n);
  return {};
}

Result<void> Predictor::PredictPart(const table::Batch& part, Scratch& scratch, float* out) const {
  return cascade_ != nullptr ? PredictPartCascaded(part, scratch, out) : PredictPartAlone(part, scratch, out);
}

Result<void> Predictor::PredictPartAlone(const table::Batch& part, Scratch& scratch, float* out) const {
  if (const ColumnModel* columns = model_->by_columns(); columns != nullptr) {
    ColumnSlots slots;
    TENON_TRY(slots.Fill(part, graph_->inputs()));
    TENON_TRY(columns->PredictColumns(slots.rows(), out));
  } else {
    const std::int64_t width = graph_->width();
    scratch.tile.resize(std::max(scratch.tile.size(), static_cast<std::size_t>(part.rows() * width)));
    TENON_TRY(graph_->Apply(part, scratch.tile.data(), width, scratch.graph));
    model_->Predict(scratch.tile.data(), part.rows(), width, out);
  }
  Calibrate(calibration_, task(), out, part.rows());
  return {};
}

void Predictor::PredictSlots(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* out,
                             Scratch& scratch) const {
  cascade_ != nullptr ? PredictSlotsCascaded(numbers, texts, n, out, scratch) : PredictSlotsAlone(numbers, texts, n, out, scratch);
}

void Predictor::PredictSlotsAlone(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* out,
                                  Scratch& scratch) const {
  const std::int64_t width = graph_->width();
  const std::int64_t step = std::min(TileRows(graph_->width()), n);
  const std::size_t inputs = graph_->inputs().size();
  const auto outputs = static_cast<std::int64_t>(model_->outputs());
  scratch.tile.resize(std::max(scratch.tile.size(), static_cast<std::size_t>(step * width)));
  scratch.numbers.assign(numbers, numbers + inputs);
  scratch.texts.assign(texts, texts + inputs);
  for (std::int64_t from = 0; from < n; from += step) {
    const std::int64_t rows = std::min(step, n - from);
    graph_->ApplySlots(scratch.numbers.data(), scratch.texts.data(), rows, scratch.tile.data(), width, scratch.graph);
    model_->Predict(scratch.tile.data(), rows, width, out + from * outputs);
    Calibrate(calibration_, task(), out + from * outputs, rows);
    for (std::size_t i = 0; i < inputs; ++i) {
      if (scratch.numbers[i] != nullptr) scratch.numbers[i] += rows;
      if (scratch.texts[i] != nullptr) scratch.texts[i] += rows;
    }
  }
}

Result<std::vector<float>> Predictor::PredictBatch(const Call& call, const table::Batch& rows, Scratch& scratch) const {
  const std::int64_t step = TileRows(graph_->width());
  const std::int64_t tiles = (rows.rows() + step - 1) / step;
  const auto outputs = static_cast<std::size_t>(model_->outputs());
  std::vector<float> out(static_cast<std::size_t>(rows.rows()) * outputs);
  std::atomic<std::int64_t> next = 0;
  std::mutex mutex;
  std::optional<Error> failed;  // the first to fail; under `mutex`

  const auto tile = [&](std::int64_t index, Scratch& mine) -> Result<void> {
    TENON_TRY(call.Check());
    const std::int64_t from = index * step;
    const table::Batch part = rows.Slice(from, std::min(step, rows.rows() - from));
    return PredictPart(part, mine, out.data() + static_cast<std::size_t>(from) * outputs);
  };
  const auto work = [&](Scratch& mine) {
    for (std::int64_t index = next++; index < tiles; index = next++) {
      if (auto done = tile(index, mine); !done) {
        const std::scoped_lock lock(mutex);
        if (!failed) failed = std::move(done).error();
        next = tiles;
      }
    }
  };
  const std::int64_t wanted = std::min<std::int64_t>({call.threads, tiles, rows.rows() / kRowsAThread});
  {
    std::vector<std::jthread> helpers;
    for (std::int64_t i = 1; i < wanted; ++i) {
      helpers.emplace_back([&work] {
        Scratch mine;
        work(mine);
      });
    }
    work(scratch);
  }
  if (failed) return std::move(*failed);
  return out;
}

int Predictor::Decide(const float* values) const {
  switch (task()) {
    case Task::kBinary: return static_cast<double>(values[0]) >= threshold_ ? 1 : 0;
    case Task::kMulticlass: return static_cast<int>(std::max_element(values, values + outputs()) - values);
    case Task::kRegression: break;
  }
  return -1;
}

Result<Attribution> Predictor::ExplainRow(const double* numbers, const std::string_view* texts, int output,
                                          std::span<double> by_input, std::span<double> by_feature, double* base,
                                          Scratch& scratch) const {
  Prediction prediction;
  if (cascade_ != nullptr && by_feature.empty() && CheapAnswers(numbers, texts, scratch, &prediction)) {
    return ExplainCheap(numbers, texts, output, by_input, base, scratch);
  }
  if (const ColumnModel* columns = model_->by_columns(); columns != nullptr) {
    scratch.contributions.resize(std::max(scratch.contributions.size(), columns->columns().size()));
    TENON_ASSIGN(const Attribution found, columns->ExplainColumns({numbers, texts, 1}, output, scratch.contributions.data(), base));
    std::copy_n(scratch.contributions.begin(), by_input.size(), by_input.begin());
    return found;
  }
  const auto width = static_cast<std::size_t>(graph_->width());
  scratch.tile.resize(std::max(scratch.tile.size(), width));
  scratch.contributions.resize(std::max(scratch.contributions.size(), (width + 1) * static_cast<std::size_t>(outputs())));
  graph_->ApplyRow(numbers, texts, scratch.tile.data(), scratch.graph);
  model_->Contributions(scratch.tile.data(), scratch.contributions.data());
  const double* mine = scratch.contributions.data() + static_cast<std::size_t>(output) * (width + 1);
  *base = mine[width];
  if (!by_feature.empty()) std::copy_n(mine, width, by_feature.begin());
  if (!by_input.empty()) SumByInput(mine, by_input);
  return Attribution{};
}

void Predictor::SumByInput(const double* by_feature, std::span<double> by_input) const {
  std::ranges::fill(by_input, 0.0);
  const std::vector<int>& source = graph_->feature_source();
  for (std::size_t f = 0; f < source.size(); ++f) by_input[static_cast<std::size_t>(source[f])] += by_feature[f];
}

void Predictor::ExplainRows(const double* numbers, const std::string_view* texts, std::int64_t n, double* by_input, double* base,
                            Scratch& scratch) const {
  const auto width = static_cast<std::size_t>(graph_->width());
  const auto rows = static_cast<std::size_t>(n);
  const auto of_outputs = static_cast<std::size_t>(outputs());
  const std::size_t inputs = graph_->inputs().size();
  scratch.tile.resize(std::max(scratch.tile.size(), rows * width));
  scratch.contributions.resize(std::max(scratch.contributions.size(), rows * of_outputs * (width + 1)));
  for (std::size_t i = 0; i < rows; ++i) {
    graph_->ApplyRow(numbers + i * inputs, texts + i * inputs, scratch.tile.data() + i * width, scratch.graph);
  }
  model_->ContributionsOfRows(scratch.tile.data(), n, static_cast<std::int64_t>(width), scratch.contributions.data());
  for (std::size_t k = 0; k < rows * of_outputs; ++k) {
    const double* mine = scratch.contributions.data() + k * (width + 1);
    base[k] = mine[width];
    SumByInput(mine, {by_input + k * inputs, inputs});
  }
}

}  // namespace tenon::model

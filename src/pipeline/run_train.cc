// The stages that make models: fit the transforms, train every learner, choose among them on the validation rows.

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "pipeline/run_internal.h"
#include "train/train.h"

namespace tenon::pipeline {
namespace {

// Rows as the model reads them.
train::Matrix MatrixOf(const std::vector<float>& tile, const PartRows& rows, const transform::FittedGraph& graph) {
  train::Matrix out;
  out.values = tile.data();
  out.rows = static_cast<std::int64_t>(rows.label.size());
  out.features = graph.width();
  out.label = rows.label;
  out.names = graph.feature_names();
  return out;
}

Json LoadedRounds(const std::vector<train::Round>& rounds) {
  Json out = Json::MakeArray();
  for (const train::Round& round : rounds) {
    Json item;
    item["round"] = round.round;
    item["training_loss"] = round.training_loss;
    item["validation_loss"] = round.validation_loss;
    out.Push(std::move(item));
  }
  return out;
}

}  // namespace

model::Task RunState::task() const {
  return card.task == "binary" ? model::Task::kBinary : card.task == "multiclass" ? model::Task::kMulticlass : model::Task::kRegression;
}

Result<std::shared_ptr<const transform::FittedGraph>> RunState::LoadGraph(const std::string& artifact) {
  if (const auto it = graphs_.find(artifact); it != graphs_.end()) return it->second;
  TENON_ASSIGN(auto bytes, store.Get(artifact));
  TENON_ASSIGN(auto graph, transform::FittedGraph::Load(bytes->view(), kits.ops));
  graphs_[artifact] = graph;
  return graph;
}

Result<Json> RunState::FitGraph(std::string_view style) {
  // Learners that share transforms share the step: it is shown once.
  if (const auto it = fitted_.find(std::string(style)); it != fitted_.end()) return it->second;
  Json from;
  from["snapshot"] = snapshot;
  from["split"] = split;
  from["card"] = card.ToJson();
  from["transform"] = transform.ToJson();
  from["style"] = style;
  from["left_out"] = Json::ListOf(LeftOut());
  TENON_ASSIGN(Json outputs, steps.Do(Str("transform:", style), from, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(const PartRows* training, RowsOf(dataset::Part::kTrain));
    step.Report("profiling the training rows", 0);
    TENON_ASSIGN(table::Profile profile, table::ProfileOf(step, training->batch.schema(), {training->batch}));
    std::vector<std::string> why;
    TENON_ASSIGN(transform::GraphSpec spec, transform::AutoGraph(training->batch.schema(), profile, transform, card.label,
                                                                 LeftOut(), style, &why));
    step.Report("fitting", 0.3);
    TENON_ASSIGN(auto graph, transform::Fit(step, spec, {training->batch}, training->label, training->fold,
                                            static_cast<int>(card.classes.size()), kits.ops));
    Json out;
    TENON_ASSIGN(out["artifacts"]["graph"], store.Put(graph->Save()));
    TENON_ASSIGN(out["artifacts"]["profile"], store.Put(profile.Save()));
    out["features"] = graph->width();
    out["inputs"] = static_cast<std::int64_t>(graph->inputs().size());
    out["why"] = Json::ListOf(why);
    out["text"] = Str(graph->inputs().size(), " columns become ", graph->width(), " features");
    graphs_[out.Find("artifacts")->StringAt("graph")] = graph;
    return out;
  }));
  fitted_.emplace(style, outputs);
  return outputs;
}

Result<Json> RunState::TrainStep(const Call& step, const std::string& learner, const std::string& graph_artifact) {
  TENON_ASSIGN(auto graph, LoadGraph(graph_artifact));
  TENON_ASSIGN(const PartRows* training, RowsOf(dataset::Part::kTrain));
  TENON_ASSIGN(const PartRows* validation_rows, RowsOf(dataset::Part::kValidation));
  const std::int64_t width = graph->width();
  if (width == 0) return Error(Code::kInvalidArgument, "no feature is left to learn from: every column was left out");
  transform::FittedGraph::Scratch scratch;
  std::vector<float> train_tile(training->label.size() * static_cast<std::size_t>(width));
  TENON_TRY(graph->ApplyTraining(training->batch, training->label.data(), training->fold.data(), train_tile.data(), width, scratch));
  std::vector<float> validation_tile(validation_rows->label.size() * static_cast<std::size_t>(width));
  TENON_TRY(graph->Apply(validation_rows->batch, validation_tile.data(), width, scratch));
  Call seeded = step;
  seeded.seed = project.train.seed;
  const train::LearnerSpec spec{.learner = learner,
                                .settings = project.train.SettingsOf(learner),
                                .balanced = project.train.imbalance == "class_weight"};
  TENON_ASSIGN(const train::TrainingRecord record,
               train::Train(seeded, spec, MatrixOf(train_tile, *training, *graph), MatrixOf(validation_tile, *validation_rows, *graph),
                            {task(), static_cast<int>(card.classes.size())}, kits.learners));
  Json out;
  TENON_ASSIGN(out["artifacts"]["model"], store.Put(record.model->Save()));
  TENON_ASSIGN(out["artifacts"]["rounds"], store.Put(LoadedRounds(record.rounds).Canonical()));
  out["format"] = record.model->format();
  out["about"] = record.model->Describe();
  out["library"] = record.library;
  // Chosen by what the project is judged by, on rows that no fit has seen.
  const PartRows* judged_on = validation_rows->label.empty() ? training : validation_rows;
  const std::vector<float>& judged_tile = validation_rows->label.empty() ? train_tile : validation_tile;
  std::vector<float> predicted(judged_on->label.size() * static_cast<std::size_t>(record.model->outputs()));
  record.model->Predict(judged_tile.data(), static_cast<std::int64_t>(judged_on->label.size()), width, predicted.data());
  TENON_ASSIGN(auto metric, kits.metrics.Create(card.metric));
  const double score = metric->Compute({.task = task(), .outputs = record.model->outputs(), .predicted = predicted, .actual = judged_on->label});
  out["score"] = score;
  out["seconds"] = record.seconds;
  const std::size_t rounds = record.rounds.size();
  out["text"] = Str("validation ", card.metric, " ", FormatShort(score, 4),
                    rounds == 0 ? std::string() : Str(", ", rounds, rounds == 1 ? " round" : " rounds"));
  return out;
}

// `style`: of the default transforms; "" for what suits the learner.
Result<void> RunState::TrainOne(const std::string& learner, std::string_view style) {
  const Json settings = project.train.SettingsOf(learner);
  const std::string path = "train." + learner;
  TENON_ASSIGN(auto made, kits.learners.Create(learner, settings, path, project.file));
  TENON_ASSIGN(const auto* kind, kits.learners.Find(learner));
  TENON_ASSIGN(Options options, Options::Parse(kind->doc.options, settings, path, project.file));
  TENON_ASSIGN(Json fitted, FitGraph(style.empty() ? made->style() : style));
  Candidate candidate;
  candidate.learner = learner;
  candidate.graph = fitted.Find("artifacts")->StringAt("graph");
  candidate.profile = fitted.Find("artifacts")->StringAt("profile");
  candidate.settings = options.json();
  Json from;
  from["graph"] = candidate.graph;
  from["snapshot"] = snapshot;
  from["split"] = split;
  from["card"] = card.ToJson();
  from["learner"] = learner;
  from["settings"] = options.json();
  from["imbalance"] = project.train.imbalance;
  from["seed"] = static_cast<std::int64_t>(project.train.seed);
  TENON_ASSIGN(Json outputs, steps.Do("train:" + learner, from, [&](const Call& step) { return TrainStep(step, learner, candidate.graph); }));
  candidate.model = outputs.Find("artifacts")->StringAt("model");
  candidate.format = outputs.StringAt("format");
  candidate.rounds = outputs.Find("artifacts")->StringAt("rounds");
  candidate.score = outputs.NumberAt("score");
  candidate.seconds = outputs.NumberAt("seconds");
  candidate.library = outputs.StringAt("library");
  candidates.push_back(std::move(candidate));
  return {};
}

Result<void> RunState::Train() {
  // The baseline looks at no feature: it shares the transforms of the first learner, so that none are fitted for it alone.
  std::string style;
  for (const std::string& learner : project.train.learners) {
    if (learner == "baseline") continue;
    TENON_ASSIGN(auto first, kits.learners.Create(learner, project.train.SettingsOf(learner), "train." + learner, project.file));
    style = first->style();
    break;
  }
  TENON_TRY(TrainOne("baseline", style));
  for (const std::string& learner : project.train.learners) {
    if (learner != "baseline") TENON_TRY(TrainOne(learner, ""));
  }
  TENON_ASSIGN(auto metric, kits.metrics.Create(card.metric));
  // The first of equals wins: the list goes from simple to complex as the user wrote it.
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    const double a = candidates[i].score;
    const double b = candidates[chosen].score;
    const bool better = std::isnan(b) || (metric->higher_is_better() ? a > b : a < b);
    if (chosen == 0 || better) chosen = i;
  }
  return {};
}

Result<std::shared_ptr<const model::Model>> RunState::LoadModel(const Candidate& candidate) {
  TENON_ASSIGN(auto bytes, store.Get(candidate.model));
  TENON_ASSIGN(auto format, kits.formats.Create(candidate.format));
  TENON_ASSIGN(auto loaded, format->Load(bytes->view()), candidate.learner);
  return std::shared_ptr<const model::Model>(std::move(loaded));
}

Result<std::vector<float>> RunState::PredictPart(const Candidate& candidate, dataset::Part part) {
  TENON_ASSIGN(auto graph, LoadGraph(candidate.graph));
  TENON_ASSIGN(auto loaded, LoadModel(candidate));
  TENON_ASSIGN(const PartRows* rows, RowsOf(part));
  auto predictor = model::Predictor::Make(graph, loaded, {}, 0.5, card.classes);
  model::Predictor::Scratch scratch;
  return predictor->PredictBatch(call, rows->batch, scratch);
}

}  // namespace tenon::pipeline

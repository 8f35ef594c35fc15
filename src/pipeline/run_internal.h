#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataset/snapshot.h"
#include "dataset/split.h"
#include "model/bundle.h"
#include "model/predictor.h"
#include "pipeline/run.h"

namespace tenon::pipeline {

// The rows of one part, raw, with the label as numbers.
struct PartRows {
  table::Batch batch;
  std::vector<double> label;
  std::vector<std::uint8_t> fold;
};

// One trained model among those to choose from.
struct Candidate {
  std::string learner;
  std::string graph;             // artifact
  std::string model;             // artifact
  std::string format;            // the kind of model/formats/ that reads it
  std::string profile;           // artifact: of the training rows
  std::string rounds;            // artifact
  double score = 0;              // the project's metric on the validation rows
  double seconds = 0;
  Json settings;
  std::string library;           // that trained it, with its version; "": none
};

// The rule that is used today, as predictions of the positive class; what mistakes cost.
Result<std::vector<float>> RulePredictions(const std::string& rule, const table::Batch& rows);
evaluate::Costs CostsOf(const frame::ProblemSpec& problem);

// Seconds of single predictions of the first rows, in this process; none when the rows lack an input.
std::vector<double> RowSeconds(const model::Predictor& predictor, const table::Batch& rows);

// One run under way. Each stage reads what earlier ones left here and adds its own; big things are loaded when first
// needed, so that a run whose steps are all found touches no data.
class RunState {
 public:
  RunState(const Call& run_call, const Project& of_project, store::Store& in_store, const Kits& with_kits, Steps& through)
      : call(run_call), project(of_project), store(in_store), kits(with_kits), steps(through), transform(of_project.transform) {}

  Result<void> Ingest();    // run_data.cc
  Result<void> Features();  // run_features.cc: feature views beside the rows, as known at their times
  Result<void> Frame();
  Result<void> Split();
  Result<void> Validate();
  Result<void> Rehearse();  // run_rehearse.cc: judge a constant answer, so that a mistake in gates, slices or costs is told before training
  Result<void> Train();     // run_train.cc: transform and train every learner, choose
  Result<void> Judge();     // run_judge.cc: calibrate, evaluate on the test rows, gates
  Result<void> Release(bool deploy, RunResult* result);  // run_release.cc: bundle, report, register, replay, deploy

  Result<dataset::SnapshotPtr> LoadedSnapshot();
  Result<const dataset::Split*> LoadedSplit();
  Result<const PartRows*> RowsOf(dataset::Part part);
  // The columns the model may not see: label, key, group, the column that splits.
  std::vector<std::string> LeftOut() const;
  Result<std::shared_ptr<const transform::FittedGraph>> LoadGraph(const std::string& artifact);
  Result<std::shared_ptr<const model::Model>> LoadModel(const Candidate& candidate);
  // The model's predictions on a part before calibration, as evaluate wants them.
  Result<std::vector<float>> PredictPart(const Candidate& candidate, dataset::Part part);
  model::Task task() const;

  const Call& call;
  const Project& project;
  store::Store& store;
  const Kits& kits;
  Steps& steps;

  std::string snapshot;          // hash; once features are joined, of the rows with them
  transform::TransformSpec transform;  // the project's, with the features on demand
  std::string reading_library;   // that the rows came through, with its version; "": none
  std::string split;             // artifact
  std::string split_how;
  frame::ProblemCard card;
  Json validation;               // outputs of the step
  std::vector<Candidate> candidates;  // the baseline is first
  std::size_t chosen = 0;
  Json judged;                   // outputs of the step: report, gates, calibration, threshold
  std::string champion;          // "name@3" compared with, or ""

 private:
  // The hash of a source's snapshot, through a step of that name.
  Result<std::string> IngestSource(const ingest::SourceSpec& source, const std::string& step_name);
  Result<Json> FeaturesStep(const Call& step, const std::vector<std::pair<std::string, std::string>>& snapshots);
  Result<void> TrainOne(const std::string& learner, std::string_view style);
  Result<Json> TrainStep(const Call& step, const std::string& learner, const std::string& graph_artifact);
  Result<Json> RehearseStep(const Call& step, const std::vector<registry::Gate>& gates);
  Result<std::vector<registry::Gate>> Gates() const;
  Result<std::shared_ptr<const model::Predictor>> Chosen(const Call& step, const Candidate& candidate, std::string_view method);
  Result<evaluate::Other> BaselineOnTest(const Call& step);
  Result<void> ChampionOnTest(const Call& step, const registry::ModelVersion& beside, std::vector<evaluate::Other>* others,
                              std::optional<evaluate::EvaluationReport>* report);
  Result<Json> Facts(const Candidate& candidate, const model::Predictor& predictor, const evaluate::EvaluationReport& report);
  Result<Json> JudgeStep(const Call& step, const registry::ModelVersion* beside, const std::vector<registry::Gate>& gates);
  // run_cascade.cc: what becomes of serve.cascade, null when nothing meets its target (then `why` says so with the curve);
  // and the cascade that was chosen so.
  Result<Json> ChooseCascade(const Call& step, const std::shared_ptr<const model::Predictor>& costly, Json* why);
  Result<std::shared_ptr<const model::Predictor>> Cascaded(const std::shared_ptr<const model::Predictor>& costly, const Json& made);
  Result<void> TimeCascade(const model::Predictor& costly, const model::Predictor& cascade, Json* out);
  Json MadeBy() const;
  Result<Json> FitGraph(std::string_view style);
  Result<Json> ReportContext(const std::string& model_id);

  dataset::SnapshotPtr loaded_snapshot_;
  std::optional<dataset::Split> loaded_split_;
  std::map<int, PartRows> parts_;
  std::map<std::string, Json> fitted_;  // style -> the outputs of its step
  std::map<std::string, std::shared_ptr<const transform::FittedGraph>> graphs_;
};

}  // namespace tenon::pipeline

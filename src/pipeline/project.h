#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evaluate/evaluate.h"
#include "feature/view.h"
#include "frame/problem.h"
#include "ingest/read.h"
#include "dataset/split.h"
#include "monitor/watch.h"
#include "pipeline/answer_stream_spec.h"
#include "pipeline/cascade_spec.h"
#include "feature/view.h"
#include "pipeline/online_spec.h"
#include "pipeline/serve_spec.h"
#include "platform/files.h"
#include "registry/registry.h"
#include "serve/batch_trial.h"
#include "serve/core_price.h"
#include "serve/ladder.h"
#include "serve/rollout.h"
#include "transform/graph.h"
#include "validate/check.h"

namespace tenon::pipeline {

// What the user wrote under `train:`.
struct TrainSpec {
  std::vector<std::string> learners = {"linear", "boosted_trees"};  // the baseline is always trained beside them
  std::vector<std::pair<std::string, Json>> settings;               // learner -> its settings
  std::string imbalance = "none";                                   // none | class_weight
  std::uint64_t seed = 1;
  static Result<TrainSpec> Parse(const Json& json, std::string_view file);
  Json SettingsOf(std::string_view learner) const;
};

// What the user wrote under `serve:`.
struct ServeSpec {
  std::string endpoint;              // "": the project's name
  bool strict = false;               // refuse values outside what training saw
  double rate = 0;                   // requests a second and client; 0: no limit
  std::int64_t most_body = 8 << 20;  // bytes
  int grpc_port = -1;                // a port of its own for gRPC; 0: a free one, -1: none beside the server's
  bool repository = true;            // whether requests may load and unload the model
  TlsSpec tls;
  LimitsSpec limits;
  std::optional<serve::BatchSpec> batching;   // rows of several requests asked together, where that pays; none: never
  std::optional<serve::LadderSpec> fallback;  // what answers when the model fails; none: nothing
  std::optional<serve::RolloutSpec> rollout;  // how `tenon run` lets a new version in; none: at once
  std::optional<CascadeSpec> cascade;         // a cheap model before the costly one; none: one model answers
  std::vector<AnswerStreamSpec> streams;      // sources whose records are answered beside requests
  serve::CorePrice core_hour;
  OutputsSpec outputs;
  TraceSpec trace;
  AccessLogSpec access_log;
  EventsSpec events;
  LogSpec log;
  static Result<ServeSpec> Parse(const Json& json, std::string_view folder, std::string_view file);
};

// A project file, read and checked. Immutable.
struct Project {
  std::string folder;
  std::string file;                  // "loan-approval/tenon.yaml", as errors name it
  std::string name;                  // lower-case words joined by "-"; the model's and endpoint's name
  std::string owner;
  frame::ProblemSpec problem;
  ingest::SourceSpec source;
  std::vector<ingest::SourceSpec> other_sources;  // of feature views; never learnt from
  feature::FeaturesSpec features;    // each view's `from` and `time` are filled in
  OnlineSpec online;
  StreamSpec stream;
  validate::ValidateSpec validate;
  dataset::SplitSpec split;
  transform::TransformSpec transform;
  TrainSpec train;
  evaluate::EvaluateSpec evaluate;
  std::vector<registry::Gate> gates;
  ServeSpec serve;
  monitor::MonitorSpec monitor;
  Json card;                         // `card:` intended_use, limitations: texts for the model card

  std::string data_folder() const;   // "<folder>/.tenon"
};

// Reads <folder>/tenon.yaml. Errors name file, line and column; unknown chapters and settings name the nearest known.
Result<Project> LoadProject(const platform::Files& files, const std::string& folder);
Result<Project> ParseProject(std::string_view text, const std::string& folder, const std::string& file);

}  // namespace tenon::pipeline

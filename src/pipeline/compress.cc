#include "pipeline/compress.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "pipeline/release.h"
#include "pipeline/run_internal.h"
#include "serve/endpoint.h"

namespace tenon::pipeline {
namespace {

std::int64_t LeavesOf(const model::ForestSpec& spec) {
  const auto model = model::MakeForest(spec);
  return model ? (*model)->Describe().IntAt("leaves") : 0;
}

// One version with what it was judged on.
class Compressor {
 public:
  Compressor(const Call& call, const Project& project, store::Store& store, const Kits& kits, const CompressSpec& spec)
      : call_(call), project_(project), store_(store), kits_(kits), spec_(spec), steps_(call, store, "compress", {}, false),
        state_(call, project, store, kits, steps_) {}

  Result<CompressedVersion> Run(std::string_view reference) {
    registry::Registry versions(store_);
    TENON_ASSIGN(old_, versions.Resolve(reference));
    out_.from = old_.id();
    TENON_TRY(Load(), old_.id());
    TENON_TRY(Choose(), old_.id());
    TENON_ASSIGN(payload_, model::PackForest(forest_, spec_.leaves));
    TENON_ASSIGN(after_, PredictorOf(payload_));
    TENON_TRY(Judge(), "judging what came out");
    TENON_TRY(Register(versions));
    return std::move(out_);
  }

 private:
  Result<void> Load() {
    TENON_ASSIGN(auto bytes, store_.Get(old_.bundle));
    out_.bundle_before = static_cast<std::int64_t>(bytes->view().size());
    TENON_ASSIGN(bundle_, model::Bundle::Open(bytes));
    const std::string format = bundle_->manifest().StringAt("model_format");
    const std::string_view payload = bundle_->section("model");
    out_.model_before = static_cast<std::int64_t>(payload.size());
    if (format == "forest") {
      TENON_ASSIGN(forest_, model::ReadForest(payload));
    } else if (format == "packed_forest") {
      TENON_ASSIGN(forest_, model::ReadPackedForest(payload));
    } else {
      return Error(Code::kFailedPrecondition, Str("it is a ", format, " model of ", payload.size(), " bytes; forests can be made smaller"));
    }
    out_.trees_before = static_cast<std::int64_t>(forest_.trees.size());
    out_.leaves_before = LeavesOf(forest_);
    TENON_ASSIGN(before_, model::Predictor::Load(bundle_, kits_.ops, kits_.formats));
    if (before_->cascade() != nullptr) {
      return Error(Code::kFailedPrecondition, Str(old_.id(), " is a cascade of two models, which is not compressed; run without serve.cascade"));
    }
    return LoadRows();
  }

  // The rows that the version was judged on, by its own lineage: the project's may have changed since.
  Result<void> LoadRows() {
    state_.snapshot = old_.lineage.StringAt("snapshot");
    state_.split = old_.lineage.StringAt("split");
    if (state_.snapshot.empty() || state_.split.empty()) {
      return Error(Code::kFailedPrecondition, "its lineage names no rows that it could be judged on: it was not trained here");
    }
    state_.card.task = bundle_->manifest().StringAt("task");
    state_.card.label = bundle_->manifest().StringAt("label");
    state_.card.classes = before_->classes();
    out_.metric = spec_.metric.empty() ? bundle_->manifest().StringAt("metric") : spec_.metric;
    TENON_ASSIGN(metric_, kits_.metrics.Create(out_.metric), "--metric");
    if (!metric_->Suits(before_->task())) return Error(Code::kInvalidArgument, Str("the metric ", out_.metric, " does not suit a ", state_.card.task, " model"));
    return {};
  }

  Result<std::shared_ptr<const model::Predictor>> PredictorOf(std::string_view payload) const {
    TENON_ASSIGN(model::ForestSpec packed, model::ReadPackedForest(payload));
    TENON_ASSIGN(std::shared_ptr<const model::Model> made, model::MakeForest(std::move(packed)));
    TENON_ASSIGN(auto graph, transform::FittedGraph::Load(bundle_->section("graph"), kits_.ops));
    return model::Predictor::Make(graph, made, before_->calibration(), before_->threshold(), before_->classes());
  }

  Result<double> MetricOf(const model::Predictor& predictor, const PartRows& rows) const {
    model::Predictor::Scratch scratch;
    TENON_ASSIGN(const std::vector<float> predicted, predictor.PredictBatch(call_, rows.batch, scratch));
    return metric_->Compute({.task = predictor.task(), .outputs = predictor.outputs(), .predicted = predicted, .actual = rows.label, .weight = {}, .threshold = predictor.threshold()});
  }

  double Loss(double before, double after) const { return metric_->higher_is_better() ? before - after : after - before; }

  // Merges leaves and leaves trees away, as the settings say. The number of trees is found on the validation rows; nothing
  // here looks at the test rows.
  Result<void> Choose() {
    if (spec_.prune > 0) model::MergeLeaves(spec_.prune, &forest_);
    if (spec_.trees > 0) forest_ = model::FirstTrees(forest_, spec_.trees);
    if (!spec_.fewest) return {};
    TENON_ASSIGN(const PartRows* held, state_.RowsOf(dataset::Part::kValidation));
    if (held->label.empty()) return Error(Code::kFailedPrecondition, "there are no validation rows to find the number of trees on; say --trees 100");
    TENON_ASSIGN(const double whole, MetricOf(*before_, *held));
    constexpr std::int64_t kTries = 24;
    const auto all = static_cast<std::int64_t>(forest_.trees.size());
    // Whole rounds: a round has a tree for each output.
    const std::int64_t round = forest_.outputs > 1 && all % forest_.outputs == 0 ? forest_.outputs : 1;
    for (std::int64_t i = 1; i < kTries; ++i) {
      const std::int64_t trees = std::max(all * i / kTries / round * round, round);
      model::ForestSpec fewer = model::FirstTrees(forest_, trees);
      TENON_ASSIGN(const std::string payload, model::PackForest(fewer, spec_.leaves));
      TENON_ASSIGN(const auto predictor, PredictorOf(payload));
      TENON_ASSIGN(const double kept, MetricOf(*predictor, *held));
      // Half of what may be lost: what is chosen on some rows is a little worse on others.
      if (!(Loss(whole, kept) <= spec_.most_loss / 2)) continue;
      forest_ = std::move(fewer);
      return {};
    }
    return {};
  }

  Result<void> Judge() {
    TENON_ASSIGN(const PartRows* test, state_.RowsOf(dataset::Part::kTest));
    model::Predictor::Scratch scratch;
    TENON_ASSIGN(const std::vector<float> ours, after_->PredictBatch(call_, test->batch, scratch));
    TENON_ASSIGN(std::vector<float> theirs, before_->PredictBatch(call_, test->batch, scratch));
    for (std::size_t i = 0; i < ours.size(); ++i) out_.largest_change = std::max(out_.largest_change, std::abs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i])));
    evaluate::Scored scored{.task = after_->task(), .outputs = after_->outputs(), .predicted = theirs, .actual = test->label, .weight = {}, .threshold = after_->threshold()};
    out_.before = metric_->Compute(scored);
    scored.predicted = ours;
    out_.after = metric_->Compute(scored);
    evaluate::EvaluateSpec asked = project_.evaluate;
    if (std::ranges::find(asked.metrics, out_.metric) == asked.metrics.end()) asked.metrics.push_back(out_.metric);
    const evaluate::Costs costs{project_.problem.false_positive, project_.problem.false_negative, project_.problem.cost_unit};
    Call seeded = call_;
    seeded.seed = project_.train.seed;
    TENON_ASSIGN(report_, evaluate::Evaluate(seeded, test->batch, scored, after_->classes(), costs, asked, {{"original", std::move(theirs)}}, kits_.metrics));
    report_.subject = Str("compressed from ", old_.id(), ", on the test rows");
    TENON_TRY(evaluate::AddImportances(seeded, test->batch, *after_, asked, &report_));
    for (const auto& lift : report_.lifts) {
      if (lift.over == "original" && lift.metric == out_.metric) out_.loss = {0 - lift.gain.value, 0 - lift.gain.high, 0 - lift.gain.low};
    }
    return {};
  }

  Result<std::string> Write(const Json& lineage, const Json& metrics) {
    TENON_ASSIGN(const PartRows* test, state_.RowsOf(dataset::Part::kTest));
    Json manifest = bundle_->manifest();
    manifest["model_format"] = "packed_forest";
    manifest["lineage"] = lineage;
    manifest["metrics"] = metrics;
    manifest["created_by"] = Str("tenon ", TENON_VERSION);
    std::map<std::string, std::string> sections;
    for (const std::string& name : bundle_->sections()) {
      const bool reference = name == "profile" || name == "predictions" || name == "card";
      if (name != "manifest" && !(spec_.slim && reference)) sections[name] = bundle_->section(name);
    }
    sections["model"] = payload_;
    TENON_ASSIGN(const Json golden, GoldenOf(call_, *after_, test->batch, test->label));
    sections["golden"] = golden.Canonical();
    if (!spec_.slim) {
      TENON_ASSIGN(sections["predictions"], PredictionsProfile(call_, *after_, test->batch));
    }
    return model::Bundle::Write(manifest, sections);
  }

  Json Gate(bool passed) const {
    Json gate;
    gate["name"] = Str("loss of ", out_.metric, " <= ", spec_.most_loss);
    gate["value"] = out_.loss.high;
    gate["limit"] = spec_.most_loss;
    gate["passed"] = passed;
    gate["why"] = Str("it loses ", FormatShort(out_.loss.value, 3), " [", FormatShort(out_.loss.low, 3), ", ", FormatShort(out_.loss.high, 3), "] beside ", old_.id(),
                      passed ? ", within " : ", more than ", spec_.most_loss);
    return gate;
  }

  Result<void> Register(registry::Registry& versions) {
    const bool kept = out_.loss.high <= spec_.most_loss;  // not so when it is no number
    Json lineage = old_.lineage;
    TENON_ASSIGN(lineage["model"], store_.Put(payload_));
    TENON_ASSIGN(lineage["evaluation"], store_.Put(report_.ToJson().Canonical()));
    lineage["compressed_from"] = old_.id();
    lineage["parents"] = Json::ListOf(std::vector<std::string>{old_.id()});
    static constexpr std::array<std::string_view, 3> kNames = {"f32", "f16", "u8"};
    lineage["compression"]["leaves"] = kNames[static_cast<std::size_t>(spec_.leaves)];
    lineage["compression"]["prune"] = spec_.prune;
    lineage["compression"]["trees"] = static_cast<std::int64_t>(forest_.trees.size());
    Json metrics = Json::MakeObject();
    for (const auto& [name, estimate] : report_.metrics) metrics[name] = estimate.value;
    TENON_ASSIGN(const std::string bytes, Write(lineage, metrics));
    registry::ModelVersion& version = out_.version;
    version.name = old_.name;
    TENON_ASSIGN(version.bundle, store_.Put(bytes));
    // What a deployment does is done here first: nothing is registered that would be refused later.
    TENON_ASSIGN(auto stored, store_.Get(version.bundle));
    TENON_ASSIGN(auto opened, model::Bundle::Open(stored));
    TENON_TRY(serve::MakeServed(opened, old_.name, old_.name, 1, kits_.ops, kits_.formats), "trying the bundle");
    version.metrics["test"] = std::move(metrics);
    version.gates = Json::MakeArray();
    version.gates.Push(Gate(kept));
    // A gate that the old version failed is not passed by being smaller.
    if (!old_.gates_passed) version.gates.Push([&] {
        Json gate;
        gate["name"] = Str("the gates of ", old_.id());
        gate["passed"] = false;
        gate["why"] = Str(old_.id(), " did not pass its gates");
        return gate;
      }());
    version.lineage = lineage;
    version.gates_passed = kept && old_.gates_passed;
    version.author = call_.actor;
    TENON_ASSIGN(out_.version, versions.Add(call_, version), "register");
    out_.bundle_after = static_cast<std::int64_t>(bytes.size());
    out_.model_after = static_cast<std::int64_t>(payload_.size());
    out_.trees_after = static_cast<std::int64_t>(forest_.trees.size());
    out_.leaves_after = after_->model().Describe().IntAt("leaves");
    return {};
  }

  const Call& call_;
  const Project& project_;
  store::Store& store_;
  const Kits& kits_;
  const CompressSpec& spec_;
  Steps steps_;
  RunState state_;
  registry::ModelVersion old_;
  std::shared_ptr<const model::Bundle> bundle_;
  model::ForestSpec forest_;
  std::string payload_;
  std::shared_ptr<const model::Predictor> before_, after_;
  std::unique_ptr<evaluate::Metric> metric_;
  evaluate::EvaluationReport report_;
  CompressedVersion out_;
};

}  // namespace

Json CompressedVersion::ToJson() const {
  Json out;
  out["model"] = version.id();
  out["compressed_from"] = from;
  out["passed"] = passed();
  out["metric"] = metric;
  out["before"] = before;
  out["after"] = after;
  out["loss"]["value"] = loss.value;
  out["loss"]["low"] = loss.low;
  out["loss"]["high"] = loss.high;
  out["largest_change"] = largest_change;
  out["bundle_bytes"]["before"] = bundle_before;
  out["bundle_bytes"]["after"] = bundle_after;
  out["model_bytes"]["before"] = model_before;
  out["model_bytes"]["after"] = model_after;
  out["trees"]["before"] = trees_before;
  out["trees"]["after"] = trees_after;
  out["leaves"]["before"] = leaves_before;
  out["leaves"]["after"] = leaves_after;
  out["gates"] = version.gates;
  return out;
}

Result<CompressedVersion> Compress(const Call& call, const Project& project, store::Store& store, const Kits& kits,
                                   std::string_view reference, const CompressSpec& spec) {
  return Compressor(call, project, store, kits, spec).Run(reference);
}

}  // namespace tenon::pipeline

// The stage that judges the chosen model on rows nobody has learnt from: calibration, threshold, report, gates.

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "pipeline/run_internal.h"
#include "table/expression.h"

namespace tenon::pipeline {
namespace {

// What a version must at least be: better than the baseline beyond doubt, and not fed with its own answer.
std::vector<std::string> DefaultGates(const std::string& metric) {
  return {Str("lift(", metric, ", over: baseline).low > 0"), "leakage == 0"};
}

}  // namespace

Result<std::vector<float>> RulePredictions(const std::string& rule, const table::Batch& rows) {
  TENON_ASSIGN(table::Expression expression, table::Expression::Parse(rule, rows.schema()), "problem.baseline.rule");
  if (expression.type() != table::Type::kBool) {
    return Error(Code::kInvalidArgument, Str("problem.baseline.rule: '", rule, "' gives a ", NameOf(expression.type()), ", expected true or false"));
  }
  const table::Column said = expression.Evaluate(rows);
  std::vector<float> out(static_cast<std::size_t>(rows.rows()));
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    out[static_cast<std::size_t>(i)] = !said.IsNull(i) && said.Number(i) != 0 ? 1.0f : 0.0f;
  }
  return out;
}

evaluate::Costs CostsOf(const frame::ProblemSpec& problem) { return {problem.false_positive, problem.false_negative, problem.cost_unit}; }

namespace {

// Seconds that 99 of 100 single predictions stay within, in this process.
double LatencyP99(const model::Predictor& predictor, const table::Batch& rows) {
  std::vector<double> seconds = RowSeconds(predictor, rows);
  if (seconds.empty()) return std::nan("");
  const auto at = static_cast<std::ptrdiff_t>(static_cast<double>(seconds.size() - 1) * 0.99);
  std::nth_element(seconds.begin(), seconds.begin() + at, seconds.end());
  return seconds[static_cast<std::size_t>(at)];
}

// The version to compare with: the champion, unless that is this very model; then the one before it.
Result<std::optional<registry::ModelVersion>> ChampionBeside(const registry::Registry& versions, const std::string& name,
                                                             const Candidate& candidate) {
  TENON_ASSIGN(auto aliases, versions.Aliases(name));
  const bool any = std::ranges::any_of(aliases, [](const auto& alias) { return alias.first == "champion"; });
  if (!any) return std::optional<registry::ModelVersion>();
  TENON_ASSIGN(Json history, versions.History(name, "champion"));
  for (const Json& entry : history.array()) {
    TENON_ASSIGN(registry::ModelVersion version, versions.Find(name, static_cast<int>(entry.IntAt("version"))));
    const bool same = version.lineage.StringAt("model") == candidate.model && version.lineage.StringAt("graph") == candidate.graph;
    if (!same) return std::optional<registry::ModelVersion>(std::move(version));
  }
  return std::optional<registry::ModelVersion>();
}

Json BaselineIn(const evaluate::EvaluationReport& report, const char* kind, const std::string& metric, double value) {
  Json out;
  out["kind"] = kind;
  out[metric] = value;
  for (const auto& lift : report.lifts) {
    if (lift.over != "baseline" || lift.metric != metric) continue;
    out["lift"]["value"] = lift.gain.value;
    out["lift"]["low"] = lift.gain.low;
    out["lift"]["high"] = lift.gain.high;
  }
  return out;
}

// Gates and metrics as the step's outputs, and the line for people.
void Tell(const evaluate::EvaluationReport& report, const std::vector<registry::GateResult>& results, const std::string& metric, Json* out) {
  int passes = 0;
  (*out)["gates"] = Json::MakeArray();
  for (const registry::GateResult& result : results) {
    passes += result.passed ? 1 : 0;
    (*out)["gates"].Push(result.ToJson());
  }
  (*out)["passed"] = passes == static_cast<int>(results.size());
  Json metrics = Json::MakeObject();
  for (const auto& [name, estimate] : report.metrics) metrics[name] = estimate.value;
  if (report.cost_per_1000) metrics["cost_per_1000"] = report.cost_per_1000->value;
  (*out)["metrics"] = std::move(metrics);
  std::string shown;
  if (const evaluate::Estimate* by = report.Find(metric); by != nullptr) {
    shown = Str("test ", metric, " ", FormatShort(by->value, 4), " [", FormatShort(by->low, 4), ", ", FormatShort(by->high, 4), "]; ");
  }
  (*out)["text"] = Str(shown, passes, " of ", results.size(), " gates passed");
}

// What the cascade loses on the test rows, which chose nothing.
void TellCascade(const evaluate::EvaluationReport& report, const std::string& metric, Json* cascade, Json* out) {
  for (const auto& lift : report.lifts) {
    if (lift.over != "costly" || lift.metric != metric) continue;
    (*cascade)["test_loss"] = 0 - lift.gain.value;
    (*cascade)["test_loss_low"] = 0 - lift.gain.high;
    (*cascade)["test_loss_high"] = 0 - lift.gain.low;
    (*cascade)["text"] = Str(cascade->StringAt("text"), ", ", FormatShort(0 - lift.gain.value, 2), " [", FormatShort(0 - lift.gain.high, 2), ", ",
                             FormatShort(0 - lift.gain.low, 2), "] on the test rows");
  }
  (*out)["text"] = Str(out->StringAt("text"), "; ", cascade->StringAt("text"));
  (*out)["cascade"] = *cascade;
}

}  // namespace

// The gates as written, or the least there are; and the constraints of the problem, which are gates as well.
Result<std::vector<registry::Gate>> RunState::Gates() const {
  std::vector<registry::Gate> gates = project.gates;
  std::vector<std::string> more;
  if (gates.empty()) more = DefaultGates(card.metric);
  if (!project.problem.latency_p99.empty()) {
    // As it is written, where gates have its unit.
    std::string text = Str("latency_p99 < ", project.problem.latency_p99);
    if (!registry::Gate::Parse(text)) {
      TENON_ASSIGN(const auto limit, ParseDuration(project.problem.latency_p99));
      text = Str("latency_p99 < ", limit.count(), "us");
    }
    more.push_back(std::move(text));
  }
  if (project.problem.explainable) more.push_back("unexplained < 0.0001");
  for (const std::string& text : more) {
    TENON_ASSIGN(auto gate, registry::Gate::Parse(text));
    gates.push_back(std::move(gate));
  }
  return gates;
}

// The threshold is chosen on the validation rows, after the calibration (none when `method` is "none").
Result<std::shared_ptr<const model::Predictor>> RunState::Chosen(const Call& step, const Candidate& candidate, std::string_view method) {
  TENON_ASSIGN(auto graph, LoadGraph(candidate.graph));
  TENON_ASSIGN(auto loaded, LoadModel(candidate));
  TENON_ASSIGN(const PartRows* held, RowsOf(dataset::Part::kValidation));
  model::Calibration calibration;
  double threshold = 0.5;
  if (task() == model::Task::kBinary && !held->label.empty()) {
    TENON_ASSIGN(std::vector<float> predicted, PredictPart(candidate, dataset::Part::kValidation));
    evaluate::Scored scored{.task = task(), .outputs = 1, .predicted = predicted, .actual = held->label};
    TENON_ASSIGN(calibration, evaluate::FitCalibration(step, scored, method));
    for (float& value : predicted) value = calibration.Apply(value);
    scored.predicted = predicted;
    TENON_ASSIGN(threshold, evaluate::ChooseThreshold(step, held->batch, scored, CostsOf(project.problem), project.evaluate));
  }
  return model::Predictor::Make(graph, loaded, calibration, threshold, card.classes);
}

// What is done today, or the answer without any feature: each decides at its own best threshold.
Result<evaluate::Other> RunState::BaselineOnTest(const Call& step) {
  TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
  if (!project.problem.baseline_rule.empty() && task() == model::Task::kBinary) {
    TENON_ASSIGN(auto by_rule, RulePredictions(project.problem.baseline_rule, test->batch));
    return evaluate::Other{"baseline", std::move(by_rule), 0.5};
  }
  TENON_ASSIGN(auto predictor, Chosen(step, candidates[0], "none"));
  model::Predictor::Scratch scratch;
  TENON_ASSIGN(auto predicted, predictor->PredictBatch(step, test->batch, scratch));
  return evaluate::Other{"baseline", std::move(predicted), predictor->threshold()};
}

// The champion's answers to the same rows, unless it cannot read them; and the report it was judged by, when it is kept.
Result<void> RunState::ChampionOnTest(const Call& step, const registry::ModelVersion& beside, std::vector<evaluate::Other>* others,
                                      std::optional<evaluate::EvaluationReport>* report) {
  TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
  TENON_ASSIGN(auto bytes, store.Get(beside.bundle));
  TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
  TENON_ASSIGN(auto before, model::Predictor::Load(bundle, kits.ops, kits.formats));
  model::Predictor::Scratch scratch;
  auto theirs = before->PredictBatch(step, test->batch, scratch);
  if (theirs && before->classes() == card.classes) {
    others->push_back({"champion", *std::move(theirs), before->threshold()});
  } else {
    step.Say(Level::kWarning, Str(beside.id(), " cannot be compared on these rows: ", theirs ? "other classes" : theirs.error().ForPeople()));
  }
  if (const std::string hash = beside.lineage.StringAt("evaluation"); store.Has(hash)) {
    TENON_ASSIGN(auto report_bytes, store.Get(hash));
    TENON_ASSIGN(Json json, Json::Parse(report_bytes->view()));
    TENON_ASSIGN(*report, evaluate::EvaluationReport::FromJson(json));
  }
  return {};
}

Result<Json> RunState::Facts(const Candidate& candidate, const model::Predictor& predictor, const evaluate::EvaluationReport& report) {
  TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
  Json facts;
  facts["anomalies"] = validation.IntAt("errors") + validation.IntAt("warnings");
  facts["leakage"] = validation.IntAt("leakage");
  facts["latency_p99"] = LatencyP99(predictor, test->batch);
  TENON_ASSIGN(auto graph_bytes, store.Get(candidate.graph));
  TENON_ASSIGN(auto model_bytes, store.Get(candidate.model));
  facts["size_bytes"] = graph_bytes->view().size() + model_bytes->view().size();
  if (report.unexplained) facts["unexplained"] = *report.unexplained;
  return facts;
}

Result<Json> RunState::JudgeStep(const Call& step, const registry::ModelVersion* beside, const std::vector<registry::Gate>& gates) {
  const Candidate& candidate = candidates[chosen];
  step.Report("calibrating", 0.05);
  TENON_ASSIGN(const auto costly, Chosen(step, candidate, project.evaluate.calibration));
  auto predictor = costly;
  TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
  model::Predictor::Scratch scratch;
  Json cascade, no_cascade;
  if (project.serve.cascade) {
    TENON_ASSIGN(cascade, ChooseCascade(step, costly, &no_cascade));
    if (!cascade.is_null()) {
      TENON_ASSIGN(predictor, Cascaded(costly, cascade));
      TENON_TRY(TimeCascade(*costly, *predictor, &cascade));
    }
  }
  TENON_ASSIGN(std::vector<float> predicted, predictor->PredictBatch(step, test->batch, scratch));
  std::vector<evaluate::Other> others;
  TENON_ASSIGN(auto baseline, BaselineOnTest(step));
  others.push_back(std::move(baseline));
  if (!cascade.is_null()) {
    TENON_ASSIGN(std::vector<float> alone, costly->PredictBatch(step, test->batch, scratch));
    others.push_back({"costly", std::move(alone), costly->threshold()});
  }
  std::optional<evaluate::EvaluationReport> champions_report;
  if (beside != nullptr) TENON_TRY(ChampionOnTest(step, *beside, &others, &champions_report));
  step.Report("metrics and confidence intervals", 0.2);
  Call seeded = step;
  seeded.seed = project.train.seed;
  const evaluate::Scored scored{.task = task(), .outputs = predictor->outputs(), .predicted = predicted, .actual = test->label, .weight = {}, .threshold = predictor->threshold()};
  TENON_ASSIGN(evaluate::EvaluationReport report,
               evaluate::Evaluate(seeded, test->batch, scored, card.classes, CostsOf(project.problem), project.evaluate, others, kits.metrics));
  report.subject = candidate.learner + " on the test rows";
  step.Report("attributions", 0.8);
  TENON_TRY(evaluate::AddImportances(seeded, test->batch, *costly, project.evaluate, &report));
  TENON_ASSIGN(const Json facts, Facts(candidate, *predictor, report));
  TENON_ASSIGN(auto results, registry::CheckGates(gates, report, champions_report ? &*champions_report : nullptr, facts));
  TENON_ASSIGN(auto metric, kits.metrics.Create(card.metric));
  evaluate::Scored of_baseline = scored;
  of_baseline.predicted = others[0].predicted;
  of_baseline.threshold = others[0].threshold;
  const bool by_rule = !project.problem.baseline_rule.empty() && task() == model::Task::kBinary;
  Json out;
  TENON_ASSIGN(out["artifacts"]["evaluation"], store.Put(report.ToJson().Canonical()));
  out["facts"] = facts;
  out["calibration"] = predictor->calibration().ToJson();
  out["threshold"] = predictor->threshold();
  out["baseline"] = BaselineIn(report, by_rule ? "rule" : "prior", card.metric, metric->Compute(of_baseline));
  Tell(report, results, card.metric, &out);
  if (!cascade.is_null()) TellCascade(report, card.metric, &cascade, &out);
  if (cascade.is_null() && !no_cascade.is_null()) {
    out["no_cascade"] = no_cascade;
    out["text"] = Str(out.StringAt("text"), "; ", no_cascade.StringAt("why"));
  }
  return out;
}

Result<void> RunState::Judge() {
  const Candidate& candidate = candidates[chosen];
  const registry::Registry versions(store);
  TENON_ASSIGN(auto beside, ChampionBeside(versions, project.name, candidate));
  champion = beside ? beside->id() : "";
  TENON_ASSIGN(const std::vector<registry::Gate> gates, Gates());
  Json from;
  from["model"] = candidate.model;
  from["graph"] = candidate.graph;
  from["baseline"] = candidates[0].model;
  from["champion"] = beside ? beside->bundle : "";
  from["snapshot"] = snapshot;
  from["split"] = split;
  from["card"] = card.ToJson();
  from["problem"] = project.problem.ToJson();
  from["evaluate"] = project.evaluate.ToJson();
  from["validation"] = *validation.Find("artifacts");
  from["seed"] = static_cast<std::int64_t>(project.train.seed);
  for (const registry::Gate& gate : gates) from["gates"].Push(gate.text);
  if (project.serve.cascade) {
    from["cascade"] = project.serve.cascade->ToJson();
    for (const Candidate& other : candidates) {
      if (other.learner == project.serve.cascade->cheap) from["cheap"] = other.model;
    }
  }
  TENON_ASSIGN(judged, steps.Do("evaluate", from, [&](const Call& step) { return JudgeStep(step, beside ? &*beside : nullptr, gates); }));
  return {};
}

}  // namespace tenon::pipeline

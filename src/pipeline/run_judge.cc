// The stage that judges the chosen model on rows nobody has learnt from: calibration, threshold, report, gates.

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/text.h"
#include "pipeline/run_internal.h"
#include "table/expression.h"

namespace tenon::pipeline {
namespace {

using Others = std::vector<std::pair<std::string, std::vector<float>>>;

// What a version must at least be: better than the baseline beyond doubt, and not fed with its own answer.
std::vector<std::string> DefaultGates(const std::string& metric) {
  return {Str("lift(", metric, ", over: baseline).low > 0"), "leakage == 0"};
}

// The rule that is used today, as predictions of the positive class.
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

// Seconds that 99 of 100 single predictions stay within, in this process.
double LatencyP99(const model::Predictor& predictor, const table::Batch& rows) {
  constexpr std::int64_t kMost = 2000;
  const std::int64_t n = std::min(rows.rows(), kMost);
  const auto& inputs = predictor.graph().inputs();
  std::vector<double> numbers(inputs.size());
  std::vector<std::string_view> texts(inputs.size());
  std::vector<table::Column> columns;
  for (const table::Field& field : inputs) {
    auto column = rows.Named(field.name);
    if (!column) return std::nan("");
    columns.push_back(*std::move(column));
  }
  model::Predictor::Scratch scratch;
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < inputs.size(); ++c) {
      if (inputs[c].type == table::Type::kString) {
        texts[c] = columns[c].type() != table::Type::kString || columns[c].IsNull(i) ? std::string_view() : columns[c].Text(i);
      } else {
        numbers[c] = columns[c].type() == table::Type::kString ? std::nan("") : columns[c].Number(i);
      }
    }
    const auto start = std::chrono::steady_clock::now();
    predictor.PredictRow(numbers.data(), texts.data(), scratch);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
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

}  // namespace

Result<void> RunState::Judge() {
  const Candidate& candidate = candidates[chosen];
  const registry::Registry versions(store);
  TENON_ASSIGN(auto beside, ChampionBeside(versions, project.name, candidate));
  champion = beside ? beside->id() : "";
  std::vector<registry::Gate> gates = project.gates;
  if (gates.empty()) {
    for (const std::string& text : DefaultGates(card.metric)) {
      TENON_ASSIGN(auto gate, registry::Gate::Parse(text));
      gates.push_back(std::move(gate));
    }
  }
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
  TENON_ASSIGN(judged, steps.Do("evaluate", from, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(auto graph, LoadGraph(candidate.graph));
    TENON_ASSIGN(auto loaded, LoadModel(candidate));
    const evaluate::Costs costs{project.problem.false_positive, project.problem.false_negative, project.problem.cost_unit};
    model::Calibration calibration;
    double threshold = 0.5;
    TENON_ASSIGN(const PartRows* held, RowsOf(dataset::Part::kValidation));
    if (task() == model::Task::kBinary && !held->label.empty()) {
      step.Report("calibrating", 0.05);
      TENON_ASSIGN(std::vector<float> predicted, PredictPart(candidate, dataset::Part::kValidation));
      evaluate::Scored scored{.task = task(), .outputs = 1, .predicted = predicted, .actual = held->label};
      TENON_ASSIGN(calibration, evaluate::FitCalibration(step, scored, project.evaluate.calibration));
      for (float& value : predicted) value = calibration.Apply(value);
      scored.predicted = predicted;
      TENON_ASSIGN(threshold, evaluate::ChooseThreshold(step, held->batch, scored, costs, project.evaluate));
    }
    auto predictor = model::Predictor::Make(graph, loaded, calibration, threshold, card.classes);
    TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
    model::Predictor::Scratch scratch;
    TENON_ASSIGN(std::vector<float> predicted, predictor->PredictBatch(step, test->batch, scratch));
    Others others;
    if (!project.problem.baseline_rule.empty() && task() == model::Task::kBinary) {
      TENON_ASSIGN(auto by_rule, RulePredictions(project.problem.baseline_rule, test->batch));
      others.emplace_back("baseline", std::move(by_rule));
    } else {
      TENON_ASSIGN(auto by_baseline, PredictPart(candidates[0], dataset::Part::kTest));
      others.emplace_back("baseline", std::move(by_baseline));
    }
    std::optional<evaluate::EvaluationReport> champions_report;
    if (beside) {
      TENON_ASSIGN(auto bytes, store.Get(beside->bundle));
      TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
      TENON_ASSIGN(auto before, model::Predictor::Load(bundle, kits.ops, kits.formats));
      auto theirs = before->PredictBatch(step, test->batch, scratch);
      if (theirs && before->classes() == card.classes) {
        others.emplace_back("champion", *std::move(theirs));
      } else {
        step.Say(Level::kWarning, Str(beside->id(), " cannot be compared on these rows: ", theirs ? "other classes" : theirs.error().ForPeople()));
      }
      if (const std::string hash = beside->lineage.StringAt("evaluation"); store.Has(hash)) {
        TENON_ASSIGN(auto report_bytes, store.Get(hash));
        TENON_ASSIGN(Json json, Json::Parse(report_bytes->view()));
        TENON_ASSIGN(champions_report, evaluate::EvaluationReport::FromJson(json));
      }
    }
    step.Report("metrics and confidence intervals", 0.2);
    Call seeded = step;
    seeded.seed = project.train.seed;
    const evaluate::Scored scored{.task = task(), .outputs = predictor->outputs(), .predicted = predicted, .actual = test->label, .weight = {}, .threshold = threshold};
    TENON_ASSIGN(evaluate::EvaluationReport report,
                 evaluate::Evaluate(seeded, test->batch, scored, card.classes, costs, project.evaluate, others, kits.metrics));
    report.subject = candidate.learner + " on the test rows";
    step.Report("attributions", 0.8);
    TENON_TRY(evaluate::AddImportances(seeded, test->batch, *predictor, project.evaluate, &report));
    Json facts;
    facts["anomalies"] = validation.IntAt("errors") + validation.IntAt("warnings");
    facts["leakage"] = validation.IntAt("leakage");
    facts["latency_p99"] = LatencyP99(*predictor, test->batch);
    TENON_ASSIGN(auto graph_bytes, store.Get(candidate.graph));
    TENON_ASSIGN(auto model_bytes, store.Get(candidate.model));
    facts["size_bytes"] = graph_bytes->view().size() + model_bytes->view().size();
    TENON_ASSIGN(auto results, registry::CheckGates(gates, report, champions_report ? &*champions_report : nullptr, facts), "gates");
    Json out;
    TENON_ASSIGN(out["artifacts"]["evaluation"], store.Put(report.ToJson().Canonical()));
    bool passed = true;
    int passes = 0;
    out["gates"] = Json::MakeArray();
    for (const registry::GateResult& result : results) {
      passed = passed && result.passed;
      passes += result.passed ? 1 : 0;
      out["gates"].Push(result.ToJson());
    }
    out["passed"] = passed;
    out["facts"] = facts;
    out["calibration"] = calibration.ToJson();
    out["threshold"] = threshold;
    Json metrics = Json::MakeObject();
    for (const auto& [name, estimate] : report.metrics) metrics[name] = estimate.value;
    if (report.cost_per_1000) metrics["cost_per_1000"] = report.cost_per_1000->value;
    out["metrics"] = std::move(metrics);
    Json baseline = Json::MakeObject();
    TENON_ASSIGN(auto metric, kits.metrics.Create(card.metric));
    evaluate::Scored of_baseline = scored;
    of_baseline.predicted = others[0].second;
    of_baseline.threshold = 0.5;
    baseline["kind"] = project.problem.baseline_rule.empty() ? "prior" : "rule";
    baseline[card.metric] = metric->Compute(of_baseline);
    for (const auto& lift : report.lifts) {
      if (lift.over != "baseline" || lift.metric != card.metric) continue;
      baseline["lift"]["value"] = lift.gain.value;
      baseline["lift"]["low"] = lift.gain.low;
      baseline["lift"]["high"] = lift.gain.high;
    }
    out["baseline"] = std::move(baseline);
    const evaluate::Estimate* judged_by = report.Find(card.metric);
    std::string shown;
    if (judged_by != nullptr) {
      shown = Str("test ", card.metric, " ", FormatShort(judged_by->value, 4), " [", FormatShort(judged_by->low, 4), ", ", FormatShort(judged_by->high, 4), "]; ");
    }
    out["text"] = Str(shown, passes, " of ", results.size(), " gates passed");
    return out;
  }));
  return {};
}

}  // namespace tenon::pipeline

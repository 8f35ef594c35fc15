// The stage before training that judges a constant answer as the model will be judged: a misspelt slice, cost, rule or gate is told
// within a second, not after hours of training. Nothing is learnt from the rows it looks at.

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "pipeline/run_internal.h"

namespace tenon::pipeline {
namespace {

constexpr int kFewResamples = 10;  // the least there may be: only whether there are ranges matters here

// The same answer to every row: each class alike, or the mean.
std::vector<float> ConstantAnswers(model::Task task, std::size_t outputs, const std::vector<double>& label) {
  float answer = 1.0f / static_cast<float>(outputs);
  if (task == model::Task::kBinary) answer = 0.5f;
  if (task == model::Task::kRegression) {
    answer = static_cast<float>(std::accumulate(label.begin(), label.end(), 0.0) / static_cast<double>(label.size()));
  }
  return std::vector<float>(label.size() * outputs, answer);
}

}  // namespace

Result<Json> RunState::RehearseStep(const Call& step, const std::vector<registry::Gate>& gates) {
  TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
  Json out;
  if (test->label.empty()) {
    out["text"] = "no test rows to judge on";
    return out;
  }
  const std::size_t outputs = task() == model::Task::kMulticlass ? card.classes.size() : 1;
  const std::vector<float> predicted = ConstantAnswers(task(), outputs, test->label);
  std::vector<evaluate::Other> others;
  if (!project.problem.baseline_rule.empty() && task() == model::Task::kBinary) {
    TENON_ASSIGN(auto by_rule, RulePredictions(project.problem.baseline_rule, test->batch));
    others.push_back({"baseline", std::move(by_rule), 0.5});
  } else {
    others.push_back({"baseline", predicted, 0.5});
  }
  for (const char* beside : {"costly", "champion"}) others.push_back({beside, predicted, 0.5});
  const evaluate::Scored scored{.task = task(), .outputs = static_cast<int>(outputs), .predicted = predicted, .actual = test->label, .weight = {}, .threshold = 0.5};
  evaluate::EvaluateSpec quick = project.evaluate;
  quick.bootstrap = kFewResamples;
  TENON_ASSIGN(evaluate::EvaluationReport report,
               evaluate::Evaluate(step, test->batch, scored, card.classes, CostsOf(project.problem), quick, others, kits.metrics));
  Json facts;
  for (const char* fact : {"anomalies", "leakage", "latency_p99", "size_bytes", "unexplained"}) facts[fact] = 0;
  TENON_ASSIGN(const auto results, registry::CheckGates(gates, report, nullptr, facts));
  out["text"] = Str(results.size(), results.size() == 1 ? " gate" : " gates", ", ", report.slices.size(), report.slices.size() == 1 ? " slice" : " slices", " can be judged");
  return out;
}

Result<void> RunState::Rehearse() {
  TENON_ASSIGN(const std::vector<registry::Gate> gates, Gates());
  Json from;
  from["snapshot"] = snapshot;
  from["split"] = split;
  from["card"] = card.ToJson();
  from["problem"] = project.problem.ToJson();
  from["evaluate"] = project.evaluate.ToJson();
  for (const registry::Gate& gate : gates) from["gates"].Push(gate.text);
  TENON_TRY(steps.Do("rehearse", from, [&](const Call& step) { return RehearseStep(step, gates); }));
  return {};
}

}  // namespace tenon::pipeline

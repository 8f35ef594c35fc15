#include "pipeline/import_loss.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

// The labels as the class's number, or the value.
Result<std::vector<double>> Actual(const table::Column& label, const model::Predictor& predictor) {
  std::vector<double> out;
  const auto& classes = predictor.classes();
  for (std::int64_t i = 0; i < label.size(); ++i) {
    if (label.IsNull(i)) return Error(Code::kInvalidArgument, Str("the label of sample row ", i + 1, " is missing"));
    if (predictor.task() == model::Task::kRegression) {
      if (label.type() == table::Type::kString) return Error(Code::kInvalidArgument, Str("the label of sample row ", i + 1, " is a text, and the model gives numbers"));
      out.push_back(label.Number(i));
      continue;
    }
    const Json value = label.ValueAt(i);
    const std::string name = value.is_string() ? value.String() : value.Dump();
    const auto at = std::ranges::find(classes, name);
    if (at == classes.end()) return Error(Code::kInvalidArgument, Str("the label of sample row ", i + 1, " is '", name, "', none of the classes ", Join(classes, ", ")));
    out.push_back(static_cast<double>(at - classes.begin()));
  }
  return out;
}

}  // namespace

Json ImportLoss::ToJson() const {
  Json out;
  out["metric"] = metric;
  out["against"] = against;
  out["before"] = before;
  out["after"] = after;
  out["value"] = loss.value;
  out["low"] = loss.low;
  out["high"] = loss.high;
  out["limit"] = limit;
  out["rows"] = rows;
  out["passed"] = passed();
  return out;
}

Result<ImportLoss> LossBeside(const Call& call, const Kits& kits, const table::Batch& rows, const table::Column& label, const model::Predictor& ours,
                              const model::Predictor& theirs, std::string_view against, const std::string& metric, double limit) {
  if (ours.task() != theirs.task() || ours.classes() != theirs.classes()) {
    return Error(Code::kInvalidArgument, Str(against, " answers another question: its classes are ", Join(theirs.classes(), ", "), ", not ", Join(ours.classes(), ", ")));
  }
  ImportLoss out{.metric = metric, .against = std::string(against), .limit = limit, .rows = rows.rows()};
  if (out.metric.empty()) out.metric = ours.task() == model::Task::kRegression ? "rmse" : ours.task() == model::Task::kBinary ? "roc_auc" : "accuracy";
  TENON_ASSIGN(const auto measure, kits.metrics.Create(out.metric), "--metric");
  if (!measure->Suits(ours.task())) return Error(Code::kInvalidArgument, Str("the metric ", out.metric, " does not suit a ", NameOf(ours.task()), " model"));
  TENON_ASSIGN(const std::vector<double> actual, Actual(label, ours));
  model::Predictor::Scratch our_scratch, their_scratch;
  TENON_ASSIGN(const std::vector<float> after, ours.PredictBatch(call, rows, our_scratch));
  TENON_ASSIGN(std::vector<float> before, theirs.PredictBatch(call, rows, their_scratch), Str("asking ", against));
  evaluate::Scored scored{.task = ours.task(), .outputs = ours.outputs(), .predicted = before, .actual = actual, .weight = {}, .threshold = theirs.threshold()};
  out.before = measure->Compute(scored);
  scored.predicted = after;
  scored.threshold = ours.threshold();
  out.after = measure->Compute(scored);
  if (!std::isfinite(out.before) || !std::isfinite(out.after)) {
    return Error(Code::kInvalidArgument, Str("the metric ", out.metric, " is not defined on the sample rows: more rows, of every class, are needed"));
  }
  evaluate::EvaluateSpec asked;
  asked.metrics = {out.metric};
  asked.explain_rows = 0;
  TENON_ASSIGN(const auto report, evaluate::Evaluate(call, rows, scored, ours.classes(), {}, asked, {{"the other", std::move(before), theirs.threshold()}}, kits.metrics));
  for (const auto& lift : report.lifts) {
    if (lift.metric == out.metric) out.loss = {0 - lift.gain.value, 0 - lift.gain.high, 0 - lift.gain.low};
  }
  return out;
}

}  // namespace tenon::pipeline

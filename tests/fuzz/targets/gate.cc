// Rules for models: parsed, written as their parts, and parsed again as the same; checked against a report.

#include "fuzz/target.h"
#include "registry/registry.h"

namespace tenon::fuzz {
namespace {

evaluate::EvaluationReport SomeReport() {
  evaluate::EvaluationReport report;
  report.metrics = {{"roc_auc", {0.8, 0.7, 0.9}}, {"log_loss", {0.5, 0.4, 0.6}}};
  report.cost_per_1000 = evaluate::Estimate{5, 4, 6};
  report.lifts = {{"roc_auc", "baseline", {0.1, 0.05, 0.2}}};
  report.slices = {{"sex=f", 10, {{"roc_auc", {0.6, 0.5, 0.7}}}}};
  report.gaps = {{"demographic_parity:sex", 0.1}};
  return report;
}

void RunGate(std::string_view input) {
  auto gate = registry::Gate::Parse(input);
  if (!gate.ok()) return CheckError(gate.error());
  const auto again = Must(registry::Gate::Parse(Str(gate->subject, " ", gate->op, " ", gate->limit_text)), "a gate made of its parts");
  Same(again.subject, gate->subject, "the subject of a gate");
  Same(again.op, gate->op, "the comparison of a gate");
  Same(again.limit_text, gate->limit_text, "the limit of a gate");
  const evaluate::EvaluationReport report = SomeReport();
  Json facts = Json::MakeObject();
  facts["anomalies"] = 1;
  facts["latency_p99"] = 0.004;
  facts["size_bytes"] = 1000000;
  for (const auto* champion : {static_cast<const evaluate::EvaluationReport*>(nullptr), &report}) {
    const auto first = registry::CheckGates({*gate}, report, champion, facts);
    const auto second = registry::CheckGates({again}, report, champion, facts);
    Hold(first.ok() == second.ok(), "a gate and its parts are checked alike");
    if (first.ok()) Hold(first->at(0).passed == second->at(0).passed, "a gate and its parts judge alike");
    if (!first.ok()) CheckError(first.error());
  }
}

std::vector<std::string> Seeds() {
  return {"roc_auc >= 0.7", "lift(roc_auc, over: baseline).low > 0", "lift(roc_auc, over: champion) > 1e-3", "cost_per_1000 < 12.5",
          "cost_saving_per_1000.low > 0", "worst_slice(roc_auc) >= 0.5", "gap(demographic_parity) <= 0.2", "calibration_error < 3 %",
          "anomalies == 0", "latency_p99 < 5ms", "size_bytes <= 25MB", "roc_auc >= champion.roc_auc", "log_loss < 0.6 "};
}

}  // namespace

Target MakeGate() { return {RunGate, Seeds}; }

}  // namespace tenon::fuzz

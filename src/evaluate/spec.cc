#include "base/text.h"
#include "evaluate/evaluate.h"

namespace tenon::evaluate {

Result<EvaluateSpec> EvaluateSpec::Parse(const Json& json, std::string_view file) {
  EvaluateSpec spec;
  if (json.is_null()) return spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "evaluate", file));
  TENON_TRY(fields.Read("metrics", &spec.metrics));
  TENON_TRY(fields.Read("slices", &spec.slices));
  if (const Json* fairness = fields.Find("fairness"); fairness != nullptr) {
    TENON_ASSIGN(Fields inner, Fields::Of(*fairness, "evaluate.fairness", file));
    TENON_TRY(inner.Read("groups", &spec.fairness_groups));
    TENON_TRY(inner.Done());
  }
  TENON_TRY(fields.Read("calibration", &spec.calibration));
  const std::vector<std::string> methods = {"auto", "none", "platt", "isotonic"};
  bool known = false;
  for (const std::string& method : methods) known = known || method == spec.calibration;
  if (!known) {
    return fields.Wrong("calibration", Str("expected one of ", Join(methods, ", "), ", got '", spec.calibration, "'",
                                           DidYouMean(spec.calibration, methods)));
  }
  TENON_TRY(fields.ReadScalar("threshold", &spec.threshold));
  double threshold = 0;
  if (spec.threshold != "auto" && !(ParseDouble(spec.threshold, &threshold) && threshold >= 0 && threshold <= 1)) {
    return fields.Wrong("threshold", Str("expected auto or a number from 0 to 1, got '", spec.threshold, "'"));
  }
  TENON_TRY(fields.Read("bootstrap", &spec.bootstrap));
  if (spec.bootstrap < 10 || spec.bootstrap > 100000) {
    return fields.Wrong("bootstrap", Str("expected 10 to 100000 resamples, got ", spec.bootstrap));
  }
  TENON_TRY(fields.Read("confidence", &spec.confidence));
  if (!(spec.confidence > 0 && spec.confidence < 1)) {
    return fields.Wrong("confidence", Str("expected a number between 0 and 1 such as 0.95, got ", spec.confidence));
  }
  TENON_TRY(fields.Read("explain_rows", &spec.explain_rows));
  if (spec.explain_rows < 0) return fields.Wrong("explain_rows", Str("expected 0 or more rows, got ", spec.explain_rows));
  TENON_TRY(fields.Done());
  return spec;
}

Json EvaluateSpec::ToJson() const {
  Json out = Json::MakeObject();
  out["metrics"] = Json::ListOf(metrics);
  out["slices"] = Json::ListOf(slices);
  out["fairness"]["groups"] = Json::ListOf(fairness_groups);
  out["calibration"] = calibration;
  out["threshold"] = threshold;
  out["bootstrap"] = bootstrap;
  out["confidence"] = confidence;
  out["explain_rows"] = explain_rows;
  return out;
}

std::vector<std::string> DefaultMetrics(model::Task task) {
  switch (task) {
    case model::Task::kBinary:
      return {"roc_auc", "average_precision", "log_loss", "brier", "accuracy", "balanced_accuracy",
              "precision", "recall", "f1", "mcc", "calibration_error"};
    case model::Task::kMulticlass:
      return {"accuracy", "balanced_accuracy", "f1", "precision", "recall", "mcc", "roc_auc", "log_loss"};
    case model::Task::kRegression: return {"rmse", "mae", "median_absolute_error", "r2", "mape"};
  }
  return {};
}

}  // namespace tenon::evaluate

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/call.h"
#include "evaluate/metric.h"
#include "model/calibration.h"
#include "model/predictor.h"
#include "table/batch.h"

namespace tenon::evaluate {

// What mistakes cost, in the unit of the project: numbers, or expressions over a row's columns ("0.8 * amount").
struct Costs {
  std::string false_positive;  // "": unknown
  std::string false_negative;
  std::string unit;            // "EUR"; may be empty
  bool known() const { return !false_positive.empty() && !false_negative.empty(); }
};

// What the user wrote under `evaluate:`.
struct EvaluateSpec {
  std::vector<std::string> metrics;      // beyond the defaults of the task
  std::vector<std::string> slices;       // columns (each value a slice) or boolean expressions over raw columns
  std::vector<std::string> fairness_groups;  // columns whose groups are compared
  std::string calibration = "auto";      // auto | none | platt | isotonic; auto: the better on half of the validation
                                         // rows, and none unless it helps
  std::string threshold = "auto";        // auto: least cost when costs are known, else best f1; or a number as text
  int bootstrap = 1000;                  // resamples of confidence intervals
  double confidence = 0.95;
  int explain_rows = 500;                // rows whose attributions make the global importances
  static Result<EvaluateSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
};

// A number with its confidence interval (percentile bootstrap; Efron, Tibshirani 1993).
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

// Everything known about predictions on held-out rows. A value type; ToJson/FromJson lose nothing that a gate, a page
// or a card asks for.
struct EvaluationReport {
  model::Task task = model::Task::kBinary;
  std::string subject;                                       // "boosted_trees on test"
  std::int64_t rows = 0;
  std::vector<std::string> classes;
  std::vector<double> class_counts;
  std::vector<std::pair<std::string, Estimate>> metrics;     // by metric name
  double threshold = 0.5;
  std::vector<std::vector<double>> confusion;                // actual x predicted
  struct Point { double x, y, threshold; };
  std::vector<Point> roc, precision_recall;                  // at most 200 points each; empty unless binary
  struct Calibrated { double predicted, observed, rows; };
  std::vector<Calibrated> calibration;                       // ten bins of equal counts
  std::vector<std::vector<double>> score_histogram;          // of binary: class x 20 equal bins of 0..1, weights of rows
  std::vector<double> residual_quantiles;                    // of regression: 0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1
  std::vector<Point> predicted_actual;                       // of regression: a sample of at most 500 rows
  std::optional<Estimate> cost_per_1000;                     // when costs are known
  double constant_cost_per_1000 = 0;                         // of the best constant decision
  std::optional<Estimate> cost_saving_per_1000;              // constant minus ours, paired: above 0 is good
  struct Lift { std::string metric; std::string over; Estimate gain; };  // ours minus the other's, sign so that + is better
  std::vector<Lift> lifts;
  struct Slice { std::string name; std::int64_t rows; std::vector<std::pair<std::string, Estimate>> metrics; };
  std::vector<Slice> slices;
  struct Group { std::string column, value; std::int64_t rows; double selection_rate, true_positive_rate, false_positive_rate; };
  std::vector<Group> groups;                                 // of fairness
  std::vector<std::pair<std::string, double>> gaps;          // "demographic_parity:afam" -> largest difference
  struct Importance { std::string feature; double mean_absolute; std::vector<double> sample_values, sample_contributions; };
  std::vector<Importance> importances;                       // by input column, most important first
  // How far a sampled row's contributions and base are from adding up to its margin, at most, relative to the margin's
  // size (at least 1): 0 but for rounding when every answer is explained whole; infinite where attributions are estimates.
  // Not there when no row was explained.
  std::optional<double> unexplained;
  const Estimate* Find(std::string_view metric) const;       // null when there is none
  Json ToJson() const;
  static Result<EvaluationReport> FromJson(const Json& json);
};

// Predictions of another model on the same rows, to compare with.
struct Other {
  std::string name;              // "baseline", "champion"
  std::vector<float> predicted;  // as in Scored
  double threshold = 0.5;        // its own: it decides as it would if it were the one in use
};

// Judges predictions on held-out rows. `rows` are the raw columns (for slices, groups, row costs); `predicted` as in
// Scored. Slices have intervals of at most 200 resamples. Deterministic in call.seed.
Result<EvaluationReport> Evaluate(const Call& call, const table::Batch& rows, const Scored& scored,
                                  const std::vector<std::string>& classes, const Costs& costs, const EvaluateSpec& spec,
                                  const std::vector<Other>& others, const Kinds<Metric>& kinds);

// Adds importances: attributions of `explain_rows` rows drawn by seed, by input column; and what they leave unexplained.
Result<void> AddImportances(const Call& call, const table::Batch& rows, const model::Predictor& predictor,
                            const EvaluateSpec& spec, EvaluationReport* report);

// The calibration chosen on validation rows, and the threshold chosen on them after it.
Result<model::Calibration> FitCalibration(const Call& call, const Scored& validation, std::string_view method);
Result<double> ChooseThreshold(const Call& call, const table::Batch& rows, const Scored& validation, const Costs& costs,
                               const EvaluateSpec& spec);

// The metrics a report of a task always has. Which one decides is settled in frame/.
std::vector<std::string> DefaultMetrics(model::Task task);

// A page that stands alone: inline CSS and SVG, no script needed, no network. `context`: title, project, problem card,
// data summary, gates, candidates, lineage (see report_html.cc).
std::string ReportHtml(const EvaluationReport& report, const Json& context);

}  // namespace tenon::evaluate

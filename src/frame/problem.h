#pragma once

#include <string>
#include <vector>

#include "base/call.h"
#include "base/json.h"
#include "table/batch.h"

namespace tenon::frame {

// What the user wrote under `problem:`.
struct ProblemSpec {
  std::string question;
  std::string task = "auto";        // auto | binary | multiclass | regression
  std::string label;                // the column to predict
  std::string positive;             // of binary: the label value that is 1; "": found (see Frame)
  std::string known_after;          // how long after a row its label is known, a duration; ""
  std::string metric = "auto";
  std::string false_positive, false_negative, cost_unit;  // numbers or expressions over a row; "" unknown
  std::string baseline_rule;        // a boolean expression: what is done today; ""
  std::string latency_p99;          // constraints, as written
  bool explainable = false;

  // `{label: approved}` or `{label: {column: is_fraud, positive: 1, known_after: 7d}, costs: {false_positive: 4 EUR}}`.
  static Result<ProblemSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
};

// The problem as the rest of the flow sees it, and what was thought on the way.
struct ProblemCard {
  std::string question;
  std::string task;                 // "binary", "multiclass", "regression"
  std::string label;
  std::vector<std::string> classes;      // label values in class order; binary: the positive one is the second
  std::vector<std::int64_t> class_rows;  // rows of each
  std::int64_t rows = 0;
  std::int64_t unlabelled = 0;           // rows without a label: they are left out
  std::string metric;
  std::vector<std::string> reasons;      // for people: why this task, metric, positive class
  std::vector<std::string> concerns;     // what speaks against machine learning here, or against trusting it
  bool suitable = true;                  // false: "not ML" is the better answer (see concerns)
  Json ToJson() const;
  static Result<ProblemCard> FromJson(const Json& json);
};

// Looks at the label and settles what was left open: text, bool and whole numbers with at most 20 values are classes,
// other numbers a regression; the positive class is the one written, else one that says yes, else the rarer one; the
// metric follows the task and the balance (average_precision below 5 % positives, roc_auc, log_loss, rmse).
// Errors: not_found (no such column), invalid_argument (one class, a task that the label's values do not fit).
Result<ProblemCard> Frame(const Call& call, const ProblemSpec& spec, const table::Schema& schema,
                          const table::Column& label);

// The label as numbers: class index or value; NaN where it is missing or no known class.
std::vector<double> EncodeLabel(const ProblemCard& card, const table::Column& label);

// A label value as the text that names its class: texts themselves, numbers in their shortest form, "true"/"false".
std::string ClassName(const table::Column& label, std::int64_t row);

}  // namespace tenon::frame

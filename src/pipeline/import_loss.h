#pragma once

#include <span>
#include <string>

#include "evaluate/evaluate.h"
#include "pipeline/kits.h"
#include "table/batch.h"

namespace tenon::pipeline {

// What a model brought in loses beside a version that is there, on labelled rows.
struct ImportLoss {
  std::string metric, against;      // "roc_auc", "net@1"; no metric: it was not asked for
  double before = 0, after = 0;     // the metric of the version that is there, and of the one brought in
  evaluate::Estimate loss;          // paired; negative: it is better
  double limit = 0;
  std::int64_t rows = 0;
  bool passed() const { return loss.high <= limit; }
  Json ToJson() const;
};

// `ours` and `theirs` answer the same rows; `label` has their labels, as texts or numbers. The loss is that of `metric` ("": the default of
// the task), with a bootstrap interval. invalid_argument when a label is none of the classes, or the two do not answer one question.
Result<ImportLoss> LossBeside(const Call& call, const Kits& kits, const table::Batch& rows, const table::Column& label, const model::Predictor& ours,
                              const model::Predictor& theirs, std::string_view against, const std::string& metric, double limit);

}  // namespace tenon::pipeline

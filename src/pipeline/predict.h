#pragma once

#include <string>

#include "model/predictor.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"

namespace tenon::pipeline {

struct PredictedFile {
  std::int64_t rows = 0;
  std::string model;
};

// Predicts every row of a file, batch by batch in bounded memory, with the same code that answers requests: the same
// row gives the same bits. Writes the input's columns and: binary `probability` (of the positive class) and `decision`;
// multiclass `probability_<class>` of each class and `decision`; regression `value`. The file is read as the project's
// source is; rows that lack an input the project's `sql` makes are put through that first. Input columns are read as
// the types they had in training. `out` appears whole or not at all; its ending says the format.
// Errors: invalid_argument naming the missing column or the value that does not fit.
Result<PredictedFile> PredictFile(const Call& call, const Project& project, const model::Predictor& predictor,
                                  const Kits& kits, const std::string& in, const std::string& out);

}  // namespace tenon::pipeline

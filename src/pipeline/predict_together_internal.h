#pragma once

#include <memory>
#include <vector>

#include "base/call.h"
#include "serve/batch_sizes.h"
#include "serve/endpoint.h"
#include "table/batch.h"

namespace tenon::pipeline {

// Predicts the rows of a model that reads columns in runs of the sizes that pay, tried with its golden rows as a service tries them
// (serve/batch_trial.h), and only those that gave every row the bits it gets alone. Immutable; any number of threads.
class Together {
 public:
  // Null where no such size is.
  static std::unique_ptr<const Together> Try(const Call& call, const std::shared_ptr<const serve::Served>& served);
  Together(std::shared_ptr<const serve::Served> served, serve::BatchSizes sizes) : served_(std::move(served)), sizes_(std::move(sizes)) {}
  // rows() x outputs() numbers. invalid_argument when the model cannot take one of the rows.
  Result<std::vector<float>> Predict(const Call& call, const table::Batch& rows) const;

 private:
  std::shared_ptr<const serve::Served> served_;
  serve::BatchSizes sizes_;
};

}  // namespace tenon::pipeline

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/learner.h"

namespace tenon::train {

// Which learner, with which settings.
struct LearnerSpec {
  std::string learner = "boosted_trees";
  Json settings;                      // an object or null; what it leaves out takes the learner's defaults
  bool balanced = false;              // rare classes weigh as much as frequent ones (not of regression)
};

// A model and all that is needed to tell how it came about, and to make it again.
struct TrainingRecord {
  std::shared_ptr<const model::Model> model;
  std::string learner;
  Json settings;                      // the whole of them, defaults included
  bool balanced = false;
  std::uint64_t seed = 1;
  std::int64_t rows = 0;
  std::int64_t validation_rows = 0;
  std::vector<Round> rounds;
  std::string library;                // that was loaded to learn it, with its version; "": none
  double seconds = 0;                 // wall time; no part of what the model is made from
  Json ToJson() const;                // without the model's bytes, but with Describe()
};

// The verb: learns a model from rows. Errors: the learner's; not_found and invalid_argument for the spec, their message
// starting with "train.<learner>". `report` may be empty.
Result<TrainingRecord> Train(const Call& call, const LearnerSpec& spec, const Matrix& rows, const Matrix& validation,
                             const Target& target, const Kinds<Learner>& kinds,
                             const std::function<void(const Round&)>& report = nullptr);

// A weight a row that makes all classes weigh the same in sum: rows / (classes x rows of the class), times the row's own.
// The rows' labels are classes of the target (asserted).
std::vector<double> BalancedWeights(const Matrix& rows, const Target& target);

}  // namespace tenon::train

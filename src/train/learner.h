#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/call.h"
#include "base/kinds.h"
#include "model/model.h"

namespace tenon::train {

// Rows ready to learn from: row-major floats, NaN is missing. Views; whoever calls keeps the memory.
struct Matrix {
  const float* values = nullptr;
  std::int64_t rows = 0;
  int features = 0;                    // the stride as well
  std::span<const double> label;       // class index, or the value
  std::span<const double> weight;      // empty: all 1
  std::span<const std::string> names;  // of the features
};

struct Target {
  model::Task task = model::Task::kBinary;
  int classes = 2;                     // 0 for regression
};

// How training goes, for the live display and the record.
struct Round {
  int round = 0;
  double training_loss = 0;
  double validation_loss = 0;          // NaN without validation rows
};

// What a foreign library learnt, in its own format. The margin of a model made of several is
// centre + scale x (mean over them of base + the first `rounds` rounds).
struct Original {
  std::string model;
  int rounds = 0;                      // that are kept
  std::vector<float> base;             // margins before the first tree, one an output
  double centre = 0, scale = 1;
};

// Learns a Model. One Learner trains one Model; one thread calls it, it may use call.threads. The same rows, settings
// and call.seed give the same bytes, whatever the number of threads. Stops within a round when call says so.
// Errors: invalid_argument (no rows, one class, a label that is not finite, weights that do not fit), cancelled,
// deadline_exceeded, unavailable (the library is not installed).
class Learner {
 public:
  virtual ~Learner() = default;
  // validation.rows may be 0: then nothing stops early.
  virtual Result<std::unique_ptr<model::Model>> Train(const Call& call, const Matrix& rows, const Matrix& validation,
                                                      const Target& target,
                                                      const std::function<void(const Round&)>& report) = 0;
  // "trees" or "linear": which default transforms suit it.
  virtual std::string_view style() const = 0;
  // The foreign library that Train loaded, with its version ("xgboost 3.2.0"); "" before, and when all is our own.
  virtual std::string library() const { return ""; }
  // What that library learnt in the last Train, for those who compare the model with it; mostly none.
  virtual std::vector<Original> originals() const { return {}; }
};

// Kinds: baseline, linear, boosted_trees.
Result<void> AddAll(Kinds<Learner>& kinds);

}  // namespace tenon::train

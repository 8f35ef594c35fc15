#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/kinds.h"

namespace tenon::model {

enum class Task : std::uint8_t { kBinary, kMulticlass, kRegression };
std::string_view NameOf(Task task);  // "binary", "multiclass", "regression"
Result<Task> TaskNamed(std::string_view name);

// A trained model: floats in, numbers out. Immutable: any number of threads may ask at once, and no call allocates or
// fails. Rows are row-major floats, `stride` floats from row to row, NaN is missing.
class Model {
 public:
  virtual ~Model() = default;
  virtual std::string_view format() const = 0;  // the kind of formats/ that can load it: "forest", "linear", "constant"
  virtual Task task() const = 0;
  virtual int features() const = 0;
  // Numbers a row of Predict: 1 for binary (the probability of class 1) and regression, the classes' probabilities else.
  virtual int outputs() const = 0;
  // rows x outputs() numbers. The same row gives the same bits alone or among others, on any thread.
  virtual void Predict(const float* rows, std::int64_t n, std::int64_t stride, float* out) const = 0;
  // Before the link: log-odds for binary, scores for multiclass, the value for regression. rows x outputs().
  virtual void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const = 0;
  // Exact attributions of the margins of one row: outputs() x (features() + 1) doubles, the last of each is the base
  // value; a row of them adds up to the margin within 1e-6 of its size.
  virtual void Contributions(const float* row, double* out) const = 0;
  // The same of n rows, one after the other in `out`; of many it costs less than row by row, and may differ from that within
  // 1e-12 of the margin's size.
  virtual void ContributionsOfRows(const float* rows, std::int64_t n, std::int64_t stride, double* out) const;
  // Whether a row takes a known, short time. Else, where a deadline is set, it is asked on a thread of its own.
  virtual bool bounded() const { return true; }
  virtual Json Describe() const = 0;     // for the model card: trees, depth, coefficients' count, bytes
  virtual std::string Save() const = 0;  // the payload; equal models give equal bytes. docs/formats/
};

// Reads payloads of one format. Kinds: constant, linear, forest. Loading never runs code from the payload and checks every
// index, so that a damaged payload is data_loss and never a wrong read.
class Format {
 public:
  virtual ~Format() = default;
  virtual Result<std::unique_ptr<Model>> Load(std::string_view payload) const = 0;
};

Result<void> AddAll(Kinds<Format>& kinds);

// From margins to predictions: logistic for binary, softmax for multiclass and identity for regression (kOfTask); or none;
// or each margin by itself.
enum class Link : std::uint8_t { kOfTask, kIdentity, kLogistic, kExp };

// In place. Float in, float out, the same operations for every model, so that formats agree.
void ApplyLink(Task task, int outputs, float* values, std::int64_t n, Link link = Link::kOfTask);

}  // namespace tenon::model

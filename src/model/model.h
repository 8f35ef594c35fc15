#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/kinds.h"
#include "table/schema.h"

namespace tenon::model {

enum class Task : std::uint8_t { kBinary, kMulticlass, kRegression };
std::string_view NameOf(Task task);  // "binary", "multiclass", "regression"
Result<Task> TaskNamed(std::string_view name);

// n rows of input columns as a request's slots hold them, row after row: numbers (NaN missing, bools 0 and 1, timestamps in
// microseconds) and texts (null data() missing).
struct ColumnRows {
  const double* numbers = nullptr;
  const std::string_view* texts = nullptr;
  std::int64_t n = 0;
};

// How attributions were found: exactly, or estimated from `samples` random orders of the columns.
struct Attribution {
  bool exact = true;
  int samples = 0;
  std::uint64_t seed = 0;
  double error = 0;    // the largest standard error of a column's attribution
  bool whole = true;   // false: the time was up before all samples were drawn
};

// What a model has that reads the input columns themselves, because another maker's tool put its transforms (texts, whole
// numbers, images) into it. Immutable, any number of threads. docs/decisions/0008-onnx.md.
class ColumnModel {
 public:
  virtual ~ColumnModel() = default;
  virtual const std::vector<table::Field>& columns() const = 0;
  // n x outputs() numbers, as Model::Predict. invalid_argument naming the column, or with the model's own words, when it
  // cannot take a value; nothing is promised of `out` then.
  virtual Result<void> PredictColumns(const ColumnRows& rows, float* out) const = 0;
  // The same in one run, which may take less time a row. What a row gets may hang, in its last bits, on how many rows there are.
  virtual Result<void> PredictTogether(const ColumnRows& rows, float* out) const { return PredictColumns(rows, out); }
  // Whether a run takes any number of rows.
  virtual bool takes_many() const { return false; }
  // Attributions of one output's prediction (not its margin) for one row: columns().size() numbers that add up, with the
  // base, to the prediction. Stops at a deadline of its own, then with fewer samples. The same row gives the same bits
  // unless the deadline was met.
  virtual Result<Attribution> ExplainColumns(const ColumnRows& row, int output, double* by_column, double* base) const = 0;
};

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
  // Null, but for models that read the input columns: then the graph makes no features and features() is 0.
  virtual const ColumnModel* by_columns() const { return nullptr; }
  // Whether a row takes a known, short time. Else, where a deadline is set, it is asked on a thread of its own.
  virtual bool bounded() const { return by_columns() == nullptr; }
  virtual Json Describe() const = 0;     // for the model card: trees, depth, coefficients' count, bytes
  virtual std::string Save() const = 0;  // the payload; equal models give equal bytes. docs/formats/
};

// Reads payloads of one format. Kinds: constant, linear, forest, onnx. Loading never runs code from the payload and checks every
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

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/bundle.h"
#include "model/calibration.h"
#include "model/cascade.h"
#include "model/model.h"
#include "transform/graph.h"

namespace tenon::model {

// What one row's answer is made of.
struct Prediction {
  std::span<const float> values;  // outputs() numbers: probability of the positive class, of each class, or the value
  int decision = -1;              // class index (threshold for binary, arg max else); -1 for regression
  const Error* problem = nullptr; // why a model that reads columns gave no answer to this row: then the values are NaN
  bool cheap = false;             // of a cascade: the cheap model gave it
};

// Graph + model + calibration + threshold: rows in, answers out. The one path of evaluation, batch, HTTP and gRPC. With a
// cascade, a cheap model before it that answers where it is sure.
// Immutable; any number of threads, each with its own Scratch.
class Predictor {
 public:
  struct Scratch {
    transform::FittedGraph::Scratch graph;
    std::vector<float> tile;
    std::vector<float> values;
    std::vector<double> contributions;
    std::optional<Error> problem;
    std::vector<const double*> numbers;
    std::vector<const std::string_view*> texts;
    // Of cascades.
    std::unique_ptr<Scratch> cheap;
    std::vector<double> row_numbers;
    std::vector<std::string_view> row_texts;
    std::vector<std::int64_t> unsure;
    std::vector<std::uint8_t> by_cheap;  // a row: whether the cheap model gave the answer; of the last PredictSlots
  };

  // Loads the sections graph and model. data_loss or invalid_argument naming the section.
  static Result<std::shared_ptr<const Predictor>> Load(std::shared_ptr<const Bundle> bundle,
                                                       const Kinds<transform::Op>& ops, const Kinds<Format>& formats);
  // From parts, before there is a bundle.
  static std::shared_ptr<const Predictor> Make(std::shared_ptr<const transform::FittedGraph> graph,
                                               std::shared_ptr<const Model> model, Calibration calibration, double threshold,
                                               std::vector<std::string> classes);

  // With a cheap model before it; both answer the same question, and the cheap one reads no other columns. invalid_argument.
  static Result<std::shared_ptr<const Predictor>> MakeCascade(const std::shared_ptr<const Predictor>& costly,
                                                              std::shared_ptr<const Predictor> cheap, Sureness sure,
                                                              std::string cheap_name, std::string costly_name);

  const transform::FittedGraph& graph() const { return *graph_; }
  const std::shared_ptr<const transform::FittedGraph>& shared_graph() const { return graph_; }
  const std::shared_ptr<const Model>& shared_model() const { return model_; }
  const Model& model() const { return *model_; }  // of a cascade: the costly one
  const Cascade* cascade() const { return cascade_.get(); }  // null: none
  // Whether some model takes rows one by one (ColumnModel).
  bool reads_columns() const { return model_->by_columns() != nullptr || (cascade_ != nullptr && cascade_->cheap->reads_columns()); }
  Task task() const { return model_->task(); }
  int outputs() const { return model_->outputs(); }
  const std::vector<std::string>& classes() const { return classes_; }  // label values in class order; empty: regression
  const Calibration& calibration() const { return calibration_; }
  double threshold() const { return threshold_; }
  const Bundle* bundle() const { return bundle_.get(); }  // null before there is one

  // One row from slots (see FittedGraph::ApplyRow). The values live in `scratch` until its next use. No allocation once
  // the scratch is warm.
  Prediction PredictRow(const double* numbers, const std::string_view* texts, Scratch& scratch) const;
  // n rows whose slots are kept column by column (see FittedGraph::ApplySlots) into n x outputs() numbers. Bit-equal to
  // PredictRow on each row. Not for models that read columns, which may fail.
  void PredictSlots(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* out,
                    Scratch& scratch) const;
  // Of a model that reads columns, without a cascade: n rows row after row, in one run (ColumnModel::PredictTogether).
  Result<void> PredictTogether(const double* numbers, const std::string_view* texts, std::int64_t n, float* out) const;
  // rows() x outputs() numbers. Bit-equal to PredictRow on each row.
  Result<std::vector<float>> PredictBatch(const Call& call, const table::Batch& rows, Scratch& scratch) const;
  int Decide(const float* values) const;

  // Attributions of the margin of one output, summed over the features of each input column: inputs().size() doubles in
  // `by_input`, the base value in `base`. By features: width() doubles in `by_feature`. Either span may be empty.
  // A model that reads columns is asked by samples (ColumnModel::ExplainColumns): then they are of the prediction, and it may
  // fail; others never do. Of a cascade: those of the model that answers the row; by features: of the costly one.
  Result<Attribution> ExplainRow(const double* numbers, const std::string_view* texts, int output, std::span<double> by_input,
                                 std::span<double> by_feature, double* base, Scratch& scratch) const;
  // The same of n rows, row after row, and of every output, bit by bit: n x outputs() x inputs().size() doubles in `by_input`,
  // n x outputs() in `base`. Sixteen rows and multiples cost least. Only when explains_together().
  bool explains_together() const { return cascade_ == nullptr && model_->by_columns() == nullptr; }
  void ExplainRows(const double* numbers, const std::string_view* texts, std::int64_t n, double* by_input, double* base, Scratch& scratch) const;

 private:
  void SumByInput(const double* by_feature, std::span<double> by_input) const;
  Prediction PredictRowAlone(const double* numbers, const std::string_view* texts, Scratch& scratch) const;
  void PredictSlotsAlone(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* out, Scratch& scratch) const;
  Result<void> PredictPartAlone(const table::Batch& part, Scratch& scratch, float* out) const;
  static Result<std::shared_ptr<const Predictor>> LoadCascade(std::shared_ptr<const Predictor> costly, const Json& cascade,
                                                              const Kinds<transform::Op>& ops, const Kinds<Format>& formats);
  // cascade.cc:
  Scratch& CheapScratch(Scratch& scratch) const;
  void ToCheap(const double** numbers, const std::string_view** texts, Scratch& scratch) const;
  bool CheapAnswers(const double* numbers, const std::string_view* texts, Scratch& scratch, Prediction* out) const;
  void FindUnsure(const float* values, std::int64_t n, Scratch& scratch) const;
  void ScatterUnsure(const float* values, float* out, const Scratch& scratch) const;
  void PredictSlotsCascaded(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* out, Scratch& scratch) const;
  Result<void> PredictPartCascaded(const table::Batch& part, Scratch& scratch, float* out) const;
  Result<Attribution> ExplainCheap(const double* numbers, const std::string_view* texts, int output, std::span<double> by_input,
                                   double* base, Scratch& scratch) const;
  Prediction PredictColumnsOfRow(const double* numbers, const std::string_view* texts, Scratch& scratch) const;
  Result<void> PredictPart(const table::Batch& part, Scratch& scratch, float* out) const;

  std::shared_ptr<const Bundle> bundle_;
  std::shared_ptr<const transform::FittedGraph> graph_;
  std::shared_ptr<const Model> model_;
  Calibration calibration_;
  double threshold_ = 0.5;
  std::vector<std::string> classes_;
  std::shared_ptr<const Cascade> cascade_;
};

}  // namespace tenon::model

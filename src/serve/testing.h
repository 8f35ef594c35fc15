#pragma once

// Small versions to serve, for tests and benchmarks.

#include <atomic>
#include <bit>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "model/forest.h"
#include "model/linear.h"
#include "model/predictor.h"
#include "serve/endpoint.h"
#include "table/batch.h"

namespace tenon::serve::testing {

// A loan decision from four fields of four types: age (int64), income (float64), job (string, one-hot), owner (bool).
inline Result<std::shared_ptr<const Served>> MakeLoan(const Kinds<transform::Op>& ops, int version = 1) {
  using table::Type;
  transform::GraphSpec spec;
  spec.inputs = {{"age", Type::kInt64}, {"income", Type::kFloat64}, {"job", Type::kString}, {"owner", Type::kBool}};
  spec.nodes = {{"one_hot", {"job"}, {"job_hot"}, Json()}};
  spec.features = {"age", "income", "job_hot", "owner"};
  auto schema = std::make_shared<const table::Schema>(spec.inputs);
  const table::Batch rows(schema, {table::Column::Of(std::vector<std::int64_t>{25, 40, 61}),
                                   table::Column::Of(std::vector<double>{1000, 2500.5, 4000}),
                                   table::Column::Of(std::vector<std::string>{"clerk", "baker", "clerk"}),
                                   [] {
                                     table::ColumnBuilder owner(Type::kBool);
                                     for (int is : {1, 0, 1}) owner.AddInt(is);
                                     return owner.Finish();
                                   }()});
  TENON_ASSIGN(auto graph, transform::Fit(Call{}, spec, {rows}, {}, {}, 0, ops));
  model::LinearSpec linear;
  linear.task = model::Task::kBinary;
  linear.features = graph->width();
  for (int i = 0; i < linear.features; ++i) linear.weights.push_back(i == 1 ? -0.001 : 0.01 * (i + 1) * version);
  linear.intercept = {0.5};
  linear.center.assign(static_cast<std::size_t>(linear.features), 0.0);
  TENON_ASSIGN(auto model, model::MakeLinear(linear));
  auto served = std::make_shared<Served>();
  served->endpoint = "loan";
  served->version = version;
  served->model = Str("loan@", version);
  served->predictor = model::Predictor::Make(graph, std::move(model), {}, 0.5, {"no", "yes"});
  served->fields = {{"age", Type::kInt64, true, 18, 100, {}},
                    {"income", Type::kFloat64, false, 0, 100000, {}},
                    {"job", Type::kString, false, 0, 0, {"clerk", "baker"}},
                    {"owner", Type::kBool, false, 0, 0, {}}};
  return std::shared_ptr<const Served>(std::move(served));
}

// A forest of full trees over numbers x0, x1, ... (as they are): binary, or `outputs` classes, or a regression for 0.
inline Result<std::shared_ptr<const Served>> MakeForestServed(const Kinds<transform::Op>& ops, const std::string& endpoint,
                                                              int features, int trees, int depth, int outputs = 1) {
  transform::GraphSpec spec;
  std::vector<table::Column> columns;
  for (int f = 0; f < features; ++f) {
    spec.inputs.push_back({Str("x", f), table::Type::kFloat64});
    spec.features.push_back(Str("x", f));
    columns.push_back(table::Column::Of(std::vector<double>{0, 1}));
  }
  const table::Batch rows(std::make_shared<const table::Schema>(spec.inputs), std::move(columns));
  TENON_ASSIGN(auto graph, transform::Fit(Call{}, spec, {rows}, {}, {}, 0, ops));
  model::ForestSpec forest;
  forest.task = outputs == 0 ? model::Task::kRegression : outputs == 1 ? model::Task::kBinary : model::Task::kMulticlass;
  forest.features = features;
  forest.outputs = outputs == 0 ? 1 : outputs;
  forest.base.assign(static_cast<std::size_t>(forest.outputs), 0.0F);
  std::uint64_t draw = 7;
  for (int t = 0; t < trees; ++t) {
    model::Tree tree;
    tree.output = t % forest.outputs;
    const int inner = (1 << depth) - 1;
    for (int n = 0; n < 2 * inner + 1; ++n) {
      draw = Hash64(draw);
      const float unit = static_cast<float>(draw >> 40) / static_cast<float>(1 << 24);
      model::Tree::Node node;
      node.cover = 1;
      node.value = n < inner ? unit : (unit - 0.5F) * 0.1F;
      if (n < inner) {
        node.left = 2 * n + 1;
        node.right = 2 * n + 2;
        node.feature = static_cast<std::int32_t>(draw % static_cast<std::uint64_t>(features));
      }
      tree.nodes.push_back(node);
    }
    forest.trees.push_back(std::move(tree));
  }
  TENON_ASSIGN(auto model, model::MakeForest(std::move(forest)));
  std::vector<std::string> classes;
  if (outputs == 1) classes = {"no", "yes"};
  for (int k = 0; k < outputs && outputs > 1; ++k) classes.push_back(Str("class", k));
  auto served = std::make_shared<Served>();
  served->endpoint = endpoint;
  served->version = 1;
  served->model = endpoint + "@1";
  served->predictor = model::Predictor::Make(graph, std::move(model), {}, 0.5, classes);
  for (const table::Field& input : spec.inputs) served->fields.push_back({input.name, input.type, true, 0, 0, {}});
  return std::shared_ptr<const Served>(std::move(served));
}

// A model, a regression unless another task is said, that gives its one number back, or fails as it is told: with what is no number,
// or by not coming back.
class FaultyModel final : public model::Model {
 public:
  enum class Way { kFine, kNotANumber, kStuck };
  explicit FaultyModel(std::shared_ptr<const std::atomic<Way>> way, model::Task task = model::Task::kRegression) : way_(std::move(way)), task_(task) {}
  std::string_view format() const override { return "faulty"; }
  model::Task task() const override { return task_; }
  int features() const override { return 1; }
  int outputs() const override { return 1; }
  void Predict(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    while (way_->load() == Way::kStuck) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (std::int64_t i = 0; i < n; ++i) out[i] = way_->load() == Way::kNotANumber ? std::numeric_limits<float>::quiet_NaN() : rows[i * stride];
  }
  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override { Predict(rows, n, stride, out); }
  void Contributions(const float*, double* out) const override { out[0] = out[1] = 0; }
  bool bounded() const override { return false; }
  Json Describe() const override { return Json::MakeObject(); }
  std::string Save() const override { return ""; }

 private:
  std::shared_ptr<const std::atomic<Way>> way_;
  model::Task task_;
};

inline Result<std::pair<std::shared_ptr<const Served>, std::shared_ptr<std::atomic<FaultyModel::Way>>>> MakeFaulty(
    const Kinds<transform::Op>& ops, const std::string& endpoint) {
  TENON_ASSIGN(const auto plain, MakeForestServed(ops, endpoint, 1, 1, 1, 0));
  auto way = std::make_shared<std::atomic<FaultyModel::Way>>(FaultyModel::Way::kFine);
  auto served = std::make_shared<Served>(*plain);
  auto graph = std::shared_ptr<const transform::FittedGraph>(plain, &plain->predictor->graph());
  served->predictor = model::Predictor::Make(graph, std::make_unique<FaultyModel>(way), {}, 0.5, {});
  return std::pair(std::shared_ptr<const Served>(std::move(served)), std::move(way));
}

}  // namespace tenon::serve::testing

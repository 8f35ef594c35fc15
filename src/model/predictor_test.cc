#include "model/predictor.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/testing.h"
#include "model/forest.h"
#include "model/linear.h"

namespace tenon::model {
namespace {

class Held final : public platform::Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

constexpr std::int64_t kRows = 20000;

table::Batch Rows() {
  std::vector<double> age;
  std::vector<std::string> job;
  for (std::int64_t i = 0; i < kRows; ++i) {
    age.push_back(i % 11 == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(i % 97));
    job.push_back(i % 3 == 0 ? "clerk" : i % 3 == 1 ? "cook" : "pilot");
  }
  auto schema = std::make_shared<table::Schema>(
      std::vector<table::Field>{{"age", table::Type::kFloat64}, {"job", table::Type::kString}});
  return {schema, {table::Column::Of(std::move(age)), table::Column::Of(job)}};
}

Result<std::shared_ptr<const transform::FittedGraph>> Graph(const Kinds<transform::Op>& ops) {
  transform::GraphSpec spec;
  spec.inputs = {{"age", table::Type::kFloat64}, {"job", table::Type::kString}};
  spec.nodes = {{"one_hot", {"job"}, {"job_is"}, Json()}};
  spec.features = {"age", "job_is"};
  return transform::Fit(Call{}, spec, {Rows()}, {}, {}, 0, ops);
}

Result<std::unique_ptr<Model>> Forest(int features) {
  ForestSpec spec{Task::kBinary, features, 1, {-0.25F}, {}};
  for (int t = 0; t < 20; ++t) {
    Tree tree;
    tree.nodes = {{.left = 1, .right = 2, .feature = t % 2, .value = t % 2 == 0 ? 5.0F * static_cast<float>(t) : 0.5F, .cover = 4},
                  {.value = 0.1F * static_cast<float>(t), .cover = 1},
                  {.value = -0.2F, .cover = 3}};
    spec.trees.push_back(tree);
  }
  return MakeForest(std::move(spec));
}

TEST(Predictor, BatchesEqualRowsAndBundlesKeepThemBitForBit) {
  Kinds<transform::Op> ops;
  ASSERT_OK(transform::AddAll(ops));
  Kinds<Format> formats;
  ASSERT_OK(AddAll(formats));
  ASSERT_OK_AND_ASSIGN(const auto graph, Graph(ops));
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<const Model> model, Forest(graph->width()));
  const Calibration calibration = Calibration::Platt(1.5, 0.25);
  const auto predictor = Predictor::Make(graph, model, calibration, 0.4, {"no", "yes"});
  const table::Batch rows = Rows();
  Predictor::Scratch scratch;
  ASSERT_OK_AND_ASSIGN(const std::vector<float> all, predictor->PredictBatch(Call{}, rows, scratch));
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kRows));
  Call two;
  two.threads = 2;
  ASSERT_OK_AND_ASSIGN(const std::vector<float> by_two, predictor->PredictBatch(two, rows, scratch));
  EXPECT_EQ(std::memcmp(all.data(), by_two.data(), all.size() * sizeof(float)), 0);

  Json manifest;
  manifest["task"] = "binary";
  manifest["classes"] = Json::ListOf(std::vector<std::string>{"no", "yes"});
  manifest["threshold"] = 0.4;
  manifest["calibration"] = calibration.ToJson();
  manifest["model_format"] = "forest";
  const std::map<std::string, std::string> sections = {{"graph", graph->Save()}, {"model", model->Save()}};
  ASSERT_OK_AND_ASSIGN(const auto bundle, Bundle::Open(std::make_shared<Held>(Bundle::Write(manifest, sections))));
  ASSERT_OK_AND_ASSIGN(const auto loaded, Predictor::Load(bundle, ops, formats));
  EXPECT_EQ(loaded->classes(), predictor->classes());

  for (std::int64_t i = 0; i < kRows; i += 61) {
    const double numbers[2] = {rows.column(0).Number(i), 0};
    const std::string_view texts[2] = {{}, rows.column(1).Text(i)};
    for (const auto& one : {predictor, loaded}) {
      const Prediction got = one->PredictRow(numbers, texts, scratch);
      ASSERT_EQ(got.values.size(), 1U);
      EXPECT_EQ(std::memcmp(got.values.data(), &all[static_cast<std::size_t>(i)], sizeof(float)), 0) << "row " << i;
      EXPECT_EQ(got.decision, static_cast<double>(got.values[0]) >= 0.4 ? 1 : 0);
    }
    std::vector<double> by_input(2), by_feature(static_cast<std::size_t>(graph->width()));
    double base = 0;
    ASSERT_OK(predictor->ExplainRow(numbers, texts, 0, by_input, by_feature, &base, scratch));
    double sum = base;
    for (double part : by_feature) sum += part;
    EXPECT_NEAR(sum, base + by_input[0] + by_input[1], 1e-12);
    const float* tile = scratch.tile.data();
    float margin = 0;
    model->Margin(tile, 1, graph->width(), &margin);
    EXPECT_NEAR(sum, static_cast<double>(margin), 1e-5);
  }
}

TEST(Predictor, CascadesSplitByRow) {
  Kinds<transform::Op> ops;
  ASSERT_OK(transform::AddAll(ops));
  Kinds<Format> formats;
  ASSERT_OK(AddAll(formats));
  ASSERT_OK_AND_ASSIGN(const auto graph, Graph(ops));
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<const Model> model, Forest(graph->width()));
  const auto costly = Predictor::Make(graph, model, {}, 0.4, {"no", "yes"});
  // Its inputs stand in another order.
  transform::GraphSpec spec;
  spec.inputs = {{"job", table::Type::kString}, {"age", table::Type::kFloat64}};
  spec.nodes = {{"one_hot", {"job"}, {"job_is"}, Json()}};
  spec.features = {"age", "job_is"};
  ASSERT_OK_AND_ASSIGN(const auto cheap_graph, transform::Fit(Call{}, spec, {Rows()}, {}, {}, 0, ops));
  ForestSpec stump{Task::kBinary, cheap_graph->width(), 1, {0}, {}};
  Tree tree;
  tree.nodes = {{.left = 1, .right = 2, .feature = 0, .value = 50.0F, .cover = 4}, {.value = 0.3F, .cover = 1}, {.value = -3.0F, .cover = 3}};
  stump.trees.push_back(tree);
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<const Model> cheap_model, MakeForest(std::move(stump)));
  const auto cheap = Predictor::Make(cheap_graph, cheap_model, {}, 0.4, {"no", "yes"});
  const Sureness sure = Sureness::AtLeast(Task::kBinary, 2.0, 0.4);  // only of the lower side's 0.047
  ASSERT_OK_AND_ASSIGN(const auto cascade, Predictor::MakeCascade(costly, cheap, sure, "small", "large"));

  Json manifest;
  manifest["task"] = "binary";
  manifest["classes"] = Json::ListOf(std::vector<std::string>{"no", "yes"});
  manifest["threshold"] = 0.4;
  manifest["model_format"] = "forest";
  manifest["cascade"] = sure.ToJson(Task::kBinary);
  manifest["cascade"]["cheap"] = "small";
  manifest["cascade"]["costly"] = "large";
  manifest["cascade"]["format"] = "forest";
  const std::map<std::string, std::string> sections = {
      {"graph", graph->Save()}, {"model", model->Save()}, {"cheap_graph", cheap_graph->Save()}, {"cheap_model", cheap_model->Save()}};
  ASSERT_OK_AND_ASSIGN(const auto bundle, Bundle::Open(std::make_shared<Held>(Bundle::Write(manifest, sections))));
  ASSERT_OK_AND_ASSIGN(const auto loaded, Predictor::Load(bundle, ops, formats));
  ASSERT_NE(loaded->cascade(), nullptr);
  EXPECT_EQ(loaded->cascade()->cheap_name, "small");

  const table::Batch rows = Rows();
  Predictor::Scratch scratch;
  ASSERT_OK_AND_ASSIGN(const auto by_cheap, cheap->PredictBatch(Call{}, rows, scratch));
  ASSERT_OK_AND_ASSIGN(const auto by_costly, costly->PredictBatch(Call{}, rows, scratch));
  std::vector<double> ages;
  std::vector<std::string_view> jobs;
  for (std::int64_t i = 0; i < kRows; ++i) {
    ages.push_back(rows.column(0).Number(i));
    jobs.push_back(rows.column(1).Text(i));
  }
  const double* numbers[2] = {ages.data(), nullptr};
  const std::string_view* texts[2] = {nullptr, jobs.data()};
  for (const auto& one : {cascade, loaded}) {
    std::vector<float> slots(kRows);
    one->PredictSlots(numbers, texts, kRows, slots.data(), scratch);
    const std::vector<std::uint8_t> says = scratch.by_cheap;
    ASSERT_OK_AND_ASSIGN(const auto batch, one->PredictBatch(Call{}, rows, scratch));
    std::int64_t alone = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(kRows); ++i) {
      const bool small = sure.Is(Task::kBinary, &by_cheap[i], 1);
      const float want = small ? by_cheap[i] : by_costly[i];
      alone += small ? 1 : 0;
      ASSERT_EQ(std::memcmp(&slots[i], &want, sizeof want), 0) << i;
      ASSERT_EQ(std::memcmp(&batch[i], &want, sizeof want), 0) << i;
      ASSERT_EQ(says[i] != 0, small) << i;
      if (i % 61 != 0) continue;
      const double row_numbers[2] = {ages[i], 0};
      const std::string_view row_texts[2] = {{}, jobs[i]};
      const Prediction row = one->PredictRow(row_numbers, row_texts, scratch);
      EXPECT_EQ(std::memcmp(row.values.data(), &want, sizeof want), 0) << i;
      EXPECT_EQ(row.cheap, small);
      EXPECT_EQ(row.decision, static_cast<double>(want) >= 0.4 ? 1 : 0);
      std::vector<double> by_input(2);
      double base = 0;
      ASSERT_OK(one->ExplainRow(row_numbers, row_texts, 0, by_input, {}, &base, scratch));
      EXPECT_NEAR(1 / (1 + std::exp(-(base + by_input[0] + by_input[1]))), static_cast<double>(want), 1e-6) << "of the model that answers";
    }
    EXPECT_GT(alone, 1000);
    EXPECT_LT(alone, kRows - 1000);
  }
  EXPECT_FALSE(Predictor::MakeCascade(costly, Predictor::Make(cheap_graph, cheap_model, {}, 0.4, {"a", "b"}), sure, "small", "large").ok());
}

TEST(Predictor, RefusesBundlesWhosePartsDoNotFit) {
  Kinds<transform::Op> ops;
  ASSERT_OK(transform::AddAll(ops));
  Kinds<Format> formats;
  ASSERT_OK(AddAll(formats));
  ASSERT_OK_AND_ASSIGN(const auto graph, Graph(ops));
  ASSERT_OK_AND_ASSIGN(const auto fits, Forest(graph->width()));
  ASSERT_OK_AND_ASSIGN(const auto wide, Forest(graph->width() + 1));
  struct Case {
    std::string name;
    const Model* model;
    Json classes;
    std::string task, format;
    double threshold;
  };
  const Json two = Json::ListOf(std::vector<std::string>{"no", "yes"});
  const Case fine = {"fine", fits.get(), two, "binary", "forest", 0.5};
  std::vector<Case> cases(6, fine);
  cases[1].model = wide.get();
  cases[2].classes = Json::MakeArray();
  cases[3].task = "regression";
  cases[4].format = "forrest";
  cases[5].threshold = 2;
  for (const Case& a : cases) {
    Json manifest;
    manifest["task"] = a.task;
    manifest["classes"] = a.classes;
    manifest["threshold"] = a.threshold;
    manifest["model_format"] = a.format;
    ASSERT_OK_AND_ASSIGN(const auto bundle, Bundle::Open(std::make_shared<Held>(
                                                Bundle::Write(manifest, {{"graph", graph->Save()}, {"model", a.model->Save()}}))));
    EXPECT_EQ(Predictor::Load(bundle, ops, formats).ok(), &a == &cases[0]) << &a - cases.data();
  }
}

}  // namespace
}  // namespace tenon::model

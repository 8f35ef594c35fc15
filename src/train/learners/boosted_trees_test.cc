#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "base/testing.h"
#include "train/learner.h"

namespace tenon::train {
namespace {

constexpr int kFeatures = 4;

struct Data {
  std::vector<float> values;
  std::vector<double> label;
  Matrix View(std::size_t from, std::size_t until) const {
    Matrix out;
    out.values = values.data() + from * kFeatures;
    out.rows = static_cast<std::int64_t>(until - from);
    out.features = kFeatures;
    out.label = std::span(label).subspan(from, until - from);
    return out;
  }
};

// The value hangs on a product of two features and on whether a third is missing; the fourth is noise.
Data Interaction(std::size_t rows, double unit) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  Data out;
  for (std::size_t i = 0; i < rows; ++i) {
    const double a = normal(random), b = normal(random), c = normal(random), d = normal(random);
    const bool missing = c > 0.5;
    const double y = 2 * a * b + (missing ? 1.5 : 0) + 0.3 * normal(random);
    for (const double x : {a, b, missing ? std::nan("") : c, d}) out.values.push_back(static_cast<float>(x));
    out.label.push_back(unit * (20 + y));
  }
  return out;
}

Result<std::unique_ptr<model::Model>> TrainOn(const Data& data, std::string_view settings,
                                              const std::function<void(const Round&)>& report = nullptr) {
  Kinds<Learner> kinds;
  TENON_TRY(AddAll(kinds));
  TENON_ASSIGN(const Json json, Json::Parse(settings));
  TENON_ASSIGN(const auto learner, kinds.Create("boosted_trees", json));
  const std::size_t part = data.label.size() / 2;
  return learner->Train({}, data.View(0, part), data.View(part, 2 * part), {model::Task::kRegression, 0}, report);
}

double ErrorOf(const model::Model& model, const Matrix& rows) {
  double sum = 0;
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    float value = 0;
    model.Predict(rows.values + i * kFeatures, 1, kFeatures, &value);
    const double off = static_cast<double>(value) - rows.label[static_cast<std::size_t>(i)];
    sum += off * off;
  }
  return std::sqrt(sum / static_cast<double>(rows.rows));
}

TEST(BoostedTrees, LearnsInteractionsAndMissingValues) {
  const Data data = Interaction(3000, 1);
  ASSERT_OK_AND_ASSIGN(const auto model, TrainOn(data, R"({"learning_rate": 0.1, "rounds": 200, "column_share": 1})"));
  EXPECT_LT(ErrorOf(*model, data.View(1500, 3000)), 0.8);  // the values' deviation is 2.2, of the noise 0.3
}

// Many enough rows that several threads are put to work; weights, so that derivatives are no round numbers.
TEST(BoostedTrees, SameBytesForAnyNumberOfThreads) {
  const Data data = Interaction(26000, 1);
  Matrix rows = data.View(0, 25000);
  std::vector<double> weight;
  for (int i = 0; i < 25000; ++i) weight.push_back(1.0 / (1 + i % 17));
  rows.weight = weight;
  Kinds<Learner> kinds;
  ASSERT_OK(AddAll(kinds));
  std::vector<std::string> saved;
  for (const int threads : {1, 2, 3}) {
    Call call;
    call.threads = threads;
    ASSERT_OK_AND_ASSIGN(const Json settings, Json::Parse(R"({"rounds": 25, "learning_rate": 0.3})"));
    ASSERT_OK_AND_ASSIGN(const auto learner, kinds.Create("boosted_trees", settings));
    ASSERT_OK_AND_ASSIGN(const auto model,
                         learner->Train(call, rows, data.View(25000, 26000), {model::Task::kRegression, 0}, nullptr));
    saved.push_back(model->Save());
  }
  EXPECT_TRUE(saved[0] == saved[1]);
  EXPECT_TRUE(saved[0] == saved[2]);
}

TEST(BoostedTrees, TheUnitOfTheLabelDoesNotMatter) {
  const std::string_view settings = R"({"learning_rate": 0.2, "rounds": 40, "gamma": 0.5, "l1": 0.5, "bags": 2})";
  const Data small = Interaction(800, 1), large = Interaction(800, 1 << 20);
  ASSERT_OK_AND_ASSIGN(const auto of_small, TrainOn(small, settings));
  ASSERT_OK_AND_ASSIGN(const auto of_large, TrainOn(large, settings));
  EXPECT_DOUBLE_EQ(ErrorOf(*of_large, large.View(400, 800)), ErrorOf(*of_small, small.View(400, 800)) * (1 << 20));
}

TEST(BoostedTrees, KeepsTheBestRound) {
  const Data data = Interaction(600, 1);
  std::vector<Round> rounds;
  ASSERT_OK_AND_ASSIGN(const auto model,
                       TrainOn(data, R"({"learning_rate": 0.5, "rounds": 300, "early_stopping": 15, "bags": 1})",
                               [&](const Round& round) { rounds.push_back(round); }));
  ASSERT_LT(rounds.size(), 300u);
  std::size_t best = 0;
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    if (rounds[i].validation_loss < rounds[best].validation_loss) best = i;
  }
  EXPECT_EQ(model->Describe().IntAt("trees"), static_cast<std::int64_t>(best) + 1);
  EXPECT_NEAR(ErrorOf(*model, data.View(300, 600)), rounds[best].validation_loss, 1e-4);
}

TEST(BoostedTrees, RefusesTreesWithoutLimit) {
  const Data data = Interaction(100, 1);
  ASSERT_CODE(kInvalidArgument, TrainOn(data, R"({"max_depth": 0})"));
  ASSERT_OK(TrainOn(data, R"({"max_depth": 0, "max_leaves": 8, "grow": "by_gain", "rounds": 3})"));
}

TEST(BoostedTrees, RefusesInfiniteFeatures) {
  Data data = Interaction(100, 1);
  data.values[5] = INFINITY;
  const auto trained = TrainOn(data, R"({"rounds": 3})");
  ASSERT_CODE(kInvalidArgument, trained);
  EXPECT_NE(trained.error().message().find("row 1"), std::string_view::npos) << trained.error().message();
}

}  // namespace
}  // namespace tenon::train

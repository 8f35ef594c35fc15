#include "train/train.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace tenon::train {
namespace {

// 90 rows of class 0 and 10 of class 1, which the one feature tells apart badly.
struct Rare {
  std::vector<float> values;
  std::vector<double> label;
  Matrix rows;
  Rare() {
    for (int i = 0; i < 100; ++i) {
      label.push_back(i % 10 == 0);
      values.push_back(static_cast<float>((i * 37) % 100) / 100 + (i % 10 == 0 ? 0.4f : 0.0f));
    }
    rows.values = values.data();
    rows.rows = 100;
    rows.features = 1;
    rows.label = label;
  }
};

class TrainTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(AddAll(kinds_)); }
  Kinds<Learner> kinds_;
  Rare data_;
  Target target_{model::Task::kBinary, 2};
};

TEST_F(TrainTest, RecordsHowTheModelCameAbout) {
  Call call;
  call.seed = 9;
  int reported = 0;
  ASSERT_OK_AND_ASSIGN(const TrainingRecord record,
                       Train(call, {"linear", *Json::Parse(R"({"l2": 0.5})")}, data_.rows, data_.rows, target_, kinds_,
                             [&](const Round&) { ++reported; }));
  EXPECT_GT(reported, 0);
  EXPECT_EQ(record.rounds.size(), static_cast<std::size_t>(reported));
  const Json json = record.ToJson();
  EXPECT_EQ(json.IntAt("seed"), 9);
  EXPECT_EQ(json.IntAt("rows"), 100);
  EXPECT_EQ(record.library, "") << "our own code loads none";
  ASSERT_OK_AND_ASSIGN(const TrainingRecord trees, Train(call, {"boosted_trees", *Json::Parse(R"({"rounds": 2})")}, data_.rows, {}, target_, kinds_));
  EXPECT_TRUE(trees.library.starts_with("xgboost ")) << trees.library;
  EXPECT_GE(trees.library.size(), std::string("xgboost 2.1.0").size()) << trees.library;
  EXPECT_EQ(json.StringAt("format"), "linear");
  EXPECT_EQ(json.Find("settings")->NumberAt("l2"), 0.5);
  EXPECT_NE(json.Find("settings")->Find("tolerance"), nullptr) << "defaults are recorded too";
}

TEST_F(TrainTest, BalancedClassesWeighTheSame) {
  const std::vector<double> weight = BalancedWeights(data_.rows, target_);
  double sums[2] = {0, 0};
  for (std::size_t i = 0; i < weight.size(); ++i) sums[data_.label[i] > 0.5] += weight[i];
  EXPECT_NEAR(sums[0], 50, 1e-9);
  EXPECT_NEAR(sums[1], 50, 1e-9);
  ASSERT_OK_AND_ASSIGN(const auto plain, Train({}, {"baseline", {}}, data_.rows, {}, target_, kinds_));
  ASSERT_OK_AND_ASSIGN(const auto even, Train({}, {"baseline", {}, true}, data_.rows, {}, target_, kinds_));
  float share = 0;
  plain.model->Predict(data_.values.data(), 1, 1, &share);
  EXPECT_NEAR(share, 0.1, 1e-6);
  even.model->Predict(data_.values.data(), 1, 1, &share);
  EXPECT_NEAR(share, 0.5, 1e-6);
  // The learners' own setting does the same.
  ASSERT_OK_AND_ASSIGN(const auto by_verb,
                       Train({}, {"linear", *Json::Parse(R"({"l2": 0.1})"), true}, data_.rows, {}, target_, kinds_));
  ASSERT_OK_AND_ASSIGN(const auto by_setting,
                       Train({}, {"linear", *Json::Parse(R"({"l2": 0.1, "class_weight": "balanced"})")}, data_.rows, {},
                             target_, kinds_));
  float a = 0, b = 0;
  by_verb.model->Predict(data_.values.data(), 1, 1, &a);
  by_setting.model->Predict(data_.values.data(), 1, 1, &b);
  EXPECT_NEAR(a, b, 1e-4);
}

TEST_F(TrainTest, ErrorsNameTheLearner) {
  ASSERT_CODE(kNotFound, Train({}, {"boosted_tree", {}}, data_.rows, {}, target_, kinds_));
  const auto wrong = Train({}, {"linear", *Json::Parse(R"({"l3": 1})")}, data_.rows, {}, target_, kinds_);
  ASSERT_CODE(kInvalidArgument, wrong);
  EXPECT_NE(wrong.error().ForPeople().find("train.linear"), std::string::npos) << wrong.error().ForPeople();
  ASSERT_CODE(kInvalidArgument, Train({}, {"linear", {}, true}, {}, {}, target_, kinds_));
}

}  // namespace
}  // namespace tenon::train

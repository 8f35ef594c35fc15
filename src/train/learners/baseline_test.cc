#include <gtest/gtest.h>

#include <vector>

#include "base/testing.h"
#include "train/learner.h"

namespace tenon::train {
namespace {

struct Case {
  const char* name;
  model::Task task;
  const char* settings;
  std::vector<double> label;
  std::vector<double> weight;
  std::vector<float> expected;
};

TEST(Baseline, AnswersWithSharesAndMiddles) {
  const Case cases[] = {
      {"share of the positive", model::Task::kBinary, "{}", {0, 1, 0, 0}, {}, {0.25f}},
      {"share by weight", model::Task::kBinary, "{}", {0, 1, 0, 0}, {1, 3, 1, 1}, {0.5f}},
      {"shares of three", model::Task::kMulticlass, "{}", {0, 1, 2, 2}, {}, {0.25f, 0.25f, 0.5f}},
      {"mean", model::Task::kRegression, "{}", {1, 2, 9}, {}, {4}},
      {"mean by weight", model::Task::kRegression, "{}", {1, 2, 9}, {2, 1, 0}, {4.0f / 3}},
      {"median of three", model::Task::kRegression, R"({"value": "median"})", {9, 1, 2}, {}, {2}},
      {"median of four", model::Task::kRegression, R"({"value": "median"})", {9, 1, 2, 5}, {}, {3.5f}},
      {"median by weight", model::Task::kRegression, R"({"value": "median"})", {9, 1, 2}, {5, 1, 1}, {9}},
      {"median, weightless rows between",
       model::Task::kRegression,
       R"({"value": "median"})",
       {1, 2, 3, 4},
       {1, 0, 0, 1},
       {2.5f}},
  };
  Kinds<Learner> kinds;
  ASSERT_OK(AddAll(kinds));
  for (const Case& given : cases) {
    SCOPED_TRACE(given.name);
    ASSERT_OK_AND_ASSIGN(const auto learner, kinds.Create("baseline", *Json::Parse(given.settings)));
    const std::vector<float> values(given.label.size(), 7);
    Matrix rows;
    rows.values = values.data();
    rows.rows = static_cast<std::int64_t>(given.label.size());
    rows.features = 1;
    rows.label = given.label;
    rows.weight = given.weight;
    const Target target{given.task, static_cast<int>(given.expected.size())};
    ASSERT_OK_AND_ASSIGN(const auto model, learner->Train({}, rows, {}, target, nullptr));
    std::vector<float> answer(given.expected.size());
    model->Predict(values.data(), 1, 1, answer.data());
    for (std::size_t k = 0; k < answer.size(); ++k) EXPECT_NEAR(answer[k], given.expected[k], 1e-6);
  }
}

}  // namespace
}  // namespace tenon::train

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/testing.h"
#include "base/text.h"
#include "train/learner.h"

namespace tenon::train {
namespace {

Result<Json> Reference() {
  std::ifstream in("tests/parity/linear.json");
  std::ostringstream text;
  text << in.rdbuf();
  return Json::Parse(text.str(), "tests/parity/linear.json");
}

std::vector<double> Numbers(const Json& list) {
  std::vector<double> out;
  for (const Json& item : list.array()) out.push_back(item.Number());
  return out;
}

// The margins of a model tell its weights: they are those at the mean, and how they move with one feature.
TEST(Linear, AgreesWithScikitLearn) {
  ASSERT_OK_AND_ASSIGN(const Json reference, Reference());
  Kinds<Learner> kinds;
  ASSERT_OK(AddAll(kinds));
  std::vector<float> values;
  for (const double x : Numbers(*reference.Find("features"))) values.push_back(static_cast<float>(x));
  for (const Json& item : reference.Find("cases")->array()) {
    const std::string name = Str(item.StringAt("name"), " l1 ", item.NumberAt("l1"), " l2 ", item.NumberAt("l2"));
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const model::Task task, model::TaskNamed(item.StringAt("task")));
    const std::vector<double> label = Numbers(*reference.Find(item.StringAt("task")));
    Matrix rows;
    rows.values = values.data();
    rows.rows = static_cast<std::int64_t>(label.size());
    rows.features = 5;
    rows.label = label;
    Json settings;
    settings["l1"] = item.NumberAt("l1");
    settings["l2"] = item.NumberAt("l2");
    settings["tolerance"] = 1e-9;
    settings["rounds"] = 20000;
    ASSERT_OK_AND_ASSIGN(const auto learner, kinds.Create("linear", settings));
    const Target target{task, task == model::Task::kMulticlass ? 3 : 2};
    ASSERT_OK_AND_ASSIGN(const auto model, learner->Train({}, rows, {}, target, nullptr));
    const std::vector<double> weights = Numbers(*item.Find("weights"));
    const std::vector<double> intercept = Numbers(*item.Find("intercept"));
    const auto outputs = static_cast<std::size_t>(model->outputs());
    std::vector<float> margins(outputs);
    for (std::int64_t i = 0; i < rows.rows; ++i) {
      const float* row = values.data() + i * 5;
      model->Margin(row, 1, 5, margins.data());
      for (std::size_t k = 0; k < outputs; ++k) {
        double expected = intercept[k];
        for (std::size_t f = 0; f < 5; ++f) expected += weights[k * 5 + f] * static_cast<double>(row[f]);
        ASSERT_NEAR(static_cast<double>(margins[k]), expected, 1e-4 * std::max(1.0, std::abs(expected)))
            << "row " << i << " output " << k;
      }
    }
  }
}

TEST(Linear, ChoosesAPenaltyThatSuitsTheValidationRows) {
  // 60 rows, 40 features of noise and one that counts: without a penalty the noise is learned.
  std::vector<float> values;
  std::vector<double> label;
  std::uint64_t state = 9;
  const auto next = [&state] {  // 12 uniform numbers make a nearly normal one
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      sum += static_cast<double>(state >> 11) * 0x1p-53;
    }
    return sum;
  };
  for (int i = 0; i < 400; ++i) {
    const double signal = next();
    values.push_back(static_cast<float>(signal));
    for (int f = 0; f < 40; ++f) values.push_back(static_cast<float>(next()));
    label.push_back(signal + 0.7 * next() > 0 ? 1 : 0);
  }
  const auto view = [&](std::size_t from, std::size_t until) {
    Matrix out;
    out.values = values.data() + from * 41;
    out.rows = static_cast<std::int64_t>(until - from);
    out.features = 41;
    out.label = std::span(label).subspan(from, until - from);
    return out;
  };
  Kinds<Learner> kinds;
  ASSERT_OK(AddAll(kinds));
  const auto loss = [&](const Json& settings) -> Result<double> {
    TENON_ASSIGN(const auto learner, kinds.Create("linear", settings));
    TENON_ASSIGN(const auto model, learner->Train({}, view(0, 60), view(60, 200), {model::Task::kBinary, 2}, nullptr));
    double sum = 0;
    for (std::size_t i = 200; i < 400; ++i) {
      float p = 0;
      model->Predict(values.data() + i * 41, 1, 41, &p);
      sum -= std::log(std::max(1e-7, static_cast<double>(label[i] > 0.5 ? p : 1 - p)));
    }
    return sum / 200;
  };
  ASSERT_OK_AND_ASSIGN(const double chosen, loss({}));
  ASSERT_OK_AND_ASSIGN(const double weak, loss(*Json::Parse(R"({"l2": 1e-6})")));
  ASSERT_OK_AND_ASSIGN(const double strong, loss(*Json::Parse(R"({"l2": 1000})")));
  EXPECT_LT(chosen, 0.7 * weak);
  EXPECT_LT(chosen, 0.9 * strong);
}

}  // namespace
}  // namespace tenon::train

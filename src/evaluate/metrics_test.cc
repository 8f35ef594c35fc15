// The metrics against scikit-learn (tests/parity/metrics_reference.py), and what every metric must do.

#include "evaluate/metric.h"

#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/testing.h"
#include "evaluate/evaluate.h"
#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

using model::Task;

struct Case {
  std::string name;
  std::vector<float> predicted;
  std::vector<double> actual, weight;
  Scored scored;
  Json expected;
};

Task TaskOf(const std::string& name) {
  return name == "binary" ? Task::kBinary : name == "multiclass" ? Task::kMulticlass : Task::kRegression;
}

std::vector<std::unique_ptr<Case>> Cases() {
  std::ifstream file("tests/parity/metrics.json");
  std::stringstream text;
  text << file.rdbuf();
  auto json = Json::Parse(text.str(), "tests/parity/metrics.json");
  std::vector<std::unique_ptr<Case>> out;
  if (!json) return out;
  for (const Json& one : json->Find("cases")->array()) {
    auto made = std::make_unique<Case>();
    made->name = one.StringAt("task") + ": " + one.StringAt("name");
    for (const Json& value : one.Find("predicted")->array()) made->predicted.push_back(static_cast<float>(value.Number()));
    for (const Json& value : one.Find("actual")->array()) made->actual.push_back(value.Number());
    for (const Json& value : one.Find("weight")->array()) made->weight.push_back(value.Number());
    made->scored = {TaskOf(one.StringAt("task")), static_cast<int>(one.IntAt("outputs")), made->predicted, made->actual,
                    made->weight, one.NumberAt("threshold")};
    made->expected = *one.Find("expected");
    out.push_back(std::move(made));
  }
  return out;
}

Kinds<Metric> AllMetrics() {
  Kinds<Metric> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  return kinds;
}

TEST(MetricsTest, AgreeWithScikitLearn) {
  const auto kinds = AllMetrics();
  const auto cases = Cases();
  ASSERT_GE(cases.size(), 20U);
  for (const auto& one : cases) {
    for (const auto& [name, expected] : one->expected.object()) {
      SCOPED_TRACE(one->name + ": " + name);
      ASSERT_OK_AND_ASSIGN(const auto metric, kinds.Create(name));
      ASSERT_TRUE(metric->Suits(one->scored.task));
      const double value = metric->Compute(one->scored);
      if (expected.is_null()) {
        EXPECT_TRUE(std::isnan(value)) << value;
      } else {
        const double want = expected.Number();
        EXPECT_NEAR(value, want, 1e-12 * std::max(std::abs(want), 1e-3)) << "off by " << value - want;
      }
    }
  }
}

TEST(MetricsTest, EveryDefaultMetricIsCheckedAgainstTheReference) {
  std::map<Task, std::set<std::string>> seen;
  for (const auto& one : Cases()) {
    for (const auto& [name, expected] : one->expected.object()) seen[one->scored.task].insert(name);
  }
  for (const Task task : {Task::kBinary, Task::kMulticlass, Task::kRegression}) {
    for (const std::string& name : DefaultMetrics(task)) EXPECT_TRUE(seen[task].contains(name)) << name;
  }
}

// What the bootstrap relies on: weights that count rows are the rows themselves, in any order.
TEST(MetricsTest, WholeWeightsAreRepeatedRows) {
  const auto kinds = AllMetrics();
  for (const auto& one : Cases()) {
    if (one->actual.size() < 2) continue;
    std::vector<double> counts(one->actual.size());
    std::vector<float> predicted;
    std::vector<double> actual;
    const auto outputs = static_cast<std::size_t>(one->scored.outputs);
    for (std::size_t back = 0; back < counts.size(); ++back) {
      const std::size_t i = counts.size() - 1 - back;
      counts[i] = static_cast<double>(i * 7 % 4);
      for (int copy = 0; copy < static_cast<int>(counts[i]); ++copy) {
        for (std::size_t k = 0; k < outputs; ++k) predicted.push_back(one->predicted[i * outputs + k]);
        actual.push_back(one->actual[i]);
      }
    }
    Scored repeated = one->scored;
    repeated.predicted = predicted;
    repeated.actual = actual;
    repeated.weight = {};
    for (const auto& [name, kind] : kinds.all()) {
      ASSERT_OK_AND_ASSIGN(const auto metric, kinds.Create(name));
      if (!metric->Suits(one->scored.task)) continue;
      SCOPED_TRACE(one->name + ": " + name);
      const double weighted = metric->Prepare(one->scored)(counts);
      const double plain = metric->Compute(repeated);
      ASSERT_EQ(std::isnan(weighted), std::isnan(plain));
      if (!std::isnan(plain)) {
        EXPECT_NEAR(weighted, plain, 1e-11 * std::max(1.0, std::abs(plain)));
      }
    }
  }
}

TEST(MetricsTest, NoWeightAtAllIsUndefined) {
  const auto kinds = AllMetrics();
  const std::vector<float> predicted = {0.2F, 0.7F, 0.9F};
  const std::vector<double> actual = {0, 1, 1}, none(3);
  for (const Task task : {Task::kBinary, Task::kRegression}) {
    for (const auto& [name, kind] : kinds.all()) {
      ASSERT_OK_AND_ASSIGN(const auto metric, kinds.Create(name));
      const Scored scored{task, 1, predicted, actual, none, 0.5};
      if (metric->Suits(task)) {
        EXPECT_TRUE(std::isnan(metric->Compute(scored))) << name;
      }
    }
  }
}

TEST(MetricsTest, APredictionThatIsNoNumberHasNoRank) {
  const auto kinds = AllMetrics();
  const std::vector<float> predicted = {0.2F, NAN, 0.9F};
  const std::vector<double> actual = {0, 1, 1};
  for (const std::string name : {"roc_auc", "average_precision", "log_loss", "brier", "calibration_error"}) {
    ASSERT_OK_AND_ASSIGN(const auto metric, kinds.Create(name));
    EXPECT_TRUE(std::isnan(metric->Compute({Task::kBinary, 1, predicted, actual, {}, 0.5}))) << name;
  }
  ASSERT_OK_AND_ASSIGN(const auto median, kinds.Create("median_absolute_error"));
  EXPECT_TRUE(std::isnan(median->Compute({Task::kRegression, 1, predicted, actual, {}, 0.5})));
}

TEST(MetricsTest, EachHasAnExampleThatParses) {
  const auto kinds = AllMetrics();
  EXPECT_EQ(kinds.all().size(), 16U);
  for (const auto& [name, kind] : kinds.all()) {
    ASSERT_OK_AND_ASSIGN(const Json example, Json::Parse(kind.doc.example));
    ASSERT_OK(kinds.Create(name, example));
  }
}

TEST(MetricsTest, PreparedDefaultsToCompute) {
  class Share final : public Metric {
   public:
    bool Suits(Task) const override { return true; }
    bool higher_is_better() const override { return true; }
    double Compute(const Scored& scored) const override { return WeightedMean(scored.actual, WeightsOf(scored)); }
  };
  const std::vector<float> predicted = {0.2F, 0.7F};
  const std::vector<double> actual = {0, 1}, weight = {1, 3};
  const Share share;
  EXPECT_EQ(share.Prepare({Task::kBinary, 1, predicted, actual, {}, 0.5})(weight), 0.75);
}

}  // namespace
}  // namespace tenon::evaluate

// Evaluate as a whole: intervals, curves, costs, lifts, slices, groups, and the report as JSON.

#include "evaluate/evaluate.h"

#include <chrono>
#include <cmath>
#include <thread>

#include "base/hash.h"
#include "base/testing.h"
#include "evaluate/resample_internal.h"

namespace tenon::evaluate {
namespace {

using model::Task;

// Numbers that look random and are the same everywhere.
double Uniform(std::uint64_t i, std::uint64_t seed) { return static_cast<double>(Hash64(i, seed) >> 11) * 0x1p-53; }

struct Made {
  std::vector<float> predicted, other;
  std::vector<double> actual;
  table::Batch rows;
  Scored scored;
  std::vector<std::string> classes;
};

std::unique_ptr<Made> MakeBinary(std::size_t n) {
  auto made = std::make_unique<Made>();
  std::vector<double> amount, age;
  std::vector<std::string> region, sex;
  for (std::size_t i = 0; i < n; ++i) {
    const double p = Uniform(i, 1);
    made->predicted.push_back(static_cast<float>(p));
    made->other.push_back(0.5F);
    made->actual.push_back(Uniform(i, 2) < p ? 1 : 0);
    amount.push_back(10 + 90 * Uniform(i, 3));
    age.push_back(20 + std::floor(50 * Uniform(i, 4)));
    region.push_back(i % 100 == 0 ? "far" : i % 3 == 0 ? "north" : "south");
    sex.push_back(Uniform(i, 5) < 0.4 ? "f" : "m");
  }
  auto schema = std::make_shared<table::Schema>(std::vector<table::Field>{{"amount", table::Type::kFloat64},
                                                                          {"age", table::Type::kFloat64},
                                                                          {"region", table::Type::kString},
                                                                          {"sex", table::Type::kString}});
  made->rows = table::Batch(schema, {table::Column::Of(amount), table::Column::Of(age), table::Column::Of(region), table::Column::Of(sex)});
  made->scored = {Task::kBinary, 1, made->predicted, made->actual, {}, 0.5};
  made->classes = {"no", "yes"};
  return made;
}

Kinds<Metric> AllMetrics() {
  Kinds<Metric> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  return kinds;
}

EvaluateSpec SmallSpec() {
  EvaluateSpec spec;
  spec.bootstrap = 200;
  return spec;
}

TEST(EvaluateTest, ReportsWhatIsKnownOfABinaryModel) {
  const auto made = MakeBinary(3000);
  EvaluateSpec spec = SmallSpec();
  spec.slices = {"region", "age", "amount > 90", "amount > 99.99"};
  spec.fairness_groups = {"sex"};
  const Costs costs{"5", "0.1 * amount", "EUR"};
  ASSERT_OK_AND_ASSIGN(const auto report,
                       Evaluate(Call(), made->rows, made->scored, made->classes, costs, spec, {{"baseline", made->other}}, AllMetrics()));
  const Estimate* auc = report.Find("roc_auc");
  ASSERT_NE(auc, nullptr);
  EXPECT_LT(auc->low, auc->value);
  EXPECT_LT(auc->value, auc->high);
  EXPECT_NEAR(auc->value, 5.0 / 6, 0.03);  // of p uniform and truth drawn with p
  EXPECT_LT(auc->high - auc->low, 0.06);
  EXPECT_EQ(report.Find("rmse"), nullptr);

  double counted = 0;
  for (const auto& row : report.confusion) counted += row[0] + row[1];
  EXPECT_EQ(counted, 3000);
  EXPECT_EQ(report.class_counts[0] + report.class_counts[1], 3000);
  EXPECT_EQ(report.calibration.size(), 10U);
  for (const auto& bin : report.calibration) EXPECT_NEAR(bin.predicted, bin.observed, 0.1);
  ASSERT_LE(report.roc.size(), 200U);
  EXPECT_EQ(report.roc.front().x, 0);
  EXPECT_EQ(report.roc.back().y, 1);
  ASSERT_LE(report.precision_recall.size(), 200U);

  ASSERT_TRUE(report.cost_saving_per_1000.has_value());
  EXPECT_GT(report.cost_saving_per_1000->low, 0);
  EXPECT_NEAR(report.cost_saving_per_1000->value, report.constant_cost_per_1000 - report.cost_per_1000->value, 1e-9);

  ASSERT_EQ(report.lifts.size(), report.metrics.size());
  EXPECT_EQ(report.lifts[0].metric, "roc_auc");
  EXPECT_NEAR(report.lifts[0].gain.value, auc->value - 0.5, 1e-12);
  EXPECT_GT(report.lifts[0].gain.low, 0.25);
  for (const auto& lift : report.lifts) {
    if (lift.metric == "log_loss") EXPECT_GT(lift.gain.low, 0) << "lower is better, so the gain is above 0";
  }

  std::vector<std::string> names;
  for (const auto& slice : report.slices) names.push_back(slice.name);
  ASSERT_EQ(names.size(), 3U + 4U + 2U) << Join(names, "; ");
  EXPECT_EQ(names[0], "region = south");
  EXPECT_EQ(names[2], "region = far");
  EXPECT_EQ(report.slices[2].rows, 30);
  EXPECT_TRUE(names[3].starts_with("age <= ")) << names[3];
  EXPECT_EQ(names[7], "amount > 90");
  EXPECT_FALSE(report.slices[7].metrics.empty());
  for (const auto& [name, estimate] : report.slices[0].metrics) {
    EXPECT_LT(estimate.low, estimate.high) << name;
    EXPECT_LE(estimate.low - 1e-9, estimate.value) << name;
  }
  EXPECT_GT(report.slices[2].metrics[0].second.high - report.slices[2].metrics[0].second.low,
            2 * (report.slices[0].metrics[0].second.high - report.slices[0].metrics[0].second.low)) << "few rows, wide intervals";
  EXPECT_TRUE(report.slices[8].metrics.empty()) << "too few rows to judge";

  ASSERT_EQ(report.groups.size(), 2U);
  ASSERT_EQ(report.gaps.size(), 3U);
  EXPECT_EQ(report.gaps[0].first, "demographic_parity:sex");
  EXPECT_NEAR(report.gaps[0].second, std::abs(report.groups[0].selection_rate - report.groups[1].selection_rate), 1e-15);
}

TEST(EvaluateTest, CostIsOfTheRowsAndOfTheCheaperConstant) {
  auto made = std::make_unique<Made>();
  made->predicted = {0.9F, 0.2F, 0.8F, 0.1F};
  made->actual = {1, 1, 0, 0};
  made->rows = table::Batch(std::make_shared<table::Schema>(std::vector<table::Field>{{"amount", table::Type::kFloat64}}),
                            {table::Column::Of(std::vector<double>{10, 20, 30, 40})});
  const Scored scored{Task::kBinary, 1, made->predicted, made->actual, {}, 0.5};
  ASSERT_OK_AND_ASSIGN(const auto report,
                       Evaluate(Call(), made->rows, scored, {"0", "1"}, {"3", "amount", ""}, SmallSpec(), {}, AllMetrics()));
  EXPECT_DOUBLE_EQ(report.cost_per_1000->value, 1000 * (20 + 3) / 4.0);        // one miss of 20, one false alarm
  EXPECT_DOUBLE_EQ(report.constant_cost_per_1000, 1000 * (3 + 3) / 4.0);       // always yes beats never (30)
  EXPECT_DOUBLE_EQ(report.cost_saving_per_1000->value, 1500 - 5750);
}

// The other model's decisions are made at its own threshold, not at ours.
TEST(EvaluateTest, OthersDecideAtTheirOwnThreshold) {
  const auto made = MakeBinary(400);
  const auto gain = [&](double threshold) {
    auto report = Evaluate(Call(), made->rows, made->scored, made->classes, {}, SmallSpec(), {{"b", made->other, threshold}}, AllMetrics());
    EXPECT_TRUE(report.ok());
    for (const auto& lift : report->lifts) {
      if (lift.metric == "recall") return report->Find("recall")->value - lift.gain.value;
    }
    return std::nan("");
  };
  EXPECT_NEAR(gain(0.5), 1, 1e-12);   // all are 0.5: all yes
  EXPECT_NEAR(gain(0.51), 0, 1e-12);  // all no
}

TEST(EvaluateTest, ThreadsChangeNothingAndSeedsDo) {
  const auto made = MakeBinary(800);
  const auto run = [&](int threads, std::uint64_t seed) {
    Call call;
    call.threads = threads;
    call.seed = seed;
    auto report = Evaluate(call, made->rows, made->scored, made->classes, {}, SmallSpec(), {{"b", made->other}}, AllMetrics());
    return report ? report->ToJson().Dump() : report.error().ToString();
  };
  EXPECT_EQ(run(1, 1), run(3, 1));
  EXPECT_NE(run(1, 1), run(1, 2));
}

TEST(EvaluateTest, JsonLosesNothing) {
  const auto made = MakeBinary(500);
  EvaluateSpec spec = SmallSpec();
  spec.slices = {"region", "amount > 99.99"};
  spec.fairness_groups = {"sex"};
  ASSERT_OK_AND_ASSIGN(auto report, Evaluate(Call(), made->rows, made->scored, made->classes, {"1", "2", ""}, spec,
                                             {{"b", made->other}}, AllMetrics()));
  report.subject = "boosted_trees on test";
  report.importances = {{"amount", 0.25, {1, NAN}, {0.1, -0.4}}};
  report.unexplained = 2e-6;
  report.metrics.emplace_back("odd", Estimate{NAN, -INFINITY, 1.0 / 3});
  const std::string text = report.ToJson().Dump();
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(text));
  ASSERT_OK_AND_ASSIGN(const auto again, EvaluationReport::FromJson(json));
  EXPECT_EQ(again.ToJson().Dump(), text);
  EXPECT_EQ(again.Find("odd")->high, 1.0 / 3);
  EXPECT_TRUE(std::isnan(again.importances[0].sample_values[1]));
  EXPECT_TRUE(std::isinf(again.roc[0].threshold));
  EXPECT_EQ(again.unexplained, 2e-6);
  // Of a report that knew no intervals of slices.
  ASSERT_OK_AND_ASSIGN(const Json plain, Json::Parse(R"({"task":"binary","slices":[{"name":"a","rows":40,"metrics":{"f1":0.5}}]})"));
  ASSERT_OK_AND_ASSIGN(const auto older, EvaluationReport::FromJson(plain));
  EXPECT_EQ(older.slices[0].metrics[0].second.value, 0.5);
  EXPECT_TRUE(std::isnan(older.slices[0].metrics[0].second.low));
}

TEST(EvaluateTest, DamagedJsonIsRefused) {
  for (const char* text : {R"([])", R"({"task":"guess"})", R"({"task":"binary","rows":"many"})", R"({"task":"binary","roc":[[1,2]]})",
                           R"({"task":"binary","metrics":{"f1":3}})", R"({"task":"binary","slices":[1]})",
                           R"({"task":"binary","gaps":{"x":"y"}})", R"({"task":"binary","classes":[1]})"}) {
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(text));
    ASSERT_FALSE(EvaluationReport::FromJson(json).ok()) << text;
  }
  ASSERT_OK_AND_ASSIGN(const Json newer, Json::Parse(R"({"task":"binary","version":2})"));
  ASSERT_CODE(kFailedPrecondition, EvaluationReport::FromJson(newer));
}

TEST(EvaluateTest, RefusesWhatCannotBeJudged) {
  const auto made = MakeBinary(40);
  const auto kinds = AllMetrics();
  const auto run = [&](const Scored& scored, const EvaluateSpec& spec, const Costs& costs = {}) {
    return Evaluate(Call(), made->rows, scored, made->classes, costs, spec, {}, kinds);
  };
  Scored bad = made->scored;
  bad.predicted = bad.predicted.subspan(1);
  ASSERT_CODE(kInvalidArgument, run(bad, SmallSpec()));
  std::vector<double> truths = made->actual;
  truths[3] = 2;
  bad = made->scored;
  bad.actual = truths;
  ASSERT_CODE(kInvalidArgument, run(bad, SmallSpec()));
  std::vector<float> none = made->predicted;
  none[0] = NAN;
  bad = made->scored;
  bad.predicted = none;
  ASSERT_CODE(kInvalidArgument, run(bad, SmallSpec()));
  EvaluateSpec spec = SmallSpec();
  spec.metrics = {"rmse"};
  ASSERT_CODE(kInvalidArgument, run(made->scored, spec));
  spec.metrics = {"roc_ac"};
  ASSERT_CODE(kNotFound, run(made->scored, spec));
  spec = SmallSpec();
  spec.slices = {"amount + 1"};
  ASSERT_CODE(kInvalidArgument, run(made->scored, spec));
  spec.slices = {"regoin"};
  ASSERT_CODE(kInvalidArgument, run(made->scored, spec));
  ASSERT_CODE(kInvalidArgument, run(made->scored, SmallSpec(), {"1", "region", ""}));
}

TEST(EvaluateTest, StopsWhenAsked) {
  const auto made = MakeBinary(100);
  std::stop_source source;
  source.request_stop();
  Call call;
  call.stop = source.get_token();
  ASSERT_CODE(kCancelled, Evaluate(call, made->rows, made->scored, made->classes, {}, SmallSpec(), {}, AllMetrics()));
}

TEST(EvaluateTest, RegressionAndMulticlass) {
  const std::size_t n = 600;
  std::vector<float> values, probabilities;
  std::vector<double> actual, truth;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = 10 * Uniform(i, 1);
    values.push_back(static_cast<float>(x));
    actual.push_back(x + Uniform(i, 2) - 0.5);
    truth.push_back(static_cast<double>(i % 3));
    for (std::size_t k = 0; k < 3; ++k) probabilities.push_back(k == i % 3 && i % 5 != 0 ? 0.6F : 0.2F);
  }
  const table::Batch rows(std::make_shared<table::Schema>(std::vector<table::Field>{{"x", table::Type::kFloat64}}),
                          {table::Column::Of(actual)});
  ASSERT_OK_AND_ASSIGN(const auto regression, Evaluate(Call(), rows, {Task::kRegression, 1, values, actual, {}, 0.5}, {}, {},
                                                       SmallSpec(), {}, AllMetrics()));
  EXPECT_NEAR(regression.Find("rmse")->value, 0.2887, 0.02);
  EXPECT_EQ(regression.residual_quantiles.size(), 9U);
  EXPECT_EQ(regression.predicted_actual.size(), 500U);
  EXPECT_TRUE(regression.confusion.empty());
  ASSERT_OK_AND_ASSIGN(const auto classes, Evaluate(Call(), rows, {Task::kMulticlass, 3, probabilities, truth, {}, 0.5},
                                                    {"a", "b", "c"}, {}, SmallSpec(), {}, AllMetrics()));
  EXPECT_NEAR(classes.Find("accuracy")->value, 0.8 + 0.2 / 3, 1e-12);  // ties go to the first class
  EXPECT_EQ(classes.confusion.size(), 3U);
  EXPECT_TRUE(classes.roc.empty());
}

TEST(ResampleTest, IntervalsCoverTheTruthAboutAsOftenAsTheySay) {
  // The mean of n uniform numbers, whose truth is 0.5, in 200 experiments.
  for (const std::size_t n : {std::size_t{200}, std::size_t{20001}}) {
    int covered = 0;
    const int experiments = n > 20000 ? 40 : 200;
    for (int e = 0; e < experiments; ++e) {
      std::vector<double> values(n), weight(n, 1.0);
      for (std::size_t i = 0; i < n; ++i) values[i] = Uniform(i, static_cast<std::uint64_t>(e) + 100);
      const Metric::OfWeights mean = [&](std::span<const double> at) {
        double sum = 0, total = 0;
        for (std::size_t i = 0; i < n; ++i) sum += values[i] * at[i], total += at[i];
        return sum / total;
      };
      ASSERT_OK_AND_ASSIGN(auto draws, Resample(Call(), weight, 200, {mean}));
      const Estimate estimate = Interval(mean(weight), std::move(draws[0]), 0.95);
      if (estimate.low <= 0.5 && 0.5 <= estimate.high) ++covered;
    }
    EXPECT_GE(covered, experiments * 0.88) << n;
    EXPECT_LE(covered, experiments) << n;
  }
}

TEST(ResampleTest, FewerForManyRows) {
  EXPECT_EQ(ResamplesFor(1000, 1000), 1000);
  EXPECT_EQ(ResamplesFor(50000, 1000), 1000);
  EXPECT_EQ(ResamplesFor(100000, 1000), 500);
  EXPECT_EQ(ResamplesFor(10000000, 1000), 100);
  EXPECT_EQ(ResamplesFor(10000000, 50), 50);
}

TEST(SpecTest, ReadsAndComplains) {
  ASSERT_OK_AND_ASSIGN(const Json good, Json::ParseYaml("metrics: [mcc]\nslices: [age]\nfairness: {groups: sex}\nthreshold: 0.3\n"
                                                        "calibration: platt\nbootstrap: 500\nconfidence: 0.9\nexplain_rows: 10\n", "t.yaml"));
  ASSERT_OK_AND_ASSIGN(const auto spec, EvaluateSpec::Parse(good, "t.yaml"));
  EXPECT_EQ(spec.threshold, "0.3");
  EXPECT_EQ(spec.fairness_groups, std::vector<std::string>{"sex"});
  ASSERT_OK_AND_ASSIGN(const auto again, EvaluateSpec::Parse(spec.ToJson(), ""));
  EXPECT_EQ(again.ToJson(), spec.ToJson());
  for (const char* text : {"slice: [age]", "threshold: 2", "threshold: often", "calibration: plat", "bootstrap: 1", "confidence: 95",
                           "explain_rows: -1", "fairness: {group: sex}"}) {
    ASSERT_OK_AND_ASSIGN(const Json json, Json::ParseYaml(text, "t.yaml"));
    ASSERT_CODE(kInvalidArgument, EvaluateSpec::Parse(json, "t.yaml"));
  }
}

}  // namespace
}  // namespace tenon::evaluate

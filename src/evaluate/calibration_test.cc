#include <cmath>

#include "base/hash.h"
#include "base/testing.h"
#include "evaluate/evaluate.h"

namespace tenon::evaluate {
namespace {

using model::Task;

double Uniform(std::uint64_t i, std::uint64_t seed) { return static_cast<double>(Hash64(i, seed) >> 11) * 0x1p-53; }
double Sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

struct Made {
  std::vector<float> predicted;
  std::vector<double> actual;
  table::Batch rows;
  Scored scored() const { return {Task::kBinary, 1, predicted, actual, {}, 0.5}; }
};

// Log-odds uniform in -3..3; the truth follows them, the prediction says them times `steep` plus `shift`.
Made Predictions(std::size_t n, double steep, double shift) {
  Made made;
  std::vector<double> amount;
  for (std::size_t i = 0; i < n; ++i) {
    const double z = 6 * Uniform(i, 1) - 3;
    made.predicted.push_back(static_cast<float>(Sigmoid(steep * z + shift)));
    made.actual.push_back(Uniform(i, 2) < Sigmoid(z) ? 1 : 0);
    amount.push_back(static_cast<double>(i % 10));
  }
  made.rows = table::Batch(std::make_shared<table::Schema>(std::vector<table::Field>{{"amount", table::Type::kFloat64}}),
                           {table::Column::Of(amount)});
  return made;
}

double LogLossAfter(const model::Calibration& calibration, const Made& made) {
  double sum = 0;
  for (std::size_t i = 0; i < made.predicted.size(); ++i) {
    const auto p = static_cast<double>(calibration.Apply(made.predicted[i]));
    sum -= std::log(made.actual[i] != 0 ? p : 1 - p);
  }
  return sum / static_cast<double>(made.predicted.size());
}

TEST(CalibrationTest, PlattFindsTheLineThatWasBentAway) {
  const Made made = Predictions(20000, 2, 1);  // so z = 0.5 * log-odds - 0.5
  ASSERT_OK_AND_ASSIGN(const auto fitted, FitCalibration(Call(), made.scored(), "platt"));
  const Json json = fitted.ToJson();
  EXPECT_NEAR(json.NumberAt("a"), 0.5, 0.02);
  EXPECT_NEAR(json.NumberAt("b"), -0.5, 0.05);
}

TEST(CalibrationTest, BothMethodsLowerTheLossOfABentModel) {
  const Made made = Predictions(4000, 3, 0);
  const double before = LogLossAfter(model::Calibration(), made);
  for (const char* method : {"platt", "isotonic", "auto"}) {
    ASSERT_OK_AND_ASSIGN(const auto fitted, FitCalibration(Call(), made.scored(), method));
    EXPECT_LT(LogLossAfter(fitted, made), before - 0.05) << method;
    EXPECT_NE(fitted.method(), "none");
    float last = 0;
    for (int i = 0; i <= 100; ++i) {
      const float now = fitted.Apply(static_cast<float>(i) / 100);
      EXPECT_GE(now, last);
      last = now;
    }
  }
}

TEST(CalibrationTest, IsotonicPoolsNeighboursThatAreOutOfOrder) {
  Made made;
  made.predicted = {0.1F, 0.2F, 0.2F, 0.3F, 0.4F, 0.6F, 0.7F, 0.9F};
  made.actual = {0, 1, 0, 0, 0, 1, 1, 1};
  ASSERT_OK_AND_ASSIGN(const auto fitted, FitCalibration(Call(), made.scored(), "isotonic"));
  EXPECT_FLOAT_EQ(fitted.Apply(0.1F), 0.25F);                    // one row of class 0: half a row from certainty
  EXPECT_FLOAT_EQ(fitted.Apply(0.2F), 0.25F);                    // 1 of 4 pooled
  EXPECT_FLOAT_EQ(fitted.Apply(0.4F), 0.25F);
  EXPECT_GT(fitted.Apply(0.95F), 0.8F);
  EXPECT_LT(fitted.Apply(0.95F), 1.0F);
}

TEST(CalibrationTest, AutoLeavesAGoodModelAlone) {
  const Made made = Predictions(4000, 1, 0);
  ASSERT_OK_AND_ASSIGN(const auto fitted, FitCalibration(Call(), made.scored(), "auto"));
  EXPECT_EQ(fitted.method(), "none");
  const Made few = Predictions(30, 1.3, 0);
  ASSERT_OK_AND_ASSIGN(const auto small, FitCalibration(Call(), few.scored(), "auto"));
  EXPECT_EQ(small.method(), "none");
}

TEST(CalibrationTest, EdgesOfTheData) {
  Made made = Predictions(50, 1, 0);
  made.actual.assign(50, 1.0);
  for (const char* method : {"auto", "platt", "isotonic"}) {
    ASSERT_OK_AND_ASSIGN(const auto fitted, FitCalibration(Call(), made.scored(), method));
    EXPECT_EQ(fitted.method(), "none") << "one class says nothing";
  }
  Made constant = Predictions(50, 0, 0);
  ASSERT_OK_AND_ASSIGN(const auto flat, FitCalibration(Call(), constant.scored(), "platt"));
  EXPECT_TRUE(std::isfinite(flat.Apply(0.5F)));
  Made apart = Predictions(200, 1, 0);
  for (std::size_t i = 0; i < 200; ++i) apart.actual[i] = apart.predicted[i] > 0.5F ? 1 : 0;
  ASSERT_OK_AND_ASSIGN(const auto sharp, FitCalibration(Call(), apart.scored(), "platt"));
  EXPECT_LT(sharp.Apply(0.9F), 1.0F);
  ASSERT_CODE(kInvalidArgument, FitCalibration(Call(), made.scored(), "plat"));
}

TEST(ThresholdTest, LeastCostMatchesTheTheory) {
  const Made made = Predictions(20000, 1, 0);
  ASSERT_OK_AND_ASSIGN(const double threshold, ChooseThreshold(Call(), made.rows, made.scored(), {"1", "4", ""}, {}));
  EXPECT_NEAR(threshold, 0.2, 0.05);  // fp / (fp + fn), of calibrated probabilities
  ASSERT_OK_AND_ASSIGN(const double by_row, ChooseThreshold(Call(), made.rows, made.scored(), {"4", "amount - amount + 1", ""}, {}));
  EXPECT_NEAR(by_row, 0.8, 0.05);
}

TEST(ThresholdTest, BestF1OrAsSaid) {
  Made made;
  made.predicted = {0.1F, 0.3F, 0.4F, 0.35F, 0.8F};
  made.actual = {0, 0, 1, 1, 1};
  made.rows = table::Batch(std::make_shared<table::Schema>(std::vector<table::Field>{{"x", table::Type::kFloat64}}),
                           {table::Column::Of(std::vector<double>(5))});
  ASSERT_OK_AND_ASSIGN(const double best, ChooseThreshold(Call(), made.rows, made.scored(), {}, {}));
  EXPECT_NEAR(best, 0.325, 1e-6);
  EvaluateSpec spec;
  spec.threshold = "0.7";
  ASSERT_OK_AND_ASSIGN(const double said, ChooseThreshold(Call(), made.rows, made.scored(), {}, spec));
  EXPECT_EQ(said, 0.7);
  made.actual.assign(5, 0.0);
  ASSERT_OK_AND_ASSIGN(const double nothing, ChooseThreshold(Call(), made.rows, made.scored(), {}, {}));
  EXPECT_EQ(nothing, 0.5);
  ASSERT_OK_AND_ASSIGN(const double never, ChooseThreshold(Call(), made.rows, {Task::kBinary, 1, made.predicted, std::vector<double>{1, 0, 0, 0, 0}, {}, 0.5}, {"9", "1", ""}, {}));
  EXPECT_GT(never, 0.8) << "false alarms cost more than the one miss: never";
}

}  // namespace
}  // namespace tenon::evaluate

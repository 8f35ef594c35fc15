#include "model/calibration.h"

#include <cmath>

#include "base/testing.h"

namespace tenon::model {
namespace {

std::vector<Calibration> Samples() {
  return {Calibration(), Calibration::Platt(1.7, -0.4), Calibration::Platt(0.1, 2), *Calibration::Isotonic({0.1, 0.4, 0.5}, {0, 0.3, 0.9}),
          *Calibration::Isotonic({0.5}, {0.25})};
}

TEST(Calibration, IsMonotoneAndStaysAProbability) {
  for (const Calibration& calibration : Samples()) {
    SCOPED_TRACE(calibration.ToJson().Dump());
    float before = -1;
    for (int i = 0; i <= 100000; ++i) {
      const float now = calibration.Apply(static_cast<float>(i) / 100000);
      ASSERT_GE(now, before) << i;
      ASSERT_TRUE(now >= 0 && now <= 1);
      before = now;
    }
  }
}

TEST(Calibration, ComputesItsCurve) {
  EXPECT_EQ(Calibration().Apply(0.3F), 0.3F);
  EXPECT_NEAR(Calibration::Platt(1, 0).Apply(0.3F), 0.3F, 1e-7);
  const double log_odds = 1.7 * std::log(0.25 / 0.75) - 0.4;
  EXPECT_NEAR(Calibration::Platt(1.7, -0.4).Apply(0.25F), 1 / (1 + std::exp(-log_odds)), 1e-7);
  ASSERT_OK_AND_ASSIGN(const Calibration steps, Calibration::Isotonic({0.25, 0.5}, {0.0, 0.5}));
  EXPECT_EQ(steps.Apply(0.1F), 0.0F);
  EXPECT_EQ(steps.Apply(0.375F), 0.25F);
  EXPECT_EQ(steps.Apply(0.9F), 0.5F);
}

TEST(Calibration, GoesThroughJson) {
  for (const Calibration& calibration : Samples()) {
    ASSERT_OK_AND_ASSIGN(const Calibration again, Calibration::FromJson(calibration.ToJson()));
    EXPECT_EQ(again.ToJson(), calibration.ToJson());
    for (const float p : {0.0F, 0.2F, 0.45F, 1.0F}) EXPECT_EQ(again.Apply(p), calibration.Apply(p));
  }
}

TEST(Calibration, RefusesCurvesThatFallOrDoNotFit) {
  ASSERT_CODE(kInvalidArgument, Calibration::Isotonic({}, {}));
  ASSERT_CODE(kInvalidArgument, Calibration::Isotonic({0, 1}, {0.5}));
  ASSERT_CODE(kInvalidArgument, Calibration::Isotonic({0, 1}, {0.5, 0.4}));
  ASSERT_CODE(kInvalidArgument, Calibration::Isotonic({1, 1}, {0.4, 0.5}));
  ASSERT_CODE(kInvalidArgument, Calibration::Isotonic({0, 1}, {0.4, 1.5}));
  for (const char* text : {R"({"method":"plat"})", R"({"method":"platt","a":-1})", R"({"method":"none","a":1})", "3"}) {
    SCOPED_TRACE(text);
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(text));
    ASSERT_CODE(kInvalidArgument, Calibration::FromJson(json));
  }
}

}  // namespace
}  // namespace tenon::model

#include "serve/disguise.h"

#include <cmath>

#include "base/testing.h"
#include "serve/session.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

class DisguiseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    auto made = testing::MakeForestServed(ops_, "forest", 4, 20, 3);
    ASSERT_OK(made);
    plain_ = *made;
  }

  std::shared_ptr<const Served> With(Disguise disguise) {
    auto served = std::make_shared<Served>(*plain_);
    served->disguise = disguise;
    return served;
  }

  // Of one row of four numbers.
  static std::vector<float> Ask(Session& session, double x) {
    session.reader().Begin(0);
    for (int i = 0; i < 4; ++i) {
      const int slot = session.reader().TakeExpected();
      session.reader().Number(slot, x + 0.1 * i);
    }
    EXPECT_TRUE(session.reader().End());
    const auto prediction = session.Predict();
    return {prediction.values.begin(), prediction.values.end()};
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const Served> plain_;
};

TEST_F(DisguiseTest, RoundsAndNothingElse) {
  Session exact(plain_), rounded(With({.round = 2}));
  bool differs = false;
  for (int i = 0; i < 50; ++i) {
    const float a = Ask(exact, i * 0.02)[0], b = Ask(rounded, i * 0.02)[0];
    EXPECT_NEAR(a, b, 0.005001);
    EXPECT_FLOAT_EQ(b * 100, std::round(b * 100));
    differs |= a != b;
  }
  EXPECT_TRUE(differs);
}

TEST_F(DisguiseTest, NoiseIsTheSameForTheSameRowAndHasItsScale) {
  Session exact(plain_), one(With({.laplace = 0.01, .secret = 1})), again(With({.laplace = 0.01, .secret = 1})), other(With({.laplace = 0.01, .secret = 2}));
  double sum = 0, spread = 0;
  int same = 0;
  constexpr int kRows = 2000;
  for (int i = 0; i < kRows; ++i) {
    const double x = i * 0.0005;
    const float noisy = Ask(one, x)[0];
    EXPECT_EQ(noisy, Ask(one, x)[0]);
    EXPECT_EQ(noisy, Ask(again, x)[0]);
    same += noisy == Ask(other, x)[0];
    const double noise = static_cast<double>(noisy) - static_cast<double>(Ask(exact, x)[0]);
    sum += noise;
    spread += std::abs(noise);
    EXPECT_GE(noisy, 0);
    EXPECT_LE(noisy, 1);
  }
  EXPECT_LT(same, 5);
  EXPECT_NEAR(sum / kRows, 0, 0.0016);        // 5 standard errors: sqrt(2) * 0.01 / sqrt(2000)
  EXPECT_NEAR(spread / kRows, 0.01, 0.0012);  // the mean absolute value of Laplace noise is its scale
}

TEST_F(DisguiseTest, RowsTogetherAreToldAsEachAlone) {
  for (const Disguise disguise : {Disguise{.round = 2}, Disguise{.laplace = 0.02, .secret = 3}}) {
    Session one(With(disguise)), many(With(disguise));
    many.rows().Clear();
    std::vector<float> alone;
    for (int n = 0; n < 5; ++n) {
      alone.push_back(Ask(one, n * 0.1)[0]);
      (void)Ask(many, n * 0.1);
      many.rows().Add(many.reader().row());
    }
    const auto together = many.PredictRows();
    EXPECT_EQ(std::vector<float>(together.begin(), together.end()), alone);
  }
}

TEST_F(DisguiseTest, PartsOfAnExplanationAreRoundedWithIt) {
  Session rounded(With({.round = 1}));
  (void)Ask(rounded, 0.3);
  double base = 0;
  ASSERT_OK(rounded.Explain(0, &base));
  for (const double part : rounded.contributions()) EXPECT_DOUBLE_EQ(part * 10, std::round(part * 10));
  EXPECT_DOUBLE_EQ(base * 10, std::round(base * 10));
}

TEST_F(DisguiseTest, LongTextsAreRefused) {
  auto loan = testing::MakeLoan(ops_, 1);
  ASSERT_OK(loan);
  auto served = std::make_shared<Served>(**loan);
  served->most_text = 3;
  Session session(served);
  int slot = -1;
  for (std::size_t i = 0; i < served->fields.size(); ++i) {
    if (served->fields[i].type == table::Type::kString) slot = static_cast<int>(i);
  }
  ASSERT_GE(slot, 0);
  session.reader().Begin(0);
  ASSERT_TRUE(session.reader().Take(slot));
  session.reader().Text(slot, "baker");
  ASSERT_TRUE(session.reader().failed());
  EXPECT_EQ(session.reader().errors().front().problem, "a text of 5 bytes; at most 3 are taken");
}

}  // namespace
}  // namespace tenon::serve

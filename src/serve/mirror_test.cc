#include "serve/mirror.h"

#include <cmath>

#include "base/testing.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

class MirrorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(champion_, testing::MakeLoan(ops_, 1));
    ASSERT_OK_AND_ASSIGN(shadow_, testing::MakeLoan(ops_, 9));
    route_ = std::make_shared<Route>();
    route_->name = "loan";
    route_->rollout = "loan-9";
    route_->arms = {{champion_, Role::kChampion, 1}, {shadow_, Role::kShadow, 1}};
    endpoints_.Set(std::shared_ptr<const Route>(route_));
  }
  ArmEvidence Of(int version) {
    for (const Tallies::Sum& sum : tallies_.Sums()) {
      if (sum.version == version) return sum.evidence;
    }
    return {};
  }
  // Offers a row with the champion's own answer.
  bool Offer(double age, const Route& route) {
    Row row;
    row.numbers = {age, 2500, std::nan(""), 1};
    row.texts = {{}, {}, "clerk", {}};
    return mirror_.Offer(0, route, row, champion_->predictor->PredictRow(row.numbers.data(), row.texts.data(), scratch_), false);
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const Served> champion_, shadow_;
  std::shared_ptr<Route> route_;
  Endpoints endpoints_;
  Tallies tallies_;
  model::Predictor::Scratch scratch_;
  Mirror mirror_{endpoints_, tallies_, 2};
};

TEST_F(MirrorTest, ComparesBothOnTheSameRows) {
  int differ = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Offer(18 + i, *route_));
    const double numbers[4] = {18.0 + i, 2500, std::nan(""), 1};
    const std::string_view texts[4] = {{}, {}, "clerk", {}};
    const int live = champion_->predictor->PredictRow(numbers, texts, scratch_).decision;
    differ += live != shadow_->predictor->PredictRow(numbers, texts, scratch_).decision ? 1 : 0;
  }
  mirror_.Flush();
  EXPECT_GT(differ, 0);
  EXPECT_EQ(Of(9).paired, 100);
  EXPECT_EQ(Of(9).disagreed, differ);
  EXPECT_EQ(Of(9).requests, 100);
  EXPECT_EQ(Of(9).failed, 0);
  EXPECT_EQ(Of(1).requests, 100);
  std::int64_t scored = 0;
  for (const std::int64_t count : Of(1).scores) scored += count;
  EXPECT_EQ(scored, 100);
}

TEST_F(MirrorTest, DropsWhatIsOfAnEarlierStageAndWhatHasNoRoom) {
  Route before = *route_;
  before.rollout = "loan-8";
  ASSERT_TRUE(Offer(40, before));
  mirror_.Flush();
  EXPECT_EQ(Of(9).requests, 0);
  int refused = 0;  // a ring takes some ten thousands of rows, and its reader is one thread, which may be the faster for a while
  for (int i = 0; i < 4'000'000 && refused == 0; ++i) refused += Offer(40, *route_) ? 0 : 1;
  EXPECT_EQ(refused, 1) << "a full ring refuses and never waits";
}

}  // namespace
}  // namespace tenon::serve

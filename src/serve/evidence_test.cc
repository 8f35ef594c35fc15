#include "serve/evidence.h"

#include "base/testing.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

class TalliesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(served_, testing::MakeLoan(ops_, 1));
  }
  std::shared_ptr<Tally> For(const std::string& rollout, int stage = 0, int thread = 0) {
    Route route;
    route.name = "loan";
    route.arms = {{served_, Role::kChampion, 1}};
    route.rollout = rollout;
    route.stage = stage;
    return tallies_.For(route, *served_, thread);
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const Served> served_;
  Tallies tallies_;
};

TEST_F(TalliesTest, AddsThreadsAndKeepsStagesApart) {
  EXPECT_EQ(For(""), nullptr);
  For("a", 0, 0)->Answered(2);
  For("a", 0, 1)->Answered(3);
  For("a", 1, 0)->Answered(5);
  EXPECT_EQ(For("a", 0, 0), For("a", 0, 0));
  const auto sums = tallies_.Sums();
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].evidence.requests, 5);
  EXPECT_EQ(sums[1].evidence.requests, 5);
  EXPECT_EQ(sums[1].stage, 1);
}

TEST_F(TalliesTest, ForgetsRolloutsThatHaveEnded) {
  std::weak_ptr<Tally> ended;
  {
    const std::shared_ptr<Tally> held = For("a");
    ended = held;
    const std::shared_ptr<Tally> running = For("b");
    running->Answered(1);
    const std::vector<std::string> running_ones = {"b"};
    tallies_.KeepOnly(running_ones);
    ASSERT_EQ(tallies_.Sums().size(), 1u);
    EXPECT_EQ(tallies_.Sums()[0].rollout, "b");
    EXPECT_EQ(For("b"), running);
    held->Answered(1);  // a thread that has not looked again writes into what it holds
    EXPECT_EQ(tallies_.Sums()[0].evidence.requests, 1);
  }
  EXPECT_TRUE(ended.expired());
  tallies_.KeepOnly({});
  EXPECT_TRUE(tallies_.Sums().empty());
}

}  // namespace
}  // namespace tenon::serve

#include "serve/route.h"

#include <cmath>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::serve {
namespace {

std::shared_ptr<const Served> Version(int version) {
  auto served = std::make_shared<Served>();
  served->endpoint = "fraud";
  served->model = Str("fraud@", version);
  served->version = version;
  return served;
}

Route Split(double share, std::uint64_t salt = 7) {
  Route route;
  route.name = "fraud";
  route.salt = salt;
  route.arms = {{Version(1), Role::kChampion, 1}, {Version(2), Role::kChallenger, share}, {Version(3), Role::kDark, 0}};
  return route;
}

TEST(RouteTest, SharesAreWhatTheySay) {
  for (const double share : {0.0, 0.05, 0.25, 0.5, 1.0}) {
    const Route route = Split(share);
    constexpr int kKeys = 40000;
    int taken = 0;
    for (int i = 0; i < kKeys; ++i) {
      const std::size_t arm = route.Choose(Str("customer-", i));
      ASSERT_LT(arm, 2U) << "a dark arm answers only when it is asked for";
      taken += arm == 1 ? 1 : 0;
    }
    EXPECT_NEAR(taken / static_cast<double>(kKeys), share, 4 * std::sqrt(share * (1 - share) / kKeys)) << share;
    EXPECT_EQ(route.split(), share > 0);
    EXPECT_DOUBLE_EQ(route.ShareOfChampion(), 1 - share);
  }
}

TEST(RouteTest, KeysStayWhenTheShareGrows) {
  const Route small = Split(0.05), large = Split(0.25), all = Split(1);
  int moved = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = Str("customer-", i);
    EXPECT_EQ(small.Choose(key), small.Choose(key));
    if (small.Choose(key) == 1) EXPECT_EQ(large.Choose(key), 1U) << key;
    if (large.Choose(key) == 1) EXPECT_EQ(all.Choose(key), 1U) << key;
    moved += small.Choose(key) != large.Choose(key) ? 1 : 0;
  }
  EXPECT_GT(moved, 0);
}

TEST(RouteTest, ANumberIsOneKeyHoweverItIsSpelled) {
  const Route route = Split(0.5);
  int challenger = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::size_t arm = route.Choose(std::to_string(i));
    challenger += arm == 1 ? 1 : 0;
    for (const std::string& other : {Str(i, ".0"), Str(i, "e0"), Str(i, "0e-1"), Str("0", i)}) EXPECT_EQ(route.Choose(other), arm) << other;
    EXPECT_EQ(route.Choose(Str("-", i, ".5")), route.Choose(Str("-", i, ".50")));
  }
  EXPECT_NEAR(challenger, 500, 80);
  EXPECT_EQ(route.Choose("-0"), route.Choose("0"));
  int apart = 0;  // what only begins as a number is a text
  for (int i = 0; i < 1000; ++i) apart += route.Choose(Str(i, "a")) != route.Choose(Str(i, ".0a")) ? 1 : 0;
  EXPECT_NEAR(apart, 500, 80);
}

TEST(RouteTest, EveryRolloutDrawsItsOwnKeys) {
  const Route one = Split(0.5, 1), other = Split(0.5, 2);
  int same = 0;
  for (int i = 0; i < 10000; ++i) same += one.Choose(Str("c", i)) == other.Choose(Str("c", i)) ? 1 : 0;
  EXPECT_NEAR(same, 5000, 250);
}

TEST(RouteTest, FindsArmsByVersion) {
  const Route route = Split(0.1);
  EXPECT_EQ(route.ArmOf(1), 0);
  EXPECT_EQ(route.ArmOf(3), 2);
  EXPECT_EQ(route.ArmOf(4), -1);
}

}  // namespace
}  // namespace tenon::serve

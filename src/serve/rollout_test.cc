#include "serve/rollout.h"

#include <cmath>
#include <random>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::serve {
namespace {

constexpr Micros kHour = 3'600'000'000;

TEST(SequentialTest, IntervalsHoldWhatWasSeenAndShrink) {
  double before = 1;
  for (const std::int64_t n : {10, 100, 1000, 10000}) {
    const Interval rate = RateInterval({n, n / 10}, 0.05);
    EXPECT_LT(rate.low, 0.1);
    EXPECT_GT(rate.high, 0.1);
    EXPECT_LT(rate.high - rate.low, before);
    before = rate.high - rate.low;
    EXPECT_NEAR(EvidenceAgainst({n, n / 10}, rate.low), std::log(20), 1e-3);
    EXPECT_NEAR(EvidenceAgainst({n, n / 10}, rate.high), std::log(20), 1e-3);
    const Interval difference = RateDifference({n, n / 10}, {n, n / 5}, 0.05);
    EXPECT_LT(difference.low, 0.1);
    EXPECT_GT(difference.high, 0.1);
    EXPECT_NEAR(EvidenceAgainstDifference({n, n / 10}, {n, n / 5}, difference.low), std::log(20), 1e-3);
  }
  EXPECT_EQ(RateInterval({0, 0}, 0.05).high, 1);
  EXPECT_EQ(RateInterval({50, 0}, 0.05).low, 0);
  EXPECT_EQ(RateInterval({50, 50}, 0.05).high, 1);
  EXPECT_EQ(RateDifference({50, 0}, {0, 0}, 0.05).low, -1);
}

// For a balanced count the mixture is known in closed form: Beta(h+1/2, n-h+1/2) / Beta(1/2, 1/2) / p^h (1-p)^(n-h).
TEST(SequentialTest, EvidenceIsTheMixtureOfTheLikelihood) {
  // n = 2, one hit: Beta(1.5, 1.5) / Beta(0.5, 0.5) = (pi/8) / pi = 1/8; against p = 1/2: (1/8) / (1/4) = 1/2.
  EXPECT_NEAR(std::exp(EvidenceAgainst({2, 1}, 0.5)), 0.5, 1e-12);
  // n = 1, a hit: Beta(1.5, 0.5) / pi = 1/2; against p = 0.1: 5.
  EXPECT_NEAR(std::exp(EvidenceAgainst({1, 1}, 0.1)), 5, 1e-12);
}

// Ville: looking after every single answer, the truth is ever left out with probability alpha at most.
TEST(SequentialTest, TheTruthIsHardlyEverLeftOutHoweverOftenOneLooks) {
  constexpr int kRuns = 400, kSteps = 1500;
  constexpr double kAlpha = 0.1;
  for (const double p : {0.01, 0.3}) {
    int left_out = 0, apart = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::mt19937_64 random(static_cast<std::uint64_t>(run) * 7919 + static_cast<std::uint64_t>(p * 1000));
      std::bernoulli_distribution hit(p);
      Trials a, b;
      bool out = false, differ = false;
      for (int step = 0; step < kSteps; ++step) {
        Trials& arm = step % 4 == 0 ? b : a;
        ++arm.n;
        arm.hits += hit(random) ? 1 : 0;
        out = out || EvidenceAgainst(a, p) >= std::log(1 / kAlpha);
        if (step % 10 == 0) differ = differ || EvidenceAgainstDifference(a, b, 0) >= std::log(1 / kAlpha);
      }
      left_out += out ? 1 : 0;
      apart += differ ? 1 : 0;
    }
    EXPECT_LE(left_out, kRuns * kAlpha) << p;
    EXPECT_LE(apart, kRuns * kAlpha) << p;
  }
}

TEST(SequentialTest, QuantilesLieBetweenTheirBuckets) {
  std::vector<std::int64_t> counts(100, 10);  // uniform over 100 buckets
  const BucketRange median = QuantileRange(counts, 0.5, 0.05);
  EXPECT_LE(median.low, 49);
  EXPECT_GE(median.high, 49);
  EXPECT_GT(median.low, 35);
  EXPECT_LT(median.high, 64);
  for (auto& count : counts) count *= 100;
  const BucketRange sharper = QuantileRange(counts, 0.5, 0.05);
  EXPECT_GT(sharper.low, median.low);
  EXPECT_LT(sharper.high, median.high);
  const BucketRange nothing = QuantileRange(std::vector<std::int64_t>(100, 0), 0.5, 0.05);
  EXPECT_EQ(nothing.low, 0);
  EXPECT_EQ(nothing.high, 99);
}

TEST(SequentialTest, DistancesAreBounded) {
  const std::vector<std::int64_t> a = {5000, 3000, 2000}, b = {2000, 3000, 5000};
  const Distance far = DistanceOf(a, b, 0.05), none = DistanceOf(a, a, 0.05);
  EXPECT_NEAR(far.seen, 0.3, 1e-12);
  EXPECT_GT(far.low, 0.25);
  EXPECT_LT(far.high, 0.35);
  EXPECT_EQ(none.low, 0);
  EXPECT_LT(none.high, 0.05);
}

// One made arm: how it answers.
struct Arm {
  double error = 0.01, latency = 0.002, score = 0.3, wrong = 0.1;
};

void Answer(const Arm& arm, std::mt19937_64& random, ArmEvidence* out) {
  std::uniform_real_distribution<double> unit(0, 1);
  std::lognormal_distribution<double> slow(std::log(arm.latency), 0.4);
  ++out->requests;
  out->failed += unit(random) < arm.error ? 1 : 0;
  ++out->latency[static_cast<std::size_t>(LatencyBucket(slow(random)))];
  const double score = std::clamp(arm.score + 0.3 * (unit(random) - 0.5), 0.0, 0.999);
  ++out->scores[static_cast<std::size_t>(score * kScoreBuckets)];
  if (unit(random) < 0.5) {
    ++out->labelled;
    out->wrong += unit(random) < arm.wrong ? 1 : 0;
  }
}

// A whole rollout on the real decisions: 300 answers between looks, of which the route's share goes to the challenger.
Rollout Simulate(const RolloutSpec& spec, const Arm& champion, const Arm& challenger, std::uint64_t seed) {
  Rollout rollout;
  rollout.id = Str("r", seed);
  rollout.spec = spec;
  rollout.stages.resize(1);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  Micros now = 0;
  for (int look = 0; look < 100 && rollout.running(); ++look) {
    now += kHour / 10;
    StageEvidence& seen = rollout.stages[rollout.stage].evidence;
    for (int i = 0; i < 300; ++i) {
      const bool takes = unit(random) < spec.stages[rollout.stage].share;
      Answer(takes ? challenger : champion, random, takes ? &seen.challenger : &seen.champion);
    }
    rollout.Take(Decide(spec, rollout.stage, rollout.since, now, rollout.Compared()), now);
  }
  return rollout;
}

RolloutSpec Canary() {
  auto json = Json::Parse(R"({"canary":["5 %",0.25,"100 %"],"step":"1h","least":100,"roll_back_on":["errors","latency","prediction_difference","quality"]})");
  auto spec = RolloutSpec::Parse(*json, "test");
  EXPECT_TRUE(spec.ok());
  return *spec;
}

TEST(RolloutTest, OfAThousandEqualChallengersFewAreRolledBack) {
  const RolloutSpec spec = Canary();
  int rolled_back = 0, promoted = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const Rollout rollout = Simulate(spec, {}, {}, seed);
    rolled_back += rollout.status == "rolled_back" ? 1 : 0;
    promoted += rollout.status == "promoted" ? 1 : 0;
  }
  RecordProperty("rolled_back_of_1000", rolled_back);
  std::printf("rolled back of 1000 equal challengers: %d (stated: at most %d)\n", rolled_back, static_cast<int>(1000 * spec.alpha));
  EXPECT_LE(rolled_back, 1000 * spec.alpha);
  EXPECT_EQ(promoted + rolled_back, 1000);
}

TEST(RolloutTest, WorseChallengersAreCaughtByTheCriterionThatIsWorse) {
  const RolloutSpec spec = Canary();
  const std::pair<const char*, Arm> worse[] = {{"errors", {.error = 0.08}},
                                               {"latency", {.latency = 0.008}},
                                               {"prediction_difference", {.score = 0.5}},
                                               {"quality", {.wrong = 0.3}}};
  for (const auto& [criterion, arm] : worse) {
    int caught = 0, by_it = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      const Rollout rollout = Simulate(spec, {}, arm, seed);
      caught += rollout.status == "rolled_back" ? 1 : 0;
      by_it += rollout.why.starts_with(criterion) ? 1 : 0;
    }
    EXPECT_EQ(caught, 50) << criterion;
    EXPECT_GE(by_it, 48) << criterion;
  }
}

TEST(RolloutTest, ABetterOneIsPromotedOnceItIsShown) {
  RolloutSpec spec = Canary();
  spec.promote = "better";
  spec.stages = {{RolloutStage::Kind::kLive, 0.5, std::chrono::hours(1)}};
  int better = 0, equal = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const Rollout rollout = Simulate(spec, {.wrong = 0.2}, {.wrong = 0.12}, seed);
    better += rollout.status == "promoted" && rollout.why.starts_with("better: ") ? 1 : 0;
    equal += Simulate(spec, {}, {}, seed).status == "promoted" ? 1 : 0;
  }
  EXPECT_EQ(better, 100);
  EXPECT_LE(equal, 5) << "an equal one is not shown to be better";
}

TEST(RolloutTest, StagesEndByTimeAndAnswers) {
  RolloutSpec spec = Canary();
  StageEvidence seen;
  seen.champion.requests = 1000;
  seen.challenger.requests = 99;
  EXPECT_EQ(Decide(spec, 0, 0, 2 * kHour, seen).step, Step::kStay);
  seen.challenger.requests = 100;
  EXPECT_EQ(Decide(spec, 0, 0, kHour - 1, seen).step, Step::kStay);
  EXPECT_EQ(Decide(spec, 0, 0, kHour, seen).step, Step::kAdvance);
  EXPECT_EQ(Decide(spec, 2, 0, kHour, seen).step, Step::kPromote);
  spec.promote = "manual";
  EXPECT_EQ(Decide(spec, 2, 0, kHour, seen).step, Step::kStay);
  spec.roll_back_on = {"latency"};
  seen.challenger.failed = 90;
  EXPECT_EQ(Decide(spec, 0, 0, kHour, seen).step, Step::kAdvance) << "errors are shown and roll nothing back";
}

TEST(RolloutTest, ReadsBackWhatItWrote) {
  const Rollout rollout = Simulate(Canary(), {}, {.error = 0.05}, 3);
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(rollout.ToJson().Dump()));
  ASSERT_OK_AND_ASSIGN(const Rollout back, Rollout::FromJson(json));
  EXPECT_EQ(back.ToJson().Dump(), rollout.ToJson().Dump());
  EXPECT_GT(back.stages[0].looks.size(), 0U);
}

TEST(RolloutTest, RefusesWhatItDoesNotKnow) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"canary":["5 %"],"roll_back_on":["error"]})", "did you mean 'errors'"},
      {R"({"canary":["25 %","5 %"]})", "shares grow"},
      {R"({"canary":["500 %"]})", "expected a share"},
      {R"({"canary":["5 %"],"ab":"50 %"})", "exclude each other"},
      {R"({"step":"1h"})", "say how"},
      {R"({"canary":["5 %"],"step":"soon"})", "soon"},
      {R"({"canary":["5 %"],"alpha":0})", "expected a chance"},
      {R"({"canary":["5 %"],"promote":"yes"})", "auto, better or manual"},
      {R"({"canary":["5 %"],"stiky":"x"})", "sticky"},
  };
  for (const auto& [text, message] : wrong) {
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(text));
    const auto spec = RolloutSpec::Parse(json, "tenon.yaml");
    ASSERT_CODE(kInvalidArgument, spec);
    EXPECT_NE(spec.error().message().find(message), std::string::npos) << spec.error().message();
  }
}

}  // namespace
}  // namespace tenon::serve

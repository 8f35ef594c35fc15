#include "serve/ladder.h"

#include <cmath>
#include <limits>
#include <thread>

#include "base/testing.h"
#include "base/text.h"
#include "serve/apart.h"
#include "serve/session.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

using namespace std::chrono_literals;
const Breaker::Time kStart{std::chrono::hours(1)};

TEST(BreakerTest, OpensAfterFailuresInAWindowAndProbesWhileItRests) {
  Breaker breaker({.failures = 3, .window = 10s, .rest = 5s});
  for (int i = 0; i < 2; ++i) breaker.Failed(kStart);
  EXPECT_TRUE(breaker.Allow(kStart));
  breaker.Failed(kStart + 11s);  // a new window
  breaker.Failed(kStart + 12s);
  EXPECT_FALSE(breaker.open());
  breaker.Failed(kStart + 13s);
  EXPECT_TRUE(breaker.open());
  EXPECT_FALSE(breaker.Allow(kStart + 17s));
  EXPECT_TRUE(breaker.Allow(kStart + 18s)) << "the probe";
  EXPECT_FALSE(breaker.Allow(kStart + 18s)) << "one at a time";
  breaker.Failed(kStart + 18s);
  EXPECT_FALSE(breaker.Allow(kStart + 22s));
  EXPECT_TRUE(breaker.Allow(kStart + 24s));
  breaker.Succeeded();
  EXPECT_FALSE(breaker.open());
  EXPECT_TRUE(breaker.Allow(kStart + 24s));
}

TEST(AnswerCacheTest, GivesBackWhatItKeptForItsTime) {
  AnswerCache cache(64, 3, 10s);
  const std::vector<float> values = {0.25F, 0.5F, 0.25F};
  cache.Put(42, {values, 1}, kStart);
  std::vector<float> got;
  int decision = -1;
  ASSERT_TRUE(cache.Get(42, kStart + 10s, &got, &decision));
  EXPECT_EQ(got, values);
  EXPECT_EQ(decision, 1);
  EXPECT_FALSE(cache.Get(42, kStart + 11s, &got, &decision)) << "too old";
  EXPECT_FALSE(cache.Get(43, kStart, &got, &decision));
  cache.Put(42 + 64, {values, 2}, kStart);  // the same slot
  EXPECT_FALSE(cache.Get(42, kStart, &got, &decision));
}

TEST(AnswerCacheTest, ThreadsNeverSeeHalfAnAnswer) {
  AnswerCache cache(16, 2, 1h);
  std::vector<std::thread> threads;
  std::atomic<int> torn{0}, found{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<float> got;
      for (int i = 0; i < 20000; ++i) {
        const float value = static_cast<float>(t * 100000 + i);
        const std::vector<float> values = {value, -value};
        cache.Put(static_cast<std::uint64_t>(i % 16), {values, t}, kStart);
        int decision = 0;
        if (!cache.Get(static_cast<std::uint64_t>((i + t) % 16), kStart, &got, &decision)) continue;
        ++found;
        torn += got[0] == -got[1] ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(found, 0);
}

class LadderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(loan_, testing::MakeLoan(ops_));
    ASSERT_OK_AND_ASSIGN(before_, testing::MakeLoan(ops_, 2));
    row_.numbers = {40, 2500, std::nan(""), 1};
    row_.texts = {{}, {}, "clerk", {}};
  }
  LadderSpec Spec(const char* text) {
    auto json = Json::Parse(text);
    auto spec = LadderSpec::Parse(*json, "tenon.yaml");
    EXPECT_TRUE(spec.ok()) << spec.error().message();
    return *spec;
  }
  Rung Ask(const Ladder& ladder) { return ladder.Answer(*loan_, row_, kStart, memory_, &out_); }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const Served> loan_, before_;
  Row row_;
  Ladder::Memory memory_;
  model::Prediction out_;
};

TEST_F(LadderTest, GoesDownInOrder) {
  const LadderSpec spec = Spec(R"(["champion","cache 10m","rule \"age > 60\"","default no"])");
  ASSERT_OK_AND_ASSIGN(const auto ladder, Ladder::Make(spec, loan_, before_));
  EXPECT_EQ(Ask(*ladder), Rung::kLastGood);
  model::Predictor::Scratch scratch;
  EXPECT_EQ(out_.values[0], before_->predictor->PredictRow(row_.numbers.data(), row_.texts.data(), scratch).values[0]);
  ASSERT_OK_AND_ASSIGN(const auto alone, Ladder::Make(spec, loan_, nullptr));
  EXPECT_EQ(Ask(*alone), Rung::kRule);
  EXPECT_EQ(out_.values[0], 0) << "40 is not above 60";
  const std::vector<float> kept = {0.75F};
  alone->cache()->Put(CacheKey(*loan_, row_), {kept, 1}, kStart);
  EXPECT_EQ(Ask(*alone), Rung::kCache);
  EXPECT_EQ(out_.values[0], 0.75F);
  row_.numbers[0] = std::nan("");  // the rule cannot say
  EXPECT_EQ(Ask(*alone), Rung::kDefault);
  EXPECT_EQ(out_.decision, 0);
  ASSERT_OK_AND_ASSIGN(const auto nothing, Ladder::Make(LadderSpec{}, loan_, nullptr));
  EXPECT_EQ(Ask(*nothing), Rung::kNone);
}

TEST_F(LadderTest, AChallengerFallsBackOnTheChampionAndNeverOnItsOwnCopy) {
  const LadderSpec spec = Spec(R"(["champion","cache 10m","default no"])");
  ASSERT_OK_AND_ASSIGN(const auto loaded, testing::MakeLoan(ops_, 3));
  // Its fields stand in another order, as those of another training may.
  auto challenger = std::make_shared<Served>(*loaded);
  std::swap(challenger->fields[0], challenger->fields[1]);
  Row swapped = row_;
  std::swap(swapped.numbers[0], swapped.numbers[1]);
  ASSERT_OK_AND_ASSIGN(const auto ladder, Ladder::Make(spec, loan_, before_));
  EXPECT_EQ(ladder->Answer(*challenger, swapped, kStart, memory_, &out_), Rung::kLastGood);
  model::Predictor::Scratch scratch;
  EXPECT_EQ(out_.values[0], loan_->predictor->PredictRow(row_.numbers.data(), row_.texts.data(), scratch).values[0]) << "the champion's, not that of the version before";
  ASSERT_OK_AND_ASSIGN(const auto first, Ladder::Make(spec, loan_, nullptr));
  EXPECT_EQ(first->Answer(*challenger, swapped, kStart, memory_, &out_), Rung::kLastGood) << "though no version was before";
  const auto copy = std::make_shared<Served>(*loan_);
  EXPECT_EQ(first->Answer(*copy, row_, kStart, memory_, &out_), Rung::kDefault) << "the champion itself has failed";
  // A challenger that does not read what the champion reads has it not in its row.
  challenger->fields[2].name = "profession";
  EXPECT_EQ(first->Answer(*challenger, swapped, kStart, memory_, &out_), Rung::kDefault);
}

TEST_F(LadderTest, WhatOneVersionAnsweredIsNotGivenForAnother) {
  ASSERT_OK_AND_ASSIGN(const auto ladder, Ladder::Make(Spec(R"(["cache 10m","default no"])"), loan_, nullptr));
  const std::vector<float> kept = {0.75F};
  ladder->cache()->Put(CacheKey(*before_, row_), {kept, 1}, kStart);
  EXPECT_EQ(Ask(*ladder), Rung::kDefault);
  EXPECT_EQ(ladder->Answer(*before_, row_, kStart, memory_, &out_), Rung::kCache);
}

TEST_F(LadderTest, RefusesWhatCannotAnswer) {
  const auto message = [&](const char* text) -> std::string {
    auto json = Json::Parse(text);
    auto spec = LadderSpec::Parse(*json, "tenon.yaml");
    if (!spec.ok()) return std::string(spec.error().message());
    auto made = Ladder::Make(*spec, loan_, nullptr);
    return made.ok() ? std::string() : made.error().ForPeople();
  };
  EXPECT_NE(message(R"(["chache 10m"])").find("did you mean 'cache'"), std::string::npos);
  EXPECT_NE(message(R"(["cache soon"])").find("soon"), std::string::npos);
  EXPECT_NE(message(R"(["default maybe"])").find("is no answer"), std::string::npos);
  EXPECT_NE(message(R"(["default 2"])").find("is no answer"), std::string::npos);
  EXPECT_NE(message(R"(["rule \"agee > 60\""])").find("age"), std::string::npos);
  EXPECT_NE(message(R"({"rungs":["default 0"],"deadlin":"1s"})").find("deadline"), std::string::npos);
}

TEST_F(LadderTest, AStuckModelKeepsNobodyWaiting) {
  using Faulty = testing::FaultyModel;
  ASSERT_OK_AND_ASSIGN(auto made, testing::MakeFaulty(ops_, "slow"));
  const auto& [served, way] = made;
  Apart apart(served);
  Row row{{7}, {std::string_view()}};
  model::Prediction out;
  ASSERT_TRUE(apart.Predict(row, std::chrono::steady_clock::now() + 10s, &out));
  EXPECT_EQ(out.values[0], 7);
  *way = Faulty::Way::kStuck;
  EXPECT_FALSE(apart.Predict(row, std::chrono::steady_clock::now() + 1ms, &out));
  EXPECT_FALSE(apart.Predict(row, std::chrono::steady_clock::now() + 1h, &out)) << "the one before is still at it";
  *way = Faulty::Way::kFine;
  row.numbers[0] = 9;
  while (!apart.Predict(row, std::chrono::steady_clock::now() + 10s, &out)) std::this_thread::yield();
  EXPECT_EQ(out.values[0], 9) << "not the late answer of the call before";
}

}  // namespace
}  // namespace tenon::serve

#include "serve/batcher.h"

#include <thread>

#include "base/mutex.h"
#include "base/testing.h"
#include "base/text.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

using namespace std::chrono_literals;
using Way = testing::FaultyModel::Way;

// As a trial would say it of a model whose rows cost little together.
BatchTrial Paying(std::initializer_list<int> sizes) {
  BatchTrial trial{.on = true};
  for (const int size : sizes) trial.sizes.push_back({.rows = size, .micros = 1000.0 + size, .exact = true, .used = true});
  return trial;
}

// Counts calls; a run that ends after its test may still call.
class Latch {
 public:
  std::function<void()> Count() {
    return [state = state_] {
      const MutexLock lock(state->mutex);
      ++state->count;
      state->changed.NotifyAll();
    };
  }
  void Await(int n) {
    const MutexLock lock(state_->mutex);
    while (state_->count < n) state_->changed.Wait(state_->mutex);
  }

 private:
  struct State {
    Mutex mutex;
    Condition changed;
    int count TENON_GUARDED_BY(mutex) = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class BatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(auto made, testing::MakeFaulty(ops_, "price"));
    served_ = made.first;
    way_ = made.second;
  }
  void TearDown() override { *way_ = Way::kFine; }
  void Make(const BatchSpec& spec, std::initializer_list<int> sizes) { batcher_ = std::make_unique<Batcher>(served_, spec, Paying(sizes)); }
  std::shared_ptr<BatchAsk> Ask(std::initializer_list<double> values, std::chrono::steady_clock::time_point by = {}) {
    Rows rows(*served_);
    for (const double value : values) rows.Add({{value}, {std::string_view()}});
    return batcher_->Ask(rows, by, latch_.Count());
  }
  // One run is under way and stays so until the way is changed.
  std::shared_ptr<BatchAsk> Occupy() {
    *way_ = Way::kStuck;
    auto first = Ask({-1});
    while (batcher_->Stats().waiting != 0) std::this_thread::sleep_for(1ms);
    return first;
  }
  static std::vector<float> Values(const BatchAsk& ask) { return {ask.values().begin(), ask.values().end()}; }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const Served> served_;
  std::shared_ptr<std::atomic<Way>> way_;
  Latch latch_;
  std::unique_ptr<Batcher> batcher_;
};

TEST_F(BatcherTest, AnswersEachItsOwnRows) {
  Make({}, {1, 2, 4, 8});
  const auto first = Occupy();
  std::vector<std::shared_ptr<BatchAsk>> asks;
  for (int i = 0; i < 3; ++i) asks.push_back(Ask({i + 0.5, i + 0.25}));
  *way_ = Way::kFine;
  latch_.Await(4);
  EXPECT_EQ(Values(*first), std::vector<float>{-1});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Values(*asks[static_cast<std::size_t>(i)]), (std::vector<float>{static_cast<float>(i) + 0.5F, static_cast<float>(i) + 0.25F}));
    EXPECT_EQ(asks[static_cast<std::size_t>(i)]->leads(), i == 0);
  }
  const BatchStats stats = batcher_->Stats();
  EXPECT_EQ(stats.runs, 2);
  EXPECT_EQ(stats.rows, 7);
  EXPECT_EQ(stats.padding, 2);  // six rows as a run of eight
  EXPECT_EQ(stats.sizes[0], 1);  // of 1
  EXPECT_EQ(stats.sizes[3], 1);  // of 5 to 8
}

TEST_F(BatcherTest, ALargeRequestIsRunInParts) {
  Make({}, {1, 4});
  const auto ask = Ask({0, 1, 2, 3, 4, 5, 6, 7, 8});
  latch_.Await(1);
  EXPECT_EQ(Values(*ask), (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(batcher_->Stats().runs, 3);
}

TEST_F(BatcherTest, WaitsForMoreOnlyUntilTheyAreEnough) {
  BatchSpec spec;
  spec.delay = 1h;
  spec.timeout = 0s;
  Make(spec, {1, 2, 4});
  std::vector<std::shared_ptr<BatchAsk>> asks;
  for (int i = 0; i < 4; ++i) asks.push_back(Ask({static_cast<double>(i)}));
  latch_.Await(4);
  EXPECT_EQ(batcher_->Stats().runs, 1);
  EXPECT_EQ(batcher_->Stats().sizes[2], 1);
}

TEST_F(BatcherTest, GoesWhenTheFirstHasWaitedLongEnough) {
  BatchSpec spec;
  spec.delay = 20ms;
  Make(spec, {1, 2, 4});
  const auto ask = Ask({3});
  latch_.Await(1);
  EXPECT_GE(ask->waited(), 20ms);
  EXPECT_EQ(Values(*ask), std::vector<float>{3});
}

TEST_F(BatcherTest, AFullQueueRefusesAtOnce) {
  BatchSpec spec;
  spec.queue_rows = 2;
  Make(spec, {1, 2});
  Occupy();
  const auto one = Ask({1}), two = Ask({2}), three = Ask({3});
  latch_.Await(1);  // the third, while the model is at work
  ASSERT_NE(three->refusal(), nullptr);
  EXPECT_EQ(three->refusal()->code(), Code::kUnavailable);
  EXPECT_NE(three->refusal()->message().find("2 rows wait"), std::string::npos) << three->refusal()->message();
  one->Drop();  // makes room
  const auto four = Ask({4});
  *way_ = Way::kFine;
  latch_.Await(4);
  EXPECT_EQ(Values(*two), std::vector<float>{2});
  EXPECT_EQ(Values(*four), std::vector<float>{4});
  EXPECT_TRUE(one->values().empty());
  const BatchStats stats = batcher_->Stats();
  EXPECT_EQ(stats.refused[static_cast<std::size_t>(BatchRefusal::kFull)], 1);
  EXPECT_EQ(stats.refused[static_cast<std::size_t>(BatchRefusal::kGone)], 1);
}

TEST_F(BatcherTest, ARequestLargerThanTheQueueIsTakenWhenNothingWaits) {
  BatchSpec spec;
  spec.queue_rows = 2;
  Make(spec, {1, 2});
  const auto ask = Ask({1, 2, 3, 4, 5});
  latch_.Await(1);
  EXPECT_EQ(ask->values().size(), 5U);
}

TEST_F(BatcherTest, WhoWaitsTooLongIsRefusedWhileTheModelIsAtWork) {
  BatchSpec spec;
  spec.timeout = 30ms;
  Make(spec, {1, 2});
  Occupy();
  const auto now = std::chrono::steady_clock::now();
  const auto by_queue = Ask({1}), by_request = Ask({2}, now + 5ms), passed = Ask({3}, now - 1ms);
  latch_.Await(3);
  ASSERT_NE(by_queue->refusal(), nullptr);
  EXPECT_EQ(by_queue->refusal()->code(), Code::kUnavailable);
  ASSERT_NE(by_request->refusal(), nullptr);
  EXPECT_EQ(by_request->refusal()->code(), Code::kDeadlineExceeded);
  ASSERT_NE(passed->refusal(), nullptr);
  EXPECT_EQ(passed->refusal()->code(), Code::kDeadlineExceeded);
  EXPECT_EQ(batcher_->Stats().waiting, 0);
}

TEST_F(BatcherTest, InstancesRunBesideEachOther) {
  BatchSpec spec;
  spec.instances = 2;
  Make(spec, {1});
  *way_ = Way::kStuck;
  Ask({1});
  Ask({2});
  while (batcher_->Stats().waiting != 0) std::this_thread::sleep_for(1ms);  // both are under way, or this never ends
  *way_ = Way::kFine;
  latch_.Await(2);
}

TEST_F(BatcherTest, DestroyingWaitsForNothing) {
  Make({}, {1});
  Occupy();
  Ask({1});
  batcher_.reset();
}

TEST_F(BatcherTest, ATrialSaysWhyNot) {
  const BatchTrial trial = TryBatching(served_, {});
  EXPECT_FALSE(trial.on);
  EXPECT_EQ(trial.why, "the version has no golden rows to try it with");
}

TEST(BatchSpec, IsReadAndRefused) {
  const auto parse = [](const char* text) { return BatchSpec::Parse(*Json::Parse(text), "tenon.yaml"); };
  ASSERT_OK_AND_ASSIGN(const BatchSpec spec, parse(R"({"delay":"2ms","sizes":[16,4],"queue":{"rows":9,"timeout":"50ms"},"instances":2})"));
  EXPECT_EQ(spec.delay, 2ms);
  EXPECT_EQ(spec.sizes, (std::vector<int>{4, 16}));
  EXPECT_EQ(spec.queue_rows, 9);
  EXPECT_EQ(spec.timeout, 50ms);
  EXPECT_EQ(spec.instances, 2);
  ASSERT_OK(parse("{}"));
  for (const char* bad : {R"({"delay":"soon"})", R"({"delay":"20s"})", R"({"sizes":[]})", R"({"sizes":[0]})", R"({"sizes":[2,2]})", R"({"sizes":8})",
                          R"({"instances":0})", R"({"queue":{"rows":0}})", R"({"queue":{"row":1}})", R"({"delays":"1ms"})"}) {
    EXPECT_FALSE(parse(bad).ok()) << bad;
  }
}

TEST_F(BatcherTest, ApartEachRequestIsARunWithItsOwnRows) {
  batcher_ = std::make_unique<Batcher>(served_, BatchSpec{.timeout = 0s}, BatchTrial{.apart = true});
  const auto first = Occupy();
  const auto two = Ask({1, 2}), one = Ask({3});
  Rows rows(*served_);
  for (int i = 0; i < 9000; ++i) rows.Add({{i / 4.0}, {std::string_view()}});
  const auto many = batcher_->Ask(rows, {}, latch_.Count());
  *way_ = Way::kFine;
  latch_.Await(4);
  EXPECT_EQ(Values(*two), (std::vector<float>{1, 2}));
  EXPECT_EQ(Values(*one), (std::vector<float>{3}));
  ASSERT_EQ(many->values().size(), 9000U);
  for (std::size_t i = 0; i < 9000; ++i) ASSERT_EQ(many->values()[i], static_cast<float>(i) / 4);
  EXPECT_TRUE(two->leads() && one->leads());
  EXPECT_EQ(batcher_->Stats().runs, 6);  // of which the last request's are three
  EXPECT_EQ(batcher_->Stats().padding, 0);
}

}  // namespace
}  // namespace tenon::serve

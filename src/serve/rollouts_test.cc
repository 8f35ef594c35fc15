#include "serve/rollouts.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/testing.h"
#include "base/text.h"
#include "platform/memory_files.h"
#include "serve/feedback.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

class RolloutsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenon-rollouts-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ASSERT_OK_AND_ASSIGN(store_, store::Store::Open(*files_, folder_, store::Store::Access::kWrite));
    registry::Registry registry(*store_);
    for (const char* bytes : {"one", "two", "three"}) {
      registry::ModelVersion version;
      version.name = "fraud";
      ASSERT_OK_AND_ASSIGN(version.bundle, store_->Put(bytes));
      version.gates_passed = std::string(bytes) != "three";
      ASSERT_OK(registry.Add(call_, std::move(version)));
    }
    ASSERT_OK(registry.Promote(call_, "fraud", 1, "champion", false));
    rollouts_ = std::make_unique<Rollouts>(*store_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  Result<Rollout> Start(int challenger = 2, bool force = false) {
    Rollout rollout;
    rollout.endpoint = rollout.model = "fraud";
    rollout.champion = 1;
    rollout.challenger = challenger;
    rollout.spec.stages = {{RolloutStage::Kind::kLive, 0.5, std::chrono::microseconds(0)}, {RolloutStage::Kind::kLive, 1, std::chrono::microseconds(0)}};
    rollout.spec.least = 100;
    return rollouts_->Start(call_, std::move(rollout), force);
  }
  // What a process saw in a stage: so many answers of each, so many of the challenger's failed.
  void Saw(const Rollout& rollout, const char* process, int stage, std::int64_t answers, std::int64_t failed, const char* refused = "") {
    Tallies::Sum champion{rollout.id, stage, 1, {}}, challenger{rollout.id, stage, 2, {}};
    champion.evidence.requests = challenger.evidence.requests = answers;
    challenger.evidence.failed = failed;
    ASSERT_OK(Rollouts::WriteSeen(*files_, folder_, rollout.id, process, {champion, challenger}, refused));
  }
  int Champion() {
    auto aliases = registry::Registry(*store_).Aliases("fraud");
    for (const auto& [alias, version] : *aliases) {
      if (alias == "champion") return version;
    }
    return 0;
  }

  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Rollouts> rollouts_;
  Call call_;
};

TEST_F(RolloutsTest, GoesThroughItsStagesAndPromotes) {
  ASSERT_OK_AND_ASSIGN(const Rollout rollout, Start());
  ASSERT_CODE(kFailedPrecondition, Start());
  Saw(rollout, "one", 0, 60, 0);
  ASSERT_OK_AND_ASSIGN(Step step, rollouts_->Look(call_, "fraud", {}));
  EXPECT_EQ(step, Step::kStay);
  Saw(rollout, "two", 0, 60, 0);  // together they have enough
  ASSERT_OK_AND_ASSIGN(step, rollouts_->Look(call_, "fraud", {}));
  EXPECT_EQ(step, Step::kAdvance);
  // Whoever opens the store next, after a crash or elsewhere, finds the same.
  store_.reset();
  ASSERT_OK_AND_ASSIGN(store_, store::Store::Open(*files_, folder_, store::Store::Access::kWrite));
  rollouts_ = std::make_unique<Rollouts>(*store_);
  ASSERT_OK_AND_ASSIGN(auto found, rollouts_->Find("fraud"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->stage, 1U);
  EXPECT_EQ(found->stages[0].evidence.challenger.requests, 120);
  EXPECT_EQ(Champion(), 1);
  Saw(rollout, "three", 1, 150, 0);
  ASSERT_OK_AND_ASSIGN(step, rollouts_->Look(call_, "fraud", {}));
  EXPECT_EQ(step, Step::kPromote);
  EXPECT_EQ(Champion(), 2);
  ASSERT_OK_AND_ASSIGN(const auto all, rollouts_->All());
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].status, "promoted");
  ASSERT_CODE(kFailedPrecondition, rollouts_->Abort(call_, "fraud", "late"));
}

TEST_F(RolloutsTest, RollsBackWhatFails) {
  ASSERT_OK_AND_ASSIGN(const Rollout rollout, Start());
  Saw(rollout, "one", 0, 200, 40);
  ASSERT_OK_AND_ASSIGN(const Step step, rollouts_->Look(call_, "fraud", {}));
  EXPECT_EQ(step, Step::kRollBack);
  EXPECT_EQ(Champion(), 1);
  ASSERT_OK_AND_ASSIGN(const auto found, rollouts_->Find("fraud"));
  EXPECT_EQ(found->status, "rolled_back");
  EXPECT_TRUE(found->why.starts_with("errors: ")) << found->why;
  EXPECT_FALSE(found->stages[0].criteria.empty());
}

TEST_F(RolloutsTest, RollsBackWhatAProcessRefusesToLoad) {
  ASSERT_OK_AND_ASSIGN(const Rollout rollout, Start());
  Saw(rollout, "one", 0, 1, 0, "golden row 3 gives 0.5 where 0.25 was recorded");
  ASSERT_CODE(kFailedPrecondition, rollouts_->Promote(call_, "fraud", "now"));
  ASSERT_OK_AND_ASSIGN(const Step step, rollouts_->Look(call_, "fraud", {}));
  EXPECT_EQ(step, Step::kRollBack);
  ASSERT_OK_AND_ASSIGN(const auto found, rollouts_->Find("fraud"));
  EXPECT_NE(found->why.find("golden row 3"), std::string::npos);
}

TEST_F(RolloutsTest, GatesHoldAndAnotherChampionEndsIt) {
  ASSERT_CODE(kFailedPrecondition, Start(3));
  ASSERT_CODE(kFailedPrecondition, Start(1));
  ASSERT_OK(Start(3, true));
  registry::Registry registry(*store_);
  ASSERT_OK(registry.Promote(call_, "fraud", 2, "champion", false));
  ASSERT_OK_AND_ASSIGN(const Step step, rollouts_->Look(call_, "fraud", {}));
  EXPECT_EQ(step, Step::kStay);
  ASSERT_OK_AND_ASSIGN(const auto found, rollouts_->Find("fraud"));
  EXPECT_EQ(found->status, "aborted");
  EXPECT_EQ(Champion(), 2);
}

TEST_F(RolloutsTest, JoinsLabelsWithAnswersByRequestAndStage) {
  Kinds<transform::Op> ops;
  ASSERT_OK(transform::AddAll(ops));
  ASSERT_OK_AND_ASSIGN(auto loan, testing::MakeLoan(ops));
  Rollout rollout;
  rollout.endpoint = rollout.model = "loan";
  rollout.champion = 1;
  rollout.challenger = 2;
  rollout.started = 1000;
  rollout.spec.stages = {{RolloutStage::Kind::kLive, 0.5, {}}, {RolloutStage::Kind::kLive, 1, {}}};
  rollout.stages.resize(2);
  rollout.stages[0].since = 1000;
  rollout.stages[1].since = 2000;
  rollout.stage = 1;
  const std::string folder = folder_ + "/inference";
  {
    ASSERT_OK_AND_ASSIGN(auto log, OpenInferenceLog(*files_, folder));
    auto second = std::make_shared<Served>(*loan);
    second->model = "loan@2";
    second->version = 2;
    const Row row{{40, 1000, 0, 1}, {{}, {}, "clerk", {}}};
    const float yes[] = {0.9F}, no[] = {0.1F};
    log->Add(*loan, "a", 1500, row, {yes, 1});
    log->Add(*loan, "a", 1500, row, {no, 0});    // the same request's second row
    log->Add(*second, "b", 1600, row, {yes, 1});
    log->Add(*second, "c", 2500, row, {no, 0});
    log->Add(*loan, "unlabelled", 1500, row, {no, 0});
    log->Add(*loan, "d", 1700, row, {no, 0}, Rung::kDefault);  // no answer of the version, but a row of the request
    log->Add(*loan, "d", 1700, row, {yes, 1});
    ASSERT_OK(log->Flush());
  }
  FeedbackLog labels(*files_, folder);
  ASSERT_OK(labels.Add("loan", {3000, "a", 0, "no"}));
  ASSERT_OK(labels.Add("loan", {3000, "a", 1, "no"}));
  ASSERT_OK(labels.Add("loan", {3000, "b", 0, "yes"}));
  ASSERT_OK(labels.Add("loan", {3000, "d", 0, "yes"}));
  ASSERT_OK(labels.Add("loan", {3000, "d", 1, "no"}));
  ASSERT_OK(labels.Sync());
  ASSERT_OK(labels.Add("loan", {3001, "c", 0, "no"}));
  ASSERT_OK(labels.Add("loan", {3002, "c", 0, "yes"}));  // the last word counts
  ASSERT_OK(labels.Add("loan", {3002, "nobody", 0, "yes"}));
  ASSERT_OK(labels.Sync());
  Call call;
  ASSERT_OK_AND_ASSIGN(const std::int64_t joined, JoinLabels(call, *files_, folder, {"no", "yes"}, &rollout));
  EXPECT_EQ(joined, 5);
  EXPECT_EQ(rollout.stages[0].evidence.champion.labelled, 3);
  EXPECT_EQ(rollout.stages[0].evidence.champion.wrong, 2);
  EXPECT_EQ(rollout.stages[0].evidence.champion.false_positive, 2);
  EXPECT_EQ(rollout.stages[0].evidence.challenger.labelled, 1);
  EXPECT_EQ(rollout.stages[0].evidence.challenger.wrong, 0);
  EXPECT_EQ(rollout.stages[1].evidence.challenger.false_negative, 1);
}

// Whatever step of writing fails, a label that was taken is there after the next try.
TEST(FeedbackLog, WhatTheDiskRefusesWaits) {
  int failures = 0;
  for (std::int64_t step = 0;; ++step) {
    platform::MemoryFiles files;
    ASSERT_OK(files.MakeFolders("log"));
    FeedbackLog labels(files, "log");
    ASSERT_OK(labels.Add("loan", {1, "a", 0, "yes"}));
    ASSERT_OK(labels.Sync());
    ASSERT_OK(labels.Add("loan", {2, "b", 0, "no"}));
    files.FailAfter(step, Code::kResourceExhausted);
    const bool failed = !labels.Sync().ok();
    files.Heal();
    ASSERT_OK(labels.Add("loan", {3, "c", 0, "no"}));
    ASSERT_OK(labels.Sync());
    std::set<std::string> read;
    ASSERT_OK(ReadFeedback(files, "log", "loan", 0, [&](Feedback feedback) { read.insert(feedback.request_id); }));
    EXPECT_EQ(read, (std::set<std::string>{"a", "b", "c"})) << step;
    if (!failed) break;
    ++failures;
  }
  EXPECT_GE(failures, 2);
}

TEST(FeedbackLog, NoMoreWaitsThanFits) {
  platform::MemoryFiles files;
  FeedbackLog labels(files, "log");
  const std::string label(1 << 20, 'x');
  Result<void> added;
  int taken = 0;
  for (; added.ok(); ++taken) added = labels.Add("loan", {1, "a", 0, label});
  EXPECT_EQ(added.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(taken, 16);
}

}  // namespace
}  // namespace tenon::serve

#include "pipeline/clear_data.h"

#include <algorithm>
#include <filesystem>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::pipeline {
namespace {

using store::Store;

class ClearDataTest : public ::testing::Test {
 protected:
  ClearDataTest() : folder_(::testing::TempDir() + "clear_data_test") {
    std::filesystem::remove_all(folder_);
    auto opened = Store::Open(*files_, folder_, Store::Access::kWrite);
    EXPECT_TRUE(opened.ok());
    store_ = *std::move(opened);
  }
  ~ClearDataTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Rows as an artifact, its snapshot, and a run with a step that made a split and one that made nothing large.
  std::string Make(int i) {
    Json snapshot, outputs, small;
    snapshot["artifact"] = *store_->Put(Str("rows ", i));
    snapshot["source"] = "data";
    snapshot["rows"] = 10;
    const std::string hash = *store_->Put(Str("name of ", i));  // any 64 digits
    EXPECT_TRUE((store_->PutRecord("snapshot", hash, snapshot)).ok());
    outputs["artifacts"]["split"] = *store_->Put(Str("split ", i));
    EXPECT_TRUE((store_->PutStep({Str("split-", i), "split", Str("run-", i), outputs, i, i})).ok());
    small["rows"] = i;
    EXPECT_TRUE((store_->PutStep({Str("count-", i), "count", Str("run-", i), small, i, i})).ok());
    EXPECT_TRUE((store_->PutRun({Str("run-", i), "p", "succeeded", Json(), i, i})).ok());
    return hash;
  }
  bool Has(std::string_view text) const {
    const auto all = store_->Artifacts();
    return std::ranges::any_of(*all, [&](const Store::ArtifactInfo& one) {
      const auto bytes = store_->Get(one.hash);
      return bytes.ok() && (*bytes)->view() == text;
    });
  }

  const std::string folder_;
  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::unique_ptr<Store> store_;
};

TEST_F(ClearDataTest, WhatAModelNamesStaysHoweverOld) {
  std::vector<std::string> hashes;
  for (int i = 1; i <= 5; ++i) hashes.push_back(Make(i));
  Json model;
  model["name"] = "p";
  model["bundle"] = *store_->Put("bundle 1");
  model["lineage"]["snapshot"] = hashes[0];
  ASSERT_OK(store_->PutRecord("model_version", "p@1", model));
  ASSERT_OK(store_->Put("nobody's"));
  ASSERT_OK_AND_ASSIGN(const ClearPlan plan, PlanClearing(Call(), *store_, {.newest = 2}));
  std::string fates;
  for (const SnapshotFate& snapshot : plan.snapshots) fates += Str(snapshot.why.empty() ? "goes" : snapshot.why, "; ");
  EXPECT_EQ(fates, "model p@1; goes; goes; one of the 2 newest of data; the newest of data; ");
  EXPECT_EQ(plan.steps, (std::vector<std::string>{"split-1", "split-2", "split-3"}));
  ASSERT_OK(ClearData(Call(), *store_, plan));
  EXPECT_TRUE(Has("rows 1") && Has("bundle 1") && Has("rows 4") && Has("rows 5") && Has("split 5"));
  EXPECT_FALSE(Has("rows 2") || Has("rows 3") || Has("split 1") || Has("split 3") || Has("nobody's"));
  ASSERT_OK_AND_ASSIGN(const auto step, store_->FindStep("split-2"));
  EXPECT_FALSE(step.has_value()) << "a later run does it anew instead of looking for what is gone";
  ASSERT_OK_AND_ASSIGN(const auto count, store_->FindStep("count-2"));
  EXPECT_TRUE(count.has_value());
}

TEST_F(ClearDataTest, OnlyLiveVersionsKeepTheirRows) {
  for (int i = 1; i <= 4; ++i) {
    Json model, alias;
    model["name"] = "p";
    model["bundle"] = *store_->Put(Str("bundle ", i));
    model["lineage"]["snapshot"] = Make(i);
    ASSERT_OK(store_->PutRecord("model_version", Str("p@", i), model));
    alias["version"] = 2;
    ASSERT_OK(store_->PutRecord("alias", "p/champion", alias));
  }
  ASSERT_OK_AND_ASSIGN(const ClearPlan plan, PlanClearing(Call(), *store_, {.newest = 1, .only_live = true}));
  ASSERT_OK(ClearData(Call(), *store_, plan));
  EXPECT_FALSE(Has("rows 1") || Has("rows 3"));
  EXPECT_TRUE(Has("rows 2") && Has("rows 4") && Has("bundle 1") && Has("bundle 3"));
}

TEST_F(ClearDataTest, VersionsOfARolloutUnderWayKeepTheirRows) {
  for (int i = 1; i <= 5; ++i) {
    Json model;
    model["name"] = "p";
    model["bundle"] = *store_->Put(Str("bundle ", i));
    model["lineage"]["snapshot"] = Make(i);
    ASSERT_OK(store_->PutRecord("model_version", Str("p@", i), model));
  }
  const auto rollout = [&](const char* endpoint, const char* status, int champion, int challenger) {
    Json body;
    body["model"] = "p";
    body["status"] = status;
    body["champion"] = champion;
    body["challenger"] = challenger;
    return store_->PutRecord("rollout", endpoint, body);
  };
  ASSERT_OK(rollout("live", "running", 2, 3));
  ASSERT_OK(rollout("over", "rolled_back", 1, 4));
  ASSERT_OK_AND_ASSIGN(const ClearPlan plan, PlanClearing(Call(), *store_, {.newest = 1, .only_live = true}));
  ASSERT_OK(ClearData(Call(), *store_, plan));
  EXPECT_TRUE(Has("rows 2") && Has("rows 3") && Has("rows 5"));
  EXPECT_FALSE(Has("rows 1") || Has("rows 4"));
  for (int i = 1; i <= 5; ++i) EXPECT_TRUE(Has(Str("bundle ", i))) << i;
}

TEST_F(ClearDataTest, OneThatIsStoppedInTheMidstIsGoneOnWith) {
  for (int i = 1; i <= 3; ++i) Make(i);
  ASSERT_OK_AND_ASSIGN(ClearPlan plan, PlanClearing(Call(), *store_, {.newest = 1}));
  std::stop_source stop;
  stop.request_stop();
  Call call;
  call.stop = stop.get_token();
  ASSERT_CODE(kCancelled, ClearData(call, *store_, plan));
  EXPECT_TRUE(Has("rows 1"));
  ASSERT_OK_AND_ASSIGN(const auto step, store_->FindStep("split-1"));
  EXPECT_FALSE(step.has_value()) << "nothing names what may be gone";
  ASSERT_OK_AND_ASSIGN(plan, PlanClearing(Call(), *store_, {.newest = 1}));
  EXPECT_FALSE(plan.artifacts.empty());
  ASSERT_OK(ClearData(Call(), *store_, plan));
  EXPECT_FALSE(Has("rows 1") || Has("rows 2"));
  EXPECT_TRUE(Has("rows 3"));
}

}  // namespace
}  // namespace tenon::pipeline

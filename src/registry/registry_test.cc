#include "registry/registry.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::registry {
namespace {

// A store whose n-th writing call from now fails, and all later ones: the disk is full, or the machine is gone.
class FailingStore final : public store::Store {
 public:
  explicit FailingStore(Store& real) : real_(real) {}
  void CutAfter(int calls) { left_ = calls; }
  bool cut() const { return left_ < 0; }

  Result<std::string> Put(std::string_view bytes) override { return May() ? real_.Put(bytes) : Result<std::string>(Gone()); }
  Result<void> PutStep(const store::StepRecord& step) override { return May() ? real_.PutStep(step) : Result<void>(Gone()); }
  Result<void> PutRun(const store::RunRecord& run) override { return May() ? real_.PutRun(run) : Result<void>(Gone()); }
  Result<void> PutRecord(std::string_view kind, std::string_view name, const Json& body) override {
    return May() ? real_.PutRecord(kind, name, body) : Result<void>(Gone());
  }
  Result<void> RemoveRecord(std::string_view kind, std::string_view name) override {
    return May() ? real_.RemoveRecord(kind, name) : Result<void>(Gone());
  }
  Result<void> RemoveStep(std::string_view key) override { return May() ? real_.RemoveStep(key) : Result<void>(Gone()); }
  Result<void> RemoveArtifact(std::string_view hash) override { return May() ? real_.RemoveArtifact(hash) : Result<void>(Gone()); }
  Result<std::vector<ArtifactInfo>> Artifacts() const override { return real_.Artifacts(); }
  Result<std::vector<store::StepRecord>> Steps() const override { return real_.Steps(); }
  Result<std::vector<Record>> AllRecords() const override { return real_.AllRecords(); }
  Result<void> AddEvent(std::string_view kind, const Json& body) override { return May() ? real_.AddEvent(kind, body) : Result<void>(Gone()); }
  // The commit is a writing call as well: when it fails, nothing is there.
  Result<void> Transaction(const std::function<Result<void>()>& work) override {
    return real_.Transaction([&]() -> Result<void> {
      TENON_TRY(work());
      return May() ? Result<void>() : Result<void>(Gone());
    });
  }
  Result<std::shared_ptr<const platform::Bytes>> Get(std::string_view hash) const override { return real_.Get(hash); }
  bool Has(std::string_view hash) const override { return real_.Has(hash); }
  std::string PathOf(std::string_view hash) const override { return real_.PathOf(hash); }
  Result<std::vector<std::string>> Check(const Call& call) const override { return real_.Check(call); }
  Result<std::optional<store::StepRecord>> FindStep(std::string_view key) const override { return real_.FindStep(key); }
  Result<std::vector<store::RunRecord>> Runs(int most) const override { return real_.Runs(most); }
  Result<std::optional<Record>> FindRecord(std::string_view kind, std::string_view name) const override { return real_.FindRecord(kind, name); }
  Result<std::vector<Record>> Records(std::string_view kind) const override { return real_.Records(kind); }
  Result<std::vector<store::Event>> EventsAfter(std::int64_t id, int most) const override { return real_.EventsAfter(id, most); }
  const std::string& folder() const override { return real_.folder(); }
  platform::Files& files() const override { return real_.files(); }

 private:
  bool May() {
    if (left_ >= 0) --left_;
    return left_ >= 0;
  }
  static Error Gone() { return Error(Code::kResourceExhausted, "the disk is full"); }
  Store& real_;
  int left_ = 1 << 20;
};

class RegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenon-registry-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto opened = store::Store::Open(*files_, folder_, store::Store::Access::kWrite);
    ASSERT_OK(opened);
    store_ = *std::move(opened);
    registry_ = std::make_unique<Registry>(*store_);
    call_.actor = "ann";
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  Result<ModelVersion> Add(std::string_view name, std::string_view bytes, bool passed = true) {
    ModelVersion version;
    version.name = name;
    TENON_ASSIGN(version.bundle, store_->Put(bytes));
    version.gates_passed = passed;
    Json gate;
    gate["name"] = "roc_auc > 0.8";
    gate["passed"] = passed;
    gate["why"] = "0.75 is not above 0.8";
    version.gates.Push(gate);
    version.lineage["seed"] = 7;
    return registry_->Add(call_, std::move(version));
  }

  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Registry> registry_;
  Call call_;
};

TEST_F(RegistryTest, NumbersVersionsAndFindsThem) {
  ASSERT_OK_AND_ASSIGN(const ModelVersion first, Add("fraud", "one"));
  ASSERT_OK_AND_ASSIGN(const ModelVersion second, Add("fraud", "two"));
  ASSERT_OK_AND_ASSIGN(const ModelVersion other, Add("churn", "one"));
  ASSERT_OK_AND_ASSIGN(const ModelVersion again, Add("fraud", "one"));
  EXPECT_EQ(first.id(), "fraud@1");
  EXPECT_EQ(second.id(), "fraud@2");
  EXPECT_EQ(other.id(), "churn@1");
  EXPECT_EQ(again.id(), "fraud@1") << "the same bundle is the same version";
  EXPECT_EQ(first.author, "ann");
  EXPECT_GT(first.created, 0);

  ASSERT_OK_AND_ASSIGN(const ModelVersion found, registry_->Find("fraud", 2));
  EXPECT_EQ(found.ToJson(), second.ToJson());
  ASSERT_OK_AND_ASSIGN(const auto all, registry_->List());
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].id(), "churn@1");
  ASSERT_OK_AND_ASSIGN(const auto fraud, registry_->List("fraud"));
  ASSERT_EQ(fraud.size(), 2u);
  EXPECT_EQ(fraud[0].version, 2) << "newest first";

  const auto no_version = registry_->Find("fraud", 9);
  ASSERT_CODE(kNotFound, no_version);
  EXPECT_EQ(no_version.error().message(), "no version 9 of model 'fraud'; the latest is 2");
  const auto no_model = registry_->Find("fruad", 1);
  ASSERT_CODE(kNotFound, no_model);
  EXPECT_EQ(no_model.error().message(), "no model 'fruad'; did you mean 'fraud'?");
}

TEST_F(RegistryTest, AnotherVerdictOnTheSameBundleIsAnotherVersion) {
  ASSERT_OK_AND_ASSIGN(const ModelVersion refused, Add("fraud", "one", false));
  ASSERT_OK_AND_ASSIGN(const ModelVersion passed, Add("fraud", "one", true));
  ASSERT_OK_AND_ASSIGN(const ModelVersion again, Add("fraud", "one", false));
  EXPECT_EQ(refused.id(), "fraud@1");
  EXPECT_EQ(passed.id(), "fraud@2");
  EXPECT_EQ(again.id(), "fraud@1");
  ASSERT_OK(registry_->Promote(call_, "fraud", passed.version, "champion", false));
}

TEST_F(RegistryTest, RefusesWhatItCannotName) {
  for (const char* name : {"", "a b", "a@1", "a/b", "ä"}) {
    ModelVersion version;
    version.name = name;
    ASSERT_CODE(kInvalidArgument, registry_->Add(call_, version));
  }
  ModelVersion version;
  version.name = "fraud";
  version.bundle = std::string(64, '0');
  ASSERT_CODE(kNotFound, registry_->Add(call_, version));
  ASSERT_OK(Add("fraud", "one"));
  for (const char* alias : {"latest", "7", "", "a/b"}) {
    ASSERT_CODE(kInvalidArgument, registry_->Promote(call_, "fraud", 1, alias, false));
  }
}

TEST_F(RegistryTest, ResolvesReferences) {
  ASSERT_OK(Add("fraud", "one"));
  ASSERT_OK(Add("fraud", "two"));
  ASSERT_OK(Add("fraud", "three"));
  const auto version = [&](std::string_view reference) {
    const auto found = registry_->Resolve(reference);
    return found.ok() ? found->version : -static_cast<int>(found.error().code()) - 1;
  };
  const auto code = [](Code c) { return -static_cast<int>(c) - 1; };
  EXPECT_EQ(version("fraud"), 3) << "the latest while there is no champion";
  ASSERT_OK(registry_->Promote(call_, "fraud", 1, "champion", false));
  ASSERT_OK(registry_->Promote(call_, "fraud", 2, "challenger", false));
  EXPECT_EQ(version("fraud"), 1);
  EXPECT_EQ(version("fraud@champion"), 1);
  EXPECT_EQ(version("fraud@challenger"), 2);
  EXPECT_EQ(version("fraud@latest"), 3);
  EXPECT_EQ(version("fraud@2"), 2);
  EXPECT_EQ(version("fraud@0"), code(Code::kNotFound));
  EXPECT_EQ(version("fraud@99999999999"), code(Code::kNotFound));
  EXPECT_EQ(version("churn"), code(Code::kNotFound));
  EXPECT_EQ(version("fraud@"), code(Code::kInvalidArgument));
  EXPECT_EQ(version("@1"), code(Code::kInvalidArgument));
  const auto near = registry_->Resolve("fraud@champoin");
  ASSERT_CODE(kNotFound, near);
  EXPECT_EQ(near.error().message(), "model 'fraud' has no alias 'champoin'; did you mean 'champion'?");
  ASSERT_OK_AND_ASSIGN(const auto aliases, registry_->Aliases("fraud"));
  EXPECT_EQ(aliases, (std::vector<std::pair<std::string, int>>{{"challenger", 2}, {"champion", 1}}));
}

TEST_F(RegistryTest, PromotesAndRollsBackWithEventsAndAudit) {
  for (const char* bytes : {"one", "two", "three"}) ASSERT_OK(Add("fraud", bytes));
  ASSERT_OK_AND_ASSIGN(const std::int64_t before, registry_->Revision());
  for (const int version : {1, 2, 3, 3}) ASSERT_OK(registry_->Promote(call_, "fraud", version, "champion", false));
  ASSERT_OK_AND_ASSIGN(const std::int64_t after, registry_->Revision());
  EXPECT_GT(after, before);
  ASSERT_OK_AND_ASSIGN(const ModelVersion second, registry_->Rollback(call_, "fraud", "champion"));
  EXPECT_EQ(second.version, 2);
  ASSERT_OK_AND_ASSIGN(const ModelVersion first, registry_->Rollback(call_, "fraud", "champion"));
  EXPECT_EQ(first.version, 1);
  ASSERT_CODE(kFailedPrecondition, registry_->Rollback(call_, "fraud", "champion"));
  ASSERT_CODE(kFailedPrecondition, registry_->Rollback(call_, "fraud", "other"));
  ASSERT_CODE(kNotFound, registry_->Rollback(call_, "churn", "champion"));

  ASSERT_OK_AND_ASSIGN(const Json history, registry_->History("fraud", "champion"));
  std::string versions;
  for (const Json& entry : history.array()) versions += Str(entry.IntAt("version"), ' ');
  EXPECT_EQ(versions, "1 2 3 2 1 ");
  EXPECT_EQ(history.array()[0].StringAt("why"), "rolled back from 2");
  EXPECT_EQ(history.array()[0].StringAt("actor"), "ann");

  ASSERT_OK_AND_ASSIGN(const auto events, store_->EventsAfter(0, 100));
  std::string kinds;
  for (const store::Event& event : events) kinds += event.kind.substr(6) + " ";
  EXPECT_EQ(kinds, "added added added promoted promoted promoted rolled_back rolled_back ");
  EXPECT_EQ(events[3].body.Find("before")->is_null(), true);
  EXPECT_EQ(events[4].body.IntAt("before"), 1);
  ASSERT_OK_AND_ASSIGN(const auto audit, store_->Records("audit"));
  ASSERT_EQ(audit.size(), 5u);
  EXPECT_EQ(audit[0].body.StringAt("action"), "model_promoted");
  EXPECT_EQ(audit[0].body.StringAt("object"), "fraud/champion");
}

TEST_F(RegistryTest, FailedGatesStopAPromotionUnlessForced) {
  ASSERT_OK(Add("fraud", "bad", false));
  ASSERT_OK_AND_ASSIGN(const std::int64_t before, registry_->Revision());
  const auto refused = registry_->Promote(call_, "fraud", 1, "champion", false);
  ASSERT_CODE(kFailedPrecondition, refused);
  EXPECT_NE(refused.error().message().find("roc_auc > 0.8 (0.75 is not above 0.8)"), std::string_view::npos)
      << refused.error().message();
  ASSERT_OK_AND_ASSIGN(const std::int64_t same, registry_->Revision());
  EXPECT_EQ(same, before);
  ASSERT_OK(registry_->Promote(call_, "fraud", 1, "champion", true));
  ASSERT_OK_AND_ASSIGN(const Json history, registry_->History("fraud", "champion"));
  EXPECT_NE(history.array()[0].StringAt("why").find("by force"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const auto events, store_->EventsAfter(0, 100));
  EXPECT_TRUE(events.back().body.BoolAt("forced"));
}

TEST_F(RegistryTest, AFailingTransactionLeavesNoTrace) {
  ASSERT_OK(Add("fraud", "one"));
  ASSERT_OK_AND_ASSIGN(const auto events, store_->EventsAfter(0, 100));
  ASSERT_CODE(kUnavailable, store_->Transaction([&]() -> Result<void> {
    TENON_TRY(registry_->Promote(call_, "fraud", 1, "champion", false));
    return Error(Code::kUnavailable, "the power is cut");
  }));
  ASSERT_OK_AND_ASSIGN(const auto aliases, registry_->Aliases("fraud"));
  EXPECT_TRUE(aliases.empty());
  ASSERT_OK_AND_ASSIGN(const auto after, store_->EventsAfter(0, 100));
  EXPECT_EQ(after.size(), events.size());
  ASSERT_OK_AND_ASSIGN(const auto audit, store_->Records("audit"));
  EXPECT_TRUE(audit.empty());
}

// Each writing call of a release and a way back fails in turn; after each, the folder is opened again: what is there is
// what there was before the call that failed, or all of it, and everything can be done then.
TEST_F(RegistryTest, IsWholeAfterAFailureOfEachWriteInTurn) {
  struct Seen {
    std::size_t versions = 0, events = 0, audit = 0;
    int champion = 0;
    bool operator==(const Seen&) const = default;
  };
  const auto look = [](store::Store& store) {
    Seen seen;
    const Registry registry(store);
    auto versions = registry.List("fraud");
    auto aliases = registry.Aliases("fraud");
    auto events = store.EventsAfter(0, 1000);
    auto audit = store.Records("audit");
    EXPECT_TRUE(versions.ok() && aliases.ok() && events.ok() && audit.ok());
    if (versions) seen.versions = versions->size();
    if (events) seen.events = events->size();
    if (audit) seen.audit = audit->size();
    for (const auto& [alias, version] : *aliases) seen.champion = alias == "champion" ? version : seen.champion;
    return seen;
  };
  const auto release = [&](store::Store& store, int step) -> Result<void> {
    Registry registry(store);
    if (step == 1 || step == 3) return registry.Promote(call_, "fraud", step == 1 ? 1 : 2, "champion", false);
    if (step == 4) {
      TENON_ASSIGN(const auto before, registry.Rollback(call_, "fraud", "champion"));
      return before.version == 1 ? Result<void>() : Result<void>(Error(Code::kInternal, "rolled back to another version"));
    }
    ModelVersion version;
    version.name = "fraud";
    TENON_ASSIGN(version.bundle, store.Put(step == 0 ? "one" : "two"));
    version.gates_passed = true;
    TENON_ASSIGN(const auto added, registry.Add(call_, std::move(version)));
    return added.version == (step == 0 ? 1 : 2) ? Result<void>() : Result<void>(Error(Code::kInternal, "another number"));
  };
  constexpr int kSteps = 5;
  bool cut = true;
  int at = 0;
  for (; cut; ++at) {
    SCOPED_TRACE(Str("the write ", at, " fails"));
    ASSERT_LT(at, 100);
    const std::string folder = Str(folder_, "/", at);
    int done = 0;
    std::vector<Seen> states;
    {
      auto opened = store::Store::Open(*files_, folder, store::Store::Access::kWrite);
      ASSERT_OK(opened);
      FailingStore failing(**opened);
      failing.CutAfter(at);
      states.push_back(look(**opened));
      for (; done < kSteps; ++done) {
        if (!release(failing, done).ok()) break;
        states.push_back(look(**opened));
      }
      cut = failing.cut();
      EXPECT_EQ(done < kSteps, cut);
    }
    auto opened = store::Store::Open(*files_, folder, store::Store::Access::kWrite);
    ASSERT_OK(opened);
    EXPECT_EQ(look(**opened), states.back());
    for (; done < kSteps; ++done) ASSERT_OK(release(**opened, done));
    ASSERT_OK_AND_ASSIGN(const auto findings, (*opened)->Check(Call()));
    EXPECT_EQ(findings, std::vector<std::string>{});
    EXPECT_EQ(look(**opened).champion, 1);
    EXPECT_EQ(look(**opened).versions, 2U);
    EXPECT_EQ(look(**opened).audit, 3U);
  }
  EXPECT_GT(at, kSteps) << "each of them writes";
}

// Threads add, promote and roll back through one store, while a reader looks on through another.
TEST_F(RegistryTest, ThreadsAndAReaderAgree) {
  ASSERT_OK(Add("fraud", "first"));
  ASSERT_OK(registry_->Promote(call_, "fraud", 1, "champion", false));
  ASSERT_OK_AND_ASSIGN(const auto reading, store::Store::Open(*files_, folder_, store::Store::Access::kRead));
  Registry reader(*reading);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 4; ++n) {
        const auto added = Add("fraud", Str(t, '-', n));
        ASSERT_OK(added);
        ASSERT_OK(registry_->Promote(call_, "fraud", added->version, "champion", false));
      }
    });
  }
  std::int64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK_AND_ASSIGN(const std::int64_t revision, reader.Revision());
    EXPECT_GE(revision, last);
    last = revision;
    ASSERT_OK(reader.Resolve("fraud@champion"));
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const auto versions, reader.List("fraud"));
  ASSERT_EQ(versions.size(), 13u);
  for (std::size_t i = 0; i < versions.size(); ++i) EXPECT_EQ(versions[i].version, static_cast<int>(13 - i)) << "a gap";
  ASSERT_OK_AND_ASSIGN(const Json history, reader.History("fraud", "champion"));
  EXPECT_EQ(history.array().size(), 13u) << "a promotion was lost";
  ASSERT_CODE(kFailedPrecondition, reader.Promote(call_, "fraud", 1, "champion", false));
}

}  // namespace
}  // namespace tenon::registry

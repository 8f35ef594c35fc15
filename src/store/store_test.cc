#include "store/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"
#include "platform/memory_files.h"
#include "platform/temporary.h"
#include "store/migrate_internal.h"

namespace tenon::store {
namespace {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenon-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Result<std::unique_ptr<Store>> Open(Store::Access access = Store::Access::kWrite) {
    return Store::Open(*files_, folder_, access);
  }

  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string folder_;
};

TEST_F(StoreTest, KeepsArtifactsByTheirHash) {
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  ASSERT_OK_AND_ASSIGN(const std::string hash, store->Put("abc"));
  EXPECT_EQ(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(store->PathOf(hash), folder_ + "/artifacts/ba/" + hash.substr(2));
  ASSERT_OK_AND_ASSIGN(const auto bytes, store->Get(hash));
  EXPECT_EQ(bytes->view(), "abc");
  EXPECT_TRUE(store->Has(hash));
  EXPECT_FALSE(store->Has("../" + hash));
  ASSERT_CODE(kNotFound, store->Get(std::string(64, '0')));
  ASSERT_CODE(kNotFound, store->Get("../../etc/passwd"));
}

TEST_F(StoreTest, FindsDamageAndRepairsItFromTheRightBytes) {
  std::string hash;
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    ASSERT_OK_AND_ASSIGN(hash, store->Put("precious"));
    ASSERT_OK(files_->Write(store->PathOf(hash), "precioux"));
    ASSERT_OK(files_->Write(folder_ + "/artifacts/zz", "?"));
    ASSERT_OK_AND_ASSIGN(const auto findings, store->Check(Call()));
    EXPECT_EQ(findings.size(), 2u) << Join(findings, "\n");
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  ASSERT_CODE(kDataLoss, store->Get(hash));
  ASSERT_OK_AND_ASSIGN(const std::string again, store->Put("precious"));
  EXPECT_EQ(again, hash);
  ASSERT_OK(store->Get(hash));
  Call stopped;
  std::stop_source stop;
  stopped.stop = stop.get_token();
  stop.request_stop();
  ASSERT_CODE(kCancelled, store->Check(stopped));
}

TEST_F(StoreTest, KeepsStepsRunsRecordsAndEvents) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    Json outputs;
    outputs["model"] = "abc";
    ASSERT_OK(store->PutStep({"key", "train", "run-1", outputs, 1, 2}));
    ASSERT_OK(store->PutStep({"key", "train", "run-2", outputs, 3, 4}));
    ASSERT_OK(store->PutRun({"run-1", "fraud", "succeeded", Json("fine"), 10, 20}));
    ASSERT_OK(store->PutRun({"run-2", "fraud", "running", Json(), 20, 0}));
    ASSERT_OK(store->PutRecord("alias", "a", Json(1)));
    ASSERT_OK(store->PutRecord("alias", "b", Json(2)));
    ASSERT_OK(store->PutRecord("alias", "a", Json(3)));
    ASSERT_OK(store->PutRecord("other", "a", Json(4)));
    ASSERT_OK(store->AddEvent("one", Json(1)));
    ASSERT_OK(store->AddEvent("two", Json(2)));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  ASSERT_OK_AND_ASSIGN(const auto step, store->FindStep("key"));
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->run, "run-2");
  EXPECT_EQ(step->outputs.StringAt("model"), "abc");
  EXPECT_EQ(step->finished, 4);
  ASSERT_OK_AND_ASSIGN(const auto none, store->FindStep("other"));
  EXPECT_FALSE(none.has_value());

  ASSERT_OK_AND_ASSIGN(const auto runs, store->Runs(10));
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].id, "run-2");
  EXPECT_EQ(runs[0].status, "interrupted") << "left running by a process that is gone";
  EXPECT_GT(runs[0].finished, 0);
  EXPECT_EQ(runs[1].status, "succeeded");
  EXPECT_EQ(runs[1].summary, Json("fine"));

  ASSERT_OK_AND_ASSIGN(const auto records, store->Records("alias"));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].name, "b") << "oldest first";
  EXPECT_EQ(records[1].body, Json(3));
  EXPECT_LT(records[0].sequence, records[1].sequence);
  ASSERT_OK(store->RemoveRecord("alias", "a"));
  ASSERT_OK_AND_ASSIGN(const auto gone, store->FindRecord("alias", "a"));
  EXPECT_FALSE(gone.has_value());
  const std::int64_t last = records[1].sequence;
  ASSERT_OK(store->PutRecord("alias", "c", Json(5)));
  ASSERT_OK_AND_ASSIGN(const auto fresh, store->FindRecord("alias", "c"));
  EXPECT_GT(fresh->sequence, last) << "sequences never come twice";

  ASSERT_OK_AND_ASSIGN(const auto events, store->EventsAfter(0, 10));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, "one");
  ASSERT_OK_AND_ASSIGN(const auto later, store->EventsAfter(events[0].id, 10));
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].body, Json(2));
  ASSERT_OK_AND_ASSIGN(const auto findings, store->Check(Call()));
  EXPECT_EQ(findings, std::vector<std::string>{});
}

TEST_F(StoreTest, ATransactionTakesRecordsAndEventsTogether) {
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  ASSERT_CODE(kUnavailable, store->Transaction([&]() -> Result<void> {
    TENON_TRY(store->PutRecord("k", "n", Json(1)));
    TENON_TRY(store->AddEvent("changed", Json(1)));
    return Error(Code::kUnavailable, "no");
  }));
  ASSERT_OK_AND_ASSIGN(const auto record, store->FindRecord("k", "n"));
  EXPECT_FALSE(record.has_value());
  ASSERT_OK_AND_ASSIGN(const auto events, store->EventsAfter(0, 10));
  EXPECT_TRUE(events.empty());
}

TEST_F(StoreTest, OneWriterAndAnyReaders) {
  ASSERT_CODE(kNotFound, Store::Open(*files_, folder_ + "/none", Store::Access::kRead));
  ASSERT_CODE(kNotFound, Open(Store::Access::kRead));
  EXPECT_FALSE(files_->Exists(folder_ + "/meta.db")) << "a reader made a database";
  ASSERT_OK_AND_ASSIGN(const auto writer, Open());
  const auto second = Open();
  ASSERT_CODE(kUnavailable, second);
  EXPECT_NE(second.error().ForPeople().find(Str("process ", getpid())), std::string::npos) << second.error().ForPeople();

  ASSERT_OK_AND_ASSIGN(const auto reader, Open(Store::Access::kRead));
  ASSERT_OK(writer->PutRecord("k", "n", Json(1)));
  ASSERT_OK_AND_ASSIGN(const auto seen, reader->FindRecord("k", "n"));
  ASSERT_TRUE(seen.has_value()) << "a reader sees what is committed while it is open";
  ASSERT_CODE(kFailedPrecondition, reader->PutRecord("k", "n", Json(2)));
  ASSERT_CODE(kFailedPrecondition, reader->Put("x"));
  ASSERT_CODE(kFailedPrecondition, reader->AddEvent("x", Json()));
  ASSERT_CODE(kFailedPrecondition, reader->Transaction([]() -> Result<void> { return {}; }));
}

TEST_F(StoreTest, AReaderInAnotherProcessSeesCommits) {
  ASSERT_OK_AND_ASSIGN(const auto writer, Open());
  ASSERT_OK(writer->PutRecord("k", "n", Json(7)));
  const pid_t child = fork();
  if (child == 0) {
    const auto reader = Open(Store::Access::kRead);
    if (!reader.ok()) _exit(1);
    const auto record = (*reader)->FindRecord("k", "n");
    _exit(record.ok() && record->has_value() && (*record)->body == Json(7) && !Open().ok() ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(StoreTest, MigratesInOrderAndRefusesTheFuture) {
  ASSERT_OK_AND_ASSIGN(const auto database, platform::OpenSqlite(folder_ + "/m.db"));
  const std::vector<Migration> first = {{1, {"CREATE TABLE a (x BIGINT)", "INSERT INTO a VALUES (1)"}}};
  std::vector<Migration> both = first;
  both.push_back({2, {"ALTER TABLE a ADD COLUMN y BIGINT", "UPDATE a SET y = x + 1"}});
  std::vector<Migration> broken = both;
  broken.push_back({3, {"INSERT INTO a VALUES (2, 2)", "CREATE NONSENSE"}});
  ASSERT_OK(Migrate(*database, first));
  ASSERT_CODE(kInternal, Migrate(*database, broken));
  ASSERT_OK_AND_ASSIGN(const int still, VersionOf(*database));
  EXPECT_EQ(still, 1) << "a failed migration changes nothing";
  ASSERT_OK(Migrate(*database, both));
  ASSERT_OK(Migrate(*database, both));
  ASSERT_OK_AND_ASSIGN(const auto rows, database->Query("SELECT x, y FROM a"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(platform::IntOf(rows[0][1]), 2);
  ASSERT_CODE(kFailedPrecondition, Migrate(*database, first));
}

TEST_F(StoreTest, AWriterKilledBeforeItsFirstRecordLeavesNothingToRead) {
  { ASSERT_OK_AND_ASSIGN(const auto database, platform::OpenSqlite(folder_ + "/meta.db")); }
  ASSERT_CODE(kNotFound, Open(Store::Access::kRead));
  ASSERT_OK_AND_ASSIGN(const auto writer, Open(Store::Access::kWrite));
  ASSERT_OK(Open(Store::Access::kRead));
}

TEST_F(StoreTest, RefusesAFolderOfANewerProgram) {
  ASSERT_OK(Open());
  {
    ASSERT_OK_AND_ASSIGN(const auto database, platform::OpenSqlite(folder_ + "/meta.db"));
    ASSERT_OK(database->Run("UPDATE schema_version SET version = 99"));
  }
  ASSERT_CODE(kFailedPrecondition, Open());
  ASSERT_CODE(kFailedPrecondition, Open(Store::Access::kRead));
}

// Artifacts in memory: at every step in turn the disk fails or the power is cut, and artifacts are whole or absent.
TEST_F(StoreTest, RefusesArtifactsWhoseRecordsAreLost) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    ASSERT_OK(store->Put("precious"));
  }
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(folder_ + "/meta.db" + suffix);
  ASSERT_CODE(kDataLoss, Open());
  ASSERT_CODE(kDataLoss, Open(Store::Access::kRead));
  std::filesystem::remove_all(folder_ + "/artifacts");
  ASSERT_OK(Open());
}

TEST_F(StoreTest, ArtifactsAreWholeOrAbsentAtEveryStep) {
  const std::vector<std::string> contents = {"first", std::string(5000, 'x'), ""};
  for (const bool cut : {false, true}) {
    bool failed = true;
    for (int step = 0; failed; ++step) {
      SCOPED_TRACE(Str(cut ? "cut " : "fail ", step));
      ASSERT_LT(step, 100);
      platform::MemoryFiles files;
      std::vector<std::string> acknowledged;
      {
        auto opened = Store::Open(files, folder_, Store::Access::kWrite);
        ASSERT_OK(opened);
        cut ? files.CutAfter(step) : files.FailAfter(step, Code::kResourceExhausted);
        failed = false;
        for (const std::string& content : contents) {
          auto hash = (*opened)->Put(content);
          if (hash.ok()) acknowledged.push_back(*std::move(hash));
          failed = failed || !hash.ok();
        }
        if (!cut) {
          for (const std::string& path : files.AllFiles()) EXPECT_FALSE(platform::IsTemporaryName(platform::NameOf(path))) << path;
        }
        cut ? files.DropUnsynced() : files.Heal();
      }
      ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(files, folder_, Store::Access::kWrite));
      for (const std::string& path : files.AllFiles()) EXPECT_FALSE(platform::IsTemporaryName(platform::NameOf(path))) << path;
      ASSERT_OK_AND_ASSIGN(const auto findings, store->Check(Call()));
      EXPECT_EQ(findings, std::vector<std::string>{});
      for (const std::string& hash : acknowledged) ASSERT_OK(store->Get(hash));
      for (const std::string& content : contents) {
        if (store->Has(HashOf(content))) {
          ASSERT_OK_AND_ASSIGN(const auto bytes, store->Get(HashOf(content)));
          EXPECT_EQ(bytes->view(), content);
        }
        ASSERT_OK(store->Put(content));
      }
    }
  }
}

TEST_F(StoreTest, TellsOfAFlippedBitOnDisk) {
  platform::MemoryFiles files;
  std::string hash;
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(files, folder_, Store::Access::kWrite));
    ASSERT_OK_AND_ASSIGN(hash, store->Put("precious"));
    ASSERT_OK(files.Damage(store->PathOf(hash), 3));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(files, folder_, Store::Access::kWrite));
  ASSERT_CODE(kDataLoss, store->Get(hash));
}

// Writes pairs of records, each pair with its event and artifact, and tells the number of each finished pair.
[[noreturn]] void WriteForEver(platform::Files& files, const std::string& folder, int tell) {
  auto store = Store::Open(files, folder, Store::Access::kWrite);
  if (!store.ok()) _exit(1);
  auto first = (*store)->FindRecord("pair", "left");
  std::int64_t n = first.ok() && first->has_value() ? (*first)->body.Int() : 0;
  static_cast<void>((*store)->PutRun({"run", "p", "running", Json(), 1, 0}));
  while (true) {
    ++n;
    const auto hash = (*store)->Put(Str("artifact ", n));
    const auto done = (*store)->Transaction([&]() -> Result<void> {
      TENON_TRY(hash.ok() ? Result<void>() : Result<void>(hash.error().Clone()));
      TENON_TRY((*store)->PutRecord("pair", "left", Json(static_cast<long long>(n))));
      TENON_TRY((*store)->AddEvent("pair", Json(*hash)));
      return (*store)->PutRecord("pair", "right", Json(static_cast<long long>(n)));
    });
    if (!done.ok() || write(tell, &n, sizeof n) != sizeof n) _exit(2);
  }
}

TEST_F(StoreTest, SurvivesBeingKilledAtRandomMoments) {
  std::mt19937_64 random(7);
  std::int64_t told = 0;
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      WriteForEver(*files_, folder_, ends[1]);
    }
    close(ends[1]);
    // Some pairs later, and a moment into the next one.
    const auto pairs = 1 + random() % 4;
    for (std::uint64_t i = 0; i < pairs; ++i) {
      std::int64_t n = 0;
      ASSERT_EQ(read(ends[0], &n, sizeof n), static_cast<ssize_t>(sizeof n));
      told = n;
    }
    for (std::uint64_t spin = random() % 2'000'000; spin > 0; --spin) asm volatile("");
    ASSERT_EQ(kill(child, SIGKILL), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    for (std::int64_t n = 0; read(ends[0], &n, sizeof n) == static_cast<ssize_t>(sizeof n);) told = n;
    close(ends[0]);

    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    ASSERT_OK_AND_ASSIGN(const auto left, store->FindRecord("pair", "left"));
    ASSERT_OK_AND_ASSIGN(const auto right, store->FindRecord("pair", "right"));
    ASSERT_TRUE(left.has_value() && right.has_value());
    EXPECT_EQ(left->body, right->body) << "half a transaction";
    EXPECT_GE(left->body.Int(), told) << "a finished transaction was lost";
    EXPECT_LE(left->body.Int(), told + 1);
    ASSERT_OK_AND_ASSIGN(const auto events, store->EventsAfter(0, 1'000'000));
    EXPECT_EQ(static_cast<std::int64_t>(events.size()), left->body.Int());
    for (const Event& event : events) ASSERT_OK(store->Get(event.body.String()));
    ASSERT_OK_AND_ASSIGN(const auto findings, store->Check(Call()));
    EXPECT_EQ(findings, std::vector<std::string>{});
    ASSERT_OK_AND_ASSIGN(const auto runs, store->Runs(1));
    EXPECT_EQ(runs[0].status, "interrupted");
  }
}

TEST_F(StoreTest, ThreadsShareIt) {
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 5; ++n) {
        const auto hash = store->Put(Str("same ", n));
        EXPECT_TRUE(hash.ok());
        EXPECT_TRUE(store->PutRecord("r", Str(t, '-', n), Json(n)).ok());
        EXPECT_TRUE(store->Get(*hash).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const auto records, store->Records("r"));
  ASSERT_EQ(records.size(), 20u);
  for (std::size_t i = 1; i < records.size(); ++i) EXPECT_LT(records[i - 1].sequence, records[i].sequence);
}

}  // namespace
}  // namespace tenon::store

#include "feature/online_store.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <thread>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"

namespace tenon::feature {
namespace {

using table::Type;

RecordLayout Layout(bool texts = true) {
  std::vector<table::Field> fields = {{"n", Type::kInt64}, {"x", Type::kFloat64}};
  if (texts) fields.push_back({"t", Type::kString});
  fields.push_back({"at", Type::kTimestamp});
  auto layout = RecordLayout::Of(std::make_shared<const table::Schema>(fields));
  return *std::move(layout);
}

class Folder {
 public:
  Folder() { path_ = std::filesystem::temp_directory_path() / Str("tenon-online-", getpid(), "-", ++count_); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::string path_;
};

std::unique_ptr<OnlineStore> Embedded(platform::Files& files, const std::string& folder, const char* settings = "{}") {
  Kinds<OnlineStoreKind> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  auto store = StartOnlineStore(kinds, "embedded", *Json::Parse(settings), files, folder);
  EXPECT_TRUE(store.ok()) << store.error().ToString();
  return *std::move(store);
}

// A record whose values follow from one number, so that a mixture of two is seen.
std::int64_t PutOne(OnlineTable& table, std::string_view key, std::int64_t value, Micros at, Micros created = 0, Newest newest = Newest::kEvent) {
  RecordPacker packer(table.layout());
  packer.Start();
  packer.SetInt(0, value);
  packer.Set(1, static_cast<double>(value) / 2);
  packer.SetText(2, std::string(static_cast<std::size_t>(value % 40), static_cast<char>('a' + value % 26)));
  const OnlineEntry entry{key, at, created, packer.words(), packer.texts()};
  auto stored = table.Put({&entry, 1}, newest);
  EXPECT_TRUE(stored.ok()) << stored.error().ToString();
  return *stored;
}

bool Whole(const Records& records, std::size_t row) {
  const std::int64_t value = records.Int(row, 0);
  return records.Number(row, 1) == static_cast<double>(value) / 2 &&
         records.Text(row, 2) == std::string(static_cast<std::size_t>(value % 40), static_cast<char>('a' + value % 26)) && records.IsNull(row, 3);
}

std::int64_t Look(OnlineTable& table, std::string_view key) {
  Records records;
  auto got = table.Get({&key, 1}, &records);
  EXPECT_TRUE(got.ok()) << got.error().ToString();
  if (!records.Found(0)) return -1;
  EXPECT_TRUE(Whole(records, 0));
  return records.Int(0, 0);
}

TEST(Record, ValuesComeBackByTypeAndMissingOnesAreSo) {
  const RecordLayout layout = Layout();
  RecordPacker packer(layout);
  packer.Start();
  packer.SetInt(0, std::int64_t{1} << 60);
  packer.SetText(2, "Zürich");
  Records records;
  records.Reset(layout, 1);
  const std::string bytes = FlatRecord(7, 9, packer.words(), packer.texts());
  ASSERT_OK(ReadFlatRecord(layout, bytes, 0, &records));
  EXPECT_EQ(records.Int(0, 0), std::int64_t{1} << 60);
  EXPECT_TRUE(records.IsNull(0, 1));
  EXPECT_EQ(records.Text(0, 2), "Zürich");
  EXPECT_TRUE(records.IsNull(0, 3));
  EXPECT_EQ(records.at(0), 7);
  EXPECT_EQ(records.created(0), 9);
  ASSERT_CODE(kDataLoss, ReadFlatRecord(layout, std::string_view(bytes).substr(0, 30), 0, &records));
}

TEST(EmbeddedStore, NewestWinsByEventThenByCreated) {
  const auto files = platform::RealFiles();
  auto store = Embedded(*files, "", R"({"disk": false})");
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  EXPECT_EQ(Look(*table, "a"), -1);
  EXPECT_EQ(PutOne(*table, "a", 1, 100, 5), 1);
  EXPECT_EQ(PutOne(*table, "a", 2, 99, 50), 0);   // an older event, though made later
  EXPECT_EQ(PutOne(*table, "a", 3, 100, 4), 0);   // of one event time, made earlier
  EXPECT_EQ(Look(*table, "a"), 1);
  EXPECT_EQ(PutOne(*table, "a", 4, 100, 5), 1);   // of one time in both: the new one
  EXPECT_EQ(PutOne(*table, "a", 6, 90, 60, Newest::kCreated), 1);  // computed later, its latest event was taken back
  EXPECT_EQ(PutOne(*table, "a", 7, 95, 59, Newest::kCreated), 0);
  EXPECT_EQ(Look(*table, "a"), 6);
  ASSERT_OK_AND_ASSIGN(const OnlineStats stats, table->Stats());
  EXPECT_EQ(stats.records, 1);
  EXPECT_EQ(stats.stored, 3);
  EXPECT_EQ(stats.refused, 3);
  EXPECT_EQ(stats.newest_event, 100);
}

TEST(EmbeddedStore, GrowsErasesAndExpires) {
  const auto files = platform::RealFiles();
  auto store = Embedded(*files, "", R"({"disk": false, "reserve": 16})");
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  std::vector<std::string> keys;
  for (int i = 0; i < 5000; ++i) keys.push_back(i % 3 == 0 ? Str("k", i) : Str("a key that is longer than sixteen bytes ", i));
  for (int i = 0; i < 5000; ++i) PutOne(*table, keys[i], i, i);
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  Records records;
  ASSERT_OK(table->Get(views, &records));
  for (std::size_t i = 0; i < 5000; ++i) {
    ASSERT_TRUE(records.Found(i));
    ASSERT_EQ(records.Int(i, 0), static_cast<std::int64_t>(i));
    ASSERT_TRUE(Whole(records, i));
  }
  ASSERT_OK_AND_ASSIGN(const std::int64_t gone, table->Expire(4990));
  EXPECT_EQ(gone, 4990);
  EXPECT_EQ(Look(*table, "k3"), -1);
  EXPECT_EQ(Look(*table, keys[4999]), 4999);
  const OnlineEntry erase{keys[4999], 6000, 0, {}, {}};
  ASSERT_OK(table->Put({&erase, 1}, Newest::kEvent));
  EXPECT_EQ(Look(*table, keys[4999]), -1);
  EXPECT_EQ(PutOne(*table, keys[4999], 1, 5999), 0);  // older than the erasure
  ASSERT_OK_AND_ASSIGN(const OnlineStats stats, table->Stats());
  EXPECT_EQ(stats.records, 9);
}

TEST(EmbeddedStore, WhatIsErasedStandsNowhereAnyMore) {
  const auto files = platform::RealFiles();
  const Folder folder;
  const std::string who = "somebody-with-a-name";
  const auto stands = [&] {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
      if (!entry.is_regular_file()) continue;
      auto bytes = files->Read(entry.path());
      if (bytes.ok() && bytes->find(who) != std::string::npos) return true;
    }
    return false;
  };
  {
    const auto store = Embedded(*files, folder.path());
    ASSERT_OK_AND_ASSIGN(const auto table, store->Open("t", Layout()));
    ASSERT_OK_AND_ASSIGN(const auto other, store->Open("t", Layout()));  // as another process has it
    for (std::int64_t i = 0; i < 500; ++i) PutOne(*table, Str("k", i), i, i);
    PutOne(*table, who, 39, 7);
    ASSERT_TRUE(stands());
    EXPECT_EQ(Look(*other, who), 39);
    const std::string_view keys[] = {who, "k17", "nobody"};
    ASSERT_OK_AND_ASSIGN(const std::int64_t gone, table->Erase(keys));
    EXPECT_EQ(gone, 2);
    EXPECT_FALSE(stands());
    for (const auto* one : {table.get(), other.get()}) {
      EXPECT_EQ(Look(*const_cast<OnlineTable*>(one), who), -1);
      EXPECT_EQ(Look(*const_cast<OnlineTable*>(one), "k17"), -1);
      EXPECT_EQ(Look(*const_cast<OnlineTable*>(one), "k18"), 18);
    }
    ASSERT_OK_AND_ASSIGN(const OnlineStats stats, table->Stats());
    EXPECT_EQ(stats.records, 499);
    ASSERT_OK_AND_ASSIGN(const std::int64_t again, table->Erase(keys));
    EXPECT_EQ(again, 0);
    PutOne(*other, "k17", 5, 1);  // what comes later is another one
  }
  std::filesystem::remove(std::filesystem::path(folder.path()) / "t" / "table");  // from its log alone
  const auto store = Embedded(*files, folder.path());
  ASSERT_OK_AND_ASSIGN(const auto table, store->Open("t", Layout()));
  EXPECT_EQ(Look(*table, who), -1);
  EXPECT_EQ(Look(*table, "k17"), 5);
  EXPECT_EQ(Look(*table, "k499"), 499);
  const auto alone = Embedded(*files, "", R"({"disk": false})");
  ASSERT_OK_AND_ASSIGN(const auto memory, alone->Open("t", Layout()));
  PutOne(*memory, who, 3, 1);
  const std::string_view key = who;
  ASSERT_OK_AND_ASSIGN(const std::int64_t gone, memory->Erase({&key, 1}));
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(Look(*memory, who), -1);
}

TEST(EmbeddedStore, KilledWhileItErasesItIsAsBeforeOrErased) {
  const auto files = platform::RealFiles();
  int before = 0, after = 0;
  for (int i = 0; i < 40; ++i) {
    const Folder folder;
    {
      const auto store = Embedded(*files, folder.path());
      ASSERT_OK_AND_ASSIGN(const auto table, store->Open("t", Layout()));
      for (std::int64_t k = 0; k < 2000; ++k) PutOne(*table, Str("k", k), k, k);
    }
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto store = Embedded(*files, folder.path());
      auto table = store->Open("t", Layout());
      const std::string_view key = "k1234";
      for (int turn = 0; turn < 1000; ++turn) static_cast<void>((*table)->Erase({&key, 1}));
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + 700 * i));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    const auto store = Embedded(*files, folder.path());
    ASSERT_OK_AND_ASSIGN(const auto table, store->Open("t", Layout()));
    const std::int64_t found = Look(*table, "k1234");
    ASSERT_TRUE(found == 1234 || found == -1) << found;
    ++(found == -1 ? after : before);
    for (const std::int64_t k : {0, 1, 999, 1233, 1235, 1999}) ASSERT_EQ(Look(*table, Str("k", k)), k);
    const std::string_view key = "k1234";
    ASSERT_OK(table->Erase({&key, 1}));
    ASSERT_EQ(Look(*table, "k1234"), -1);
  }
  EXPECT_GT(after, 0);
}

TEST(EmbeddedStore, ComesBackAfterARestartAndFromItsLogAlone) {
  const auto files = platform::RealFiles();
  const Folder folder;
  for (const char* lost : {"", "v/table"}) {
    {
      auto store = Embedded(*files, folder.path());
      ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
      for (int i = 0; i < 3000; ++i) PutOne(*table, Str("k", i), i, 10 + i);
      ASSERT_OK(table->Flush());
    }
    if (*lost != 0) std::filesystem::remove(platform::JoinPath(folder.path(), lost));
    auto store = Embedded(*files, folder.path());
    ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(Look(*table, Str("k", i)), i) << lost;
  }
}

TEST(EmbeddedStore, ATornLogEndsBeforeTheTornBatch) {
  const auto files = platform::RealFiles();
  const Folder folder;
  {
    auto store = Embedded(*files, folder.path());
    ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
    for (int i = 0; i < 10; ++i) PutOne(*table, Str("k", i), i, 10);
  }
  const std::string log = platform::JoinPath(folder.path(), "v/log.0");
  std::filesystem::remove(platform::JoinPath(folder.path(), "v/table"));
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 3);
  for (int round = 0; round < 2; ++round) {
    auto store = Embedded(*files, folder.path());
    ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
    EXPECT_EQ(Look(*table, "k8"), 8);
    EXPECT_EQ(Look(*table, "k9"), -1);
    PutOne(*table, "later", 77, 10);  // goes after the last whole batch
    std::filesystem::remove(platform::JoinPath(folder.path(), "v/table"));
  }
  auto store = Embedded(*files, folder.path());
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  EXPECT_EQ(Look(*table, "later"), 77);
}

TEST(EmbeddedStore, ATableOfOtherFeaturesIsEmptied) {
  const auto files = platform::RealFiles();
  const Folder folder;
  {
    auto store = Embedded(*files, folder.path());
    ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
    PutOne(*table, "a", 1, 10);
  }
  auto store = Embedded(*files, folder.path());
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout(false)));
  const std::string_view key = "a";
  Records records;
  ASSERT_OK(table->Get({&key, 1}, &records));
  EXPECT_FALSE(records.Found(0));
}

TEST(EmbeddedStore, ReadersSeeWholeRecordsWhileOneWritesAndTheTableGrows) {
  const auto files = platform::RealFiles();
  auto store = Embedded(*files, "", R"({"disk": false, "reserve": 16})");
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  for (int i = 0; i < 10; ++i) PutOne(*table, Str("k", i), 1, 0);
  std::atomic<bool> done{false};
  std::atomic<std::int64_t> bad{0}, seen{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      Records records;
      std::vector<std::string> names;
      for (int i = 0; i < 10; ++i) names.push_back(Str("k", i));
      const std::vector<std::string_view> keys(names.begin(), names.end());
      std::int64_t last = 0;
      while (!done) {
        if (!table->Get(keys, &records).ok()) ++bad;
        for (std::size_t i = 0; i < keys.size(); ++i) {
          if (!records.Found(i) || !Whole(records, i)) ++bad;
          ++seen;
        }
        if (records.Int(0, 0) < last) ++bad;  // never back
        last = records.Int(0, 0);
      }
    });
  }
  for (int i = 1; i < 20000 || (seen < 20000 && i < 100'000'000); ++i) {
    PutOne(*table, Str("k", i % 10), i, i);
    if (i % 5 == 0 && i < 100000) PutOne(*table, Str("other", i), i, i);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(seen, 0);
}

// Another process writes and is killed at any moment; what its batches had returned is there, and each batch whole.
TEST(EmbeddedStore, AWriterThatIsKilledLeavesWholeBatches) {
  const auto files = platform::RealFiles();
  const Folder folder;
  auto store = Embedded(*files, folder.path(), R"({"sync": "never", "reserve": 16})");
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  std::int64_t most = 0;
  for (int round = 0; round < 12; ++round) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto mine = Embedded(*files, folder.path(), R"({"sync": "never", "reserve": 16})");
      auto theirs = mine->Open("v", Layout());
      for (std::int64_t i = most + 1; theirs.ok(); ++i) {
        PutOne(**theirs, "a", i, i);
        PutOne(**theirs, Str("b", i % 500), i, i);
        if (write(channel[1], &i, sizeof i) != sizeof i) break;
      }
      _exit(1);
    }
    close(channel[1]);
    std::int64_t told = 0, one = 0;
    for (int i = 0; i < 200 + round * 37 && read(channel[0], &one, sizeof one) == sizeof one; ++i) told = one;
    kill(child, SIGKILL);
    while (read(channel[0], &one, sizeof one) == sizeof one) told = one;
    close(channel[0]);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_GE(Look(*table, "a"), told);
    ASSERT_LE(Look(*table, "a"), told + 1);
    ASSERT_GE(Look(*table, Str("b", told % 500)), told);
    most = Look(*table, "a");
    PutOne(*table, "mine", round, round);  // and this process goes on writing
    ASSERT_EQ(Look(*table, "mine"), round);
  }
}

TEST(EmbeddedStore, AShortenedLogHasTheSameRecords) {
  const auto files = platform::RealFiles();
  const Folder folder;
  {
    auto store = Embedded(*files, folder.path(), R"({"sync": "never"})");
    ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
    RecordPacker packer(table->layout());
    packer.Start();
    packer.SetText(2, std::string(1 << 20, 'x'));
    for (int i = 0; i < 40; ++i) {  // 40 MB of log for one record
      const OnlineEntry entry{"big", i, 0, packer.words(), packer.texts()};
      ASSERT_OK(table->Put({&entry, 1}, Newest::kEvent));
    }
    PutOne(*table, "small", 5, 1);
  }
  EXPECT_FALSE(std::filesystem::exists(platform::JoinPath(folder.path(), "v/log.0")));
  std::filesystem::remove(platform::JoinPath(folder.path(), "v/table"));
  auto store = Embedded(*files, folder.path());
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  EXPECT_EQ(Look(*table, "small"), 5);
  const std::string_view key = "big";
  Records records;
  ASSERT_OK(table->Get({&key, 1}, &records));
  EXPECT_EQ(records.at(0), 39);
  EXPECT_EQ(records.Text(0, 2).size(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace tenon::feature

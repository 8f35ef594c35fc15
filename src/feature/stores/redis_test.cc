// Against a real server, started here on a socket in a folder of its own.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/testing.h"
#include "base/text.h"
#include "feature/online_store.h"
#include "feature/resp_internal.h"

namespace tenon::feature {
namespace {

class RedisServer {
 public:
  RedisServer() {
    folder_ = std::filesystem::temp_directory_path() / Str("tenon-redis-", getpid());
    std::filesystem::create_directories(folder_);
    Start();
  }
  ~RedisServer() {
    Stop();
    std::filesystem::remove_all(folder_);
  }
  std::string address() const { return Str("unix:", folder_, "/s"); }
  bool there() const { return process_ > 0; }
  void Stop() {
    if (process_ <= 0) return;
    kill(process_, SIGTERM);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  void Start() {
    process_ = fork();
    if (process_ == 0) {
      const std::string socket = Str(folder_, "/s"), log = Str(folder_, "/log");
      execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket.c_str(), "--save", "", "--dir", folder_.c_str(), "--logfile", log.c_str(), nullptr);
      _exit(127);
    }
    for (int i = 0; i < 500; ++i) {
      if (platform::ConnectTo(address(), std::chrono::steady_clock::now() + std::chrono::seconds(1)).ok()) return;
      if (waitpid(process_, nullptr, WNOHANG) == process_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    process_ = -1;
  }

 private:
  std::string folder_;
  pid_t process_ = -1;
};

std::unique_ptr<OnlineStore> StoreAt(platform::Files& files, std::string_view address, std::string_view more = "") {
  Kinds<OnlineStoreKind> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  auto store = StartOnlineStore(kinds, "redis", *Json::Parse(Str(R"({"address": ")", address, "\", \"limit\": \"5s\"", more, "}")), files, "");
  EXPECT_TRUE(store.ok()) << store.error().ToString();
  return *std::move(store);
}

RecordLayout Layout() {
  return *RecordLayout::Of(std::make_shared<const table::Schema>(std::vector<table::Field>{{"n", table::Type::kInt64}, {"t", table::Type::kString}}));
}

std::int64_t PutOne(OnlineTable& table, std::string_view key, std::int64_t value, Micros at, Micros created = 0, Newest newest = Newest::kEvent) {
  RecordPacker packer(table.layout());
  packer.Start();
  packer.SetInt(0, value);
  packer.SetText(1, Str("text ", value));
  const OnlineEntry entry{key, at, created, packer.words(), packer.texts()};
  auto stored = table.Put({&entry, 1}, newest);
  EXPECT_TRUE(stored.ok()) << stored.error().ToString();
  return stored.ok() ? *stored : -1;
}

TEST(RedisStore, KeepsTheNewestOverARealServer) {
  RedisServer server;
  if (!server.there()) GTEST_SKIP() << "no redis-server here (apt-get install redis-server)";
  const auto files = platform::RealFiles();
  auto store = StoreAt(*files, server.address());
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("view@1", Layout()));
  const Micros now = 1'700'000'000'000'001;
  EXPECT_EQ(PutOne(*table, "a", 1, now, 5), 1);
  EXPECT_EQ(PutOne(*table, "a", 2, now - 1, 50), 0);  // one microsecond older
  EXPECT_EQ(PutOne(*table, "a", 3, now, 4), 0);
  EXPECT_EQ(PutOne(*table, "a", 4, now, 5), 1);
  EXPECT_EQ(PutOne(*table, std::string_view("b\r\n\0 k", 6), 5, now), 1);
  const std::string_view keys[] = {"a", "none", std::string_view("b\r\n\0 k", 6)};
  Records records;
  ASSERT_OK(table->Get(keys, &records));
  EXPECT_EQ(records.Int(0, 0), 4);
  EXPECT_EQ(records.Text(0, 1), "text 4");
  EXPECT_EQ(records.at(0), now);
  EXPECT_FALSE(records.Found(1));
  EXPECT_EQ(records.Int(2, 0), 5);
  EXPECT_EQ(PutOne(*table, "a", 6, now - 100, 60, Newest::kCreated), 1);
  ASSERT_OK_AND_ASSIGN(const std::int64_t gone, table->Expire(now));
  EXPECT_EQ(gone, 1);
  ASSERT_OK(table->Get(keys, &records));
  EXPECT_FALSE(records.Found(0));
  EXPECT_EQ(PutOne(*table, "a", 7, now - 101), 0);  // older than what was erased
  ASSERT_OK_AND_ASSIGN(const OnlineStats stats, table->Stats());
  EXPECT_EQ(stats.records, 1);
  EXPECT_EQ(stats.refused, 3);
  EXPECT_EQ(stats.newest_event, now);
  // Erased for good: no mark is left of it, and the others stay.
  ASSERT_OK_AND_ASSIGN(const std::int64_t erased, table->Erase(keys));
  EXPECT_EQ(erased, 1);
  ASSERT_OK(table->Get(keys, &records));
  EXPECT_FALSE(records.Found(2));
  ASSERT_OK_AND_ASSIGN(const OnlineStats left, table->Stats());
  EXPECT_EQ(left.records, 0);
  EXPECT_EQ(PutOne(*table, "a", 8, 1), 1);
  // Of the same name with other features: apart.
  ASSERT_OK_AND_ASSIGN(auto other, store->Open("view@1", *RecordLayout::Of(std::make_shared<const table::Schema>(std::vector<table::Field>{{"n", table::Type::kFloat64}}))));
  ASSERT_OK(other->Get(keys, &records));
  EXPECT_FALSE(records.Found(2));
}

TEST(RedisStore, ManyRecordsAndAServerThatStartsAnew) {
  RedisServer server;
  if (!server.there()) GTEST_SKIP() << "no redis-server here (apt-get install redis-server)";
  const auto files = platform::RealFiles();
  auto store = StoreAt(*files, server.address());
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", Layout()));
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(Str("key ", i));
  RecordPacker packer(table->layout());
  packer.Start();
  packer.SetInt(0, 9);
  std::vector<OnlineEntry> entries;
  for (const std::string& key : keys) entries.push_back({key, 1, 1, packer.words(), packer.texts()});
  ASSERT_OK_AND_ASSIGN(const std::int64_t stored, table->Put(entries, Newest::kEvent));
  EXPECT_EQ(stored, 1000);
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  Records records;
  ASSERT_OK(table->Get(views, &records));
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(records.Int(i, 0), 9);
  server.Stop();
  ASSERT_CODE(kUnavailable, table->Get(views, &records));
  server.Start();
  ASSERT_OK(table->Get(views, &records));  // the kept connection was closed: made anew
  EXPECT_FALSE(records.Found(0));
}

TEST(Resp, RepliesThatAreNoneAreRefused) {
  for (const std::string_view bytes : {"hello\r\n", "$x\r\n", "*99999999999\r\n", "\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"}) {
    RespReply reply;
    std::size_t at = 0;
    SCOPED_TRACE(bytes);
    ASSERT_CODE(kDataLoss, ReadResp(bytes, &at, &reply));
  }
  for (const std::string_view bytes : {"$5\r\nhel", "*2\r\n:1\r\n", "+OK", ""}) {
    RespReply reply;
    std::size_t at = 0;
    ASSERT_OK_AND_ASSIGN(const bool whole, ReadResp(bytes, &at, &reply));
    EXPECT_FALSE(whole);
    EXPECT_EQ(at, 0U);
  }
}

}  // namespace
}  // namespace tenon::feature

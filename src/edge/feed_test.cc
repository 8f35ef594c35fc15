#include "edge/feed.h"

#include <string>

#include "base/testing.h"
#include "base/text.h"
#include "edge/observer_internal.h"
#include "platform/memory_files.h"

namespace tenon::edge {
namespace {

struct Collected {
  std::vector<std::string> records;
  bool ended = false;
};

class Collector final : public FeedSink {
 public:
  explicit Collector(Collected* to) : to_(to) {}
  void Take(std::string_view record) override { to_->records.emplace_back(record); }
  void Rest(bool ending) override { to_->ended = to_->ended || ending; }

 private:
  Collected* to_;
};

TEST(FeedTest, HandsOverAllOfEveryThreadBeforeItEnds) {
  Collected collected;
  std::int64_t dropped = 0;
  {
    Feed feed(3, 1 << 16, std::make_unique<Collector>(&collected));
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&feed, t] {
        for (int i = 0; i < 500; ++i) feed.Put(t, Str(t, ":", i));
      });
    }
    for (auto& thread : threads) thread.join();
    dropped = feed.dropped();
  }
  EXPECT_TRUE(collected.ended);
  EXPECT_EQ(static_cast<std::int64_t>(collected.records.size()) + dropped, 1500);
  EXPECT_EQ(dropped, 0);
}

TEST(FeedTest, DropsAndCountsWhatFindsNoRoom) {
  Collected collected;
  Feed feed(1, 1024, std::make_unique<Collector>(&collected));
  feed.Put(0, std::string(4096, 'x'));
  EXPECT_EQ(feed.dropped(), 1);
}

TEST(AccessLogTest, IsPutAsideWhenLargeAndForgetsTheOldest) {
  platform::MemoryFiles files;
  ObserveCounts counts;
  auto sink = MakeAccessLogSink(files, {.path = "logs/a.jsonl", .rotate_bytes = 100, .keep = 2}, counts);
  ASSERT_OK(sink);
  for (int i = 0; i < 5; ++i) {
    (*sink)->Take(Str(i, std::string(70, 'x'), "\n"));
    (*sink)->Rest(false);
  }
  for (const auto& [name, first] : std::initializer_list<std::pair<const char*, char>>{{"logs/a.jsonl", '4'}, {"logs/a.jsonl.1", '3'}, {"logs/a.jsonl.2", '2'}}) {
    auto bytes = files.Read(name);
    ASSERT_OK(bytes);
    EXPECT_EQ(bytes->front(), first);
  }
  EXPECT_FALSE(files.Exists("logs/a.jsonl.3"));
  EXPECT_EQ(counts.lines_written.load(), 5);
}

TEST(PayloadEventTest, IsReadAsItWasWrittenAndNeverBeyondItsEnd) {
  PayloadEvent event;
  event.response = true;
  event.at = 1234567890123;
  event.id = "a";
  event.endpoint = "loan";
  event.body = std::string_view("{\0}", 3);
  std::string record;
  AppendPayloadEvent(event, &record);
  PayloadEvent read;
  ASSERT_TRUE(ReadPayloadEvent(record, &read));
  EXPECT_TRUE(read.response);
  EXPECT_EQ(read.at, event.at);
  EXPECT_EQ(read.endpoint, "loan");
  EXPECT_EQ(read.body, event.body);
  for (std::size_t size = 0; size < record.size(); ++size) EXPECT_FALSE(ReadPayloadEvent(std::string_view(record).substr(0, size), &read));
  EXPECT_FALSE(ReadPayloadEvent(record + "x", &read));
}

TEST(RouteTest, LeavesOutWhatDiffersFromRequestToRequest) {
  EXPECT_EQ(RouteOf("/v1/endpoints/loan:predict"), "/v1/endpoints/{name}:predict");
  EXPECT_EQ(RouteOf("/v2/models/loan/versions/3/infer"), "/v2/models/{name}/infer");
  EXPECT_EQ(RouteOf("/nowhere/42"), "");
}

}  // namespace
}  // namespace tenon::edge

#include "feature/event_sink.h"

#include <algorithm>

#include "base/testing.h"
#include "base/text.h"
#include "feature/event_log.h"
#include "platform/memory_files.h"

namespace tenon::feature {
namespace {

Result<std::unique_ptr<EventSink>> OpenSink(platform::Files& files, const std::string& kind, const char* settings) {
  Kinds<EventSinkKind> kinds;
  TENON_TRY(AddAll(kinds));
  TENON_ASSIGN(const Json json, Json::Parse(settings));
  TENON_ASSIGN(auto made, kinds.Create(kind, json));
  return made->Open(Call(), {.files = &files, .stream = "p.s", .folder = "project", .state = "project/state", .source = "log", .settings = {}});
}

// Record `offset` of partition 0: every fifth is put aside.
std::string ValueOf(std::int64_t offset) { return Str(R"({"from":{"partition":0,"offset":)", offset, R"(},"answer":)", offset * 7, "}"); }

Result<void> DeliverSome(EventSink& sink, std::int64_t from, std::int64_t until) {
  std::vector<std::string> values;
  for (std::int64_t i = from; i < until; ++i) values.push_back(ValueOf(i));
  std::vector<SinkRecord> records;
  for (std::int64_t i = from; i < until; ++i) {
    records.push_back({.aside = i % 5 == 4, .partition = 0, .offset = i, .key = "k", .value = values[static_cast<std::size_t>(i - from)]});
  }
  const Position next{0, until};
  return sink.Deliver(Call(), records, {&next, 1}, "");
}

std::vector<std::string> Lines(const platform::Files& files, const std::string& path) {
  auto text = files.Read(path);
  std::vector<std::string> out = text.ok() ? Split(*text, '\n') : std::vector<std::string>();
  if (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

std::vector<std::string> Records(const platform::Files& files, const std::string& folder) {
  EventLogReader reader(files, folder);
  std::vector<std::string> out;
  while (true) {
    auto some = reader.Read(static_cast<std::int64_t>(out.size()), 100);
    if (!some.ok() || some->empty()) return out;
    for (const Message& one : *some) out.emplace_back(one.value);
  }
}

struct Case {
  const char* kind;
  const char* settings;
  std::vector<std::string> (*read)(const platform::Files&, const std::string&);
  const char *answers, *aside;
};
const Case kCases[] = {{"json_lines", R"({"path": "out/a.jsonl"})", Lines, "project/out/a.jsonl", "project/out/a.aside.jsonl"},
                       {"log", R"({"folder": "a"})", Records, "project/a", "project/a-aside"}};

// What stands there of the first `until` records: each once, in order.
void ExpectEachOnce(const platform::Files& files, const Case& one, std::int64_t until) {
  std::vector<std::string> answers, aside;
  for (std::int64_t i = 0; i < until; ++i) (i % 5 == 4 ? aside : answers).push_back(ValueOf(i));
  EXPECT_EQ(one.read(files, one.answers), answers) << one.kind;
  EXPECT_EQ(one.read(files, one.aside), aside) << one.kind;
}

TEST(EventSink, KeepsAnswersAndPositionsAndGoesOnFromThere) {
  for (const Case& one : kCases) {
    platform::MemoryFiles files;
    {
      ASSERT_OK_AND_ASSIGN(auto sink, OpenSink(files, one.kind, one.settings));
      ASSERT_OK_AND_ASSIGN(const std::int64_t none, sink->Next(Call(), 0));
      EXPECT_EQ(none, -1);
      ASSERT_OK(DeliverSome(*sink, 0, 7));
      ASSERT_OK(DeliverSome(*sink, 7, 12));
      ASSERT_CODE(kUnavailable, OpenSink(files, one.kind, one.settings));  // one at a time
    }
    ASSERT_OK_AND_ASSIGN(auto sink, OpenSink(files, one.kind, one.settings));
    ASSERT_OK_AND_ASSIGN(const auto positions, sink->Positions(Call()));
    ASSERT_EQ(positions.size(), 1U);
    EXPECT_EQ(positions[0].offset, 12);
    ASSERT_OK(DeliverSome(*sink, 12, 20));
    ExpectEachOnce(files, one, 20);
  }
}

// Every step in turn is the one at which the process dies, or the power fails; what comes after goes on from Next.
TEST(EventSink, NothingIsThereTwiceOrMissingWhereverItWasKilled) {
  for (const Case& one : kCases) {
    for (const bool power_cut : {false, true}) {
      int deaths = 0;
      for (std::int64_t step = 0; step < 200; ++step) {
        platform::MemoryFiles files;
        bool died = false;
        {
          files.CutAfter(step);
          auto sink = OpenSink(files, one.kind, one.settings);
          died = !sink.ok() || !DeliverSome(**sink, 0, 6).ok() || !DeliverSome(**sink, 6, 11).ok();
          if (power_cut) {
            files.DropUnsynced();
          } else {
            files.Heal();
          }
        }
        deaths += died ? 1 : 0;
        ASSERT_OK_AND_ASSIGN(auto sink, OpenSink(files, one.kind, one.settings));
        ASSERT_OK_AND_ASSIGN(const std::int64_t kept, sink->Next(Call(), 0));
        for (std::int64_t from = std::max<std::int64_t>(kept, 0); from < 15; from += 5) ASSERT_OK(DeliverSome(*sink, from, std::min<std::int64_t>(from + 5, 15)));
        ExpectEachOnce(files, one, 15);
        if (HasFailure()) FAIL() << one.kind << " step " << step << (power_cut ? " power cut" : " killed");
        if (!died) break;
      }
      EXPECT_GT(deaths, 8) << one.kind;
    }
  }
}

// A batch of two partitions is written and not settled; what goes on meets one of them first, and ends; the other comes after.
TEST(EventSink, WhatWasNotSettledIsKnownUntilItsPartitionComesAgain) {
  for (const Case& one : kCases) {
    for (std::int64_t step = 0; step < 40; ++step) {
      platform::MemoryFiles files;
      const auto value = [](int partition, std::int64_t offset) { return Str(R"({"from":{"partition":)", partition, R"(,"offset":)", offset, "}}"); };
      const auto deliver = [&](EventSink& sink, std::vector<int> partitions, std::int64_t until) -> Result<void> {
        std::vector<std::string> values;
        std::vector<SinkRecord> records;
        std::vector<Position> next;
        for (const int partition : partitions) {
          TENON_ASSIGN(const std::int64_t kept, sink.Next(Call(), partition));
          for (std::int64_t i = std::max<std::int64_t>(kept, 0); i < until; ++i) {
            values.push_back(value(partition, i));
            records.push_back({.aside = i % 2 == 1, .partition = partition, .offset = i, .key = "k", .value = {}});
          }
          next.push_back({partition, until});
        }
        for (std::size_t i = 0; i < records.size(); ++i) records[i].value = values[i];
        return sink.Deliver(Call(), records, next, "");
      };
      {
        files.CutAfter(step);
        auto sink = OpenSink(files, one.kind, one.settings);
        if (sink.ok()) (void)deliver(**sink, {0, 1}, 4);
        files.Heal();
      }
      for (const std::vector<int>& partitions : {std::vector<int>{1}, std::vector<int>{0}, std::vector<int>{0, 1}}) {
        ASSERT_OK_AND_ASSIGN(auto sink, OpenSink(files, one.kind, one.settings));
        ASSERT_OK(deliver(*sink, partitions, 6));
      }
      std::vector<std::string> all = one.read(files, one.answers), want;
      for (const std::string& aside : one.read(files, one.aside)) all.push_back(aside);
      for (const int partition : {0, 1}) {
        for (std::int64_t i = 0; i < 6; ++i) want.push_back(value(partition, i));
      }
      std::ranges::sort(all);
      ASSERT_EQ(all, want) << one.kind << " step " << step;
    }
  }
}

TEST(EventSink, AFileOfSomethingElseIsNotTouched) {
  platform::MemoryFiles files;
  ASSERT_OK(files.MakeFolders("project/out"));
  ASSERT_OK(files.Write("project/out/a.jsonl", "my diary\n"));
  ASSERT_CODE(kFailedPrecondition, OpenSink(files, "json_lines", R"({"path": "out/a.jsonl"})"));
  EXPECT_EQ(Lines(files, "project/out/a.jsonl"), std::vector<std::string>{"my diary"});
}

TEST(EventSink, WrongSettings) {
  platform::MemoryFiles files;
  ASSERT_CODE(kInvalidArgument, OpenSink(files, "json_lines", R"({"pfad": "a"})"));
  ASSERT_CODE(kInvalidArgument, OpenSink(files, "log", R"({"folder": "a", "aside": "a"})"));
  ASSERT_CODE(kInvalidArgument, OpenSink(files, "kafka", R"({"topic": "a", "aside": "a"})"));
}

}  // namespace
}  // namespace tenon::feature

#include "feature/event_log.h"

#include "base/testing.h"
#include "base/text.h"
#include "platform/memory_files.h"

namespace tenon::feature {
namespace {

using Sync = EventLogWriter::Sync;

Result<std::int64_t> AppendOne(EventLogWriter& writer, std::string_view value) {
  const Message message{.key = "k", .value = value};
  return writer.Append({&message, 1}, 5);
}

std::vector<std::string> All(EventLogReader& reader, std::size_t most = 3) {
  std::vector<std::string> out;
  while (true) {
    auto read = reader.Read(static_cast<std::int64_t>(out.size()), most);
    EXPECT_TRUE(read.ok()) << read.error().ToString();
    if (!read.ok() || read->empty()) return out;
    for (const Message& message : *read) {
      EXPECT_EQ(message.offset, static_cast<std::int64_t>(out.size()));
      EXPECT_EQ(message.key, "k");
      EXPECT_EQ(message.appended, 5);
      out.emplace_back(message.value);
    }
  }
}

TEST(EventLog, RecordsComeBackInOrderOverSegmentsAndWhileItGrows) {
  platform::MemoryFiles files;
  EventLogWriter writer(files, "log", Sync::kBatch, 200);
  EventLogReader reader(files, "log");
  ASSERT_OK_AND_ASSIGN(const auto none, reader.Read(0, 10));
  EXPECT_TRUE(none.empty());
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back(Str("value ", i));
    ASSERT_OK_AND_ASSIGN(const std::int64_t offset, AppendOne(writer, expected.back()));
    EXPECT_EQ(offset, i);
    ASSERT_OK_AND_ASSIGN(const auto read, reader.Read(i, 10));
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(read[0].value, expected.back());
  }
  EventLogReader again(files, "log");
  EXPECT_EQ(All(again), expected);
  ASSERT_OK_AND_ASSIGN(const std::int64_t end, again.End());
  EXPECT_EQ(end, 50);
  ASSERT_OK_AND_ASSIGN(const auto names, files.List("log"));
  EXPECT_GT(names.size(), 5U);
  ASSERT_OK_AND_ASSIGN(const int removed, writer.Trim(20));
  EXPECT_GT(removed, 0);
  ASSERT_CODE(kNotFound, again.Read(0, 1));
  ASSERT_OK_AND_ASSIGN(const auto later, again.Read(20, 1));
  EXPECT_EQ(later[0].value, "value 20");
}

TEST(EventLog, TwoWritersTakeTurns) {
  platform::MemoryFiles files;
  EventLogWriter one(files, "log", Sync::kWhenever, 300), two(files, "log", Sync::kWhenever, 300);
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    expected.push_back(Str("value ", i));
    ASSERT_OK_AND_ASSIGN(const std::int64_t offset, AppendOne(i % 3 == 0 ? one : two, expected.back()));
    EXPECT_EQ(offset, i);
  }
  EventLogReader reader(files, "log");
  EXPECT_EQ(All(reader), expected);
}

TEST(EventLog, ATornRecordIsCutOffAndADamagedOneIsTold) {
  platform::MemoryFiles files;
  const std::string path = "log/00000000000000000000.events";
  {
    EventLogWriter writer(files, "log", Sync::kBatch);
    for (int i = 0; i < 5; ++i) ASSERT_OK(AppendOne(writer, Str("value ", i)));
  }
  ASSERT_OK_AND_ASSIGN(const std::string whole, files.Read(path));
  for (std::size_t cut = 1; cut < 30; ++cut) {
    ASSERT_OK(files.Write(path, std::string_view(whole).substr(0, whole.size() - cut)));
    EventLogReader reader(files, "log");
    ASSERT_EQ(All(reader).size(), 4U) << cut;
    EventLogWriter writer(files, "log", Sync::kBatch);
    ASSERT_OK_AND_ASSIGN(const std::int64_t offset, AppendOne(writer, "after"));
    ASSERT_EQ(offset, 4) << cut;
    EXPECT_EQ(All(reader).back(), "after");
    ASSERT_OK_AND_ASSIGN(const std::string kept, files.Read(path + ".4.cut"));
    EXPECT_TRUE(whole.substr(0, whole.size() - cut).ends_with(kept));
  }
  std::string damaged = whole;
  damaged[60] ^= 1;
  ASSERT_OK(files.Write(path, damaged));
  ASSERT_OK(files.Write("log/00000000000000000005.events", "tnevlog1"));
  EventLogReader reader(files, "log");
  Result<std::span<const Message>> read = reader.Read(0, 1);
  while (read.ok() && !read->empty()) read = reader.Read(read->back().offset + 1, 1);
  ASSERT_CODE(kDataLoss, read);
}

TEST(EventLog, WhatIsNoSegmentIsLeftAlone) {
  platform::MemoryFiles files;
  const std::string path = "log/00000000000000000000.events";
  ASSERT_OK(files.MakeFolders("log"));
  ASSERT_OK(files.Write(path, "tnevlog9 and records of a later version"));
  EventLogReader reader(files, "log");
  EventLogWriter writer(files, "log", Sync::kBatch);
  ASSERT_CODE(kDataLoss, reader.Read(0, 1));
  ASSERT_CODE(kDataLoss, reader.End());
  ASSERT_CODE(kDataLoss, AppendOne(writer, "more"));
  ASSERT_OK_AND_ASSIGN(const std::string left, files.Read(path));
  EXPECT_EQ(left, "tnevlog9 and records of a later version");
}

// The power is cut at each step in turn: what was appended with kBatch is there.
TEST(EventLog, SurvivesAPowerCutAtEveryStep) {
  for (int step = 0; step < 200; ++step) {
    platform::MemoryFiles files;
    std::size_t told = 0;
    {
      EventLogWriter writer(files, "log", Sync::kBatch, 150, std::chrono::milliseconds(0));
      files.CutAfter(step);
      for (int i = 0; i < 10; ++i) {
        if (!AppendOne(writer, Str("value ", i)).ok()) break;
        ++told;
      }
    }
    files.DropUnsynced();
    EventLogWriter writer(files, "log", Sync::kBatch, 150);
    ASSERT_OK(AppendOne(writer, "after"));
    EventLogReader reader(files, "log");
    const std::vector<std::string> all = All(reader);
    ASSERT_GE(all.size(), told + 1) << step;
    for (std::size_t i = 0; i < told; ++i) ASSERT_EQ(all[i], Str("value ", i)) << step;
    EXPECT_EQ(all.back(), "after");
    if (told == 10) return;
  }
  FAIL() << "the work never succeeded";
}

}  // namespace
}  // namespace tenon::feature

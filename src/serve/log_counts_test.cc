#include "serve/log_counts.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "base/json.h"
#include "base/testing.h"
#include "base/text.h"
#include "platform/memory_files.h"
#include "serve/inference_log.h"
#include "serve/log_counts_internal.h"
#include "serve/log_format_internal.h"

namespace tenon::serve {
namespace {

using Why = MissingAnswers::Why;
constexpr Micros kForever = std::numeric_limits<Micros>::max();

class LogCounts : public ::testing::Test {
 protected:
  LogCounts() : files_(platform::RealFiles()), folder_(std::filesystem::temp_directory_path() / Str("tenon-counts-", getpid())) { std::filesystem::create_directories(folder_); }
  ~LogCounts() override { std::filesystem::remove_all(folder_); }

  static Served Version() {
    Served served;
    served.endpoint = "loan";
    served.model = "loan@1";
    served.version = 1;
    served.fields = {{"age", table::Type::kInt64}};
    return served;
  }
  static void AddOne(InferenceLog& log, const Served& served, std::int64_t i) {
    Row row;
    row.numbers.assign(1, static_cast<double>(i));
    row.texts.assign(1, std::string_view());
    const float value = 0.5F;
    log.Add(served, Str("id-", i), 1'000'000 + i, row, {std::span<const float>(&value, 1), 0});
  }
  // A record of a segment as the log writes it.
  static std::string Answer(Micros at) {
    const Served served = Version();
    Row row;
    row.numbers.assign(1, 1.0);
    row.texts.assign(1, std::string_view());
    const float value = 0.5F;
    std::string out;
    AppendAnswer(served, {}, "", "id", at, row, {std::span<const float>(&value, 1), 0}, Rung::kModel, true, &out);
    return out;
  }
  static void Die() { kill(getpid(), SIGKILL); }
  // Does it in a process that kills itself at the end, so that nothing is closed.
  template <typename Work>
  void InAKilledProcess(Work work) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      work();  // does not return
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  std::int64_t Entries() {
    auto read = ReadInferenceLog(Call(), *files_, folder_, "loan", 0, kForever, [](const auto&, const auto&) { return true; });
    EXPECT_TRUE(read.ok());
    return read.ok() ? read->entries : -1;
  }
  std::vector<std::string> Names(std::string_view end) {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      if (entry.path().filename().string().ends_with(end)) out.push_back(entry.path().filename());
    }
    return out;
  }

  std::unique_ptr<platform::Files> files_;
  std::string folder_;
};

TEST_F(LogCounts, WhatAKilledProcessGaveIsInTheLogOrSaidToBeMissing) {
  for (int round = 0; round < 3; ++round) {
    InAKilledProcess([&] {
      auto log = OpenInferenceLog(*files_, folder_);
      const Served served = Version();
      for (int i = 0; i < 100; ++i) AddOne(**log, served, 1000 * round + i);
      static_cast<void>((*log)->Flush());
      for (int i = 100; i < 137; ++i) AddOne(**log, served, 1000 * round + i);
      Die();
    });
  }
  // Read by whoever looks, before anybody opened the log again.
  ASSERT_OK_AND_ASSIGN(const auto missing, FindMissing(*files_, folder_));
  EXPECT_EQ(Entries() + SumOf(missing), 3 * 137);
  ASSERT_FALSE(missing.empty());
  EXPECT_EQ(missing.back().why, Why::kKilled);
  EXPECT_EQ(missing.back().until, 1'000'000 + 2136);
  EXPECT_GE(missing.back().from, 1'000'000 + 2099);
  {
    ASSERT_OK_AND_ASSIGN(const auto log, OpenInferenceLog(*files_, folder_));
    EXPECT_EQ(SumOf(log->missing()), SumOf(missing));
    EXPECT_TRUE(log->missing().back().fresh);
    AddOne(*log, Version(), 5000);
    // A process at work is none that has died.
    ASSERT_OK_AND_ASSIGN(const auto now, FindMissing(*files_, folder_));
    EXPECT_EQ(SumOf(now), SumOf(missing));
  }
  EXPECT_EQ(Entries() + SumOf(missing), 3 * 137 + 1);
  ASSERT_OK_AND_ASSIGN(const auto log, OpenInferenceLog(*files_, folder_));
  EXPECT_EQ(SumOf(log->missing()), SumOf(missing));
  EXPECT_FALSE(log->missing().back().fresh);
  EXPECT_EQ(Names(".json").size(), missing.size() + 1);  // what is missing of each, and the counts of this one
}

TEST_F(LogCounts, AnswersBetweenBeingWrittenAndCountedAreNotMissing) {
  InAKilledProcess([&] {
    auto counts = LiveCounts::Open(*files_, folder_);
    LiveCounts::Cell* cell = (*counts)->Join("loan");
    for (Micros at = 1; at <= 5; ++at) cell->Given(at);
    (*counts)->Begun("loan", 7);
    auto segment = files_->Append(folder_ + "/" + SegmentName("loan", 7));
    const std::string first = std::string(kLogMagic) + Answer(1) + Answer(2);
    static_cast<void>((*segment)->Append(first));
    (*counts)->Written("loan", first.size(), 2, 2);
    static_cast<void>((*segment)->Append(Answer(3) + Answer(4).substr(0, 30)));  // killed in the midst
    Die();
  });
  ASSERT_OK_AND_ASSIGN(const auto missing, FindMissing(*files_, folder_));
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].answers, 2);
  EXPECT_EQ(missing[0].from, 3);
  EXPECT_EQ(missing[0].until, 5);
  EXPECT_NE(Describe(missing).find("lacks 2 answers of loan"), std::string::npos) << Describe(missing);
}

TEST_F(LogCounts, WithoutTheMemoryItIsSaidThatMoreMayBeMissing) {
  InAKilledProcess([&] {
    auto counts = LiveCounts::Open(*files_, folder_);
    LiveCounts::Cell* cell = (*counts)->Join("loan");
    for (Micros at = 1; at <= 5; ++at) cell->Given(at);
    (*counts)->Written("loan", 100, 3, 3);
    static_cast<void>((*counts)->Keep());
    cell->Given(6);  // known to the memory alone
    Die();
  });
  ASSERT_EQ(Names(".json").size(), 1U);
  ASSERT_OK_AND_ASSIGN(const std::string text, files_->Read(folder_ + "/" + Names(".json")[0]));
  ASSERT_OK_AND_ASSIGN(const Json kept, Json::Parse(text));
  ASSERT_OK(files_->Remove(kept.StringAt("live")));
  ASSERT_OK_AND_ASSIGN(const auto missing, FindMissing(*files_, folder_));
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].answers, 2);
  EXPECT_EQ(missing[0].why, Why::kUnknown);
  ASSERT_OK(SettleLog(*files_, folder_));
  ASSERT_OK_AND_ASSIGN(const auto settled, FindMissing(*files_, folder_));
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_EQ(settled[0].answers, 2);
  EXPECT_EQ(settled[0].why, Why::kUnknown);
  EXPECT_EQ(settled[0].until, 5);
}

TEST_F(LogCounts, AnOrderlyEndLeavesNothingButWhatHadNoRoom) {
  {
    ASSERT_OK_AND_ASSIGN(const auto counts, LiveCounts::Open(*files_, folder_));
    LiveCounts::Cell* cell = counts->Join("loan");
    for (Micros at = 1; at <= 5; ++at) cell->Given(at);
    counts->Written("loan", 0, 5, 5);
  }
  EXPECT_TRUE(Names("").empty());
  {
    ASSERT_OK_AND_ASSIGN(const auto counts, LiveCounts::Open(*files_, folder_));
    LiveCounts::Cell* cell = counts->Join("loan");
    for (Micros at = 1; at <= 5; ++at) cell->Given(at);
    counts->Written("loan", 0, 4, 5);
  }
  ASSERT_OK_AND_ASSIGN(const auto missing, FindMissing(*files_, folder_));
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].answers, 1);
  EXPECT_EQ(missing[0].why, Why::kNoRoom);
  ForgetMissing(*files_, folder_, 5);
  EXPECT_EQ(Names("").size(), 1U);
  ForgetMissing(*files_, folder_, 6);
  EXPECT_TRUE(Names("").empty());
}

TEST_F(LogCounts, ThreadsThatComeAndGoAreCountedOn) {
  InAKilledProcess([&] {
    auto counts = LiveCounts::Open(*files_, folder_);
    for (Micros at = 0; at < 5000; ++at) {  // more than there are places
      LiveCounts::Cell* cell = (*counts)->Join("loan");
      cell->Given(at);
      (*counts)->Leave(cell);
    }
    Die();
  });
  ASSERT_OK_AND_ASSIGN(const auto missing, FindMissing(*files_, folder_));
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].answers, 5000);
  EXPECT_EQ(missing[0].why, Why::kKilled);
}

TEST_F(LogCounts, MoreEndpointsThanThereIsRoomForAreNotCalledCounted) {
  InAKilledProcess([&] {
    auto counts = LiveCounts::Open(*files_, folder_);
    for (int i = 0; i < 300; ++i) (*counts)->Join(Str("endpoint-", i))->Given(i + 1);
    Die();
  });
  ASSERT_OK_AND_ASSIGN(const auto missing, FindMissing(*files_, folder_));
  EXPECT_EQ(SumOf(missing), 256);
  EXPECT_EQ(missing[0].why, Why::kUnknown);
}

// A folder of a stranger's does not have files elsewhere read or removed.
TEST_F(LogCounts, OnlyTheMemoryOfTheProcessItselfIsRemoved) {
  const std::string other = folder_ + "/something else";
  ASSERT_OK(files_->Write(other, "kept"));
  Json said;
  said["live"] = other;
  said["boot"] = platform::BootId();
  said["started"] = 1;
  said["endpoints"] = Json::MakeArray();
  ASSERT_OK(files_->Write(folder_ + "/counts-00000000000000000001-1-0.json", said.Dump()));
  ASSERT_OK(files_->Write(folder_ + "/counts-00000000000000000001-1-0.close", ""));
  ASSERT_OK(SettleLog(*files_, folder_));
  EXPECT_EQ(Names("").size(), 1U);
  ASSERT_OK_AND_ASSIGN(const std::string text, files_->Read(other));
  EXPECT_EQ(text, "kept");
}

TEST_F(LogCounts, ItsMemoryIsForNobodyElse) {
  ASSERT_OK_AND_ASSIGN(const auto counts, LiveCounts::Open(*files_, folder_));
  ASSERT_EQ(Names(".json").size(), 1U);
  ASSERT_OK_AND_ASSIGN(const std::string text, files_->Read(folder_ + "/" + Names(".json")[0]));
  ASSERT_OK_AND_ASSIGN(const Json kept, Json::Parse(text));
  const auto rights = std::filesystem::status(kept.StringAt("live")).permissions();
  EXPECT_EQ(rights, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(LogCounts, ADamagedFileStopsNoLog) {
  ASSERT_OK(files_->Write(folder_ + "/counts-00000000000000000001-1-0.json", "{"));
  ASSERT_CODE(kInvalidArgument, FindMissing(*files_, folder_));
  ASSERT_OK(OpenInferenceLog(*files_, folder_));
}

TEST_F(LogCounts, SegmentsAreLetGoWhenTheyAreWanted) {
  ASSERT_OK_AND_ASSIGN(const auto log, OpenInferenceLog(*files_, folder_));
  AddOne(*log, Version(), 1);
  ASSERT_OK(log->Flush());
  ASSERT_EQ(Names(".log").size(), 1U);
  ASSERT_OK_AND_ASSIGN(const auto held, CloseSegments(*files_, folder_, std::chrono::seconds(30)));
  EXPECT_TRUE(held.empty());
  AddOne(*log, Version(), 2);
  ASSERT_OK(log->Flush());
  EXPECT_EQ(Names(".log").size(), 2U);
  EXPECT_EQ(Entries(), 2);
  // One that does not answer keeps its own.
  ASSERT_OK_AND_ASSIGN(const auto still, CloseSegments(*files_, folder_, std::chrono::milliseconds(0)));
  EXPECT_EQ(still.size(), 1U);
}

TEST_F(LogCounts, OnesOfAnEndpointAndATime) {
  const std::vector<MissingAnswers> all = {{.endpoint = "a", .answers = 1, .from = 10, .until = 20}, {.endpoint = "b", .answers = 2, .from = 10, .until = 20}, {.endpoint = "a", .answers = 4, .from = 30, .until = 40}};
  EXPECT_EQ(SumOf(MissingOf(all, "a", 0, kForever)), 5);
  EXPECT_EQ(SumOf(MissingOf(all, "", 0, kForever)), 7);
  EXPECT_EQ(SumOf(MissingOf(all, "a", 20, 30)), 1);
  EXPECT_EQ(SumOf(MissingOf(all, "a", 21, 30)), 0);
}

}  // namespace
}  // namespace tenon::serve

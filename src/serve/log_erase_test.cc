#include "serve/log_erase.h"

#include <unistd.h>

#include <filesystem>
#include <limits>

#include "base/testing.h"
#include "base/text.h"
#include "platform/memory_files.h"
#include "serve/inference_log.h"

namespace tenon::serve {
namespace {

Served Version() {
  Served served;
  served.endpoint = "loan";
  served.model = "loan@1";
  served.version = 1;
  served.fields = {{"who", table::Type::kString}, {"age", table::Type::kInt64}, {"born", table::Type::kTimestamp}, {"here", table::Type::kBool}};
  return served;
}

void AddOne(InferenceLog& log, int i) {
  const std::string who = Str("customer-", i % 10);
  Row row;
  row.numbers = {0, static_cast<double>(20 + i % 7), 86'400'000'000.0 * (i % 3), static_cast<double>(i % 2)};
  row.texts.assign(4, std::string_view());
  row.texts[0] = who;
  const float value = 0.5F;
  log.Add(Version(), Str("id-", i), 1'000'000 + i, row, {std::span<const float>(&value, 1), 0});
}

class LogErase : public ::testing::Test {
 protected:
  LogErase() : files_(platform::RealFiles()), folder_(std::filesystem::temp_directory_path() / Str("tenon-log-erase-", getpid())) {}
  ~LogErase() override { std::filesystem::remove_all(folder_); }

  void Fill(LogOptions options = {}) {
    auto log = OpenInferenceLog(*files_, folder_, std::move(options));
    ASSERT_OK(log);
    for (int i = 0; i < 100; ++i) AddOne(**log, i);
    ASSERT_OK((*log)->Flush());
  }
  std::vector<LogEntry> Entries() {
    std::vector<LogEntry> out;
    auto read = ReadInferenceLog(Call(), *files_, folder_, "loan", 0, std::numeric_limits<Micros>::max(), [&](const auto&, const LogEntry& entry) {
      out.push_back(entry);
      return true;
    });
    EXPECT_TRUE(read.ok());
    return out;
  }
  std::int64_t Erase(const std::string& column, const std::string& text, bool apply = true, const std::string& key = "") {
    auto erased = EraseFromLog(Call(), *files_, folder_, {column, {text}, key}, apply);
    EXPECT_TRUE(erased.ok()) << erased.error().ToString();
    return erased.ok() ? erased->answers : -1;
  }
  bool Stands(std::string_view text) {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      auto bytes = files_->Read(entry.path());
      if (bytes.ok() && bytes->find(text) != std::string::npos) return true;
    }
    return false;
  }

  std::unique_ptr<platform::Files> files_;
  std::string folder_;
};

TEST_F(LogErase, ByAFieldsValueOfEveryType) {
  Fill();
  EXPECT_EQ(Erase("who", "customer-3", false), 10);
  EXPECT_TRUE(Stands("customer-3"));
  const std::string segment = std::filesystem::directory_iterator(folder_)->path();
  ASSERT_OK_AND_ASSIGN(const platform::FileInfo before, files_->Info(segment));
  EXPECT_EQ(Erase("who", "customer-3"), 10);
  EXPECT_FALSE(Stands("customer-3"));
  ASSERT_OK_AND_ASSIGN(const platform::FileInfo after, files_->Info(segment));
  EXPECT_EQ(after.modified, before.modified);  // it is not younger for that
  const auto rest = Entries();
  ASSERT_EQ(rest.size(), 90U);
  for (const LogEntry& entry : rest) EXPECT_NE(entry.texts[0], "customer-3");
  EXPECT_EQ(rest[3].request_id, "id-4");
  EXPECT_EQ(Erase("who", "customer-3"), 0);
  EXPECT_EQ(Erase("age", "26"), 12);
  EXPECT_EQ(Erase("born", "1970-01-02"), 26);
  EXPECT_EQ(Erase("nothing", "26"), 0);
  EXPECT_EQ(Erase("here", "true") + Erase("here", "false"), 52);
  EXPECT_TRUE(Entries().empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));  // a segment without an answer left goes
}

TEST_F(LogErase, ByTheRequestsId) {
  Fill();
  EXPECT_EQ(Erase("who", "id-17"), 1);
  EXPECT_EQ(Entries().size(), 99U);
}

TEST_F(LogErase, HashesWithTheirKeyAlone) {
  LogOptions options;
  options.hash = {"who"};
  options.hash_key = std::string(16, 'k');
  Fill(options);
  ASSERT_OK_AND_ASSIGN(const LogErased without, EraseFromLog(Call(), *files_, folder_, {"who", {"customer-3"}, ""}, true));
  EXPECT_EQ(without.answers, 0);
  EXPECT_EQ(without.hashed, 100);
  EXPECT_EQ(Erase("who", "customer-3", true, options.hash_key), 10);
  EXPECT_EQ(Entries().size(), 90U);
}

TEST_F(LogErase, FromASegmentThatIsBeingWritten) {
  ASSERT_OK_AND_ASSIGN(const auto log, OpenInferenceLog(*files_, folder_));
  for (int i = 0; i < 50; ++i) AddOne(*log, i);
  ASSERT_OK(log->Flush());
  EXPECT_EQ(Erase("who", "customer-3"), 5);
  for (int i = 50; i < 100; ++i) AddOne(*log, i);
  ASSERT_OK(log->Flush());
  EXPECT_EQ(Entries().size(), 95U);
  EXPECT_EQ(log->dropped(), 0);
}

TEST_F(LogErase, HalfARecordOfItGoesToo) {
  Fill();
  const std::string path = std::filesystem::directory_iterator(folder_)->path();
  ASSERT_OK_AND_ASSIGN(const std::string whole, files_->Read(path));
  ASSERT_OK(files_->Write(path, whole.substr(0, whole.size() - 3)));  // the last one is customer-9's
  EXPECT_EQ(Erase("who", "customer-9"), 10);
  EXPECT_FALSE(Stands("customer-9"));
  EXPECT_EQ(Entries().size(), 90U);
}

// At every step of the work the disk fails: a segment is whole, with all answers or without.
TEST(LogEraseFails, OldOrNew) {
  for (std::int64_t step = 0; step < 200; ++step) {
    platform::MemoryFiles files;
    {
      auto log = OpenInferenceLog(files, "log");
      ASSERT_OK(log);
      for (int i = 0; i < 20; ++i) AddOne(**log, i);
      ASSERT_OK((*log)->Flush());
    }
    files.CutAfter(step);
    auto erased = EraseFromLog(Call(), files, "log", {"who", {"customer-3"}, ""}, true);
    files.DropUnsynced();
    std::int64_t entries = 0, his = 0;
    ASSERT_OK(ReadInferenceLog(Call(), files, "log", "loan", 0, std::numeric_limits<Micros>::max(), [&](const auto&, const LogEntry& entry) {
      ++entries;
      his += entry.texts[0] == "customer-3" ? 1 : 0;
      return true;
    }));
    ASSERT_TRUE((entries == 20 && his == 2) || (entries == 18 && his == 0)) << step << ": " << entries << " " << his;
    if (!erased.ok()) continue;
    EXPECT_EQ(his, 0);
    EXPECT_GT(step, 3);
    return;
  }
  FAIL() << "it never ended";
}

}  // namespace
}  // namespace tenon::serve

#include "pipeline/log_archive.h"

#include <algorithm>
#include <filesystem>

#include "base/testing.h"
#include "base/text.h"
#include "platform/clock.h"
#include "serve/inference_log.h"

namespace tenon::pipeline {
namespace {

using namespace std::chrono_literals;
constexpr Micros kHour = 3'600'000'000, kFirst = 1'709'164'800'000'000;  // 2024-02-29T00:00:00Z

class LogArchiveTest : public ::testing::Test {
 protected:
  LogArchiveTest() : root_(::testing::TempDir() + "log_archive_test"), clock_(kFirst) {
    std::filesystem::remove_all(root_);
    served_.endpoint = "loan/eu";
    served_.model = "loan@1";
    served_.fields = {{"age", table::Type::kInt64}};
    call_.clock = &clock_;
  }
  ~LogArchiveTest() override { std::filesystem::remove_all(root_); }

  void Answer(serve::InferenceLog& log, Micros at) {
    serve::Row row;
    row.numbers = {41};
    row.texts.resize(1);
    const float value = 0.5F;
    log.Add(served_, Str("r", at), at, row, {std::span<const float>(&value, 1), 1});
  }

  Result<int> TurnAt(Micros at) {
    clock_.Advance(std::chrono::microseconds(at - clock_.Now()));
    return ArchiveLog(call_, *files_, {root_, "loan/eu", 1h, 48h});
  }

  std::vector<std::string> Parts() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ + "/parquet")) {
      if (entry.path().extension() == ".parquet") out.push_back(std::filesystem::relative(entry.path(), root_).string());
    }
    std::ranges::sort(out);
    return out;
  }

  const std::string root_;
  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  platform::FakeClock clock_;
  serve::Served served_;
  Call call_;
};

TEST_F(LogArchiveTest, EachTimeThatIsOverBecomesOneFileAndOldDaysGo) {
  ASSERT_OK_AND_ASSIGN(auto log, serve::OpenInferenceLog(*files_, root_));
  for (const Micros at : {kFirst + 13 * kHour, kFirst + 14 * kHour - 1, kFirst + 30 * kHour}) Answer(*log, at);
  ASSERT_OK(log->Flush());
  const std::string first = "parquet/loan%2feu/date=2024-02-29/1300.parquet", second = "parquet/loan%2feu/date=2024-03-01/0600.parquet";
  ASSERT_OK_AND_ASSIGN(int written, TurnAt(kFirst + 14 * kHour));
  EXPECT_EQ(written, 0) << "answers may still be on their way into the log";
  ASSERT_OK_AND_ASSIGN(written, TurnAt(kFirst + 14 * kHour + 6'000'000));
  EXPECT_EQ(written, 1);
  EXPECT_EQ(Parts(), std::vector<std::string>{first});
  ASSERT_OK_AND_ASSIGN(written, TurnAt(kFirst + 32 * kHour));
  EXPECT_EQ(written, 1);
  EXPECT_EQ(Parts(), (std::vector<std::string>{first, second}));
  ASSERT_OK_AND_ASSIGN(written, TurnAt(kFirst + 33 * kHour));
  EXPECT_EQ(written, 0);
  // One whose mark was lost looks at all and finds its files.
  ASSERT_OK(files_->Remove(root_ + "/parquet/loan%2feu/written_until"));
  ASSERT_OK_AND_ASSIGN(written, TurnAt(kFirst + 34 * kHour));
  EXPECT_EQ(written, 0);
  ASSERT_OK_AND_ASSIGN(written, TurnAt(kFirst + 73 * kHour));
  EXPECT_EQ(Parts(), std::vector<std::string>{second}) << "the day was over 49 hours ago";
}

TEST_F(LogArchiveTest, ADamagedMarkIsToldAndAStoppedTurnGoesOn) {
  ASSERT_OK_AND_ASSIGN(auto log, serve::OpenInferenceLog(*files_, root_));
  Answer(*log, kFirst + 1);
  ASSERT_OK(log->Flush());
  ASSERT_OK(files_->MakeFolders(root_ + "/parquet/loan%2feu"));
  ASSERT_OK(files_->Write(root_ + "/parquet/loan%2feu/written_until", "soon"));
  ASSERT_CODE(kDataLoss, TurnAt(kFirst + 2 * kHour));
  ASSERT_OK(files_->Remove(root_ + "/parquet/loan%2feu/written_until"));
  std::stop_source stop;
  stop.request_stop();
  call_.stop = stop.get_token();
  ASSERT_CODE(kCancelled, TurnAt(kFirst + 2 * kHour));
  EXPECT_TRUE(Parts().empty());
  call_.stop = {};
  ASSERT_OK_AND_ASSIGN(const int written, TurnAt(kFirst + 2 * kHour));
  EXPECT_EQ(written, 1);
}

}  // namespace
}  // namespace tenon::pipeline

#include "pipeline/export_log.h"

#include <filesystem>

#include "base/testing.h"
#include "base/text.h"
#include "serve/feedback.h"

namespace tenon::pipeline {
namespace {

class ExportLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    served_.endpoint = "shop";
    served_.model = "shop@1";
    served_.fields = {{"age", table::Type::kFloat64}};
    ASSERT_OK_AND_ASSIGN(const auto log, serve::OpenInferenceLog(*files_, folder_));
    const float value = 0.25F;
    const auto add = [&](const char* id, double age, serve::Rung rung = serve::Rung::kModel) {
      serve::Row row;
      row.numbers = {age};
      row.texts.resize(1);
      log->Add(served_, id, 1000, row, {std::span<const float>(&value, 1), 1}, rung);
    };
    add("a", 1);
    add("a", 2, serve::Rung::kRule);
    add("a", 3);
    add("b", 4);
    ASSERT_OK(log->Flush());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Export(bool labels) {
    const std::string out = folder_ + "/out.csv";
    EXPECT_TRUE(ExportLog({}, *files_, folder_, "shop", 0, 2000, out, labels).ok());
    auto text = files_->Read(out);
    return text.ok() ? *text : "";
  }

  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string folder_ = "/tmp/tenon-export-log-XXXXXX";
  serve::Served served_;
};

TEST_F(ExportLogTest, NamesTheRungOfEachAnswer) {
  EXPECT_EQ(Export(false),
            "at,request_id,model,rung,decision,prediction,age\n"
            "1970-01-01T00:00:00.001Z,a,shop@1,model,1,0.25,1\n"
            "1970-01-01T00:00:00.001Z,a,shop@1,rule,1,0.25,2\n"
            "1970-01-01T00:00:00.001Z,a,shop@1,model,1,0.25,3\n"
            "1970-01-01T00:00:00.001Z,b,shop@1,model,1,0.25,4\n");
}

TEST_F(ExportLogTest, LabelsFindTheRowsOfTheirRequests) {
  serve::FeedbackLog labels(*files_, folder_);
  ASSERT_OK(labels.Add("shop", {3000, "a", 2, "no"}));
  ASSERT_OK(labels.Add("shop", {3000, "a", 0, "yes"}));
  ASSERT_OK(labels.Add("shop", {3001, "a", 0, "no"}));  // the last word counts
  ASSERT_OK(labels.Add("shop", {3001, "nobody", 0, "no"}));
  ASSERT_OK(labels.Sync());
  EXPECT_EQ(Export(true),
            "at,request_id,model,rung,decision,prediction,age,label\n"
            "1970-01-01T00:00:00.001Z,a,shop@1,model,1,0.25,1,no\n"
            "1970-01-01T00:00:00.001Z,a,shop@1,rule,1,0.25,2,\n"
            "1970-01-01T00:00:00.001Z,a,shop@1,model,1,0.25,3,no\n"
            "1970-01-01T00:00:00.001Z,b,shop@1,model,1,0.25,4,\n");
}

}  // namespace
}  // namespace tenon::pipeline

#include "monitor/watch.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "platform/memory_files.h"
#include "serve/inference_log.h"

namespace tenon::monitor {
namespace {

using table::ColumnProfile;
using table::Type;

constexpr int kColumns = 40;

// Numbers x0..x39 of which the first `moved` are shifted, a text column, a timestamp that always moves.
table::Profile Rows(int rows, std::uint64_t seed, int moved, bool with_text = true) {
  std::vector<table::Field> fields;
  for (int c = 0; c < kColumns; ++c) fields.push_back({.name = Str("x", c), .type = Type::kFloat64});
  fields.push_back({.name = "at", .type = Type::kTimestamp});
  if (with_text) fields.push_back({.name = "city", .type = Type::kString});
  table::Profile out{table::Schema(fields)};
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  for (int c = 0; c < kColumns; ++c) {
    for (int i = 0; i < rows; ++i) out.column(c).AddNumber(normal(random) + (c < moved ? 1 + c : 0));
  }
  for (int i = 0; i < rows; ++i) {
    out.column(kColumns).AddNumber(1e15 + static_cast<double>(seed) * 1e9 + i);
    if (with_text) out.column(kColumns + 1).AddText(Str("<city ", random() % 5, ">"));
  }
  return out;
}

ColumnProfile Predictions(int rows, std::uint64_t seed, double shift) {
  ColumnProfile out({.name = "prediction", .type = Type::kFloat64});
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  for (int i = 0; i < rows; ++i) out.AddNumber(std::min(1.0, uniform(random) + shift));
  return out;
}

Window WindowOf(int rows, std::uint64_t seed, int moved, double shift = 0, bool with_text = true) {
  Window out;
  out.until = 1'000'000;
  out.rows = rows;
  out.models["loan@3"] = rows;
  out.columns = Rows(rows, seed, moved, with_text);
  out.predictions = Predictions(rows, seed + 1, shift);
  return out;
}

class WatchTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(AddAll(kinds_)); }
  Result<WatchReport> Look(const Window& window, std::string_view spec = "{}") {
    TENON_ASSIGN(const Json json, Json::Parse(spec));
    TENON_ASSIGN(const MonitorSpec parsed, MonitorSpec::Parse(json, "tenon.yaml"));
    return Watch({}, reference_, predictions_, window, parsed, kinds_);
  }
  Kinds<DriftTest> kinds_;
  table::Profile reference_ = Rows(1500, 1, 0);
  ColumnProfile predictions_ = Predictions(1500, 2, 0);
};

TEST_F(WatchTest, ManyUnchangedColumnsMakeNoAlarm) {
  int alarms = 0;
  for (std::uint64_t seed = 10; seed < 40; seed += 2) {
    ASSERT_OK_AND_ASSIGN(const WatchReport report, Look(WindowOf(400, seed, 0)));
    alarms += report.drifted();
    EXPECT_EQ(report.columns.size(), kColumns + 1u);  // the timestamp is passed over
  }
  EXPECT_LE(alarms, 1);  // stated: one look in a hundred
}

TEST_F(WatchTest, FindsWhatMovedStrongestFirst) {
  ASSERT_OK_AND_ASSIGN(const WatchReport report, Look(WindowOf(400, 3, 3, 0.4)));
  EXPECT_EQ(report.DriftedColumns(), (std::vector<std::string>{"x2", "x1", "x0"}));
  EXPECT_TRUE(report.prediction.drifted);
  const std::string text = report.Text();
  EXPECT_NE(text.find("3 of 41 columns drifted, and so did the predictions"), std::string::npos) << text;
  const Json json = report.ToJson();
  EXPECT_TRUE(json.BoolAt("drifted"));
  EXPECT_EQ(json.Find("columns")->array()[0].StringAt("column"), "x2");
  EXPECT_EQ(json.Find("columns")->array()[0].Find("histogram")->Find("bins")->array().size(), 24u);
  const std::string page = report.Html();
  EXPECT_NE(page.find("<h2>x2</h2>"), std::string::npos);
  EXPECT_NE(page.find("<svg "), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos) << "the page asks for nothing from elsewhere";
}

TEST_F(WatchTest, HistogramsAreShares) {
  ASSERT_OK_AND_ASSIGN(const WatchReport report, Look(WindowOf(400, 3, 1)));
  for (const ColumnVerdict& column : report.columns) {
    double before = 0, after = 0;
    for (const table::Bin& bin : column.reference) before += bin.count;
    for (const table::Bin& bin : column.window) after += bin.count;
    EXPECT_GT(before, 0.95) << column.column;
    EXPECT_LE(before, 1 + 1e-9);
    EXPECT_GT(after, 0.95) << column.column;
    EXPECT_LE(after, 1 + 1e-9);
  }
}

TEST_F(WatchTest, TextsAreEscaped) {
  Window window = WindowOf(400, 3, 0);
  for (int i = 0; i < 200; ++i) window.columns.column(kColumns + 1).AddText("<script>alert(1)</script>");
  ASSERT_OK_AND_ASSIGN(const WatchReport report, Look(window));
  EXPECT_EQ(report.DriftedColumns(), std::vector<std::string>{"city"});
  EXPECT_EQ(report.Html().find("<script>"), std::string::npos);
}

TEST_F(WatchTest, FewRowsAreNotJudged) {
  ASSERT_OK_AND_ASSIGN(const WatchReport report, Look(WindowOf(50, 3, 3)));
  EXPECT_FALSE(report.enough);
  EXPECT_FALSE(report.drifted());
  EXPECT_TRUE(report.columns.empty());
  EXPECT_NE(report.Text().find("too few"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const WatchReport judged, Look(WindowOf(50, 3, 3), R"({"least_rows": 20})"));
  EXPECT_TRUE(judged.enough);
  EXPECT_TRUE(judged.drifted());
}

TEST_F(WatchTest, AColumnThatIsGoneHasDrifted) {
  ASSERT_OK_AND_ASSIGN(const WatchReport report, Look(WindowOf(400, 3, 0, 0, false)));
  EXPECT_EQ(report.DriftedColumns(), std::vector<std::string>{"city"});
}

TEST_F(WatchTest, FollowsTheSpec) {
  const Window window = WindowOf(400, 3, 2);
  ASSERT_OK_AND_ASSIGN(const WatchReport ignoring, Look(window, R"({"drift": {"ignore": ["x1"]}})"));
  EXPECT_EQ(ignoring.DriftedColumns(), std::vector<std::string>{"x0"});
  ASSERT_OK_AND_ASSIGN(const WatchReport one,
                       Look(window, R"({"drift": {"test": "population_stability", "threshold": 1.5}})"));
  EXPECT_EQ(one.DriftedColumns(), std::vector<std::string>{"x1"});
  ASSERT_EQ(one.columns[0].tests.size(), 1u);
  EXPECT_EQ(one.columns[0].tests[0].verdict.threshold, 1.5);
  ASSERT_CODE(kNotFound, Look(window, R"({"drift": {"test": "kolmogorov"}})"));
  ASSERT_CODE(kInvalidArgument, Look(window, R"({"drift": {"test": "jensen_shannon", "with": {"bin": 4}}})"));
}

TEST_F(WatchTest, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  Call call;
  call.stop = source.get_token();
  ASSERT_CODE(kCancelled, Watch(call, reference_, predictions_, WindowOf(400, 3, 0), {}, kinds_));
}

serve::Served Version(int version) {
  serve::Served out;
  out.endpoint = "loan";
  out.model = Str("loan@", version);
  out.version = version;
  for (const auto& [name, type] : {std::pair{"age", Type::kInt64}, {"job", Type::kString}, {"owner", Type::kBool}}) {
    if (version == 1 && type == Type::kBool) continue;
    out.fields.emplace_back().name = name;
    out.fields.back().type = type;
  }
  return out;
}

void Answer(serve::InferenceLog& log, const serve::Served& served, int i, serve::Rung rung = serve::Rung::kModel) {
  serve::Row row;
  row.numbers.assign(served.fields.size(), 1);
  row.numbers[0] = i % 4 == 0 ? std::numeric_limits<double>::quiet_NaN() : i;
  row.texts.assign(served.fields.size(), std::string_view());
  if (i % 2 == 0) row.texts[1] = "baker";
  const float values[] = {0.2f, static_cast<float>(i) / 100};
  log.Add(served, Str(i), 1000 + i, row, {std::span<const float>(values, 2), 0}, rung);
}

TEST(ReadWindow, ProfilesWhatWasAskedAndAnswered) {
  platform::MemoryFiles files;
  ASSERT_OK_AND_ASSIGN(auto log, serve::OpenInferenceLog(files, "log"));
  const serve::Served first = Version(1);
  for (int i = 0; i < 100; ++i) Answer(*log, first, i);
  ASSERT_OK(log->Flush());
  ASSERT_OK_AND_ASSIGN(const Window window, ReadWindow({}, files, "log", "loan", "", 1020, 1060));
  EXPECT_EQ(window.rows, 40);
  EXPECT_EQ(window.models.at("loan@1"), 40);
  const ColumnProfile* age = window.columns.Find("age");
  ASSERT_NE(age, nullptr);
  EXPECT_EQ(age->count(), 40);
  EXPECT_EQ(age->missing(), 10);
  EXPECT_EQ(age->max(), 59);
  const ColumnProfile* job = window.columns.Find("job");
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->missing(), 20);
  EXPECT_EQ(job->Top(1)[0].value, "baker");
  EXPECT_FLOAT_EQ(static_cast<float>(window.predictions.max()), 0.59f);  // the largest of each answer
  EXPECT_FLOAT_EQ(static_cast<float>(window.predictions.min()), 0.2f);
  // What a lower rung said is no prediction of the model; what it was asked counts.
  for (int i = 100; i < 110; ++i) Answer(*log, first, i, serve::Rung::kRule);
  ASSERT_OK(log->Flush());
  ASSERT_OK_AND_ASSIGN(const Window lower, ReadWindow({}, files, "log", "loan", "", 1090, 1110));
  EXPECT_EQ(lower.rows, 20);
  EXPECT_EQ(lower.columns.Find("age")->max(), 109);
  EXPECT_EQ(lower.predictions.count(), 10);
  ASSERT_OK_AND_ASSIGN(const Window empty, ReadWindow({}, files, "log", "loan", "", 5000, 6000));
  EXPECT_EQ(empty.rows, 0);
}

TEST(ReadWindow, TheLatestSchemaCounts) {
  platform::MemoryFiles files;
  ASSERT_OK_AND_ASSIGN(auto log, serve::OpenInferenceLog(files, "log"));
  const serve::Served first = Version(1), second = Version(2);
  for (int i = 0; i < 30; ++i) Answer(*log, first, i);
  for (int i = 30; i < 50; ++i) Answer(*log, second, i);
  ASSERT_OK(log->Flush());
  ASSERT_OK_AND_ASSIGN(const Window window, ReadWindow({}, files, "log", "loan", "", 0, 10000));
  EXPECT_EQ(window.rows, 20);
  EXPECT_EQ(window.columns.columns().size(), 3u);
  ASSERT_OK_AND_ASSIGN(const Window before, ReadWindow({}, files, "log", "loan", "loan@1", 0, 10000));
  EXPECT_EQ(before.rows, 30);
  EXPECT_EQ(before.columns.columns().size(), 2u);
}

TEST(MonitorSpec, ReadsAndRefuses) {
  ASSERT_OK_AND_ASSIGN(const Json json,
                       Json::ParseYaml("every: 30m\nwindow: 2d\nleast_rows: 50\n"
                                       "drift: {test: jensen_shannon, threshold: 0.3, alpha: 0.05, ignore: [id]}\n",
                                       "tenon.yaml"));
  ASSERT_OK_AND_ASSIGN(const MonitorSpec spec, MonitorSpec::Parse(json, "tenon.yaml"));
  EXPECT_EQ(spec.period(), std::chrono::minutes(30));
  EXPECT_EQ(spec.reach(), std::chrono::hours(48));
  EXPECT_EQ(*spec.drift.threshold, 0.3);
  ASSERT_OK_AND_ASSIGN(const MonitorSpec again, MonitorSpec::Parse(spec.ToJson(), "tenon.yaml"));
  EXPECT_EQ(again.ToJson(), spec.ToJson());
  ASSERT_OK_AND_ASSIGN(const MonitorSpec never, MonitorSpec::Parse(*Json::Parse(R"({"every": "never"})"), ""));
  EXPECT_EQ(never.period().count(), 0);
  for (const char* wrong :
       {R"({"every": "soon"})", R"({"window": "0s"})", R"({"least_rows": 0})", R"({"evry": "1m"})",
        R"({"drift": {"alpha": 0}})", R"({"drift": {"alpha": 0.9}})", R"({"drift": {"threshold": -1}})",
        R"({"drift": {"tests": "auto"}})", R"({"drift": {"with": {"bins": 4}}})", R"({"drift": 3})"}) {
    SCOPED_TRACE(wrong);
    ASSERT_CODE(kInvalidArgument, MonitorSpec::Parse(*Json::Parse(wrong), "tenon.yaml"));
  }
}

}  // namespace
}  // namespace tenon::monitor

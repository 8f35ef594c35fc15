#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "base/exact_sum.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/kinds.h"
#include "base/testing.h"
#include "base/text.h"
#include "base/time.h"

namespace tenon {
namespace {

TEST(ErrorTest, EveryCodeHasItsRow) {
  std::set<std::string_view> names;
  std::set<int> exits;
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeRow& row = RowOf(static_cast<Code>(i));
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(exits.insert(row.exit).second) << row.exit;
    EXPECT_GE(row.http, 400);
    EXPECT_GT(row.grpc, 0);
  }
}

TEST(ErrorTest, KeepsTheTrailAndMasksSecrets) {
  Error error = Error(Code::kNotFound, "no table at postgresql://ann:pw1@host/db?password=hunter2").Context("run 41");
  EXPECT_EQ(error.ForPeople(), "run 41: no table at postgresql://****@host/db?password=****");
  EXPECT_NE(error.ToString().find("; raised (base/base_test.cc:"), std::string::npos) << error.ToString();
  EXPECT_EQ(error.Clone().ToString(), error.ToString());
}

TEST(ErrorTest, NamesAFileOnce) {
  EXPECT_EQ(Error(Code::kInvalidArgument, "a.csv:5: 'x' is no number").Context("a.csv").Context("run 41").ForPeople(), "run 41: a.csv:5: 'x' is no number");
  EXPECT_EQ(Error(Code::kInvalidArgument, "a.csv.gz:5: 'x' is no number").Context("a.csv").ForPeople(), "a.csv: a.csv.gz:5: 'x' is no number");
}

TEST(TextTest, FormatsNumbers) {
  EXPECT_EQ(FormatDouble(0.1), "0.1");
  EXPECT_EQ(FormatDouble(-std::numeric_limits<double>::infinity()), "-Infinity");
  EXPECT_EQ(FormatShort(0.82734, 3), "0.827");
  EXPECT_EQ(FormatShort(12345.678), "12346");
  EXPECT_EQ(FormatShort(0), "0");
  EXPECT_EQ(FormatShort(0.00123456, 3), "0.00123");
  EXPECT_EQ(FormatCount(-1234567), "-1,234,567");
  EXPECT_EQ(FormatCount(999), "999");
}

TEST(TextTest, FindsTheNearestName) {
  const std::vector<std::string> names = {"label", "metric", "costs"};
  EXPECT_EQ(Nearest("lable", names), "label");
  EXPECT_EQ(Nearest("zebra", names), "");
  EXPECT_EQ(DidYouMean("zebra", names), "; there are: label, metric, costs");
}

TEST(TextTest, ChecksUtf8) {
  EXPECT_TRUE(IsUtf8("h\xC3\xA9llo \xF0\x9F\x98\x80"));
  EXPECT_FALSE(IsUtf8("\xC3"));
  EXPECT_FALSE(IsUtf8("\xC0\x80"));
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));
}

TEST(JsonTest, ReadsAndWrites) {
  ASSERT_OK_AND_ASSIGN(Json json, Json::Parse(R"({"b":[1,2.5,null,true,"x\n"],"a":{"n":-3}})"));
  EXPECT_EQ(json.Dump(), R"({"b":[1,2.5,null,true,"x\n"],"a":{"n":-3}})");
  EXPECT_EQ(json.Canonical(), R"({"a":{"n":-3},"b":[1,2.5,null,true,"x\n"]})");
  EXPECT_EQ(Json(3.0).Dump(), "3.0");
  EXPECT_TRUE(std::isnan(Json("NaN").Number()));
}

TEST(JsonTest, NamesThePlaceOfAMistake) {
  const auto twice = Json::Parse("{\"a\":1,\n\"a\":2}", "f.json");
  ASSERT_CODE(kInvalidArgument, twice);
  const auto broken = Json::Parse("{\"a\":1,\n  oops}", "f.json");
  ASSERT_CODE(kInvalidArgument, broken);
  EXPECT_NE(broken.error().message().find("f.json:2:"), std::string_view::npos) << broken.error().message();
  ASSERT_CODE(kInvalidArgument, Json::Parse(std::string(300, '[') + std::string(300, ']')));
  ASSERT_CODE(kInvalidArgument, Json::Parse("\"\xff\""));
}

TEST(JsonTest, ReadsYamlByTheCoreSchema) {
  ASSERT_OK_AND_ASSIGN(Json json, Json::ParseYaml("a: 1\nb: [yes, no, true, '1', 1e5, ~]\nc:\n  d: x y\n", "t.yaml"));
  EXPECT_EQ(json.Dump(), R"({"a":1,"b":["yes","no",true,"1",1e+05,null],"c":{"d":"x y"}})");
  EXPECT_EQ(json.Find("c")->Find("d")->Where("t.yaml"), "t.yaml:4:3");
  ASSERT_CODE(kInvalidArgument, Json::ParseYaml("a: 1\na: 2\n", "t.yaml"));
  ASSERT_CODE(kInvalidArgument, Json::ParseYaml("a: [1\n", "t.yaml"));
  ASSERT_CODE(kInvalidArgument, Json::ParseYaml("a: " + std::string(100000, '['), "t.yaml"));
}

TEST(JsonTest, YamlAliasesMayRepeatButNotExplode) {
  ASSERT_OK_AND_ASSIGN(Json json, Json::ParseYaml("a: &x [1, 2]\nb: *x\n", "t.yaml"));
  EXPECT_EQ(*json.Find("a"), *json.Find("b"));
  std::string bomb = "a0: &a0 [1, 2]\n";
  for (int i = 1; i < 60; ++i) bomb += Str("a", i, ": &a", i, " [*a", i - 1, ", *a", i - 1, "]\n");
  const auto exploded = Json::ParseYaml(bomb, "t.yaml");
  ASSERT_CODE(kInvalidArgument, exploded);
  EXPECT_NE(exploded.error().message().find("aliases"), std::string::npos) << exploded.error().message();
}

TEST(JsonTest, YamlTakesCharactersOnly) {
  struct Case {
    const char* name;
    std::string_view text;
    const char* says;
  };
  const Case cases[] = {{"zero byte", std::string_view("a: \0", 4), "t.yaml:1:4: not YAML: a control character (byte 0)"},
                        {"control character", "a: \x03", "t.yaml:1:4: not YAML: a control character (byte 3)"},
                        {"key that is no text", "a: 1\nbc\xC3\x28: 2\n", "t.yaml:2:3: not UTF-8 text"},
                        {"UTF-16", std::string_view("\xFF\xFE" "a\0:\0", 6), "t.yaml:1:1: not UTF-8 text"},
                        {"stray comma, which looped for ever", ",", "t.yaml:1:1: not YAML: ',' belongs to nothing"},
                        {"stray bracket, which looped for ever", "a: [1, 2]]\nb: 3\n", "t.yaml:1:10: "},
                        {"two documents", "a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document begins here"}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    const auto read = Json::ParseYaml(each.text, "t.yaml");
    ASSERT_CODE(kInvalidArgument, read);
    EXPECT_NE(read.error().message().find(each.says), std::string::npos) << read.error().message();
  }
  ASSERT_OK_AND_ASSIGN(const Json json, Json::ParseYaml("a: [+5, +-5, ++5]\r\nb: gr\xC3\xBCn\r\n", "t.yaml"));
  EXPECT_EQ(json.Dump(), "{\"a\":[5,\"+-5\",\"++5\"],\"b\":\"gr\xC3\xBCn\"}");
}

TEST(FieldsTest, NamesUnknownSettingsAndWrongTypes) {
  ASSERT_OK_AND_ASSIGN(Json json, Json::ParseYaml("lable: x\nmetric: 3\n", "t.yaml"));
  ASSERT_OK_AND_ASSIGN(Fields fields, Fields::Of(json, "problem", "t.yaml"));
  std::string label;
  std::string metric;
  ASSERT_OK(fields.Read("label", &label));
  const auto wrong = fields.Read("metric", &metric);
  ASSERT_CODE(kInvalidArgument, wrong);
  EXPECT_EQ(wrong.error().message(), "t.yaml:2:1: problem.metric: expected a string, got 3");
  EXPECT_EQ(fields.Done().error().message(), "t.yaml:1:1: problem.lable: unknown setting; did you mean 'label'?");
}

TEST(OptionsTest, ChecksRangesAndFillsDefaults) {
  const std::vector<Option> table = {
      {.name = "depth", .type = Option::Type::kInt, .fallback = 6, .help = "depth of a tree", .least = 1, .most = 16},
      {.name = "how", .type = Option::Type::kText, .fallback = "mean", .help = "", .choices = {"mean", "median"}}};
  ASSERT_OK_AND_ASSIGN(Json given, Json::Parse(R"({"depth": 3})"));
  ASSERT_OK_AND_ASSIGN(Options options, Options::Parse(table, given, "x"));
  EXPECT_EQ(options.Int("depth"), 3);
  EXPECT_EQ(options.Text("how"), "mean");
  ASSERT_CODE(kInvalidArgument, Options::Parse(table, *Json::Parse(R"({"depth": 99})"), "x"));
  ASSERT_CODE(kInvalidArgument, Options::Parse(table, *Json::Parse(R"({"how": "mode"})"), "x"));
  ASSERT_CODE(kInvalidArgument, Options::Parse(table, *Json::Parse(R"({"dept": 2})"), "x"));
}

TEST(HashTest, MatchesTheStandard) {
  EXPECT_EQ(HashOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ContentHash hash;
  hash.Add("a");
  hash.Add("bc");
  EXPECT_EQ(hash.Hex(), HashOf("abc"));
}

TEST(TimeTest, ReadsAndWritesIso8601) {
  Micros at = 0;
  ASSERT_TRUE(ParseTimestamp("2024-02-29T23:59:59.25+02:00", &at));
  EXPECT_EQ(FormatTimestamp(at), "2024-02-29T21:59:59.25Z");
  ASSERT_TRUE(ParseTimestamp("1969-12-31", &at));
  EXPECT_EQ(at, -86'400'000'000);
  EXPECT_EQ(FormatTimestamp(at), "1969-12-31T00:00:00Z");
  EXPECT_FALSE(ParseTimestamp("2023-02-29", &at));
  EXPECT_FALSE(ParseTimestamp("2023-02-28T25:00", &at));
  EXPECT_EQ(PartsOf(0).weekday, 3);  // a Thursday
}

TEST(TimeTest, ReadsDurations) {
  ASSERT_OK_AND_ASSIGN(auto duration, ParseDuration("1h30m"));
  EXPECT_EQ(duration, std::chrono::minutes(90));
  ASSERT_OK_AND_ASSIGN(const auto short_one, ParseDuration("3us"));
  EXPECT_EQ(short_one, std::chrono::microseconds(3));
  ASSERT_CODE(kInvalidArgument, ParseDuration("fast"));
  ASSERT_CODE(kInvalidArgument, ParseDuration("3 fortnights"));
}

TEST(ExactSumTest, LosesNothing) {
  ExactSum sum;
  for (double value : {1e308, 1.0, 1e-300, -1e308, 5e-324}) sum.Add(value);
  EXPECT_EQ(sum.Value(), 1.0);
  sum.Add(-1.0);
  EXPECT_EQ(sum.Value(), 1e-300);
  sum.Add(-1e-300);
  EXPECT_EQ(sum.Value(), 5e-324);
}

TEST(ExactSumTest, RoundsLikeOneAddition) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const double a = std::ldexp(static_cast<double>(random()) - 9e18, static_cast<int>(random() % 200) - 100);
    const double b = std::ldexp(static_cast<double>(random()) - 9e18, static_cast<int>(random() % 200) - 100);
    ExactSum sum;
    sum.Add(a);
    sum.Add(b);
    ASSERT_EQ(sum.Value(), a + b) << a << " " << b;
  }
}

TEST(ExactSumTest, MergesInAnyOrderToTheSameBytes) {
  std::mt19937_64 random(3);
  std::vector<double> values;
  for (int i = 0; i < 5000; ++i) values.push_back(std::ldexp(static_cast<double>(random() % 1000003) - 5e5, static_cast<int>(random() % 60)));
  ExactSum whole;
  for (double value : values) whole.Add(value);
  ExactSum odd;
  ExactSum even;
  for (std::size_t i = values.size(); i-- > 0;) (i % 2 == 0 ? even : odd).Add(values[i]);
  odd.Merge(even);
  EXPECT_EQ(whole.Save(), odd.Save());
  ASSERT_OK_AND_ASSIGN(ExactSum loaded, ExactSum::Load(whole.Save()));
  EXPECT_EQ(loaded.Value(), whole.Value());
  ASSERT_CODE(kDataLoss, ExactSum::Load("short"));
}

}  // namespace
}  // namespace tenon

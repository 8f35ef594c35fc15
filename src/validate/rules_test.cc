// What a user writes of a column's values: forms, orders, statistics, values that have to come, keys of several columns; and pictures.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <random>
#include <sstream>

#include "base/base64.h"
#include "base/testing.h"
#include "base/text.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

using table::Column;
using Columns = std::vector<std::pair<std::string, Column>>;

dataset::SnapshotPtr Of(const Columns& columns) {
  std::vector<table::Field> fields;
  std::vector<Column> values;
  for (const auto& [name, column] : columns) {
    fields.push_back({name, column.type(), 0});
    values.push_back(column);
  }
  return dataset::InMemory({table::Batch(std::make_shared<const table::Schema>(fields), values)});
}

Result<ValidationReport> Look(const dataset::SnapshotPtr& snapshot, std::string_view text) {
  Kinds<Check> kinds;
  TENON_TRY(AddAll(kinds));
  TENON_ASSIGN(const Json json, Json::Parse(text));
  TENON_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  return Validate(Call(), *snapshot, nullptr, {}, "", spec, kinds);
}

std::vector<Anomaly> Found(const ValidationReport& report, std::string_view check) {
  std::vector<Anomaly> out;
  std::ranges::copy_if(report.anomalies, std::back_inserter(out), [&](const Anomaly& one) { return one.check == check; });
  return out;
}

dataset::SnapshotPtr Codes() {
  std::vector<std::string> codes, meters;
  std::vector<std::int64_t> readings;
  for (int i = 0; i < 100; ++i) {
    codes.push_back(i == 3 ? "ab-12" : i == 7 ? "AB-1x" : Str("AB-", 10 + i % 90));
    meters.push_back(i % 2 == 0 ? "left" : "right");
    readings.push_back((i % 2 == 0 ? 1000 : 0) + i);  // rises within each meter
  }
  readings[50] = 3;
  return Of({{"code", Column::Of(codes)}, {"meter", Column::Of(meters)}, {"reading", Column::Of(readings)}});
}

TEST(ColumnRules, Forms) {
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(Codes(), R"({"columns": {"code": {"matches": "[A-Z]{2}-\\d{2}", "length": {"min": 5, "max": 5}, "format": "email"}}})"));
  const auto found = Found(report, "form");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].severity, Severity::kError);
  EXPECT_EQ(found[0].short_text, "2 values of another form");
  EXPECT_EQ(found[0].long_text, "2 of 100 values of 'code' do not match '[A-Z]{2}-\\d{2}' as a whole: 'ab-12' in row 4, 'AB-1x' in row 8");
  ASSERT_EQ(found[0].rows.size(), 2u);
  EXPECT_EQ(found[0].rows[0].StringAt("code"), "ab-12");
  ASSERT_EQ(found[0].accept.size(), 1u);
  EXPECT_EQ(found[0].accept[0].value.Number(), 0.98);
  EXPECT_EQ(found[1].short_text, "100 values of another form");
  EXPECT_TRUE(found[1].accept.empty());  // mostly: 0 accepts nothing
  // A share that may differ, and a severity.
  ASSERT_OK_AND_ASSIGN(const ValidationReport mild, Look(Codes(), R"({"columns": {"code": {"matches": "[A-Z]{2}-\\d{2}", "mostly": 0.98}}})"));
  EXPECT_TRUE(Found(mild, "form").empty());
  ASSERT_OK_AND_ASSIGN(const ValidationReport more, Look(Codes(), R"({"columns": {"code": {"matches": "[A-Z]{2}-\\d{2}", "mostly": 0.99, "severity": "warning"}}})"));
  ASSERT_EQ(Found(more, "form").size(), 1u);
  EXPECT_EQ(Found(more, "form")[0].severity, Severity::kWarning);
  EXPECT_NE(Found(more, "form")[0].long_text.find("99 % of the values should, and 98 % do"), std::string::npos) << Found(more, "form")[0].long_text;
}

TEST(ColumnRules, MostlyOfRangeAndDomain) {
  for (const auto& [mostly, findings] : {std::pair(1.0, 1u), {0.99, 0u}, {0.995, 1u}}) {
    ASSERT_OK_AND_ASSIGN(const ValidationReport range, Look(Codes(), Str(R"({"columns": {"reading": {"min": 2, "mostly": )", mostly, "}}}")));
    EXPECT_EQ(Found(range, "range").size(), findings) << mostly;  // row 2 alone has 1
  }
  ASSERT_OK_AND_ASSIGN(const ValidationReport half, Look(Codes(), R"({"columns": {"meter": {"domain": ["left"], "mostly": 0.5}}})"));
  const auto of_meter = [](const ValidationReport& report) { return std::ranges::count(Found(report, "domain"), "meter", &Anomaly::column); };
  EXPECT_EQ(of_meter(half), 0);
  ASSERT_OK_AND_ASSIGN(const ValidationReport most, Look(Codes(), R"({"columns": {"meter": {"domain": ["left"], "mostly": 0.51}}})"));
  EXPECT_EQ(of_meter(most), 1);
}

TEST(ColumnRules, Orders) {
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(Codes(), R"({"columns": {"reading": {"increasing": "strictly", "within": "meter"}}})"));
  ASSERT_EQ(Found(report, "order").size(), 1u);
  EXPECT_EQ(Found(report, "order")[0].long_text, "1 value of 'reading' is not above the one before of the same 'meter': row 51 has 3 after 1048 in row 49");
  ASSERT_OK_AND_ASSIGN(const ValidationReport alone, Look(Codes(), R"({"columns": {"reading": {"increasing": true}}})"));
  EXPECT_EQ(Found(alone, "order")[0].short_text, "50 values out of order");
  const auto big = Of({{"n", Column::Of(std::vector<std::int64_t>{9007199254740992, 9007199254740993, 9007199254740993})}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport rises, Look(big, R"({"columns": {"n": {"increasing": true}}})"));
  EXPECT_TRUE(Found(rises, "order").empty());
  ASSERT_OK_AND_ASSIGN(const ValidationReport strictly, Look(big, R"({"columns": {"n": {"increasing": "strictly"}}})"));
  EXPECT_EQ(Found(strictly, "order").size(), 1u);
  ASSERT_OK_AND_ASSIGN(const ValidationReport falls, Look(big, R"({"columns": {"n": {"decreasing": true}}})"));
  EXPECT_EQ(Found(falls, "order").size(), 1u);
  ASSERT_CODE(kNotFound, Look(Codes(), R"({"columns": {"reading": {"increasing": true, "within": "metre"}}})"));
  // Readings of no meter are in no order, and break none.
  table::ColumnBuilder meter(table::Type::kString);
  for (const char* name : {"a", "", "", "a"}) *name == 0 ? meter.AddNull() : meter.AddText(name);
  const auto some = Of({{"n", Column::Of(std::vector<std::int64_t>{1, 9, 5, 2})}, {"meter", meter.Finish()}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport unknown, Look(some, R"({"columns": {"n": {"increasing": true, "within": "meter"}}})"));
  EXPECT_TRUE(Found(unknown, "order").empty());
}

TEST(ColumnRules, StatisticsAndValuesThatMustCome) {
  const auto snapshot = Of({{"x", Column::Of(std::vector<double>{1, 2, 3, 4, 10})}, {"s", Column::Of(std::vector<std::string>{"a", "b", "a", "a", "c"})}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport good, Look(snapshot, R"({"columns": {"x": {"mean": {"min": 4, "max": 4}, "median": {"max": 3}, "sum": {"min": 20}, "std": {"min": 3.5, "max": 3.6},
    "quantiles": {"0": {"min": 1}, "1": {"max": 10}}}, "s": {"distinct": {"min": 3, "max": 3}, "distinct_share": {"min": 0.6}, "contains": ["a", "c"]}}})"));
  EXPECT_TRUE(Found(good, "statistics").empty() && Found(good, "domain").empty());
  ASSERT_OK_AND_ASSIGN(const ValidationReport bad, Look(snapshot, R"({"columns": {"x": {"mean": {"max": 3}, "quantiles": {"0.75": {"min": 5}}}, "s": {"distinct": {"max": 2}, "contains": ["a", "z"]}}})"));
  const auto found = Found(bad, "statistics");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].short_text, "the mean is 4");
  EXPECT_EQ(found[0].long_text, "the mean of 'x' is 4, of 5 values; expected: at most 3");
  ASSERT_EQ(found[0].accept.size(), 1u);
  EXPECT_EQ(Join(found[0].accept[0].path, "."), "validate.columns.x.mean.max");
  EXPECT_EQ(Join(found[1].accept[0].path, "/"), "validate/columns/x/quantiles/0.75/min");
  EXPECT_EQ(Found(bad, "domain")[0].long_text, "'s' lacks 'z' of the 2 values that have to come");
  ASSERT_CODE(kInvalidArgument, Look(snapshot, R"({"columns": {"s": {"mean": {"min": 1}}}})"));
  ASSERT_OK_AND_ASSIGN(const ValidationReport numbers, Look(snapshot, R"({"columns": {"x": {"contains": [1.0, 2], "domain": [1, 2.0, 3.0, 4, 10]}}})"));
  for (const Anomaly& one : Found(numbers, "domain")) ADD_FAILURE() << one.long_text;
}

// Profiles estimate these beyond some thousand values; a bound that holds is not told as broken.
TEST(ColumnRules, StatisticsOfManyValuesAreExact) {
  std::vector<double> x;
  std::vector<std::string> s;
  std::vector<std::int64_t> n;
  for (int i = 0; i < 10000; ++i) {
    x.push_back((i * 7919) % 10000);
    s.push_back(Str("w", i == 17 ? 16 : i));
    n.push_back((std::int64_t{1} << 60) + i);
  }
  x[0] = -0.0;
  x.push_back(0);
  x.push_back(std::nan(""));
  s.push_back("w0");
  s.push_back("w1");
  n.insert(n.end(), 2, 5);
  const auto snapshot = Of({{"x", Column::Of(x)}, {"s", Column::Of(s)}, {"n", Column::Of(n)}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport good, Look(snapshot, R"({"columns": {
    "x": {"median": {"min": 4999, "max": 4999}, "quantiles": {"0": {"min": 0, "max": 0}, "0.25": {"min": 2499, "max": 2499}, "0.90625": {"min": 9061.5, "max": 9061.5}, "1": {"min": 9999, "max": 9999}}, "distinct": {"min": 10000, "max": 10000}},
    "s": {"distinct": {"min": 9999, "max": 9999}}, "n": {"distinct": {"min": 10001, "max": 10001}, "distinct_share": {"min": 0.9999, "max": 0.99991}}}})"));
  for (const Anomaly& one : Found(good, "statistics")) ADD_FAILURE() << one.long_text;
  ASSERT_OK_AND_ASSIGN(const ValidationReport bad, Look(snapshot, R"({"columns": {"x": {"median": {"max": 4998.5}}, "s": {"distinct": {"min": 10000}}, "n": {"distinct": {"max": 10000}}}})"));
  EXPECT_EQ(Found(bad, "statistics").size(), 3u);
}

TEST(ColumnRules, UniqueTogether) {
  const auto snapshot = Of({{"a", Column::Of(std::vector<std::int64_t>{1, 1, 2, 1})}, {"b", Column::Of(std::vector<std::string>{"x", "y", "x", "x"})}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(snapshot, R"({"unique": ["a", "b"]})"));
  ASSERT_EQ(Found(report, "unique").size(), 1u);
  EXPECT_EQ(Found(report, "unique")[0].long_text, "(a, b) must be unique; 1 of 4 rows repeat it: row 4 that of row 1");
  EXPECT_EQ(Found(report, "unique")[0].rows[0].Dump(), R"({"a":1,"b":"x"})");
  ASSERT_CODE(kNotFound, Look(snapshot, R"({"unique": [["a", "c"]]})"));
  // Who has neither repeats nothing; who has one of them does.
  const double none = std::nan("");
  const auto sparse = Of({{"a", Column::Of(std::vector<double>{none, none, 1, 1})}, {"b", Column::Of(std::vector<double>{none, none, none, none})}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport some, Look(sparse, R"({"unique": ["a", "b"]})"));
  ASSERT_EQ(Found(some, "unique").size(), 1u);
  EXPECT_EQ(Found(some, "unique")[0].long_text, "(a, b) must be unique; 1 of 4 rows repeat it: row 4 that of row 3");
}

TEST(ColumnRules, WhatCannotBeMeantIsRefused) {
  for (const auto& [wrong, says] : std::vector<std::pair<const char*, const char*>>{
           {R"({"matches": "(a"})", "validate.columns.x.matches: the pattern '(a': a ')' is missing"},
           {R"({"match": "a"})", "did you mean 'matches'"},
           {R"({"format": "emial"})", "did you mean 'email'"},
           {R"({"length": {"min": 3, "max": 2}})", "validate.columns.x.length.min: 3 is above max 2"},
           {R"({"length": {}})", "bounds nothing"},
           {R"({"length": -3})", "validate.columns.x.length: no text has -3 characters"},
           {R"({"increasing": "weakly"})", "expected true, or strictly"},
           {R"({"increasing": true, "decreasing": true})", "cannot rise and fall"},
           {R"({"within": "y"})", "write increasing or decreasing beside it"},
           {R"({"mostly": 1.5})", "no share"},
           {R"({"quantiles": {"p99": {"max": 1}}})", "'p99' is no share"},
           {R"({"mean": 3})", "validate.columns.x.mean"},
           {R"({"contains": "a"})", "must be a list"}}) {
    SCOPED_TRACE(wrong);
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(Str(R"({"columns": {"x": )", wrong, "}}")));
    const auto made = ValidateSpec::Parse(json, "test");
    ASSERT_CODE(kInvalidArgument, made);
    EXPECT_NE(made.error().ToString().find(says), std::string::npos) << made.error().ToString();
  }
}

TEST(ColumnRules, Formats) {
  const struct {
    const char* format;
    std::vector<const char*> are, are_not;
  } kCases[] = {
      {"date", {"2024-02-29"}, {"2023-02-29", "29.02.2024", "2024-02-29T00:00:00Z", ""}},
      {"timestamp", {"2024-02-29T23:59:59.25Z", "2024-02-29"}, {"soon", "2024-13-01"}},
      {"number", {"-1.5e3", "7"}, {"1,5", ""}},
      {"integer", {"-12", "+7", "12345678901234567890123"}, {"1.0", "one", "", "-", "+-1"}},
      {"email", {"ann.b+c@example.org"}, {"ann@", "@example.org", "ann@example"}},
      {"uuid", {"123e4567-e89b-12d3-a456-426614174000"}, {"123e4567e89b12d3a456426614174000", "g23e4567-e89b-12d3-a456-426614174000"}},
      {"ipv4", {"10.0.0.255"}, {"10.0.0.256", "10.0.0", "010.0.0.1", "::1"}},
      {"ipv6", {"::1", "2001:db8::ff00:42:8329", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8"}, {"1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "10.0.0.1", "1:2:3:4:5:6:7"}},
      {"ip", {"10.0.0.1", "::"}, {"host"}},
      {"url", {"https://example.org/a?b#c", "ftp://h"}, {"example.org", "https://", "https:///a", "https://a b", "://a"}},
      {"json", {"{\"a\": [1, null]}", "3"}, {"{a: 1}", "{\"a\":1,}", ""}},
      {"hex", {"00ffAA"}, {"0x1", ""}},
      {"base64", {"aGVsbG8="}, {"aGVsbG8", "%%%"}},
      {"iban", {"DE89 3704 0044 0532 0130 00"}, {"DE88 3704 0044 0532 0130 00"}},
      {"card", {"4111 1111 1111 1111"}, {"4111 1111 1111 1112"}},
  };
  std::vector<std::string> seen = {"picture"};
  for (const auto& one : kCases) {
    seen.emplace_back(one.format);
    for (const char* text : one.are) EXPECT_TRUE(HasFormat(one.format, text)) << one.format << " " << text;
    for (const char* text : one.are_not) EXPECT_FALSE(HasFormat(one.format, text)) << one.format << " " << text;
  }
  for (const std::string& format : Formats()) EXPECT_NE(std::ranges::find(seen, format), seen.end()) << format << " has no cases";
}

TEST(ColumnRules, OfOneRow) {
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(R"({"columns": {"code": {"matches": "[A-Z]+", "length": 2}, "n": {"min": 3}, "m": {"min": 3, "mostly": 0.9}}})"));
  ASSERT_OK_AND_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  std::vector<ColumnExpectation> schema(3);
  schema[0].name = "code";
  schema[0].type = table::Type::kString;
  schema[1].name = "n";
  schema[2].name = "m";
  const auto look = [&](std::string_view row) -> std::vector<std::string> {
    std::vector<std::string> out;
    const auto parsed = Json::Parse(row);
    const auto found = ValidateRow(schema, spec, "", *parsed);
    EXPECT_TRUE(found.ok());
    for (const Anomaly& one : *found) out.push_back(Str(NameOf(one.severity), " ", one.check, " ", one.column, ": ", one.long_text));
    return out;
  };
  EXPECT_TRUE(look(R"({"code": "AB", "n": 3, "m": 3})").empty());
  EXPECT_EQ(look(R"({"code": "ab", "n": 3, "m": 3})"), std::vector<std::string>{"error form code: 'ab' of 'code' does not match '[A-Z]+'"});
  EXPECT_EQ(look(R"({"code": "ABC", "n": 3, "m": 3})"), std::vector<std::string>{"error form code: 'ABC' of 'code' has 3 characters, not 2"});
  EXPECT_EQ(look(R"({"code": "AB", "n": 2, "m": 2})").size(), 2u);
  EXPECT_TRUE(look(R"({"code": "AB", "n": 2, "m": 2})")[0].starts_with("error range n")) << look(R"({"code": "AB", "n": 2, "m": 2})")[0];
  EXPECT_TRUE(look(R"({"code": "AB", "n": 2, "m": 2})")[1].starts_with("warning range m"));
}

TEST(ColumnRules, DomainsOfOneRowAreThoseOfAllTypes) {
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(R"({"columns": {"n": {"domain": [0, 1]}, "x": {"domain": [0.5, 2.0]}, "b": {"domain": [true]}}})"));
  ASSERT_OK_AND_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  std::vector<ColumnExpectation> schema(3);
  const table::Type types[] = {table::Type::kInt64, table::Type::kFloat64, table::Type::kBool};
  for (std::size_t i = 0; i < 3; ++i) {
    schema[i].name = std::string(1, "nxb"[i]);
    schema[i].type = types[i];
  }
  ASSERT_OK_AND_ASSIGN(const Json good, Json::Parse(R"({"n": 1, "x": 2, "b": true})"));
  ASSERT_OK_AND_ASSIGN(auto found, ValidateRow(schema, spec, "", good));
  EXPECT_TRUE(found.empty()) << found[0].long_text;
  ASSERT_OK_AND_ASSIGN(const Json bad, Json::Parse(R"({"n": 2, "x": 0.25, "b": false})"));
  ASSERT_OK_AND_ASSIGN(found, ValidateRow(schema, spec, "", bad));
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].severity, Severity::kError);
  EXPECT_EQ(found[0].check, "domain");
  EXPECT_TRUE(found[0].long_text.starts_with("'2' is not among the 2 values of 'n'")) << found[0].long_text;
}

TEST(ColumnRules, WholeNumbersOfOneRowAreTakenAsTheyAre) {
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(R"({"columns": {"a": {"domain": [9007199254740993]}}})"));
  ASSERT_OK_AND_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  std::vector<ColumnExpectation> schema(1);
  schema[0].name = "a";
  schema[0].type = table::Type::kInt64;
  const auto checks = [&](std::string_view row) {
    std::string out;
    const auto parsed = Json::Parse(row);
    const auto found = ValidateRow(schema, spec, "", *parsed);
    EXPECT_TRUE(found.ok());
    for (const Anomaly& one : *found) out += Str(one.check, ";");
    return out;
  };
  EXPECT_EQ(checks(R"({"a": 9007199254740993})"), "");  // beyond 2^53
  EXPECT_EQ(checks(R"({"a": "9007199254740993"})"), "");
  EXPECT_EQ(checks(R"({"a": 9007199254740992})"), "domain;");
  EXPECT_EQ(checks(R"({"a": 1e300})"), "type;");  // beyond 64 bits
}

TEST(Pictures, ThatCannotBeReadAreCounted) {
  std::ifstream file("tests/parity/pictures.json");
  ASSERT_TRUE(file.good()) << "run from the root of the repository";
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_OK_AND_ASSIGN(const Json recorded, Json::Parse(text.str(), "pictures.json"));
  std::vector<std::string> photos;
  for (const Json& one : recorded.Find("pictures")->array()) photos.push_back(one.StringAt("file"));
  const auto whole = static_cast<std::int64_t>(photos.size());
  const auto clean = Of({{"photo", Column::Of(photos)}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport good, Look(clean, "{}"));
  if (!Found(good, "pictures").empty() && Found(good, "pictures")[0].severity == Severity::kInfo) GTEST_SKIP() << Found(good, "pictures")[0].long_text;
  EXPECT_TRUE(Found(good, "pictures").empty()) << Found(good, "pictures")[0].long_text;
  photos.push_back(photos[0].substr(0, photos[0].size() / 8 * 4));
  photos.push_back("no picture");
  ASSERT_OK_AND_ASSIGN(const ValidationReport bad, Look(Of({{"photo", Column::Of(photos)}}), R"({"severity": {"pictures": "error"}})"));
  ASSERT_EQ(Found(bad, "pictures").size(), 1u);
  EXPECT_EQ(Found(bad, "pictures")[0].short_text, "2 pictures cannot be read");
  EXPECT_EQ(Found(bad, "pictures")[0].severity, Severity::kError);
  EXPECT_NE(Found(bad, "pictures")[0].long_text.find(Str("row ", whole + 2, " is no picture")), std::string::npos) << Found(bad, "pictures")[0].long_text;
  // Texts are no pictures unless the user says so.
  const auto words = Of({{"photo", Column::Of(std::vector<std::string>{"a", "b"})}});
  ASSERT_OK_AND_ASSIGN(const ValidationReport none, Look(words, "{}"));
  EXPECT_TRUE(Found(none, "pictures").empty());
  ASSERT_OK_AND_ASSIGN(const ValidationReport said, Look(words, R"({"columns": {"photo": {"format": "picture"}}})"));
  EXPECT_EQ(Found(said, "pictures").size(), 1u);
}

// A ring with one point in its middle: no cut of one column tells the point apart, and nothing else is near it.
TEST(Outliers, DensityFindsWhatIsolationDoesNot) {
  std::mt19937_64 random(3);
  const auto unit = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  std::vector<double> x, y;
  for (int i = 0; i < 2000; ++i) {
    const double angle = 2 * std::numbers::pi * unit();
    const double radius = 10 + unit();
    x.push_back(i == 700 ? 0 : radius * std::cos(angle));
    y.push_back(i == 700 ? 0 : radius * std::sin(angle));
  }
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(Of({{"x", Column::Of(x)}, {"y", Column::Of(y)}}), "{}"));
  const auto found = Found(report, "outliers");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].short_text, "1 row where others are not");
  EXPECT_NE(found[0].long_text.find("row 701 (x 0, y 0)"), std::string::npos) << found[0].long_text;
  x[700] = x[701];
  y[700] = y[701];
  ASSERT_OK_AND_ASSIGN(const ValidationReport clean, Look(Of({{"x", Column::Of(x)}, {"y", Column::Of(y)}}), "{}"));
  EXPECT_TRUE(Found(clean, "outliers").empty()) << Found(clean, "outliers")[0].long_text;
}

}  // namespace
}  // namespace tenon::validate

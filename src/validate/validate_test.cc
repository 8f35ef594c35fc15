#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "validate/check.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

using table::Batch;
using table::Column;
using table::ColumnBuilder;
using table::Field;
using table::Schema;
using table::Type;

const Kinds<Check>& AllChecks() {
  static const auto* kinds = [] {
    auto* made = new Kinds<Check>();
    EXPECT_TRUE(AddAll(*made).ok());
    return made;
  }();
  return *kinds;
}

struct Named {
  std::string name;
  Column values;
};

dataset::SnapshotPtr Of(const std::vector<Named>& columns) {
  std::vector<Field> fields;
  std::vector<Column> values;
  for (const Named& column : columns) {
    fields.push_back({column.name, column.values.type(), 0});
    values.push_back(column.values);
  }
  return dataset::InMemory({Batch(std::make_shared<const Schema>(fields), values)});
}

std::vector<double> Numbers(int count, double (*make)(int)) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(make(i));
  return out;
}

std::vector<std::string> Texts(int count, std::string (*make)(int)) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.push_back(make(i));
  return out;
}

Result<ValidationReport> Look(const dataset::SnapshotPtr& snapshot, std::string_view label, std::string_view spec_text = "{}",
                              const ValidationReport* last = nullptr, const dataset::Split* split = nullptr) {
  TENON_ASSIGN(const Json json, Json::Parse(spec_text));
  TENON_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  return Validate(Call(), *snapshot, split, last == nullptr ? nullptr : &last->profile, last == nullptr ? nullptr : &last->schema,
                  label, spec, AllChecks());
}

const Anomaly* Find(const ValidationReport& report, std::string_view check, std::string_view column) {
  for (const Anomaly& anomaly : report.anomalies) {
    if (anomaly.check == check && anomaly.column == column) return &anomaly;
  }
  return nullptr;
}

std::string All(const ValidationReport& report, Severity least = Severity::kInfo) {
  std::string out;
  for (const Anomaly& anomaly : report.anomalies) {
    if (anomaly.severity >= least) out += Str(NameOf(anomaly.severity), " ", anomaly.check, " ", anomaly.column, ": ", anomaly.long_text, "\n");
  }
  return out;
}

// Every check on the odd snapshots: none may fail, and every finding says what and how to mend it.
class EveryCheck : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryCheck, TakesOddSnapshots) {
  const auto column = [](int rows, bool null, bool constant) {
    ColumnBuilder builder(Type::kFloat64);
    for (int i = 0; i < rows; ++i) {
      if (null) {
        builder.AddNull();
      } else {
        builder.Add(constant ? 1 : i);
      }
    }
    return builder.Finish();
  };
  struct Case {
    const char* name;
    dataset::SnapshotPtr snapshot;
  };
  std::vector<std::string> same(30, "x");
  const Case cases[] = {
      {"empty", Of({{"a", column(0, false, false)}, {"t", Column::Of(std::vector<std::string>{})}})},
      {"one row", Of({{"a", column(1, false, false)}, {"t", Column::Of(std::vector<std::string>{"x"})}})},
      {"one column", Of({{"a", column(30, false, false)}})},
      {"all null", Of({{"a", column(30, true, false)}, {"t", Column::Of(same)}})},
      {"constant", Of({{"a", column(30, false, true)}, {"t", Column::Of(same)}})},
  };
  ASSERT_OK_AND_ASSIGN(const auto check, AllChecks().Create(GetParam()));
  for (const Case& one : cases) {
    for (const char* label : {"", "a", "t", "nowhere"}) {
      SCOPED_TRACE(Str(one.name, ", label '", label, "'"));
      ASSERT_OK_AND_ASSIGN(const table::Profile profile, table::ProfileOf(Call(), one.snapshot->schema(), one.snapshot->batches()));
      const std::vector<ColumnExpectation> schema = InferSchema(profile);
      ValidateSpec spec;
      const Evidence evidence = {one.snapshot.get(), nullptr, &profile, &profile, &schema, label, &spec};
      ASSERT_OK_AND_ASSIGN(const auto found, check->Look(Call(), evidence));
      for (const Anomaly& anomaly : found) {
        EXPECT_FALSE(anomaly.short_text.empty());
        EXPECT_FALSE(anomaly.long_text.empty());
        EXPECT_FALSE(anomaly.fix.empty());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Validate, EveryCheck, ::testing::ValuesIn(AllChecks().Names()),
                         [](const auto& info) { return info.param; });

// One table of two hundred good rows, then one fault each.
std::vector<Named> Good() {
  return {{"age", Column::Of(Numbers(200, [](int i) { return 20.0 + i % 40; }))},
          {"state", Column::Of(Texts(200, [](int i) { return std::string(i % 3 == 0 ? "Ohio" : i % 3 == 1 ? "Utah" : "Iowa"); }))},
          {"paid", Column::Of(Numbers(200, [](int i) { return i % 7 < 3 ? 1.0 : 0.0; }))}};
}

TEST(Validate, FaultsAgainstTheLastSnapshot) {
  ASSERT_OK_AND_ASSIGN(const ValidationReport last, Look(Of(Good()), "paid"));
  EXPECT_TRUE(last.passed) << All(last);
  ASSERT_OK_AND_ASSIGN(const ValidationReport again, Look(Of(Good()), "paid", "{}", &last));
  EXPECT_TRUE(again.passed) << All(again);
  EXPECT_EQ(Find(again, "domain", "state"), nullptr);

  std::vector<Named> bad = Good();
  bad[1].values = Column::Of(Texts(200, [](int i) { return std::string(i % 3 == 0 ? "Ohoi" : i % 3 == 1 ? "Utah" : "Iowa"); }));
  bad[0].values = Column::Of(Numbers(200, [](int i) { return i % 2 == 0 ? std::nan("") : i == 1 ? 900.0 : 30.0; }));
  bad.push_back({"same", Column::Of(Texts(200, [](int) { return std::string("x"); }))});
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(Of(bad), "paid", "{}", &last));
  EXPECT_TRUE(report.passed) << All(report);  // warnings only
  for (const auto& [check, column] : {std::pair("domain", "state"), {"range", "age"}, {"missing", "age"}, {"distribution", "state"},
                                      {"presence", "same"}, {"constant", "same"}}) {
    EXPECT_NE(Find(report, check, column), nullptr) << check << " " << column << "\n" << All(report);
  }
  EXPECT_NE(Find(report, "domain", "state")->long_text.find("did you mean 'Ohio'"), std::string::npos);

  std::vector<Named> renamed = Good();
  renamed[0].name = "ages";
  ASSERT_OK_AND_ASSIGN(const ValidationReport gone, Look(Of(renamed), "paid", "{}", &last));
  EXPECT_FALSE(gone.passed);
  ASSERT_NE(Find(gone, "presence", "age"), nullptr);
  EXPECT_NE(Find(gone, "presence", "age")->fix.find("'ages'"), std::string::npos);

  std::vector<Named> typed = Good();
  typed[0].values = Column::Of(Texts(200, [](int i) { return Str("a", i % 9); }));
  ASSERT_OK_AND_ASSIGN(const ValidationReport other, Look(Of(typed), "paid", "{}", &last));
  EXPECT_EQ(Find(other, "type", "age")->severity, Severity::kError);
}

TEST(Validate, WhatTheUserWroteIsAnError) {
  const auto snapshot = Of(Good());
  ASSERT_OK_AND_ASSIGN(const ValidationReport report,
                       Look(snapshot, "paid", R"({"columns": {"age": {"min": 25, "unique": true}, "state": {"domain": ["Ohio", "Utah"]}},
                                                 "expectations": ["age >= 21 AND paid <= 1"]})"));
  EXPECT_FALSE(report.passed);
  for (const auto& [check, column] : {std::pair("range", "age"), {"unique", "age"}, {"domain", "state"}, {"expectations", "age"}}) {
    ASSERT_NE(Find(report, check, column), nullptr) << check;
    EXPECT_EQ(Find(report, check, column)->severity, Severity::kError) << check;
  }
  EXPECT_EQ(Find(report, "expectations", "age")->short_text, "5 rows break 'age >= 21 AND paid <= 1'");
  ASSERT_CODE(kInvalidArgument, Look(snapshot, "paid", R"({"colums": {}})"));
  ASSERT_CODE(kInvalidArgument, Look(snapshot, "paid", R"({"columns": {"age": {"min": 3, "max": 1}}})"));
  ASSERT_CODE(kInvalidArgument, Look(snapshot, "paid", R"({"expectations": ["agee > 1"]})"));
  ASSERT_CODE(kInvalidArgument, Look(snapshot, "paid", R"({"leakage_threshold": 0.2})"));
}

TEST(Validate, ExpectationsReadBackFromJson) {
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(Of(Good()), "paid"));
  for (const ColumnExpectation& one : report.schema) {
    ASSERT_OK_AND_ASSIGN(const ColumnExpectation back, ColumnExpectation::FromJson(one.ToJson()));
    EXPECT_EQ(back.ToJson().Dump(), one.ToJson().Dump());
  }
}

TEST(Validate, Labels) {
  const auto with = [](Column label) {
    std::vector<Named> columns = Good();
    columns[2].values = std::move(label);
    return Of(columns);
  };
  ASSERT_OK_AND_ASSIGN(const ValidationReport one, Look(with(Column::Of(std::vector<double>(200, 1)))  , "paid"));
  EXPECT_EQ(Find(one, "label", "paid")->short_text, "one class only");
  ASSERT_OK_AND_ASSIGN(const ValidationReport none, Look(with(Column::Of(std::vector<double>(200, std::nan("")))), "paid"));
  EXPECT_EQ(Find(none, "label", "paid")->severity, Severity::kError);
  ASSERT_OK_AND_ASSIGN(const ValidationReport infinite, Look(with(Column::Of(Numbers(200, [](int i) { return i == 0 ? HUGE_VAL : i * 0.5; }))), "paid"));
  EXPECT_FALSE(infinite.passed);
  ASSERT_OK_AND_ASSIGN(const ValidationReport missing, Look(Of(Good()), "pays"));
  EXPECT_NE(Find(missing, "label", "pays")->long_text.find("did you mean 'paid'"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const ValidationReport rare, Look(with(Column::Of(Numbers(200, [](int i) { return i < 2 ? 1.0 : 0.0; }))), "paid"));
  EXPECT_NE(Find(rare, "imbalance", "paid"), nullptr);
}

TEST(Validate, LeaksIdentifiersAndDuplicates) {
  std::vector<Named> columns = Good();
  columns.push_back({"paid_text", Column::Of(Texts(200, [](int i) { return std::string(i % 7 < 3 ? "done" : "open"); }))});
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 200; ++i) ids.push_back(1000 + i);
  columns.push_back({"number", Column::Of(ids)});
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(Of(columns), "paid"));
  ASSERT_NE(Find(report, "leakage", "paid_text"), nullptr);
  EXPECT_EQ(Find(report, "leakage", "paid_text")->severity, Severity::kError);
  ValidateSpec views;
  views.as_known = {"paid_text"};
  ASSERT_OK_AND_ASSIGN(const ValidationReport known, Validate(Call(), *Of(columns), nullptr, nullptr, nullptr, "paid", views, AllChecks()));
  ASSERT_NE(Find(known, "leakage", "paid_text"), nullptr);
  EXPECT_EQ(Find(known, "leakage", "paid_text")->severity, Severity::kInfo);
  EXPECT_EQ(Find(report, "leakage", "age"), nullptr);
  ASSERT_NE(Find(report, "identifiers", "number"), nullptr);
  EXPECT_EQ(Find(report, "identifiers", "number")->short_text, "a running number");

  const auto twice = Of({{"a", Column::Of(Numbers(200, [](int i) { return double(i % 100); }))},
                         {"y", Column::Of(Numbers(200, [](int i) { return i % 100 * 0.5 + 3; }))}});
  dataset::Split split;
  for (int i = 0; i < 200; ++i) split.part.push_back(i < 100 ? dataset::Part::kTrain : dataset::Part::kTest);
  ASSERT_OK_AND_ASSIGN(const ValidationReport shared, Look(twice, "", "{}", nullptr, &split));
  EXPECT_FALSE(shared.passed);
  EXPECT_EQ(Find(shared, "duplicates", "")->short_text, "100 test rows stand in training too");

  std::mt19937 random(3);
  std::vector<double> a, b, sum;
  for (int i = 0; i < 300; ++i) {
    a.push_back(random() % 50);
    b.push_back(random() % 60);
    sum.push_back(a.back() + b.back());
  }
  ASSERT_OK_AND_ASSIGN(const ValidationReport made, Look(Of({{"casual", Column::Of(a)}, {"member", Column::Of(b)}, {"count", Column::Of(sum)}}), "count"));
  ASSERT_NE(Find(made, "leakage", "casual"), nullptr) << All(made);
  EXPECT_EQ(Find(made, "leakage", "casual")->short_text, "makes up the label");
}

TEST(Validate, TheSameFindingsEachTime) {
  ASSERT_OK_AND_ASSIGN(const ValidationReport one, Look(Of(Good()), "paid"));
  ASSERT_OK_AND_ASSIGN(const ValidationReport two, Look(Of(Good()), "paid"));
  EXPECT_EQ(one.ToJson().Canonical(), two.ToJson().Canonical());
}

Result<dataset::SnapshotPtr> ReadFile(const std::string& path, const char* settings) {
  TENON_ASSIGN(Json json, Json::Parse(settings));
  json["read"] = path;
  TENON_ASSIGN(const ingest::SourceSpec spec, ingest::SourceSpec::Parse(json, ".", "test"));
  Kinds<ingest::Reader> readers;
  TENON_TRY(ingest::AddAll(readers));
  TENON_ASSIGN(const auto reader, ingest::Read(Call(), spec, readers));
  std::vector<Batch> batches;
  while (true) {
    TENON_ASSIGN(auto batch, reader->Next(Call()));
    if (!batch) return dataset::InMemory(std::move(batches));
    batches.push_back(*std::move(batch));
  }
}

// Real data: clean sets pass, known leaks are found.
struct RealCase {
  const char* name;
  const char* file;
  const char* label;
  const char* settings;  // of the source: columns, separator
  bool passes;
  std::vector<std::string> leaks;  // columns, as errors
};

class RealData : public ::testing::TestWithParam<RealCase> {};

TEST_P(RealData, PassesOrLeaks) {
  const RealCase& one = GetParam();
  const std::string path = Str("../shared/data/", one.file);
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << ": the shared data sets are not beside the source";
  ASSERT_OK_AND_ASSIGN(const auto snapshot, ReadFile(path, one.settings));
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Look(snapshot, one.label));
  EXPECT_EQ(report.passed, one.passes) << All(report, Severity::kError);
  for (const std::string& leak : one.leaks) {
    ASSERT_NE(Find(report, "leakage", leak), nullptr) << leak << "\n" << All(report);
    EXPECT_EQ(Find(report, "leakage", leak)->severity, Severity::kError) << leak;
  }
  RecordProperty("findings", All(report));
  if (std::getenv("TENON_SHOW") != nullptr) std::puts(All(report).c_str());
}

constexpr const char* kAdult =
    R"({"columns": ["age","workclass","fnlwgt","education","education_num","marital_status","occupation","relationship","race","sex","capital_gain","capital_loss","hours_per_week","native_country","income"]})";
constexpr const char* kGerman =
    R"({"columns": ["status","duration","history","purpose","amount","savings","employment","rate","personal","debtors","residence","property","age","plans","housing","credits","job","people","telephone","foreign","class"]})";

INSTANTIATE_TEST_SUITE_P(
    Validate, RealData,
    ::testing::Values(RealCase{"adult", "adult_income/adult-train.csv.gz", "income", kAdult, true, {}},
                      RealCase{"bank_additional", "bank_marketing/bank-additional-full.csv.gz", "y", "{}", true, {}},
                      RealCase{"german", "german_credit/german.csv", "class", kGerman, true, {}},
                      RealCase{"hmda", "hmda_boston/hmda_boston.csv", "deny", "{}", true, {}},
                      RealCase{"compas", "compas/compas-scores-two-years.csv.gz", "two_year_recid", "{}", false, {"is_recid"}},
                      RealCase{"bike", "bike_sharing/hour.csv.gz", "cnt", "{}", false, {"registered"}}),
    [](const auto& info) { return std::string(info.param.name); });

// What pandas and scipy say of the same columns: tests/parity/profile.py.
struct Recorded {
  const char* file;
  const char* settings;
  const char* column;
  double missing, distinct, min, max, mean, stddev, skewness;
  std::vector<double> quantiles;  // 0.01, 0.25, 0.5, 0.75, 0.99
};

TEST(Profile, AgreesWithPandas) {
  const Recorded recorded[] = {
      {"california_housing/housing.csv.gz", "{}", "median_income", 0, 12928, 0.4999, 15.0001, 3.8706710029069766,
       1.8998217179452688, 1.6465370299000801, {1.069631, 2.5634, 3.5348, 4.74325, 10.59654}},
      {"california_housing/housing.csv.gz", "{}", "total_bedrooms", 207, 1923, 1, 6445, 537.87055253756182,
       421.38507007403223, 3.4592923587674722, {36, 296, 435, 647, 2221.36}},
      {"adult_income/adult-train.csv.gz", kAdult, "age", 0, 73, 17, 90, 38.581646755320783, 13.640432553581341,
       0.55871762923985702, {17, 28, 37, 48, 74}},
      {"adult_income/adult-train.csv.gz", kAdult, "fnlwgt", 0, 21648, 12285, 1484705, 189778.36651208502,
       105549.97769702224, 1.4469134351423287, {27185.8, 117827, 178356, 237051, 510072}},
      {"adult_income/adult-train.csv.gz", kAdult, "capital_gain", 0, 119, 0, 99999, 1077.6488437087312,
       7385.2920848403382, 11.953296998194338, {0, 0, 0, 0, 15024}},
  };
  for (const Recorded& one : recorded) {
    SCOPED_TRACE(one.column);
    const std::string path = Str("../shared/data/", one.file);
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << ": the shared data sets are not beside the source";
    ASSERT_OK_AND_ASSIGN(const auto snapshot, ReadFile(path, one.settings));
    ASSERT_OK_AND_ASSIGN(const table::Profile profile, table::ProfileOf(Call(), snapshot->schema(), snapshot->batches()));
    const table::ColumnProfile* column = profile.Find(one.column);
    ASSERT_NE(column, nullptr);
    EXPECT_EQ(column->missing(), one.missing);
    EXPECT_NEAR(column->distinct(), one.distinct, column->distinct_is_exact() ? 0 : 0.05 * one.distinct);
    EXPECT_EQ(column->min(), one.min);
    EXPECT_EQ(column->max(), one.max);
    EXPECT_NEAR(column->mean(), one.mean, 1e-14 * one.mean);
    EXPECT_NEAR(column->stddev(), one.stddev, 1e-12 * one.stddev);
    EXPECT_NEAR(column->skewness(), one.skewness, 1e-10 * one.skewness);
    const double points[] = {0.01, 0.25, 0.5, 0.75, 0.99};
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(column->Quantile(points[i]), one.quantiles[i], (column->distinct_is_exact() ? 1e-12 : 0.005) * one.quantiles[i]) << points[i];
    }
  }
}

}  // namespace
}  // namespace tenon::validate

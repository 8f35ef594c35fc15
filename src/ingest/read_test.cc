#include "ingest/read.h"

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::ingest {
namespace {

const std::string kData = "../shared/data/";

#define NEED_DATA() \
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "no folder " << kData

Kinds<Reader> AllKinds() {
  Kinds<Reader> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  return kinds;
}

SourceSpec Spec(const std::string& yaml) {
  auto json = Json::ParseYaml(yaml, "test.yaml");
  EXPECT_TRUE(json.ok()) << json.error().ToString();
  auto spec = SourceSpec::Parse(*json, ".", "test.yaml");
  EXPECT_TRUE(spec.ok()) << spec.error().ToString();
  return *std::move(spec);
}

Result<table::Batch> ReadYaml(const std::string& yaml) {
  TENON_ASSIGN(auto rows, Read(Call(), Spec(yaml), AllKinds()));
  return table::ReadAll(Call(), *rows);
}

double Sum(const table::Batch& batch, std::string_view name) {
  const table::Column column = *batch.Named(name);
  double sum = 0;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (!column.IsNull(i)) sum += column.Number(i);
  }
  return sum;
}

TEST(RealFilesTest, Adult) {
  NEED_DATA();
  ASSERT_OK_AND_ASSIGN(table::Batch adult, ReadYaml("read: " + kData + "adult_income/adult-train.csv.gz\n"
      "columns: [age, workclass, fnlwgt, education, education_num, marital, occupation, relationship, race, sex, gain, loss, hours, country, income]"));
  EXPECT_EQ(adult.rows(), 32561);
  EXPECT_EQ(adult.columns(), 15);
  EXPECT_EQ(adult.schema()[0].type, table::Type::kInt64);
  EXPECT_EQ(adult.column(1).Text(0), "State-gov");
  EXPECT_TRUE(adult.column(1).coded());
  std::int64_t complete = 0, rich = 0;
  for (std::int64_t i = 0; i < adult.rows(); ++i) {
    bool whole = true;
    for (int c = 0; c < adult.columns(); ++c) whole = whole && !adult.column(c).IsNull(i);
    complete += whole ? 1 : 0;
    rich += adult.column(14).Text(i) == ">50K" ? 1 : 0;
  }
  EXPECT_EQ(complete, 30162);
  EXPECT_EQ(rich, 7841);
}

TEST(RealFilesTest, California) {
  NEED_DATA();
  ASSERT_OK_AND_ASSIGN(table::Batch houses, ReadYaml("read: " + kData + "california_housing/housing.csv.gz"));
  EXPECT_EQ(houses.rows(), 20640);
  EXPECT_EQ(houses.columns(), 10);
  EXPECT_EQ(houses.Named("total_bedrooms")->null_count(), 207);
  EXPECT_NEAR(Sum(houses, "median_house_value") / 20640, 206856, 1);
}

}  // namespace
}  // namespace tenon::ingest

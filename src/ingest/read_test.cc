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


struct File {
  const char* name;
  std::string yaml;
  std::int64_t rows;
  int columns;
  std::string column;  // whose sum or null count is known
  double sum;
  std::int64_t nulls;
};

TEST(RealFilesTest, CountsAndSums) {
  NEED_DATA();
  const std::vector<File> files = {
      {"bank", "read: " + kData + "bank_marketing/bank-additional-full.csv.gz", 41188, 21, "pdays", -1, 0},
      {"german", "{read: " + kData + "german_credit/german.csv, columns: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,class]}", 1000, 21, "class", 1300, 0},
      {"retail", "{read: " + kData + "online_retail/*.csv.gz, time: InvoiceDate}", 541909, 8, "CustomerID", -1, 135080},
      {"banking77", "read: " + kData + "banking77/train.csv", 10003, 2, "", 0, 0},
      {"tweets", "read: " + kData + "airline_tweets/Tweets.csv.gz", 14640, 8, "", 0, 0},
      {"movies", "{read: " + kData + "movielens_100k/u.item, format: csv, encoding: latin-1, separator: '|', columns: [id,title,date,video,url,u,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r]}",
       1682, 24, "video", 0, 1682},
      {"sms", "{read: " + kData + "sms_spam/SMSSpamCollection.tsv, quote: '', columns: [label, text]}", 5574, 2, "", 0, 0},
      {"engines", "{read: " + kData + "cmapss_fd001/train_FD001.txt.gz, columns: [unit,cycle,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x]}", 20631, 26, "", 0, 0},
      {"cdnow", "read: " + kData + "cdnow/CDNOW_master.txt.gz", 69659, 4, "", 0, 0},
      {"passengers", "read: " + kData + "air_passengers/AirPassengers.csv", 144, 2, "#Passengers", 40363, 0},
      {"bikes", "read: " + kData + "bike_sharing/hour.csv.gz", 17379, 17, "cnt", 3292679, 0},
      {"beijing", "read: " + kData + "beijing_pm25/pollution.csv.gz", 43824, 13, "pm2.5", -1, 2067},
      {"telco", "read: " + kData + "telco_churn/Telco-Customer-Churn.csv", 7043, 21, "TotalCharges", -1, 11},
      {"stores, with CR as line end", "read: " + kData + "walmart_weekly_sales/stores.csv", 45, 3, "", 0, 0},
      {"m4, padded", "read: " + kData + "m4/Hourly-train.csv.gz", 414, 961, "", 0, 0},
      {"segment", "read: " + kData + "segment/segment.arff", 2310, 20, "region-pixel-count", 20790, 0},
      {"chess", "read: " + kData + "kr_vs_kp/kr.vs.kp.arff", 3196, 37, "", 0, 0},
      {"flights", "read: " + kData + "flights_200k/flights-200k.arrow", 200000, 3, "distance", -1, 0},
      {"pjm", "read: " + kData + "pjm_hourly_load/est_hourly.parquet", 178262, 13, "PJME", -1, 178262 - 145366},
  };
  for (const File& file : files) {
    SCOPED_TRACE(file.name);
    ASSERT_OK_AND_ASSIGN(table::Batch batch, ReadYaml(file.yaml));
    EXPECT_EQ(batch.rows(), file.rows);
    EXPECT_EQ(batch.columns(), file.columns);
    if (file.column.empty()) continue;
    ASSERT_OK_AND_ASSIGN(table::Column column, batch.Named(file.column));
    EXPECT_EQ(column.null_count(), file.nulls);
    if (file.sum > 0) {
      EXPECT_EQ(Sum(batch, file.column), file.sum);
    }
  }
}

}  // namespace
}  // namespace tenon::ingest

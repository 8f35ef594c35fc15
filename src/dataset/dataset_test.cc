#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <unistd.h>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"
#include "base/time.h"
#include "dataset/sensitive.h"
#include "dataset/snapshot.h"
#include "dataset/split.h"
#include "platform/files.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;
using table::ColumnBuilder;
using table::Schema;
using table::Type;

// Rows of an applicant's age, town, income and time; each row a function of its number, some of them alike.
Batch Rows(std::int64_t from, std::int64_t count, bool coded = false) {
  static const auto schema = std::make_shared<const Schema>(std::vector<table::Field>{
      {"id", Type::kInt64}, {"town", Type::kString}, {"income", Type::kFloat64}, {"at", Type::kTimestamp}, {"paid", Type::kBool}});
  const std::vector<std::string> towns = {"Bonn", "Graz", "Lyon", "Oslo"};
  ColumnBuilder id(Type::kInt64), town(Type::kString), income(Type::kFloat64), at(Type::kTimestamp), paid(Type::kBool);
  auto codes = std::make_shared<std::vector<std::int32_t>>();
  for (std::int64_t i = from; i < from + count; ++i) {
    const std::int64_t like = i % 7 == 0 ? i / 14 * 14 : i;  // every second of the multiples of 7 repeats the one before
    id.AddInt(like);
    town.AddText(towns[static_cast<std::size_t>(like % 4)]);
    codes->push_back(static_cast<std::int32_t>(3 - like % 4));
    if (like % 5 == 0) {
      income.AddNull();
    } else {
      income.Add(static_cast<double>(like % 100) * 1.5);
    }
    at.AddInt(like * 3'600'000'000);
    paid.AddInt(like % 3 == 0 ? 1 : 0);
  }
  auto dictionary = std::make_shared<const table::Dictionary>(towns.rbegin(), towns.rend());
  Column text = coded ? Column::Coded(codes->data(), dictionary, count, nullptr, codes) : town.Finish();
  return Batch(schema, {id.Finish(), text, income.Finish(), at.Finish(), paid.Finish()});
}

class SnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    files_ = platform::RealFiles();
    folder_ = Str(::testing::TempDir(), "/tenon-dataset-", ::getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    auto store = store::Store::Open(*files_, folder_, store::Store::Access::kWrite);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  Result<SnapshotPtr> Take(std::vector<Batch> batches, const ingest::SourceSpec& spec = {}) {
    auto reader = table::ReaderOver(batches[0].shared_schema(), batches);
    return Snapshot(Call(), *reader, spec, *store_);
  }
  std::unique_ptr<platform::Files> files_;
  std::string folder_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(SnapshotTest, SensitiveColumnsAreHiddenBeforeTheyAreStored) {
  ingest::SourceSpec spec;
  spec.sensitive = {{"id", ingest::Treatment::kPseudonymise}, {"income", ingest::Treatment::kDrop}, {"town", ingest::Treatment::kMask}};
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr snapshot, Take({Rows(0, 100), Rows(100, 100)}, spec));
  EXPECT_EQ(snapshot->schema().Find("income"), -1);
  ASSERT_OK_AND_ASSIGN(const Column id, snapshot->Column("id"));
  ASSERT_EQ(id.type(), Type::kString);
  ASSERT_OK_AND_ASSIGN(auto secret, store_->FindRecord("secret", "pseudonyms"));
  const std::string key = secret->body.StringAt("key");
  EXPECT_EQ(id.Text(3), KeyedHash(key, "3").substr(0, 32));
  EXPECT_EQ(id.Text(21), id.Text(14));  // both are 14: equal values stay equal
  EXPECT_NE(id.Text(3), id.Text(4));
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr again, Take({Rows(0, 200)}, spec));
  EXPECT_EQ(again->hash(), snapshot->hash());  // the key is kept
  EXPECT_EQ(snapshot->about().Dump().find(key), std::string::npos);
  spec.sensitive = {{"nowhere", ingest::Treatment::kDrop}};
  ASSERT_CODE(kNotFound, Take({Rows(0, 10)}, spec));
}

TEST_F(SnapshotTest, IsNamedByValuesNotByTheirLayout) {
  ASSERT_OK_AND_ASSIGN(SnapshotPtr whole, Take({Rows(0, 1000)}));
  ASSERT_OK_AND_ASSIGN(SnapshotPtr parts, Take({Rows(0, 13), Rows(13, 700, true), Rows(713, 287)}));
  EXPECT_EQ(whole->hash(), parts->hash());
  EXPECT_EQ(InMemory({Rows(0, 1000, true)})->hash(), whole->hash());
  EXPECT_NE(InMemory({Rows(0, 999)})->hash(), whole->hash());
  EXPECT_NE(InMemory({Rows(1, 1000)})->hash(), whole->hash());
  ASSERT_OK_AND_ASSIGN(auto records, store_->Records("snapshot"));
  EXPECT_EQ(records.size(), 1u);
}

TEST_F(SnapshotTest, HashDoesNotDependOnThreads) {
  Call call;
  call.threads = 4;
  auto reader = table::ReaderOver(Rows(0, 1).shared_schema(), {Rows(0, 500), Rows(500, 500)});
  ASSERT_OK_AND_ASSIGN(SnapshotPtr threaded, Snapshot(call, *reader, {}, *store_));
  EXPECT_EQ(threaded->hash(), InMemory({Rows(0, 1000)})->hash());
}

TEST_F(SnapshotTest, NullIsNotZeroAndNotNaN) {
  const auto one = [](auto add) {
    ColumnBuilder builder(Type::kFloat64);
    add(builder);
    return InMemory({Batch(std::make_shared<const Schema>(std::vector<table::Field>{{"x", Type::kFloat64}}), {builder.Finish()})})->hash();
  };
  const std::set<std::string> hashes = {one([](auto& b) { b.AddNull(); }), one([](auto& b) { b.Add(0); }), one([](auto& b) { b.Add(NAN); })};
  EXPECT_EQ(hashes.size(), 3u);
}

TEST_F(SnapshotTest, LoadsByPrefix) {
  ingest::SourceSpec spec;
  spec.name = "loans";
  spec.key = "id";
  ASSERT_OK_AND_ASSIGN(SnapshotPtr taken, Take({Rows(0, 100), Rows(100, 50, true)}, spec));
  ASSERT_OK_AND_ASSIGN(SnapshotPtr loaded, LoadSnapshot(Call(), *store_, taken->hash().substr(0, 6)));
  EXPECT_EQ(loaded->hash(), taken->hash());
  EXPECT_EQ(loaded->rows(), 150);
  EXPECT_EQ(loaded->source(), "loans");
  EXPECT_EQ(loaded->about().StringAt("key"), "id");
  EXPECT_EQ(loaded->batches()[0].RowAt(107).Dump(), Rows(107, 1).RowAt(0).Dump());
  ASSERT_OK_AND_ASSIGN(Column towns, loaded->Column("town"));
  EXPECT_EQ(towns.size(), 150);
  ASSERT_CODE(kNotFound, LoadSnapshot(Call(), *store_, "000000000000"));
  ASSERT_CODE(kInvalidArgument, LoadSnapshot(Call(), *store_, taken->hash().substr(0, 5)));
}

TEST_F(SnapshotTest, RefusesNoRows) {
  auto reader = table::ReaderOver(Rows(0, 1).shared_schema(), {});
  ASSERT_CODE(kInvalidArgument, Snapshot(Call(), *reader, {}, *store_));
}

TEST_F(SnapshotTest, DamageIsDataLoss) {
  ASSERT_OK_AND_ASSIGN(SnapshotPtr taken, Take({Rows(0, 100)}));
  ASSERT_OK_AND_ASSIGN(auto record, store_->FindRecord("snapshot", taken->hash()));
  const std::string path = store_->PathOf(record->body.StringAt("artifact"));
  ASSERT_OK_AND_ASSIGN(std::string bytes, files_->Read(path));
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_OK(files_->Write(path, bytes));
  taken.reset();
  store_.reset();
  ASSERT_OK_AND_ASSIGN(store_, store::Store::Open(*files_, folder_, store::Store::Access::kWrite));
  ASSERT_CODE(kDataLoss, LoadSnapshot(Call(), *store_, record->name));
}

SplitSpec Spec(const std::string& yaml) {
  auto json = Json::ParseYaml(yaml, "t.yaml");
  EXPECT_TRUE(json.ok()) << json.error().ToString();
  auto spec = SplitSpec::Parse(*json, "t.yaml");
  EXPECT_TRUE(spec.ok()) << spec.error().ToString();
  return *std::move(spec);
}

SnapshotPtr With(std::vector<Batch> batches, const std::string& key, const std::string& value) {
  const SnapshotPtr plain = InMemory(batches);
  Json about = plain->about();
  about[key] = value;
  return std::make_shared<const DatasetSnapshot>(plain->hash(), "data", batches, plain->shared_schema(), about);
}

TEST(SplitTest, GrowthMovesNoRow) {
  for (const char* yaml : {"{by: key}", "{by: stratified}", "{by: folds, folds: 4}", "{by: group, column: income, train: 0.4, seed: 3}"}) {
    const SnapshotPtr small = InMemory({Rows(500, 3000)});
    const SnapshotPtr large = InMemory({Rows(0, 500), Rows(500, 3000, true), Rows(3500, 4000)});
    ASSERT_OK_AND_ASSIGN(Split before, MakeSplit(Call(), *small, Spec(yaml), "paid"));
    ASSERT_OK_AND_ASSIGN(Split after, MakeSplit(Call(), *large, Spec(yaml), "paid"));
    for (std::size_t i = 0; i < before.part.size(); ++i) {
      ASSERT_EQ(before.part[i], after.part[i + 500]) << yaml << " row " << i;
      ASSERT_EQ(before.fold[i], after.fold[i + 500]) << yaml << " row " << i;
    }
  }
}

TEST(SplitTest, EqualRowsStandOnOneSide) {
  const SnapshotPtr data = InMemory({Rows(0, 7000)});
  ASSERT_OK_AND_ASSIGN(Split split, MakeSplit(Call(), *data, Spec("{by: stratified}"), "paid"));
  std::map<std::string, std::set<int>> sides;
  std::int64_t repeated = 0;
  for (std::int64_t i = 0; i < data->rows(); ++i) {
    auto& parts = sides[data->batches()[0].RowAt(i).Dump()];
    repeated += parts.empty() ? 0 : 1;
    parts.insert(static_cast<int>(split.part[static_cast<std::size_t>(i)]) * 256 + split.fold[static_cast<std::size_t>(i)]);
    ASSERT_EQ(parts.size(), 1u);
  }
  EXPECT_EQ(repeated, 500);
  EXPECT_EQ(split.how, "stratified by paid, 70/15/15 by hash of row");
  EXPECT_NEAR(static_cast<double>(split.count[0]) / 7000, 0.7, 0.02);
  EXPECT_NEAR(static_cast<double>(split.count[1]) / 7000, 0.15, 0.02);
  EXPECT_EQ(split.count[0] + split.count[1] + split.count[2], 7000);
}

TEST(SplitTest, LaterPartsAreLater) {
  for (const char* yaml : {"{by: time}", "{by: time, gap: 12h}", "{by: time, test: 20d, validation: 10d, gap: 3d}",
                           "{by: time, train: {from: 1970-01-10, until: 1970-03-01}, test: {from: 1970-04-01}}"}) {
    const SnapshotPtr data = With({Rows(0, 5000)}, "time", "at");
    ASSERT_OK_AND_ASSIGN(Split split, MakeSplit(Call(), *data, Spec(yaml), ""));
    const Column at = data->batches()[0].column(3);
    std::int64_t latest[3] = {-1, -1, -1}, earliest[3] = {INT64_MAX, INT64_MAX, INT64_MAX};
    for (std::int64_t i = 0; i < data->rows(); ++i) {
      const auto part = static_cast<std::size_t>(split.part[static_cast<std::size_t>(i)]);
      if (part == 3) continue;
      latest[part] = std::max(latest[part], at.ints()[static_cast<std::size_t>(i)]);
      earliest[part] = std::min(earliest[part], at.ints()[static_cast<std::size_t>(i)]);
    }
    EXPECT_LT(latest[0], earliest[1]) << yaml;
    EXPECT_LT(latest[1], earliest[2]) << yaml;
    EXPECT_LT(latest[0], earliest[2]) << yaml;
    EXPECT_GT(split.count[2], 0) << yaml;
  }
}

TEST(SplitTest, DurationsCountBackFromTheLastRowWithTheGapBetween) {
  const SnapshotPtr data = With({Rows(0, 2400)}, "time", "at");  // one row an hour, 100 days, with repeats
  ASSERT_OK_AND_ASSIGN(Split split, MakeSplit(Call(), *data, Spec("{by: time, train: 60d, gap: 7d, test: 14d}"), ""));
  const auto hours = data->batches()[0].column(0).ints();
  const std::int64_t last = *std::ranges::max_element(hours);
  for (std::size_t i = 0; i < split.part.size(); ++i) {
    const std::int64_t back = last - hours[i];
    const Part expected = back < 14 * 24 ? Part::kTest : back < 21 * 24 ? Part::kUnused : back < 81 * 24 ? Part::kTrain : Part::kUnused;
    ASSERT_EQ(split.part[i], expected) << back;
  }
}

// What is not known yet when the data ends is learnt from and judged by nobody.
TEST(SplitTest, LabelsThatComeLate) {
  const SnapshotPtr data = With({Rows(0, 2400)}, "time", "at");  // one row an hour, 100 days, with repeats
  const auto hours = data->batches()[0].column(0).ints();
  const std::int64_t last = *std::ranges::max_element(hours);
  SplitSpec spec = Spec("{by: time, train: 60d, gap: 7d, test: 14d}");
  spec.known_after = "5d";
  ASSERT_OK_AND_ASSIGN(Split split, MakeSplit(Call(), *data, spec, ""));
  for (std::size_t i = 0; i < split.part.size(); ++i) {
    const std::int64_t back = last - 5 * 24 - hours[i];  // before the last label that is known
    const Part expected = back < 0 ? Part::kUnused : back < 14 * 24 ? Part::kTest : back < 21 * 24 ? Part::kUnused : back < 81 * 24 ? Part::kTrain : Part::kUnused;
    ASSERT_EQ(split.part[i], expected) << back;
  }
  EXPECT_NE(split.how.find("labels are known until"), std::string::npos) << split.how;
  for (const char* yaml : {"{by: time}", "{by: key}"}) {
    spec = Spec(yaml);
    spec.known_after = "5d";
    ASSERT_OK_AND_ASSIGN(split, MakeSplit(Call(), *data, spec, ""));
    for (std::size_t i = 0; i < split.part.size(); ++i) {
      EXPECT_EQ(split.part[i] == Part::kUnused, last - hours[i] < 5 * 24) << yaml << " " << last - hours[i];
    }
    EXPECT_NE(spec.ToJson().StringAt("known_after"), "");
  }
  spec.known_after = "200d";
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *data, spec, ""));
  const SnapshotPtr undated = InMemory({Rows(0, 200)});
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *undated, spec, ""));
}

TEST(SplitTest, ParsesWhatPeopleWrite) {
  struct Case {
    const char* yaml;
    const char* json;  // of ToJson; empty: an error
  };
  for (const Case& c : std::vector<Case>{
           {"stratified", R"({"by":"stratified","train":0.7,"validation":0.15,"test":0.15,"folds":5,"seed":1})"},
           {"{train: 0.8}", R"({"by":"auto","train":0.8,"validation":0.1,"test":0.1,"folds":5,"seed":1})"},
           {"{train: 0.8, test: 0.2}", R"({"by":"auto","train":0.8,"validation":0.0,"test":0.2,"folds":5,"seed":1})"},
           {"{test: 0.3}", R"({"by":"auto","train":0.55,"validation":0.15,"test":0.3,"folds":5,"seed":1})"},
           {"{by: time, train: 60d, gap: 7d, test: 14d}", R"({"by":"time","train":"60d","test":"14d","gap":"7d","folds":5,"seed":1})"},
           {"{by: tiem}", ""}, {"{train: 0.9, validation: 0.2, test: 0.2}", ""}, {"{by: key, gap: 7d}", ""}, {"{by: time, train: 7d}", ""},
           {"{tset: 0.2}", ""}, {"{train: lots}", ""}, {"{folds: 1}", ""}, {"[1]", ""}}) {
    auto json = Json::ParseYaml(c.yaml, "t.yaml");
    ASSERT_OK(json);
    auto spec = SplitSpec::Parse(*json, "t.yaml");
    if (*c.json == '\0') {
      EXPECT_FALSE(spec.ok()) << c.yaml;
      continue;
    }
    ASSERT_OK(spec);
    EXPECT_EQ(spec->ToJson(), *Json::Parse(c.json)) << spec->ToJson().Dump();
    ASSERT_OK_AND_ASSIGN(SplitSpec again, SplitSpec::Parse(spec->ToJson(), ""));
    EXPECT_EQ(again.ToJson(), spec->ToJson());
  }
}

TEST(SplitTest, SaysWhatToWriteInstead) {
  const SnapshotPtr data = InMemory({Rows(0, 20)});
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *data, Spec("{by: time}"), ""));
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *data, Spec("{by: group}"), ""));
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *data, Spec("{by: group, column: twon}"), ""));
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *data, Spec("{by: column, column: town}"), ""));
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *data, Spec("key"), "payed"));
  ASSERT_CODE(kInvalidArgument, MakeSplit(Call(), *InMemory({Rows(1, 1)}), Spec("key"), ""));
}

TEST(DiffTest, ByKeyAndByWholeRows) {
  const auto make = [](const std::vector<std::int64_t>& ids, const std::vector<double>& values, bool key) {
    const auto schema = std::make_shared<const Schema>(std::vector<table::Field>{{"id", Type::kInt64}, {"x", Type::kFloat64}});
    const Batch batch(schema, {Column::Of(ids, Type::kInt64), Column::Of(values)});
    return key ? With({batch}, "key", "id") : InMemory({batch});
  };
  for (const bool key : {true, false}) {
    const SnapshotPtr before = make({1, 2, 3, 4}, {1, 2, 3, 4}, key), after = make({5, 4, 2, 1}, {9, 4, 7, 1}, key);
    ASSERT_OK_AND_ASSIGN(Json diff, Diff(Call(), *before, *after));
    const Json expected = *Json::Parse(key ? R"({"before":4,"after":4,"added":1,"removed":1,"changed":1})"
                                           : R"({"before":4,"after":4,"added":2,"removed":2,"changed":0})");
    EXPECT_EQ(*diff.Find("rows"), expected) << diff.Dump();
    EXPECT_EQ(diff.Find("columns")->array()[1].NumberAt("mean_before"), 2.5);
    EXPECT_EQ(diff.Find("columns")->array()[1].NumberAt("mean_after"), 5.25);
    ASSERT_OK_AND_ASSIGN(Json none, Diff(Call(), *before, *before));
    EXPECT_EQ(none.Find("rows")->IntAt("changed") + none.Find("rows")->IntAt("added") + none.Find("rows")->IntAt("removed"), 0);
  }
}

TEST(DiffTest, NamesColumnsThatCameAndWent) {
  const auto one = [](const std::string& name, Column column) {
    const auto schema = std::make_shared<const Schema>(std::vector<table::Field>{{"id", Type::kInt64}, {name, column.type()}});
    return InMemory({Batch(schema, {Column::Of(std::vector<std::int64_t>{1, 2}), column})});
  };
  ASSERT_OK_AND_ASSIGN(Json diff, Diff(Call(), *one("x", Column::Of(std::vector<double>{1, 2})), *one("y", Column::Of(std::vector<double>{1, 2}))));
  EXPECT_EQ(diff.Find("schema")->Dump(), R"({"added":["y"],"removed":["x"],"renamed":[],"changed":[]})");
  ASSERT_OK_AND_ASSIGN(diff, Diff(Call(), *one("x", Column::Of(std::vector<double>{1, 2})), *one("x", Column::Of(std::vector<std::string>{"1", "2"}))));
  EXPECT_EQ(diff.Find("schema")->Dump(), R"({"added":[],"removed":[],"renamed":[],"changed":[{"name":"x","before":"float64","after":"string","widened":false}]})");
}

TEST(SplitTest, SurvivesSavingAndNoticesDamage) {
  ASSERT_OK_AND_ASSIGN(Split split, MakeSplit(Call(), *InMemory({Rows(0, 300)}), {}, "paid"));
  const std::string bytes = split.Save();
  ASSERT_OK_AND_ASSIGN(Split loaded, Split::Load(bytes));
  EXPECT_EQ(loaded.part, split.part);
  EXPECT_EQ(loaded.fold, split.fold);
  EXPECT_EQ(loaded.how, split.how);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(loaded.count[i], split.count[i]);
  EXPECT_EQ(loaded.RowsOf(Part::kTest).size(), static_cast<std::size_t>(split.count[2]));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] ^= 4;
    ASSERT_FALSE(Split::Load(flipped).ok()) << i;
    ASSERT_FALSE(Split::Load(std::string_view(bytes).substr(0, i)).ok()) << i;
  }
}

}  // namespace
}  // namespace tenon::dataset

#include <cstdlib>
#include <map>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "dataset/diff_internal.h"
#include "dataset/snapshot.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;
using table::Schema;
using table::Type;

SnapshotPtr Of(std::vector<table::Field> fields, std::vector<Column> columns, const std::string& about) {
  std::vector<Batch> batches = {Batch(std::make_shared<const Schema>(std::move(fields)), std::move(columns))};
  auto json = Json::Parse(about, "about");
  EXPECT_TRUE(json.ok());
  const std::string hash = InMemory(batches)->hash();
  const auto schema = batches[0].shared_schema();
  return std::make_shared<const DatasetSnapshot>(hash, "shop", std::move(batches), schema, *json);
}

TEST(DiffTest, NamesTheColumnsThatChangedInEachRow) {
  const std::vector<table::Field> fields = {{"id", Type::kInt64}, {"town", Type::kString}, {"price", Type::kFloat64}};
  const auto before = Of(fields, {Column::Of({1, 2, 3}, Type::kInt64), Column::Of(std::vector<std::string>{"Ulm", "Rom", "Oslo"}), Column::Of(std::vector<double>{1, 2, 3})}, R"({"key":"id"})");
  const auto after = Of(fields, {Column::Of({2, 1, 4}, Type::kInt64), Column::Of(std::vector<std::string>{"Rom", "Bonn", "Kiel"}), Column::Of(std::vector<double>{2, 1, 4})}, R"({"key":"id"})");
  ASSERT_OK_AND_ASSIGN(const Json diff, Diff(Call(), *before, *after));
  EXPECT_EQ(diff.Find("examples")->Dump(),
            R"({"added":[{"id":4,"town":"Kiel","price":4.0}],"removed":[{"id":3,"town":"Oslo","price":3.0}],"changed":[{"key":1,"columns":{"town":["Ulm","Bonn"]}}]})");
  const auto& columns = diff.Find("columns")->array();
  EXPECT_EQ(columns[1].IntAt("rows_changed"), 1);
  EXPECT_EQ(columns[2].IntAt("rows_changed"), 0);
}

TEST(DiffTest, RenamedAndWidenedColumnsAreTheSameColumns) {
  const auto before = Of({{"id", Type::kInt64}, {"cost", Type::kInt64}}, {Column::Of({1, 2}, Type::kInt64), Column::Of({10, 20}, Type::kInt64)}, R"({"key":"id"})");
  const auto after = Of({{"id", Type::kInt64}, {"price", Type::kFloat64}}, {Column::Of({1, 2}, Type::kInt64), Column::Of(std::vector<double>{10, 20.5})},
                        R"({"key":"id","spec":{"rename":{"price":"cost"}}})");
  ASSERT_OK_AND_ASSIGN(const Json diff, Diff(Call(), *before, *after));
  EXPECT_EQ(diff.Find("schema")->Dump(),
            R"({"added":[],"removed":[],"renamed":[{"before":"cost","after":"price"}],"changed":[{"name":"price","before":"int64","after":"float64","widened":true}]})");
  EXPECT_EQ(diff.Find("rows")->IntAt("changed"), 1);
  EXPECT_EQ(diff.Find("examples")->Find("changed")->Dump(), R"([{"key":2,"columns":{"price":[20.0,20.5]}}])");
}

TEST(DiffTest, SensitiveValuesAreHidden) {
  const std::vector<table::Field> fields = {{"id", Type::kInt64}, {"name", Type::kString}};
  const std::string about = R"({"key":"id","governance":{"sensitive":["name"]},"spec":{"rename":{"name":"called"}}})";
  const auto before = Of({{"id", Type::kInt64}, {"called", Type::kString}}, {Column::Of({1, 2}, Type::kInt64), Column::Of(std::vector<std::string>{"Ada", "Bob"})}, R"({"key":"id"})");
  const auto after = Of(fields, {Column::Of({1, 3}, Type::kInt64), Column::Of(std::vector<std::string>{"Eve", "Cyd"})}, about);
  ASSERT_OK_AND_ASSIGN(const Json diff, Diff(Call(), *before, *after));
  const std::string text = diff.Dump();
  for (const char* name : {"Ada", "Bob", "Eve", "Cyd"}) EXPECT_EQ(text.find(name), std::string::npos) << text;
  EXPECT_NE(text.find("***"), std::string::npos);
}

TEST(DiffTest, PsiIsZeroForTheSameAndLargeForWhatMoved) {
  std::vector<double> low, high;
  std::vector<std::string> towns, moved;
  for (int i = 0; i < 1000; ++i) {
    low.push_back(i);
    high.push_back(i + 500);
    towns.push_back(i % 2 == 0 ? "Ulm" : "Rom");
    moved.push_back(i % 10 == 0 ? "Ulm" : "Rom");
  }
  const std::vector<table::Field> fields = {{"x", Type::kFloat64}, {"town", Type::kString}};
  const auto before = Of(fields, {Column::Of(low), Column::Of(towns)}, "{}");
  const auto after = Of(fields, {Column::Of(high), Column::Of(moved)}, "{}");
  ASSERT_OK_AND_ASSIGN(const Json same, Diff(Call(), *before, *before));
  ASSERT_OK_AND_ASSIGN(const Json diff, Diff(Call(), *before, *after));
  for (const Json& column : same.Find("columns")->array()) EXPECT_EQ(column.NumberAt("psi"), 0);
  EXPECT_GT(diff.Find("columns")->array()[0].NumberAt("psi"), 1);
  // (0.1 - 0.5) ln(0.1 / 0.5) + (0.9 - 0.5) ln(0.9 / 0.5)
  EXPECT_NEAR(diff.Find("columns")->array()[1].NumberAt("psi"), 0.4 * 1.6094379124341003 + 0.4 * 0.5877866649021191, 1e-12);
}

// However few rows are held at a time, on however many threads, and whichever batches are equal.
TEST(DiffTest, PartsAndThreadsChangeNothing) {
  const auto schema = std::make_shared<const Schema>(std::vector<table::Field>{{"id", Type::kInt64}, {"x", Type::kInt64}});
  std::mt19937_64 random(5);
  std::vector<Batch> before, after;
  for (int k = 0; k < 20; ++k) {
    std::vector<std::int64_t> id, x, y;
    for (int i = 0; i < 100; ++i) {
      id.push_back(static_cast<std::int64_t>(random() % 1500));  // some ids come twice
      x.push_back(static_cast<std::int64_t>(random() % 3));
      y.push_back(k % 3 == 0 && i % 10 == 0 ? 7 : x.back());
    }
    before.push_back(Batch(schema, {Column::Of(id, Type::kInt64), Column::Of(x, Type::kInt64)}));
    if (k == 4) continue;
    after.push_back(Batch(schema, {Column::Of(id, Type::kInt64), Column::Of(y, Type::kInt64)}));
    if (k == 8) after.push_back(after.back());
  }
  const auto was = InMemory(before), is = InMemory(after);
  const Side a(*was, schema, {}), b(*is, schema, {});
  std::string first;
  for (const int threads : {1, 3}) {
    for (const std::int64_t most : {1, 10, 333, 4'000'000}) {
      Call call;
      call.threads = threads;
      RowChanges changes(a, b, 0);
      ASSERT_OK(CompareRows(call, a, b, 0, &changes, most));
      const std::string text = changes.Counts().Dump() + changes.Examples({}).Dump() + std::to_string(changes.ChangedIn(1));
      if (first.empty()) first = text;
      EXPECT_EQ(text, first) << threads << " threads, " << most << " rows at a time";
    }
  }
  // The same by whole rows, counted one by one.
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> left;
  for (const Batch& batch : before) for (std::int64_t i = 0; i < batch.rows(); ++i) ++left[{batch.column(0).ints()[static_cast<std::size_t>(i)], batch.column(1).ints()[static_cast<std::size_t>(i)]}];
  for (const Batch& batch : after) for (std::int64_t i = 0; i < batch.rows(); ++i) --left[{batch.column(0).ints()[static_cast<std::size_t>(i)], batch.column(1).ints()[static_cast<std::size_t>(i)]}];
  std::int64_t added = 0, removed = 0;
  for (const auto& [row, count] : left) (count < 0 ? added : removed) += std::abs(count);
  RowChanges whole(a, b, -1);
  ASSERT_OK(CompareRows(Call(), a, b, -1, &whole, 50));
  EXPECT_EQ(whole.Counts().IntAt("added"), added);
  EXPECT_EQ(whole.Counts().IntAt("removed"), removed);
  EXPECT_GT(added, 100);
}

}  // namespace
}  // namespace tenon::dataset

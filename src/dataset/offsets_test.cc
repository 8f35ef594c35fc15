#include <gtest/gtest.h>

#include "base/testing.h"
#include "dataset/offsets_internal.h"

namespace tenon::dataset {
namespace {

using table::Batch;

// Rows of (partition, offset, id), id being 100 * partition + offset.
Batch Rows(const std::vector<std::pair<std::int64_t, std::int64_t>>& places) {
  static const auto schema = std::make_shared<const table::Schema>(
      std::vector<table::Field>{{"id", table::Type::kInt64, 0}, {std::string(kPartition), table::Type::kInt64, 0}, {std::string(kOffset), table::Type::kInt64, 0}});
  table::ColumnBuilder id(table::Type::kInt64), part(table::Type::kInt64), offset(table::Type::kInt64);
  for (const auto& [p, o] : places) {
    id.AddInt(100 * p + o);
    part.AddInt(p);
    offset.AddInt(o);
  }
  return Batch(schema, {id.Finish(), part.Finish(), offset.Finish()});
}

std::vector<std::int64_t> Ids(const std::vector<Batch>& rows) {
  std::vector<std::int64_t> out;
  for (const Batch& batch : rows) {
    for (std::int64_t i = 0; i < batch.rows(); ++i) out.push_back(batch.column(0).ints()[static_cast<std::size_t>(i)]);
  }
  return out;
}

TEST(Offsets, RowsStandByPartitionAndOffsetHoweverTheyCame) {
  std::vector<Batch> once = {Rows({{1, 0}, {1, 1}, {0, 0}, {2, 5}, {0, 1}, {2, 6}})}, twice = {Rows({{0, 0}, {1, 0}, {2, 5}}), Rows({}), Rows({{0, 1}, {1, 1}, {2, 6}})};
  SortByPlace(&once);
  SortByPlace(&twice);
  EXPECT_EQ(Ids(once), (std::vector<std::int64_t>{0, 1, 100, 101, 205, 206}));
  EXPECT_EQ(Ids(twice), Ids(once));
  std::vector<Batch> many;
  for (std::int64_t i = 70'000; i-- > 0;) many.push_back(Rows({{0, i}}));
  many = {Batch::Concat(many)};
  SortByPlace(&many);
  EXPECT_EQ(many.size(), 2U);
  EXPECT_EQ(many[0].rows(), 65536);
  EXPECT_EQ(Ids(many)[69'999], 69'999);
  std::vector<Batch> none;
  SortByPlace(&none);
}

TEST(Offsets, RecordsThatBecameNoRowsMoveThem) {
  const Batch rows = Rows({{0, 3}, {1, 7}});
  EXPECT_EQ(OffsetsOf(rows.schema(), {rows}, nullptr).Dump(), R"({"0":4,"1":8})");
  EXPECT_EQ(OffsetsOf(rows.schema(), {rows}, nullptr, "0:6,1:8,2:1").Dump(), R"({"0":6,"1":8,"2":1})");
  ASSERT_OK_AND_ASSIGN(const Json before, Json::Parse(R"({"1": 20, "3": 2})"));
  EXPECT_EQ(OffsetsOf(rows.schema(), {rows}, &before, "0:6").Dump(), R"({"0":6,"1":20,"3":2})");
  EXPECT_EQ(SinceOf(OffsetsOf(rows.schema(), {}, nullptr, "0:6,1:8")), "0:6,1:8");
}

}  // namespace
}  // namespace tenon::dataset

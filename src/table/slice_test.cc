#include <numeric>

#include "base/testing.h"
#include "table/batch.h"

namespace tenon::table {
namespace {

// A column of a type with every third value missing, plain and coded.
std::vector<Column> Columns(std::int64_t rows) {
  ColumnBuilder numbers(Type::kFloat64), ints(Type::kInt64), bools(Type::kBool), texts(Type::kString), floats(Type::kEmbedding, 3);
  std::vector<std::int32_t> codes;
  std::vector<std::uint64_t> there(static_cast<std::size_t>(rows + 63) / 64);
  for (std::int64_t i = 0; i < rows; ++i) {
    codes.push_back(static_cast<std::int32_t>(i % 2));
    if (i % 3 == 1) {
      for (ColumnBuilder* builder : {&numbers, &ints, &bools, &texts, &floats}) builder->AddNull();
      continue;
    }
    there[static_cast<std::size_t>(i / 64)] |= 1ULL << (i % 64);
    numbers.Add(static_cast<double>(i) / 4);
    ints.AddInt(i);
    bools.AddInt(i % 2);
    texts.AddText(std::string(static_cast<std::size_t>(i % 5), static_cast<char>('a' + i % 7)));
    const float three[] = {1, static_cast<float>(i), 3};
    floats.AddFloats(three);
  }
  struct Held {
    std::vector<std::int32_t> codes;
    std::vector<std::uint64_t> there;
  };
  const auto held = std::make_shared<const Held>(Held{codes, there});
  const auto dictionary = std::make_shared<const Dictionary>(Dictionary{"no", "yes"});
  return {numbers.Finish(), ints.Finish(), bools.Finish(), texts.Finish(), floats.Finish(),
          Column::Coded(held->codes.data(), dictionary, rows, held->there.data(), held)};
}

TEST(SliceTest, HasTheRowsThatTakingThemHas) {
  constexpr std::int64_t kRows = 300;
  for (const Column& column : Columns(kRows)) {
    for (const std::int64_t from : {0, 1, 63, 64, 65, 127, 200, 299, 300}) {
      for (const std::int64_t count : {0, 1, 2, 63, 64, 65, 100, 300}) {
        if (from + count > kRows) continue;
        std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
        std::iota(rows.begin(), rows.end(), from);
        const Column slice = column.Slice(from, count);
        const Column taken = column.Take(rows);
        ASSERT_EQ(slice.size(), count);
        EXPECT_EQ(slice.null_count(), taken.null_count()) << NameOf(column.type()) << " from " << from << ", " << count << " rows";
        for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(slice.ValueAt(i).Dump(), taken.ValueAt(i).Dump()) << from << " + " << i;
      }
    }
  }
}

// A slice of a slice, of which nothing else is left.
TEST(SliceTest, KeepsItsBuffers) {
  Column slice;
  {
    const Column whole = Columns(300)[3];
    slice = whole.Slice(7, 200).Slice(9, 100);
  }
  EXPECT_TRUE(slice.IsNull(0));  // row 16 of the whole
  EXPECT_EQ(slice.Text(1), "dd");
  EXPECT_EQ(slice.Text(2), "eee");
}

}  // namespace
}  // namespace tenon::table

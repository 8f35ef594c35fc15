#include "table/columns_file.h"

#include <cmath>
#include <cstring>
#include <map>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"

namespace tenon::table {
namespace {

std::vector<Batch> Batches() {
  const auto schema = std::make_shared<const Schema>(std::vector<Field>{{"flag", Type::kBool}, {"n", Type::kInt64}, {"x", Type::kFloat64},
                                                                        {"text", Type::kString}, {"level", Type::kString}, {"at", Type::kTimestamp},
                                                                        {"vector", Type::kEmbedding, 3}});
  const auto dictionary = std::make_shared<const Dictionary>(Dictionary{"low", "", "high \xC3\xA9"});
  std::vector<Batch> out;
  for (const std::int64_t rows : {130, 1, 64}) {
    ColumnBuilder flag(Type::kBool), n(Type::kInt64), x(Type::kFloat64), text(Type::kString), at(Type::kTimestamp), vector(Type::kEmbedding, 3);
    auto codes = std::make_shared<std::vector<std::int32_t>>();
    for (std::int64_t i = 0; i < rows; ++i) {
      i % 7 == 0 ? flag.AddNull() : flag.AddInt(i % 2);
      n.AddInt(i * i - 50);
      i % 5 == 1 ? x.AddNull() : x.Add(i % 9 == 0 ? NAN : static_cast<double>(i) / 3);
      i % 4 == 3 ? text.AddNull() : text.AddText(std::string(static_cast<std::size_t>(i % 11), 'a'));
      codes->push_back(static_cast<std::int32_t>(i % 3));
      at.AddInt(i * 1'000'000);
      i % 6 == 5 ? vector.AddNull() : vector.AddFloats(std::vector<float>{static_cast<float>(i), 0.5F, -1});
    }
    out.emplace_back(schema, std::vector<Column>{flag.Finish(), n.Finish(), x.Finish(), text.Finish(),
                                                 Column::Coded(codes->data(), dictionary, rows, nullptr, codes), at.Finish(), vector.Finish()});
  }
  return out;
}

std::string Show(const std::vector<Batch>& batches) {
  std::string out;
  for (const Batch& batch : batches) {
    for (std::int64_t i = 0; i < batch.rows(); ++i) out += batch.RowAt(i).Dump() + "\n";
  }
  return out;
}

// Reads every value, as a user would.
void Use(const ColumnsFile& file) { EXPECT_FALSE(Show(file.batches).empty() && file.schema == nullptr); }

TEST(ColumnsFileTest, GivesBackWhatItGot) {
  const std::vector<Batch> batches = Batches();
  auto bytes = std::make_shared<const std::string>(WriteColumns(batches[0].shared_schema(), batches));
  EXPECT_EQ(*bytes, WriteColumns(batches[0].shared_schema(), Batches()));
  ASSERT_OK_AND_ASSIGN(ColumnsFile file, OpenColumns(*bytes, bytes));
  EXPECT_EQ(*file.schema, batches[0].schema());
  ASSERT_EQ(file.batches.size(), 3u);
  EXPECT_EQ(Show(file.batches), Show(batches));
  EXPECT_EQ(file.batches[0].column(4).dictionary(), file.batches[2].column(4).dictionary());
}

TEST(ColumnsFileTest, ViewsTheBytesWhereTheyAreAligned) {
  const std::vector<Batch> batches = Batches();
  const std::string bytes = WriteColumns(batches[0].shared_schema(), batches);
  struct alignas(64) Line {
    char bytes[64];
  };
  for (const std::size_t shift : {0, 8, 1}) {
    auto memory = std::make_shared<std::vector<Line>>(bytes.size() / 64 + 2);
    char* begin = reinterpret_cast<char*>(memory->data()) + shift;
    std::memcpy(begin, bytes.data(), bytes.size());
    ASSERT_OK_AND_ASSIGN(ColumnsFile file, OpenColumns({begin, bytes.size()}, memory));
    const char* values = reinterpret_cast<const char*>(file.batches[0].column(1).ints().data());
    EXPECT_EQ(values >= begin && values < begin + bytes.size(), shift == 0);
    memory.reset();  // the columns keep what they need
    EXPECT_EQ(Show(file.batches), Show(batches));
  }
}

TEST(ColumnsFileTest, SlicesAndEmptyTables) {
  const Batch batch = Batches()[0];
  const std::string bytes = WriteColumns(batch.shared_schema(), {batch.Slice(64, 50), batch.Slice(3, 9)});
  ASSERT_OK_AND_ASSIGN(ColumnsFile file, OpenColumns(bytes, nullptr));
  EXPECT_EQ(Show(file.batches), Show({batch.Slice(64, 50), batch.Slice(3, 9)}));
  const std::string none = WriteColumns(batch.shared_schema(), {});
  ASSERT_OK_AND_ASSIGN(file, OpenColumns(none, nullptr));
  EXPECT_EQ(file.batches.size(), 0u);
  const std::string zero = WriteColumns(batch.shared_schema(), {batch.Slice(0, 0)});
  ASSERT_OK_AND_ASSIGN(file, OpenColumns(zero, nullptr));
  EXPECT_EQ(file.batches[0].rows(), 0);
}

TEST(ColumnsFileTest, NoticesEveryTruncationAndFlip) {
  const std::vector<Batch> batches = Batches();
  const std::string bytes = WriteColumns(batches[0].shared_schema(), batches);
  for (std::size_t size = 0; size < bytes.size(); size += size < 200 || size + 200 > bytes.size() ? 1 : 13) {
    ASSERT_CODE(kDataLoss, OpenColumns(std::string_view(bytes).substr(0, size), nullptr));
  }
  ASSERT_OK_AND_ASSIGN(ColumnsFile whole, OpenColumns(bytes, nullptr));
  const std::string shown = Show(whole.batches);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    auto file = OpenColumns(flipped, nullptr);
    // What is not data, the zeros between buffers, may change unnoticed.
    if (file.ok()) {
      ASSERT_EQ(Show(file->batches), shown) << at;
    }
  }
}

// Checksums keep accidents away; a file that was made wrong on purpose must not crash us either.
TEST(ColumnsFileTest, SurvivesForgedDirectories) {
  const std::vector<Batch> batches = Batches();
  const std::string bytes = WriteColumns(batches[0].shared_schema(), batches);
  std::uint64_t begin = 0, size = 0;
  std::memcpy(&begin, bytes.data() + bytes.size() - 32, 8);
  std::memcpy(&size, bytes.data() + bytes.size() - 24, 8);
  int refused = 0, forged = 0;
  for (std::uint64_t at = begin; at < begin + size; at += 8) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{64}, std::uint64_t{1} << 31, std::uint64_t{1} << 61,
                                      std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 63, static_cast<std::uint64_t>(bytes.size())}) {
      std::string copy = bytes;
      std::memcpy(copy.data() + at, &value, 8);
      const std::uint64_t checksum = Hash64(std::string_view(copy).substr(begin, size), 1);
      std::memcpy(copy.data() + copy.size() - 16, &checksum, 8);
      ++forged;
      auto file = OpenColumns(copy, nullptr);
      if (file.ok()) {
        Use(*file);
      } else {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, forged / 2);
}

// Codes and offsets are data too: forged with their checksums right.
TEST(ColumnsFileTest, RefusesCodesAndOffsetsThatPointOutside) {
  const auto schema = std::make_shared<const Schema>(std::vector<Field>{{"a", Type::kString}, {"b", Type::kString}});
  auto codes = std::make_shared<std::vector<std::int32_t>>(std::vector<std::int32_t>{0, 1, 0});
  const auto dictionary = std::make_shared<const Dictionary>(Dictionary{"x", "y"});
  const Batch batch(schema, {Column::Coded(codes->data(), dictionary, 3, nullptr, codes), Column::Of(std::vector<std::string>{"p", "qq", "r"})});
  const std::string good = WriteColumns(schema, {batch});
  ASSERT_OK(OpenColumns(good, nullptr));
  const std::string needle("\0\0\0\0\1\0\0\0\0\0\0\0", 12);
  std::string bytes = good;
  std::size_t place = std::string::npos;
  for (std::size_t at = 64; at < bytes.size(); at += 64) {
    if (std::string_view(bytes).substr(at, 12) == needle) place = at;
  }
  ASSERT_NE(place, std::string::npos);
  const std::uint64_t before = Hash64(std::string_view(bytes).substr(place, 12));
  bytes[place + 4] = 9;
  const std::uint64_t after = Hash64(std::string_view(bytes).substr(place, 12));
  std::uint64_t begin = 0, size = 0;
  std::memcpy(&begin, bytes.data() + bytes.size() - 32, 8);
  std::memcpy(&size, bytes.data() + bytes.size() - 24, 8);
  for (std::uint64_t at = begin; at < begin + size; at += 8) {
    if (std::memcmp(bytes.data() + at, &before, 8) == 0) std::memcpy(bytes.data() + at, &after, 8);
  }
  const std::uint64_t checksum = Hash64(std::string_view(bytes).substr(begin, size), 1);
  std::memcpy(bytes.data() + bytes.size() - 16, &checksum, 8);
  auto file = OpenColumns(bytes, nullptr);
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.error().message().find("code 9 of 2"), std::string::npos) << file.error().message();
}

TEST(ColumnsFileTest, RefusesNewerVersions) {
  std::string bytes = WriteColumns(Batches()[0].shared_schema(), Batches());
  bytes[8] = 2;
  ASSERT_CODE(kFailedPrecondition, OpenColumns(bytes, nullptr));
}

// Packs by name, as a store has them.
struct Packs {
  std::map<std::string, std::shared_ptr<const std::string>> by_name;
  std::vector<PlacedBuffer> buffers;

  ColumnsList Write(const std::vector<Batch>& batches) {
    ColumnsList made = WriteColumnsList(batches[0].shared_schema(), batches, [&](std::string_view bytes, std::uint64_t checksum) -> std::optional<PlacedBuffer> {
      for (const PlacedBuffer& buffer : buffers) {
        if (buffer.checksum == checksum && std::string_view(*by_name.at(buffer.pack)).substr(buffer.at, buffer.bytes) == bytes) return buffer;
      }
      return std::nullopt;
    });
    if (!made.pack.empty()) by_name[HashOf(made.pack)] = std::make_shared<const std::string>(made.pack);
    auto more = BuffersOf(made.list);
    EXPECT_TRUE(more.ok());
    if (more.ok()) buffers.insert(buffers.end(), more->begin(), more->end());
    return made;
  }
  Result<ColumnsFile> Open(std::string_view list) const {
    TENON_ASSIGN(const std::vector<std::string> names, PacksOf(list));
    std::vector<OwnedBytes> packs;
    for (const std::string& name : names) packs.push_back({*by_name.at(name), by_name.at(name)});
    return OpenColumnsList(list, packs);
  }
};

TEST(ColumnsListTest, SharesWhatIsEqual) {
  Packs packs;
  std::vector<Batch> batches = Batches();
  const ColumnsList first = packs.Write({batches[0], batches[2]});
  const ColumnsList second = packs.Write(batches);
  EXPECT_FALSE(second.pack.empty());
  EXPECT_LT(second.pack.size(), first.pack.size() / 2);  // of the row that came
  EXPECT_TRUE(packs.Write(batches).pack.empty());
  EXPECT_EQ(packs.Write(batches).list.size(), second.list.size());
  ASSERT_OK_AND_ASSIGN(const ColumnsFile one, packs.Open(first.list));
  EXPECT_EQ(Show(one.batches), Show({batches[0], batches[2]}));
  ASSERT_OK_AND_ASSIGN(const ColumnsFile two, packs.Open(second.list));
  EXPECT_EQ(Show(two.batches), Show(batches));
  EXPECT_EQ(*two.schema, batches[0].schema());
}

TEST(ColumnsListTest, DamageIsFound) {
  Packs packs;
  const ColumnsList made = packs.Write(Batches());
  ASSERT_CODE(kDataLoss, OpenColumnsList(made.list, {}));
  for (std::size_t i = 0; i < made.list.size(); i += 3) {
    std::string bad = made.list;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    EXPECT_FALSE(OpenColumnsList(bad, {{made.pack, nullptr}}).ok()) << i;
    EXPECT_FALSE(OpenColumnsList(made.list.substr(0, i), {{made.pack, nullptr}}).ok()) << i;
  }
  ASSERT_OK_AND_ASSIGN(const std::vector<PlacedBuffer> buffers, BuffersOf(made.list));
  for (const PlacedBuffer& buffer : buffers) {
    if (buffer.bytes == 0) continue;
    std::string bad = made.pack;
    bad[buffer.at + buffer.bytes / 2] ^= 1;
    ASSERT_CODE(kDataLoss, OpenColumnsList(made.list, {{bad, nullptr}}));
    ASSERT_CODE(kDataLoss, OpenColumnsList(made.list, {{std::string_view(made.pack).substr(0, buffer.at), nullptr}}));
  }
}

}  // namespace
}  // namespace tenon::table

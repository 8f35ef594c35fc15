#include <filesystem>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "ingest/arrow_internal.h"
#include "platform/files.h"

namespace tenon::ingest {
namespace {

const std::string kFlights = "../shared/data/flights_200k/flights-200k.arrow";

// Reads all, touching every value. The number of rows.
Result<std::int64_t> ReadAllOf(std::string_view bytes) {
  TENON_ASSIGN(auto file, ArrowFile::Open(bytes, "t.arrow"));
  std::int64_t rows = 0;
  while (true) {
    TENON_ASSIGN(std::optional<table::Batch> batch, file->Next());
    if (!batch) return rows;
    rows += batch->rows();
    for (int c = 0; c < batch->columns(); ++c) {
      for (std::int64_t i = 0; i < batch->rows(); i += 1009) (void)batch->column(c).ValueAt(i);
    }
  }
}

TEST(ArrowTest, Flights) {
  if (!std::filesystem::exists(kFlights)) GTEST_SKIP() << "no file " << kFlights;
  ASSERT_OK_AND_ASSIGN(const std::string bytes, platform::RealFiles()->Read(kFlights));
  ASSERT_OK_AND_ASSIGN(auto file, ArrowFile::Open(bytes, kFlights));
  EXPECT_EQ(file->schema()->ToJson().Dump(),
            R"([{"name":"delay","type":"int64"},{"name":"distance","type":"int64"},{"name":"time","type":"float64"}])");
  ASSERT_OK_AND_ASSIGN(std::optional<table::Batch> batch, file->Next());
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->rows(), 200000);
  std::int64_t delays = 0, distances = 0;
  double times = 0;
  for (std::size_t i = 0; i < 200000; ++i) {
    delays += batch->column(0).ints()[i];
    distances += batch->column(1).ints()[i];
    times += batch->column(2).doubles()[i];
  }
  // pyarrow.ipc.open_file(...).read_all(), summed with pyarrow.compute; see tests/parity/arrow_files.py.
  EXPECT_EQ(delays, 1500159);
  EXPECT_EQ(distances, 145847125);
  EXPECT_NEAR(times, 2755170.1662385147, 1e-3);
}

// The files were made with pyarrow; see tests/parity/arrow_files.py.
TEST(ArrowTest, Types) {
  for (const std::string name : {"types.arrow", "types.arrows"}) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const std::string bytes, platform::RealFiles()->Read("src/ingest/testdata/" + name));
    ASSERT_OK_AND_ASSIGN(auto file, ArrowFile::Open(bytes, name));
    std::string shown;
    while (true) {
      ASSERT_OK_AND_ASSIGN(std::optional<table::Batch> batch, file->Next());
      if (!batch) break;
      for (std::int64_t i = 0; i < batch->rows(); ++i) shown += batch->RowAt(i).Dump() + "\n";
    }
    EXPECT_EQ(shown,
              R"({"i8":-128,"u16":0,"u64":1,"f16":1.5,"f32":0.10000000149011612,"f64":0.1,"flag":true,"text":"","large":null,"level":"x",)"
              R"("days":"1969-12-31T00:00:00Z","date64":"1969-12-31T00:00:00Z","s":"1969-12-31T23:59:59Z","ms":"1969-12-31T23:59:59.5Z",)"
              R"("us":"1969-12-31T23:59:59.5Z","ns":"1969-12-31T23:59:59.999999Z","none":null,"vector":[1.0,2.0]})" "\n"
              R"({"i8":null,"u16":65535,"u64":2,"f16":null,"f32":1.0000000150474662e+30,"f64":null,"flag":null,"text":"é","large":"b","level":null,)"
              R"("days":null,"date64":"1969-12-31T00:00:00Z","s":null,"ms":null,"us":null,"ns":null,"none":null,"vector":null})" "\n"
              R"({"i8":127,"u16":null,"u64":9223372036854775807,"f16":-0.25,"f32":null,"f64":1e+300,"flag":false,"text":null,"large":"cc","level":"y",)"
              R"("days":"1969-12-31T00:00:00Z","date64":null,"s":null,"ms":null,"us":null,"ns":"1970-01-01T00:00:00.000001Z","none":null,"vector":[0.5,-1.0]})" "\n");
  }
}

TEST(ArrowTest, SaysWhatItDoesNotRead) {
  for (const auto& [name, said] : std::vector<std::pair<std::string, std::string>>{{"types_lz4.arrow", "compressed"}, {"nested.arrow", "column 'a' has a type"}}) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes, platform::RealFiles()->Read("src/ingest/testdata/" + name));
    auto rows = ReadAllOf(bytes);
    ASSERT_CODE(kInvalidArgument, rows);
    EXPECT_NE(rows.error().message().find(said), std::string::npos) << rows.error().message();
  }
}

TEST(ArrowTest, SurvivesEveryFlipOfSmallFiles) {
  for (const std::string name : {"types.arrow", "types.arrows"}) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes, platform::RealFiles()->Read("src/ingest/testdata/" + name));
    int refused = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const int flip : {1, 0x40, 0xFF}) {
        std::string copy = bytes;
        copy[at] = static_cast<char>(copy[at] ^ flip);
        refused += ReadAllOf(copy).ok() ? 0 : 1;
      }
    }
    EXPECT_GT(refused, 500);
  }
}

TEST(ArrowTest, SurvivesCutsAndFlips) {
  if (!std::filesystem::exists(kFlights)) GTEST_SKIP() << "no file " << kFlights;
  ASSERT_OK_AND_ASSIGN(const std::string bytes, platform::RealFiles()->Read(kFlights));
  for (std::size_t size = 0; size < bytes.size(); size += size < 2000 || size + 2000 > bytes.size() ? 7 : 99991) {
    ASSERT_FALSE(ReadAllOf(std::string_view(bytes).substr(0, size)).ok()) << size;
  }
  // Flips in what describes the data: the first and the last thousand bytes. Some change only a value or a name.
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    std::string copy = bytes;
    for (int k = 0; k < 1 + i % 3; ++k) {
      const std::size_t near = random() % 1000;
      copy[i % 2 == 0 ? near : copy.size() - 1 - near] ^= static_cast<char>(1 << random() % 8);
    }
    refused += ReadAllOf(copy).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 30);
}

}  // namespace
}  // namespace tenon::ingest

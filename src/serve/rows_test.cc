#include <bit>
#include <cmath>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "serve/session.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

std::vector<std::uint32_t> BitsOf(std::span<const float> values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

class RowsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(transform::AddAll(ops_)); }
  // Puts a random row into the reader, with missing values where they may be.
  void Draw(RowReader& reader) {
    static const std::vector<std::string> kJobs = {"clerk", "baker", "pilot", ""};
    reader.Begin(0);
    for (std::size_t i = 0; i < reader.served().fields.size(); ++i) {
      const Served::Field& field = reader.served().fields[i];
      const int slot = reader.TakeExpected();
      if (!field.required && random_() % 4 == 0) continue;
      switch (field.type) {
        case table::Type::kBool: reader.Bool(slot, random_() % 2 == 0); break;
        case table::Type::kInt64: reader.Number(slot, static_cast<double>(random_() % 100)); break;
        case table::Type::kString: reader.Text(slot, kJobs[random_() % kJobs.size()]); break;
        default: reader.Number(slot, static_cast<double>(random_() % 1000) / 997); break;
      }
    }
    ASSERT_TRUE(reader.End());
  }
  Kinds<transform::Op> ops_;
  std::mt19937_64 random_{1};
};

TEST_F(RowsTest, ABatchGivesTheBitsOfEachRowAlone) {
  ASSERT_OK_AND_ASSIGN(auto loan, testing::MakeLoan(ops_));
  ASSERT_OK_AND_ASSIGN(auto binary, testing::MakeForestServed(ops_, "binary", 28, 40, 6));
  ASSERT_OK_AND_ASSIGN(auto classes, testing::MakeForestServed(ops_, "classes", 5, 30, 4, 3));
  ASSERT_OK_AND_ASSIGN(auto value, testing::MakeForestServed(ops_, "value", 3, 10, 3, 0));
  for (const auto& served : {loan, binary, classes, value}) {
    Session session(served);
    for (const std::size_t n : {1U, 2U, 255U, 256U, 257U, 5000U}) {
      session.rows().Clear();
      std::vector<std::uint32_t> alone;
      for (std::size_t i = 0; i < n; ++i) {
        Draw(session.reader());
        session.rows().Add(session.reader().row());
        const auto bits = BitsOf(session.Predict().values);
        alone.insert(alone.end(), bits.begin(), bits.end());
      }
      EXPECT_EQ(BitsOf(session.PredictRows()), alone) << served->endpoint << " " << n;
    }
    // And a row alone again, after batches.
    Draw(session.reader());
    session.rows().Clear();
    session.rows().Add(session.reader().row());
    const auto once = BitsOf(session.PredictRows());
    EXPECT_EQ(BitsOf(session.Predict().values), once);
  }
}

TEST_F(RowsTest, ExplainsARowOfABatchAsAlone) {
  ASSERT_OK_AND_ASSIGN(auto loan, testing::MakeLoan(ops_));
  Session session(loan), single(loan);
  constexpr std::size_t kRowsAsked = 37;  // explained sixteen at a time
  std::vector<std::vector<double>> alone;
  double base = 0;
  for (int round = 0; round < 2; ++round) {
    session.rows().Clear();
    alone.clear();
    for (std::size_t i = 0; i < kRowsAsked; ++i) {
      Draw(session.reader());
      session.rows().Add(session.reader().row());
      single.rows().Clear();
      single.rows().Add(session.reader().row());
      ASSERT_OK(single.Explain(0, 0, &base));
      alone.push_back(single.contributions());
    }
    EXPECT_NE(alone[0], alone[1]);
    for (const std::size_t i : {std::size_t{20}, std::size_t{3}, kRowsAsked - 1}) {
      ASSERT_OK(session.Explain(i, 0, &base));
      EXPECT_EQ(session.contributions(), alone[i]) << i;
    }
    for (std::size_t i = 0; i < kRowsAsked; ++i) {
      ASSERT_OK(session.Explain(i, 0, &base));
      EXPECT_EQ(session.contributions(), alone[i]) << i;
    }
  }
}

TEST_F(RowsTest, MissingUntilFilled) {
  ASSERT_OK_AND_ASSIGN(auto loan, testing::MakeLoan(ops_));
  Rows rows(*loan);
  rows.Reset(3);
  rows.numbers(0)[1] = 7;
  rows.texts(2)[2] = "clerk";
  EXPECT_EQ(rows.texts(0), nullptr);
  Row row;
  rows.Get(1, &row);
  EXPECT_EQ(row.numbers[0], 7);
  EXPECT_TRUE(std::isnan(row.numbers[1]));
  EXPECT_EQ(row.texts[2].data(), nullptr);
  rows.Get(2, &row);
  EXPECT_EQ(row.texts[2], "clerk");
}

}  // namespace
}  // namespace tenon::serve

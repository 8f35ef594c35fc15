#include "platform/postgres_copy_internal.h"

#include <optional>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::platform {
namespace {

using Found = PostgresCopy::Found;
using Type = PostgresColumn::Type;

std::string Number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  return out;
}

const std::string kHead = std::string("PGCOPY\n\xFF\r\n\0", 11) + Number(0, 4) + Number(3, 4) + "ext";

TEST(PostgresCopy, RowsCutAnywhere) {
  const std::vector<PostgresColumn> columns = {{"n", Type::kInt}, {"s", Type::kText}, {"at", Type::kTime}};
  const std::string bytes = kHead + Number(3, 2) + Number(8, 4) + Number(42, 8) + Number(2, 4) + "ab" + Number(8, 4) + Number(1, 8) +
                            Number(3, 2) + Number(8, 4) + Number(7, 8) + Number(0xFFFFFFFF, 4) + Number(8, 4) + Number(0, 8) + Number(0xFFFF, 2);
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    PostgresCopy copy;
    std::vector<PostgresValue> row;
    std::string shown;
    bool ended = false;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      copy.Add(std::string_view(bytes).substr(at, piece));
      for (auto found = copy.Next(columns, &row); found.ok() && *found != Found::kMore; found = copy.Next(columns, &row)) {
        if (ended = *found == Found::kEnd; ended) break;
        shown += Str(row[0].number, " ", row[1].null ? "-" : row[1].text, " ", row[2].number, "\n");
      }
    }
    EXPECT_TRUE(ended);
    EXPECT_EQ(shown, "42 ab 946684800000001\n7 - 946684800000000\n");
    EXPECT_EQ(copy.rows(), 2);
  }
}

TEST(PostgresCopy, WhatCannotBeARow) {
  const std::vector<PostgresColumn> columns = {{"at", Type::kTime}};
  const auto code = [&](const std::string& bytes) -> std::optional<Code> {
    PostgresCopy copy;
    std::vector<PostgresValue> row;
    copy.Add(bytes);
    auto found = copy.Next(columns, &row);
    return found.ok() ? std::nullopt : std::optional<Code>(found.error().code());
  };
  EXPECT_EQ(code(std::string(19, 'x')), Code::kDataLoss);
  EXPECT_EQ(code(std::string("PGCOPY\n\xFF\r\n\0", 11) + Number(0, 4) + Number(0xFFFFFFFF, 4)), Code::kDataLoss);
  EXPECT_EQ(code(kHead + Number(2, 2)), Code::kDataLoss);
  EXPECT_EQ(code(kHead + Number(1, 2) + Number(0xFFFFFFFE, 4)), Code::kDataLoss);
  EXPECT_EQ(code(kHead + Number(1, 2) + Number(4, 4) + Number(1, 4)), Code::kDataLoss);
  EXPECT_EQ(code(kHead + Number(1, 2) + Number(8, 4) + Number(0x7FFFFFFFFFFFFFFF, 8)), Code::kInvalidArgument);
  EXPECT_EQ(code(kHead + Number(1, 2) + Number(8, 4) + Number(0x7FFFFFFFFFFFFFFE, 8)), Code::kDataLoss);
}

}  // namespace
}  // namespace tenon::platform

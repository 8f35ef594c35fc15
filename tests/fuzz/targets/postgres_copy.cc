// Rows as PostgreSQL sends them: the same wherever the bytes are cut, an error for what cannot be rows.

#include "fuzz/target.h"
#include "platform/postgres_copy_internal.h"

namespace tenon::fuzz {
namespace {

using platform::PostgresColumn;
using platform::PostgresCopy;

// What is read when the bytes come in pieces of that size.
std::string Shown(std::string_view bytes, std::size_t piece) {
  static const std::vector<PostgresColumn> columns = {{"n", PostgresColumn::Type::kInt}, {"s", PostgresColumn::Type::kText}, {"b", PostgresColumn::Type::kBool},
                                                      {"r", PostgresColumn::Type::kReal}, {"t", PostgresColumn::Type::kTime}};
  PostgresCopy copy;
  std::vector<platform::PostgresValue> row;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    copy.Add(bytes.substr(at, piece));
    while (true) {
      auto found = copy.Next(columns, &row);
      if (!found.ok()) return CheckError(found.error()), out + found.error().ToString();
      if (*found == PostgresCopy::Found::kEnd) return out + "end";
      if (*found == PostgresCopy::Found::kMore) break;
      for (const auto& value : row) out += value.null ? "-|" : Str(value.number, ",", GetAt<std::uint64_t>({reinterpret_cast<const char*>(&value.real), 8}, 0), ",", value.text, "|");
      out += "\n";
    }
  }
  return out;
}

void RunPostgresCopy(std::string_view input) {
  const std::string whole = Shown(input, input.size() + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{64}}) Same(Shown(input, piece), whole, "rows that come in pieces");
}

std::vector<std::string> Seeds() {
  const auto number = [](std::uint64_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
    return out;
  };
  std::string bytes = std::string("PGCOPY\n\xFF\r\n\0", 11) + number(0, 4) + number(0, 4);
  const std::string head = bytes;
  for (std::uint64_t i = 0; i < 3; ++i) {
    bytes += number(5, 2) + number(8, 4) + number(i, 8) + number(3, 4) + "abc" + (i == 1 ? number(0xFFFFFFFF, 4) : number(1, 4) + number(1, 1)) + number(8, 4) +
             number(0x3FF0000000000000, 8) + number(8, 4) + number(788918400000000, 8);
  }
  return {bytes + number(0xFFFF, 2), bytes, head + number(0xFFFF, 2), head, bytes.substr(0, 40)};
}

}  // namespace

Target MakePostgresCopy() { return {RunPostgresCopy, Seeds}; }

}  // namespace tenon::fuzz

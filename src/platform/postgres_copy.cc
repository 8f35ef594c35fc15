#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/text.h"
#include "platform/postgres_copy_internal.h"

namespace tenon::platform {
namespace {

using Type = PostgresColumn::Type;

constexpr std::string_view kMark("PGCOPY\n\xFF\r\n\0", 11);
constexpr std::size_t kHead = kMark.size() + 8;  // flags and the size of what extends the head follow the mark
constexpr std::uint32_t kMostExtra = 1 << 20;
constexpr std::int64_t kEpoch = 946'684'800'000'000;  // 2000-01-01, where the server's times begin

template <typename T>
T Big(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

}  // namespace

void PostgresCopy::Add(std::string_view bytes) {
  if (at_ == bytes_.size() || at_ > (1U << 20)) bytes_.erase(0, std::exchange(at_, 0));
  bytes_ += bytes;
}

Result<PostgresCopy::Found> PostgresCopy::Next(const std::vector<PostgresColumn>& columns, std::vector<PostgresValue>* row) {
  std::size_t at = at_;
  const auto have = [&](std::size_t bytes) { return bytes_.size() - at >= bytes; };
  if (!begun_) {
    if (!have(kHead)) return Found::kMore;
    if (!std::string_view(bytes_).starts_with(kMark)) return Error(Code::kDataLoss, "PostgreSQL's rows do not begin as its binary form does");
    const auto extra = Big<std::uint32_t>(bytes_.data() + kMark.size() + 4);
    if (extra > kMostExtra) return Error(Code::kDataLoss, Str("PostgreSQL's rows begin with a head of ", extra, " bytes"));
    if (!have(kHead + extra)) return Found::kMore;
    at_ = at = kHead + extra;
    begun_ = true;
  }
  if (!have(2)) return Found::kMore;
  const auto count = Big<std::int16_t>(bytes_.data() + at);
  at += 2;
  if (count == -1) return at_ = at, Found::kEnd;
  if (count < 0 || static_cast<std::size_t>(count) != columns.size()) return Wrong(Str("has ", count, " values where ", columns.size(), " were asked for"));
  row->resize(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!have(4)) return Found::kMore;
    const auto size = Big<std::int32_t>(bytes_.data() + at);
    at += 4;
    PostgresValue& value = (*row)[i];
    value.null = size == -1;
    if (size == -1) continue;
    if (size < 0) return Wrong("has a value of negative length");
    if (!have(static_cast<std::size_t>(size))) return Found::kMore;
    TENON_TRY(Take(columns[i], {bytes_.data() + at, static_cast<std::size_t>(size)}, &value));
    at += static_cast<std::size_t>(size);
  }
  at_ = at;
  ++rows_;
  return Found::kRow;
}

Result<void> PostgresCopy::Take(const PostgresColumn& column, std::string_view bytes, PostgresValue* value) const {
  const std::size_t wanted = column.type == Type::kBool ? 1 : column.type == Type::kText ? bytes.size() : 8;
  if (bytes.size() != wanted) return Wrong(Str("has ", bytes.size(), " bytes in column '", column.name, "'"));
  switch (column.type) {
    case Type::kBool: value->number = bytes[0] != 0 ? 1 : 0; break;
    case Type::kInt: value->number = Big<std::int64_t>(bytes.data()); break;
    case Type::kReal: value->real = std::bit_cast<double>(Big<std::int64_t>(bytes.data())); break;
    case Type::kText: value->text = bytes; break;
    case Type::kTime: {
      const auto micros = Big<std::int64_t>(bytes.data());
      if (micros == std::numeric_limits<std::int64_t>::max() || micros == std::numeric_limits<std::int64_t>::min()) {
        return Error(Code::kInvalidArgument, Str("row ", rows_ + 1, ", column '", column.name, "': an infinite time; select NULLIF(\"", column.name, "\", 'infinity')"));
      }
      if (__builtin_add_overflow(micros, kEpoch, &value->number)) return Wrong(Str("has a time in column '", column.name, "' that is too late"));
      break;
    }
  }
  return {};
}

Error PostgresCopy::Wrong(std::string_view what) const { return Error(Code::kDataLoss, Str("row ", rows_ + 1, " from PostgreSQL ", what)); }

}  // namespace tenon::platform

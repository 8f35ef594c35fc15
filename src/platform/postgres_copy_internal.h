#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/postgres.h"

namespace tenon::platform {

// Reads rows of COPY's binary form (postgresql.org/docs/current/sql-copy.html, "Binary Format") out of pieces cut anywhere.
// One thread.
class PostgresCopy {
 public:
  enum class Found : std::uint8_t { kRow, kEnd, kMore };
  // The next piece. Texts of rows that were read no longer live.
  void Add(std::string_view bytes);
  // The next row, of columns with these types; texts live until Add. kMore: a piece is wanted first. Errors: data_loss for
  // bytes that cannot be such rows, invalid_argument for a time that is infinite; nothing may be read after an error.
  Result<Found> Next(const std::vector<PostgresColumn>& columns, std::vector<PostgresValue>* row);
  std::int64_t rows() const { return rows_; }  // read so far

 private:
  Result<void> Take(const PostgresColumn& column, std::string_view bytes, PostgresValue* value) const;
  Error Wrong(std::string_view what) const;
  std::string bytes_;
  std::size_t at_ = 0;  // what was read of them
  std::int64_t rows_ = 0;
  bool begun_ = false;
};

}  // namespace tenon::platform

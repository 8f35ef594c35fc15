#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"

namespace tenon::platform {

struct PostgresColumn {
  enum class Type { kBool, kInt, kReal, kText, kTime };
  std::string name;
  Type type = Type::kText;
};

// One value of a row. Texts live until the next row is asked for.
struct PostgresValue {
  bool null = false;
  std::int64_t number = 0;  // of ints and bools; of times microseconds since 1970 UTC
  double real = 0;
  std::string_view text;
};

// The rows of one SELECT, in one snapshot of the database (REPEATABLE READ, READ ONLY), as the server sends them (COPY in
// its binary form). One thread; the connection is closed with it, and the query cancelled when rows are left.
class PostgresRows {
 public:
  virtual ~PostgresRows() = default;
  virtual const std::vector<PostgresColumn>& columns() const = 0;
  // False at the end, which comes only after the server has said that all went well. Errors: unavailable when the
  // connection breaks (naming how many rows had come), those of Call, and what the server says.
  virtual Result<bool> Next(const Call& call, std::vector<PostgresValue>* row) = 0;
};

struct PostgresQuery {
  std::string address;   // "postgresql://user@host:port/database?...", without a password
  std::string password;  // is in no message
  std::string select;    // one SELECT
  std::string since_column, since;  // only rows whose column is null, or at or above this SQL literal; "": all
  std::vector<std::string> order;   // columns the rows are ordered by, those there are
};

// Connects (at most 10 s) and starts the query. libpq is loaded when first used. Errors: unavailable (library, nobody
// answers), unauthenticated, permission_denied, not_found (no such database, table, column), invalid_argument (wrong SQL).
Result<std::unique_ptr<PostgresRows>> OpenPostgres(const Call& call, const PostgresQuery& query);

}  // namespace tenon::platform

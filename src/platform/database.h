#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tenon::platform {

// A value bound to a statement or read from a row.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;
using Row = std::vector<Value>;
std::string TextOf(const Value& value);          // "" when null
std::int64_t IntOf(const Value& value);          // 0 when null or text
double NumberOf(const Value& value);

// A relational database with transactions: SQLite here, PostgreSQL with the same SQL subset (no AUTOINCREMENT, ?-marks
// as parameters). Safe from any thread: calls are serialised. Errors: unavailable (busy beyond 10 s, disk),
// resource_exhausted (disk full), data_loss (corrupt file), already_exists (a unique key is taken), internal (bad SQL).
class Database {
 public:
  virtual ~Database() = default;
  virtual Result<std::vector<Row>> Query(std::string_view sql, const Row& parameters = {}) = 0;
  // The number of rows changed.
  virtual Result<std::int64_t> Run(std::string_view sql, const Row& parameters = {}) = 0;
  // All of `work` or nothing of it: rolled back when it returns an error. The work sees its own changes through this
  // same object; a nested call joins the outer transaction. Durable when this returns.
  virtual Result<void> Transaction(const std::function<Result<void>()>& work) = 0;
};

enum class DatabaseAccess { kWrite, kRead };

// The file is made when missing (kWrite). WAL mode, foreign keys on. ":memory:" lives in memory. kRead: nothing can be
// changed through it, and it sees what others commit; it needs the right to make files beside the database all the same,
// for SQLite's index of what is not merged yet.
Result<std::unique_ptr<Database>> OpenSqlite(const std::string& path, DatabaseAccess access = DatabaseAccess::kWrite);

}  // namespace tenon::platform

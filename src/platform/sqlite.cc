// SQLite behind the Database interface.

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "base/mutex.h"
#include "base/text.h"
#include "platform/database.h"

namespace tenon::platform {
namespace {

constexpr int kBusyMillis = 10'000;
constexpr std::size_t kMostStatements = 128;

Code CodeOf(int extended, int system_error) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: return Code::kAlreadyExists;
    case SQLITE_CONSTRAINT_FOREIGNKEY: return Code::kFailedPrecondition;
    default: break;
  }
  switch (extended & 0xFF) {
    case SQLITE_FULL: return Code::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::kDataLoss;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return Code::kPermissionDenied;
    case SQLITE_TOOBIG: return Code::kInvalidArgument;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      if (system_error == ENOSPC || system_error == EDQUOT || system_error == EMFILE) return Code::kResourceExhausted;
      if (system_error == EACCES || system_error == EPERM || system_error == EROFS) return Code::kPermissionDenied;
      if (system_error == ENOTDIR || system_error == EISDIR) return Code::kInvalidArgument;
      return system_error == ENOENT ? Code::kNotFound : Code::kUnavailable;
    default: return Code::kInternal;
  }
}

class Sqlite final : public Database {
 public:
  Sqlite(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite() override {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close_v2(handle_);
  }

  // Settings of the connection; makes the file when it is new, unless it is for reading.
  Result<void> Prepare(bool reading) {
    const MutexLock lock(mutex_);
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_busy_timeout(handle_, kBusyMillis);
    if (reading) return {};
    for (const char* sql : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"}) {
      TENON_TRY(Step(sql, {}));
    }
    return {};
  }

  Result<std::vector<Row>> Query(std::string_view sql, const Row& parameters) override {
    const MutexLock lock(mutex_);
    return Step(sql, parameters);
  }

  Result<std::int64_t> Run(std::string_view sql, const Row& parameters) override {
    const MutexLock lock(mutex_);
    const std::int64_t before = sqlite3_total_changes64(handle_);
    TENON_TRY(Step(sql, parameters));
    return sqlite3_total_changes64(handle_) - before;
  }

  Result<void> Transaction(const std::function<Result<void>()>& work) override {
    const MutexLock lock(mutex_);
    // A nested one is a savepoint, so that its failure takes back its own changes and leaves the rest to the outer one.
    const std::string name = Str("nested", depth_);
    const bool outer = depth_ == 0;
    TENON_TRY(Step(outer ? "BEGIN IMMEDIATE" : "SAVEPOINT " + name, {}));
    ++depth_;
    Result<void> done = work();
    --depth_;
    if (done) {
      if (Result<std::vector<Row>> ended = Step(outer ? "COMMIT" : "RELEASE " + name, {}); !ended) {
        done = std::move(ended).error().Context("committing");
      }
    }
    if (done) return done;
    // A full disk makes SQLite roll back by itself; then there is nothing left to do.
    if (sqlite3_get_autocommit(handle_) == 0) {
      if (outer) {
        TENON_TRY(Step("ROLLBACK", {}), Str("undoing after: ", done.error().message()));
      } else {
        TENON_TRY(Step("ROLLBACK TO " + name, {}), Str("undoing after: ", done.error().message()));
        TENON_TRY(Step("RELEASE " + name, {}));
      }
    }
    return done;
  }

 private:
  Error Failed(std::string_view sql) const {
    const int extended = sqlite3_extended_errcode(handle_);
    const Code code = CodeOf(extended, sqlite3_system_errno(handle_));
    std::string message = Str(path_, ": ", sqlite3_errmsg(handle_));
    switch (code) {
      case Code::kResourceExhausted: message += "; make room on that disk and try again"; break;
      case Code::kDataLoss: message += "; restore the file from a copy"; break;
      case Code::kUnavailable: message += "; somebody else is writing to it, or the disk fails"; break;
      case Code::kPermissionDenied: message += "; also who only reads needs the right to write this file and its folder"; break;
      case Code::kInternal: message += Str(" in: ", sql.substr(0, 200)); break;
      default: break;
    }
    return Error(code, std::move(message));
  }

  Result<sqlite3_stmt*> Statement(std::string_view sql) TENON_REQUIRES(mutex_) {
    std::string key(sql);
    if (const auto it = statements_.find(key); it != statements_.end()) return it->second;
    if (statements_.size() >= kMostStatements) {
      for (const auto& [old, statement] : statements_) sqlite3_finalize(statement);
      statements_.clear();
    }
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK) {
      return Failed(sql);
    }
    if (statement == nullptr) return Error(Code::kInternal, Str("no statement in: ", sql));
    statements_.emplace(std::move(key), statement);
    return statement;
  }

  // Parameters are only borrowed: the statement is reset and cleared before Step returns.
  static int Bind(sqlite3_stmt* statement, int at, const Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement, at, *number);
    if (const auto* number = std::get_if<double>(&value)) return sqlite3_bind_double(statement, at, *number);
    if (const auto* text = std::get_if<std::string>(&value)) {
      return sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    return sqlite3_bind_null(statement, at);
  }

  static Value Read(sqlite3_stmt* statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
      case SQLITE_INTEGER: return static_cast<std::int64_t>(sqlite3_column_int64(statement, column));
      case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
      case SQLITE_NULL: return std::monostate();
      default: {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
        return bytes == nullptr ? std::string() : std::string(bytes, size);
      }
    }
  }

  Result<std::vector<Row>> Step(std::string_view sql, const Row& parameters) TENON_REQUIRES(mutex_) {
    TENON_ASSIGN(sqlite3_stmt* statement, Statement(sql));
    Result<std::vector<Row>> out = RowsOf(statement, sql, parameters);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return out;
  }

  Result<std::vector<Row>> RowsOf(sqlite3_stmt* statement, std::string_view sql, const Row& parameters) {
    if (static_cast<int>(parameters.size()) != sqlite3_bind_parameter_count(statement)) {
      return Error(Code::kInternal, Str(parameters.size(), " parameters for: ", sql));
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (Bind(statement, static_cast<int>(i) + 1, parameters[i]) != SQLITE_OK) return Failed(sql);
    }
    std::vector<Row> rows;
    while (true) {
      const int status = sqlite3_step(statement);
      if (status == SQLITE_DONE) return rows;
      if (status != SQLITE_ROW) return Failed(sql);
      Row& row = rows.emplace_back();
      const int columns = sqlite3_column_count(statement);
      row.reserve(static_cast<std::size_t>(columns));
      for (int i = 0; i < columns; ++i) row.push_back(Read(statement, i));
    }
  }

  // Recursive, because the work of a transaction calls Query and Run on the same thread; other threads wait for its end.
  RecursiveMutex mutex_;
  sqlite3* const handle_;  // opened without locks of its own
  const std::string path_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_ TENON_GUARDED_BY(mutex_);
  int depth_ TENON_GUARDED_BY(mutex_) = 0;
};

// What a killed writer left half-done has to be taken back or merged before anybody can read, and only a connection that may
// write can do that. Whether it went well shows when the database is read again.
void Recover(const std::string& path) {
  sqlite3* handle = nullptr;
  if (sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) == SQLITE_OK) {
    sqlite3_busy_timeout(handle, kBusyMillis);
    sqlite3_exec(handle, "SELECT count(*) FROM sqlite_master", nullptr, nullptr, nullptr);
  }
  sqlite3_close_v2(handle);
}

}  // namespace

std::string TextOf(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return FormatDouble(*number);
  return "";
}

std::int64_t IntOf(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* number = std::get_if<double>(&value)) return static_cast<std::int64_t>(*number);
  return 0;
}

double NumberOf(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  return 0;
}

Result<std::unique_ptr<Database>> OpenSqlite(const std::string& path, DatabaseAccess access) {
  sqlite3* handle = nullptr;
  const bool reading = access == DatabaseAccess::kRead;
  const int status = sqlite3_open_v2(
      path.c_str(), &handle, (reading ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX, nullptr);
  if (status != SQLITE_OK) {
    const int number = handle != nullptr ? sqlite3_system_errno(handle) : 0;
    const std::string reason = number != 0 ? std::strerror(number) : sqlite3_errstr(status);
    sqlite3_close_v2(handle);
    return Error(CodeOf(status, number), Str("cannot open the database ", path, ": ", reason));
  }
  auto database = std::make_unique<Sqlite>(handle, path);
  TENON_TRY(database->Prepare(reading), Str("opening the database ", path));
  if (reading && !database->Query("SELECT count(*) FROM sqlite_master", {})) Recover(path);
  return database;
}

}  // namespace tenon::platform

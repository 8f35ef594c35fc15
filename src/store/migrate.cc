#include "base/text.h"
#include "store/migrate_internal.h"

namespace tenon::store {

const std::vector<Migration>& Migrations() {
  static const std::vector<Migration> steps = {
      {1,
       {"CREATE TABLE steps (key TEXT PRIMARY KEY, step TEXT NOT NULL, run TEXT NOT NULL, outputs TEXT NOT NULL,"
        " started BIGINT NOT NULL, finished BIGINT NOT NULL)",
        "CREATE TABLE runs (id TEXT PRIMARY KEY, project TEXT NOT NULL, status TEXT NOT NULL, summary TEXT NOT NULL,"
        " started BIGINT NOT NULL, finished BIGINT NOT NULL)",
        "CREATE INDEX runs_by_start ON runs (started, id)",
        "CREATE TABLE records (kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, sequence BIGINT NOT NULL,"
        " at BIGINT NOT NULL, PRIMARY KEY (kind, name))",
        "CREATE INDEX records_by_sequence ON records (kind, sequence)",
        "CREATE TABLE events (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)",
        "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
        "INSERT INTO counters (name, value) VALUES ('record', 0), ('event', 0)"}},
  };
  return steps;
}

Result<int> VersionOf(platform::Database& database) {
  TENON_ASSIGN(const auto tables, database.Query("SELECT name FROM sqlite_master WHERE type = 'table'"));
  if (tables.empty()) return 0;
  bool known = false;
  for (const platform::Row& table : tables) known = known || platform::TextOf(table[0]) == "schema_version";
  if (!known) return Error(Code::kDataLoss, "meta.db holds tables but no schema_version: it is not a store's");
  TENON_ASSIGN(const auto rows, database.Query("SELECT version FROM schema_version"));
  return rows.empty() ? 0 : static_cast<int>(platform::IntOf(rows[0][0]));
}

Result<void> Migrate(platform::Database& database, const std::vector<Migration>& steps) {
  return database.Transaction([&]() -> Result<void> {
    TENON_ASSIGN(const int version, VersionOf(database));
    const int newest = steps.back().version;
    if (version > newest) {
      return Error(Code::kFailedPrecondition, Str("the data folder was written by a newer program (format ", version,
                                                  "; this one knows up to ", newest, "): use that program"));
    }
    if (version == newest) return {};
    if (version == 0) TENON_TRY(database.Run("CREATE TABLE schema_version (version BIGINT NOT NULL)"));
    for (const Migration& step : steps) {
      if (step.version <= version) continue;
      for (const std::string_view sql : step.statements) {
        TENON_TRY(database.Run(sql), Str("bringing the records to format ", step.version));
      }
    }
    TENON_TRY(database.Run("DELETE FROM schema_version"));
    TENON_TRY(database.Run("INSERT INTO schema_version (version) VALUES (?)", {std::int64_t{newest}}));
    return {};
  });
}

}  // namespace tenon::store

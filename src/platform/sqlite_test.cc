#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/testing.h"
#include "platform/database.h"

namespace tenon::platform {
namespace {

class SqliteTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenon-sqlite-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string At(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
};

std::int64_t CountOf(Database& database) {
  const auto rows = database.Query("SELECT count(*) FROM t");
  return rows.ok() ? IntOf((*rows)[0][0]) : -1;
}

TEST_F(SqliteTest, BindsAndReadsValues) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(":memory:"));
  ASSERT_OK(database->Run("CREATE TABLE t (a BIGINT, b DOUBLE PRECISION, c TEXT, d TEXT)"));
  const std::string text("k\0v", 3);
  ASSERT_OK_AND_ASSIGN(const std::int64_t changed,
                       database->Run("INSERT INTO t VALUES (?, ?, ?, ?)", {std::int64_t{1} << 60, 0.1, text, std::monostate()}));
  EXPECT_EQ(changed, 1);
  ASSERT_OK_AND_ASSIGN(const auto rows, database->Query("SELECT a, b, c, d FROM t WHERE c = ?", {text}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(IntOf(rows[0][0]), std::int64_t{1} << 60);
  EXPECT_EQ(NumberOf(rows[0][1]), 0.1);
  EXPECT_EQ(TextOf(rows[0][2]), text);
  EXPECT_EQ(TextOf(rows[0][3]), "");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(rows[0][3]));
}

TEST_F(SqliteTest, SetsItselfUpForDurability) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(At("x.db")));
  struct Case { const char* pragma; const char* value; };
  for (const Case& c : {Case{"journal_mode", "wal"}, Case{"synchronous", "2"}, Case{"foreign_keys", "1"}, Case{"busy_timeout", "10000"}}) {
    ASSERT_OK_AND_ASSIGN(const auto rows, database->Query(std::string("PRAGMA ") + c.pragma));
    EXPECT_EQ(TextOf(rows[0][0]), c.value) << c.pragma;
  }
}

TEST_F(SqliteTest, AReaderSeesCommitsAndChangesNothing) {
  ASSERT_CODE(kNotFound, OpenSqlite(At("none.db"), DatabaseAccess::kRead));
  EXPECT_FALSE(std::filesystem::exists(At("none.db"))) << "who reads makes no file";
  ASSERT_OK_AND_ASSIGN(const auto writer, OpenSqlite(At("x.db")));
  ASSERT_OK(writer->Run("CREATE TABLE t (a BIGINT PRIMARY KEY)"));
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenSqlite(At("x.db"), DatabaseAccess::kRead));
  ASSERT_OK(writer->Run("INSERT INTO t VALUES (1)"));
  EXPECT_EQ(CountOf(*reader), 1);
  for (const char* sql : {"INSERT INTO t VALUES (2)", "DELETE FROM t", "DROP TABLE t", "PRAGMA user_version = 9"}) {
    EXPECT_FALSE(reader->Run(sql).ok()) << sql;
  }
  EXPECT_EQ(CountOf(*writer), 1);
  ASSERT_OK(writer->Transaction([&]() -> Result<void> {
    TENON_TRY(writer->Run("INSERT INTO t VALUES (3)"));
    EXPECT_EQ(CountOf(*reader), 1) << "nothing of what is not committed";
    return {};
  }));
  EXPECT_EQ(CountOf(*reader), 2);
}

// A writer that is killed at any moment of its first transactions leaves something that a reader can read, at once.
TEST_F(SqliteTest, AReaderReadsWhatAKilledWriterLeft) {
  for (const bool wal : {false, true}) {
    const std::string path = At(wal ? "wal.db" : "journal.db");
    const pid_t child = fork();
    if (child == 0) {
      // SQLite itself, so that the journal is still hot when the process ends without a word.
      sqlite3* handle = nullptr;
      bool good = sqlite3_open(path.c_str(), &handle) == SQLITE_OK;
      const auto run = [&](const char* sql) { good = good && sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK; };
      if (wal) run("PRAGMA journal_mode = WAL");
      run("CREATE TABLE t (a BIGINT PRIMARY KEY)");
      run("INSERT INTO t VALUES (1)");
      run("PRAGMA cache_size = 1; BEGIN");
      run("INSERT INTO t WITH RECURSIVE n(a) AS (SELECT 2 UNION ALL SELECT a + 1 FROM n WHERE a < 20000) SELECT a FROM n");
      _exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_TRUE(std::filesystem::exists(path + (wal ? "-wal" : "-journal")));
    ASSERT_OK_AND_ASSIGN(const auto reader, OpenSqlite(path, DatabaseAccess::kRead));
    EXPECT_EQ(CountOf(*reader), 1) << "what was committed, and nothing of the rest";
  }
}

TEST_F(SqliteTest, ATransactionIsAllOrNothing) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(At("x.db")));
  ASSERT_OK(database->Run("CREATE TABLE t (a BIGINT PRIMARY KEY)"));
  ASSERT_CODE(kFailedPrecondition, database->Transaction([&]() -> Result<void> {
    TENON_TRY(database->Run("INSERT INTO t VALUES (1)"));
    EXPECT_EQ(CountOf(*database), 1) << "the work sees its own changes";
    return Error(Code::kFailedPrecondition, "no");
  }));
  EXPECT_EQ(CountOf(*database), 0);
  ASSERT_OK(database->Transaction([&]() -> Result<void> {
    TENON_TRY(database->Run("INSERT INTO t VALUES (1)"));
    return database->Transaction([&]() -> Result<void> {
      TENON_TRY(database->Run("INSERT INTO t VALUES (2)"));
      return {};
    });
  }));
  EXPECT_EQ(CountOf(*database), 2);
  // The outer one fails: the nested one's changes go too.
  ASSERT_CODE(kInternal, database->Transaction([&]() -> Result<void> {
    TENON_TRY(database->Transaction([&]() -> Result<void> {
      TENON_TRY(database->Run("INSERT INTO t VALUES (3)"));
      return {};
    }));
    return Error(Code::kInternal, "no");
  }));
  EXPECT_EQ(CountOf(*database), 2);
  // The nested one fails and the outer one goes on: only the nested changes go.
  ASSERT_OK(database->Transaction([&]() -> Result<void> {
    TENON_TRY(database->Run("INSERT INTO t VALUES (4)"));
    const auto nested = database->Transaction([&]() -> Result<void> {
      TENON_TRY(database->Run("INSERT INTO t VALUES (5)"));
      TENON_TRY(database->Run("INSERT INTO t VALUES (1)"));
      return {};
    });
    EXPECT_FALSE(nested.ok());
    return {};
  }));
  EXPECT_EQ(CountOf(*database), 3);
}

TEST_F(SqliteTest, ThreadsTakeTurns) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(At("x.db")));
  ASSERT_OK(database->Run("CREATE TABLE t (a BIGINT)"));
  ASSERT_OK(database->Run("INSERT INTO t VALUES (0)"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5; ++n) {
        const auto done = database->Transaction([&]() -> Result<void> {
          TENON_ASSIGN(const auto rows, database->Query("SELECT a FROM t"));
          TENON_TRY(database->Run("UPDATE t SET a = ?", {IntOf(rows[0][0]) + 1}));
          return {};
        });
        EXPECT_TRUE(done.ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const auto rows, database->Query("SELECT a FROM t"));
  EXPECT_EQ(IntOf(rows[0][0]), 20);
}

TEST_F(SqliteTest, MapsErrors) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(At("x.db")));
  ASSERT_OK(database->Run("CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT)"));
  ASSERT_OK(database->Run("CREATE TABLE u (a BIGINT REFERENCES t (a))"));
  ASSERT_OK(database->Run("INSERT INTO t VALUES (1, '')"));
  ASSERT_CODE(kAlreadyExists, database->Run("INSERT INTO t VALUES (1, '')"));
  ASSERT_CODE(kFailedPrecondition, database->Run("INSERT INTO u VALUES (2)"));
  ASSERT_CODE(kInternal, database->Query("SELEC 1"));
  ASSERT_CODE(kInternal, database->Query("SELECT ?"));
  ASSERT_CODE(kInvalidArgument, OpenSqlite(folder_ + "/x.db/below"));
  ASSERT_CODE(kNotFound, OpenSqlite(At("no/such/folder.db")));
  std::ofstream(At("broken.db")) << std::string(4096, 'x');
  ASSERT_CODE(kDataLoss, OpenSqlite(At("broken.db")));
}

TEST_F(SqliteTest, AFullDatabaseIsResourceExhaustedAndRolledBack) {
  ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(At("x.db")));
  ASSERT_OK(database->Run("CREATE TABLE t (a TEXT)"));
  ASSERT_OK(database->Query("PRAGMA max_page_count = 8"));
  const auto full = database->Transaction([&]() -> Result<void> {
    TENON_TRY(database->Run("INSERT INTO t VALUES ('small')"));
    TENON_TRY(database->Run("INSERT INTO t VALUES (?)", {std::string(1 << 20, 'x')}));
    return {};
  });
  ASSERT_CODE(kResourceExhausted, full);
  EXPECT_NE(full.error().message().find(At("x.db")), std::string_view::npos) << full.error().message();
  EXPECT_EQ(CountOf(*database), 0);
  ASSERT_OK(database->Run("INSERT INTO t VALUES ('small')"));
}

TEST_F(SqliteTest, AFullDiskIsResourceExhausted) {
  if (mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=256k") != 0) GTEST_SKIP() << "mounting a small disk takes root";
  {
    ASSERT_OK_AND_ASSIGN(const auto database, OpenSqlite(At("x.db")));
    ASSERT_OK(database->Run("CREATE TABLE t (a TEXT)"));
    const auto full = database->Run("INSERT INTO t VALUES (?)", {std::string(1 << 20, 'x')});
    EXPECT_FALSE(full.ok());
    if (!full.ok()) {
      EXPECT_EQ(full.error().code(), Code::kResourceExhausted) << full.error().ToString();
      EXPECT_NE(full.error().message().find(At("x.db")), std::string_view::npos) << full.error().message();
    }
    EXPECT_EQ(CountOf(*database), 0);
  }
  umount2(folder_.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace tenon::platform

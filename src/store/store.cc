#include "store/store.h"

#include "base/text.h"
#include "platform/clock.h"
#include "store/artifacts_internal.h"
#include "store/migrate_internal.h"

namespace tenon::store {
namespace {

using platform::Database;
using platform::IntOf;
using platform::Row;
using platform::TextOf;

Result<Json> BodyOf(const platform::Value& text, std::string_view what) {
  auto json = Json::Parse(TextOf(text), what);
  // What we wrote as JSON and cannot read as JSON was changed by somebody else.
  if (!json) return Error(Code::kDataLoss, Str("meta.db: ", json.error().message()));
  return json;
}

class Local final : public Store {
 public:
  Local(platform::Files& files, std::string folder, Access access, std::unique_ptr<platform::FileLock> lock,
        std::unique_ptr<Database> database)
      : files_(files),
        folder_(std::move(folder)),
        access_(access),
        lock_(std::move(lock)),
        database_(std::move(database)),
        artifacts_(files, platform::JoinPath(folder_, "artifacts")) {}

  // What a writer does first.
  Result<void> Recover() {
    TENON_TRY(CheckNotEmptied());
    TENON_TRY(Migrate(*database_, Migrations()));
    TENON_TRY(artifacts_.Clear());
    // We hold the writer lock, so that whoever was running is dead.
    TENON_TRY(database_->Run("UPDATE runs SET status = 'interrupted', finished = ? WHERE status = 'running'", {clock_.Now()}));
    return {};
  }

  Result<void> CheckFormat() {
    TENON_ASSIGN(const int version, VersionOf(*database_));
    const int newest = Migrations().back().version;
    if (version == newest) return {};
    TENON_TRY(CheckNotEmptied());
    // A writer that was killed before its first transaction ended leaves an empty database: that is as good as none.
    if (version == 0) return Error(Code::kNotFound, Str("no records in ", folder_, " yet; `tenon run` makes them"));
    return Error(Code::kFailedPrecondition,
                 version < newest ? Str("the data folder has the older format ", version, " (now ", newest,
                                        "): open it for writing once, which brings it up to date")
                                  : Str("the data folder was written by a newer program (format ", version,
                                        "; this one knows up to ", newest, "): use that program"));
  }

  Result<std::string> Put(std::string_view bytes) override {
    TENON_TRY(MayWrite());
    if (access_ == Access::kAmend) return Error(Code::kFailedPrecondition, Str("the data folder ", folder_, " is open for records only"));
    return artifacts_.Put(bytes);
  }
  Result<std::shared_ptr<const platform::Bytes>> Get(std::string_view hash) const override { return artifacts_.Get(hash); }
  bool Has(std::string_view hash) const override { return artifacts_.Has(hash); }
  std::string PathOf(std::string_view hash) const override { return artifacts_.PathOf(hash); }

  Result<std::vector<ArtifactInfo>> Artifacts() const override { return artifacts_.List(); }
  Result<void> RemoveArtifact(std::string_view hash) override {
    if (access_ != Access::kWrite) return Error(Code::kFailedPrecondition, Str("the data folder ", folder_, " is not open for writing"));
    return artifacts_.Remove(hash);
  }

  Result<std::vector<std::string>> Check(const Call& call) const override {
    std::vector<std::string> findings;
    TENON_TRY(artifacts_.Check(call, &findings));
    const auto rows = database_->Query("PRAGMA integrity_check");
    if (!rows) {
      findings.push_back(rows.error().ForPeople());
      return findings;
    }
    for (const Row& row : *rows) {
      if (TextOf(row[0]) != "ok") findings.push_back(Str("meta.db: ", TextOf(row[0])));
    }
    return findings;
  }

  Result<std::optional<StepRecord>> FindStep(std::string_view key) const override {
    TENON_ASSIGN(const auto rows, database_->Query("SELECT step, run, outputs, started, finished FROM steps WHERE key = ?",
                                                   {std::string(key)}));
    if (rows.empty()) return std::optional<StepRecord>();
    const Row& row = rows[0];
    TENON_ASSIGN(Json outputs, BodyOf(row[2], Str("step ", key)));
    return std::optional<StepRecord>(
        {std::string(key), TextOf(row[0]), TextOf(row[1]), std::move(outputs), IntOf(row[3]), IntOf(row[4])});
  }

  Result<void> PutStep(const StepRecord& step) override {
    return Change(
        "INSERT INTO steps (key, step, run, outputs, started, finished) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
        "SET step = excluded.step, run = excluded.run, outputs = excluded.outputs, started = excluded.started, "
        "finished = excluded.finished",
        {step.key, step.step, step.run, step.outputs.Dump(), step.started, step.finished});
  }

  Result<std::vector<StepRecord>> Steps() const override {
    TENON_ASSIGN(const auto rows, database_->Query("SELECT key, step, run, outputs, started, finished FROM steps ORDER BY started, key"));
    std::vector<StepRecord> steps;
    for (const Row& row : rows) {
      TENON_ASSIGN(Json outputs, BodyOf(row[3], Str("step ", TextOf(row[0]))));
      steps.push_back({TextOf(row[0]), TextOf(row[1]), TextOf(row[2]), std::move(outputs), IntOf(row[4]), IntOf(row[5])});
    }
    return steps;
  }
  Result<void> RemoveStep(std::string_view key) override { return Change("DELETE FROM steps WHERE key = ?", {std::string(key)}); }

  Result<void> PutRun(const RunRecord& run) override {
    return Change(
        "INSERT INTO runs (id, project, status, summary, started, finished) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO "
        "UPDATE SET project = excluded.project, status = excluded.status, summary = excluded.summary, "
        "started = excluded.started, finished = excluded.finished",
        {run.id, run.project, run.status, run.summary.Dump(), run.started, run.finished});
  }

  Result<std::vector<RunRecord>> Runs(int most) const override {
    TENON_ASSIGN(const auto rows,
                 database_->Query("SELECT id, project, status, summary, started, finished FROM runs "
                                  "ORDER BY started DESC, id DESC LIMIT ?",
                                  {std::int64_t{most}}));
    std::vector<RunRecord> runs;
    for (const Row& row : rows) {
      TENON_ASSIGN(Json summary, BodyOf(row[3], Str("run ", TextOf(row[0]))));
      runs.push_back({TextOf(row[0]), TextOf(row[1]), TextOf(row[2]), std::move(summary), IntOf(row[4]), IntOf(row[5])});
    }
    return runs;
  }

  Result<void> PutRecord(std::string_view kind, std::string_view name, const Json& body) override {
    return Transaction([&]() -> Result<void> {
      TENON_ASSIGN(const std::int64_t sequence, Count("record"));
      return Change(
          "INSERT INTO records (kind, name, body, sequence, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET "
          "body = excluded.body, sequence = excluded.sequence, at = excluded.at",
          {std::string(kind), std::string(name), body.Dump(), sequence, clock_.Now()});
    });
  }

  Result<std::optional<Record>> FindRecord(std::string_view kind, std::string_view name) const override {
    TENON_ASSIGN(const auto rows,
                 database_->Query("SELECT kind, name, body, sequence, at FROM records WHERE kind = ? AND name = ?",
                                  {std::string(kind), std::string(name)}));
    if (rows.empty()) return std::optional<Record>();
    TENON_ASSIGN(Record record, RecordOf(rows[0]));
    return std::optional<Record>(std::move(record));
  }

  Result<std::vector<Record>> Records(std::string_view kind) const override {
    TENON_ASSIGN(const auto rows, database_->Query("SELECT kind, name, body, sequence, at FROM records WHERE kind = ? "
                                                   "ORDER BY sequence",
                                                   {std::string(kind)}));
    std::vector<Record> records;
    for (const Row& row : rows) {
      TENON_ASSIGN(Record record, RecordOf(row));
      records.push_back(std::move(record));
    }
    return records;
  }

  Result<std::vector<Record>> AllRecords() const override {
    TENON_ASSIGN(const auto rows, database_->Query("SELECT kind, name, body, sequence, at FROM records ORDER BY sequence"));
    std::vector<Record> records;
    for (const Row& row : rows) {
      TENON_ASSIGN(Record record, RecordOf(row));
      records.push_back(std::move(record));
    }
    return records;
  }

  Result<void> RemoveRecord(std::string_view kind, std::string_view name) override {
    return Change("DELETE FROM records WHERE kind = ? AND name = ?", {std::string(kind), std::string(name)});
  }

  Result<void> AddEvent(std::string_view kind, const Json& body) override {
    return Transaction([&]() -> Result<void> {
      TENON_ASSIGN(const std::int64_t id, Count("event"));
      return Change("INSERT INTO events (id, at, kind, body) VALUES (?, ?, ?, ?)",
                    {id, clock_.Now(), std::string(kind), body.Dump()});
    });
  }

  Result<std::vector<Event>> EventsAfter(std::int64_t id, int most) const override {
    TENON_ASSIGN(const auto rows, database_->Query("SELECT id, at, kind, body FROM events WHERE id > ? ORDER BY id LIMIT ?",
                                                   {id, std::int64_t{most}}));
    std::vector<Event> events;
    for (const Row& row : rows) {
      TENON_ASSIGN(Json body, BodyOf(row[3], Str("event ", IntOf(row[0]))));
      events.push_back({IntOf(row[0]), IntOf(row[1]), TextOf(row[2]), std::move(body)});
    }
    return events;
  }

  Result<void> Transaction(const std::function<Result<void>()>& work) override {
    TENON_TRY(MayWrite());
    return database_->Transaction(work);
  }

  const std::string& folder() const override { return folder_; }
  platform::Files& files() const override { return files_; }

 private:
  // Artifacts are kept after the records were made: without records, these were lost, and numbering models anew would
  // give two the same name.
  Result<void> CheckNotEmptied() const {
    TENON_ASSIGN(const int version, VersionOf(*database_));
    if (version > 0 || artifacts_.Empty()) return {};
    return Error(Code::kDataLoss, Str("meta.db holds no records, but there are artifacts: restore ", platform::JoinPath(folder_, "meta.db"),
                                      " from a copy, or move ", folder_, " away to begin anew"));
  }

  Result<void> MayWrite() const {
    if (access_ != Access::kRead) return {};
    return Error(Code::kFailedPrecondition, Str("the data folder ", folder_, " is open for reading only"));
  }

  Result<void> Change(std::string_view sql, const Row& parameters) {
    TENON_TRY(MayWrite());
    TENON_TRY(database_->Run(sql, parameters));
    return {};
  }

  // The next number of a counter; inside a transaction. Counters never go back, also when rows are removed.
  Result<std::int64_t> Count(std::string_view counter) {
    TENON_TRY(database_->Run("UPDATE counters SET value = value + 1 WHERE name = ?", {std::string(counter)}));
    TENON_ASSIGN(const auto rows, database_->Query("SELECT value FROM counters WHERE name = ?", {std::string(counter)}));
    if (rows.empty()) return Error(Code::kDataLoss, Str("meta.db has no counter '", counter, "'"));
    return IntOf(rows[0][0]);
  }

  static Result<Record> RecordOf(const Row& row) {
    TENON_ASSIGN(Json body, BodyOf(row[2], Str(TextOf(row[0]), " ", TextOf(row[1]))));
    return Record{TextOf(row[0]), TextOf(row[1]), std::move(body), IntOf(row[3]), IntOf(row[4])};
  }

  platform::Files& files_;
  std::string folder_;
  Access access_;
  std::unique_ptr<platform::FileLock> lock_;  // of a writer; before the database, so that it is freed after it
  std::unique_ptr<Database> database_;
  store::Artifacts artifacts_;
  platform::RealClock clock_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(platform::Files& files, const std::string& folder, Access access) {
  const std::string path = platform::JoinPath(folder, "meta.db");
  const std::string doing = Str("opening the data folder ", folder);
  std::unique_ptr<platform::FileLock> lock;
  if (access == Access::kWrite) {
    TENON_TRY(files.MakeFolders(folder), doing);
    TENON_ASSIGN(lock, files.Lock(platform::JoinPath(folder, "lock")), doing);
  } else if (!files.Exists(folder)) {
    return Error(Code::kNotFound, Str("no data folder ", folder, "; `tenon run` makes one"));
  }
  // SQLite would make an empty database for a reader, who then holds something that is none.
  if (access != Access::kWrite) {
    const auto disk = platform::RealFiles();
    if (!disk->Exists(path)) return Error(Code::kNotFound, Str("no records ", path, "; `tenon run` makes them"));
  }
  TENON_ASSIGN(std::unique_ptr<Database> database, platform::OpenSqlite(path, access == Access::kRead ? platform::DatabaseAccess::kRead : platform::DatabaseAccess::kWrite), doing);
  auto store = std::make_unique<Local>(files, folder, access, std::move(lock), std::move(database));
  TENON_TRY(access == Access::kWrite ? store->Recover() : store->CheckFormat(), doing);
  return store;
}

}  // namespace tenon::store

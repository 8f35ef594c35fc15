#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/json.h"
#include "platform/database.h"
#include "platform/files.h"

namespace tenon::store {

// One finished step of a run, found again by its key: the hash of what it was made from.
struct StepRecord {
  std::string key;      // hash of step name, code version, input hashes, spec, seed
  std::string step;     // "snapshot", "train", ...
  std::string run;      // the run that did the work
  Json outputs;         // name -> artifact hash or small value
  Micros started = 0;
  Micros finished = 0;
};

struct RunRecord {
  std::string id;       // sortable by time, "run-20240229-235959-3f2a"
  std::string project;
  std::string status;   // "running", "succeeded", "gates_failed", "failed", "interrupted"
  Json summary;         // what the run's last line says
  Micros started = 0;
  Micros finished = 0;
};

struct Event {
  std::int64_t id = 0;  // grows
  Micros at = 0;
  std::string kind;     // "model_promoted", "drift_found", ...
  Json body;
};

// The data folder of a project: artifacts by content hash (artifacts/ab/cdef...), records in SQLite (meta.db), an
// outbox of events in the same transactions. Safe from any thread. Format: docs/formats/store.md.
class Store {
 public:
  enum class Access { kRead, kAmend, kWrite };
  // kWrite takes the writer lock of the folder: unavailable, naming the process that holds it, when there is one
  // already. Makes the folder (kWrite), migrates older records, marks runs left "running" by a dead process as
  // "interrupted". kRead: not_found when the folder is not there; sees what a writer commits while open.
  // kAmend: as kRead, and records and events may be changed beside a writer, whose lock is not needed for that: what must
  // not wait for the end of a run, such as taking a key away. No artifacts and no runs.
  // `files` outlives the store.
  static Result<std::unique_ptr<Store>> Open(platform::Files& files, const std::string& folder, Access access);
  virtual ~Store() = default;

  // Writes an artifact (nothing when it is there) and returns its SHA-256 in hex.
  virtual Result<std::string> Put(std::string_view bytes) = 0;
  // Mapped bytes, checked against the hash on the first read of this process: not_found, data_loss.
  virtual Result<std::shared_ptr<const platform::Bytes>> Get(std::string_view hash) const = 0;
  virtual bool Has(std::string_view hash) const = 0;
  virtual std::string PathOf(std::string_view hash) const = 0;
  struct ArtifactInfo {
    std::string hash;
    std::int64_t bytes = 0;
  };
  virtual Result<std::vector<ArtifactInfo>> Artifacts() const = 0;
  // Fine when it is gone. Only when no record that stays names it: whoever removes first removes the records. Who has it
  // mapped keeps reading it.
  virtual Result<void> RemoveArtifact(std::string_view hash) = 0;
  // Checks every artifact and the database; the findings as text, empty when all is well.
  virtual Result<std::vector<std::string>> Check(const Call& call) const = 0;

  virtual Result<std::optional<StepRecord>> FindStep(std::string_view key) const = 0;
  virtual Result<void> PutStep(const StepRecord& step) = 0;  // replaces
  virtual Result<std::vector<StepRecord>> Steps() const = 0;
  virtual Result<void> RemoveStep(std::string_view key) = 0;

  virtual Result<void> PutRun(const RunRecord& run) = 0;     // replaces by id
  virtual Result<std::vector<RunRecord>> Runs(int most) const = 0;  // newest first

  // Small records by kind and name, each a JSON body: snapshots, model versions, aliases, endpoints. The newest
  // body of a name wins; `sequence` grows with every Put.
  struct Record {
    std::string kind;
    std::string name;
    Json body;
    std::int64_t sequence = 0;
    Micros at = 0;
  };
  virtual Result<void> PutRecord(std::string_view kind, std::string_view name, const Json& body) = 0;
  virtual Result<std::optional<Record>> FindRecord(std::string_view kind, std::string_view name) const = 0;
  virtual Result<std::vector<Record>> Records(std::string_view kind) const = 0;  // oldest first
  virtual Result<std::vector<Record>> AllRecords() const = 0;                    // of all kinds
  virtual Result<void> RemoveRecord(std::string_view kind, std::string_view name) = 0;

  // Appends to the outbox.
  virtual Result<void> AddEvent(std::string_view kind, const Json& body) = 0;
  virtual Result<std::vector<Event>> EventsAfter(std::int64_t id, int most) const = 0;

  // All writes inside `work` become visible and durable together, or none does.
  virtual Result<void> Transaction(const std::function<Result<void>()>& work) = 0;

  virtual const std::string& folder() const = 0;
  virtual platform::Files& files() const = 0;
};

}  // namespace tenon::store

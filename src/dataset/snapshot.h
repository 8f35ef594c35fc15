#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ingest/read.h"
#include "store/store.h"
#include "table/batch.h"
#include "table/profile.h"

namespace tenon::dataset {

// The rows of a source at one moment. Immutable, named by a hash of schema and values (not of files or their layout).
// Kept in the columns format (docs/formats/columns.md), which is mapped, not parsed; what an older snapshot of the source has
// already is not stored again.
class DatasetSnapshot {
 public:
  DatasetSnapshot(std::string hash, std::string source, std::vector<table::Batch> batches,
                  std::shared_ptr<const table::Schema> schema, Json about);

  const std::string& hash() const { return hash_; }
  const std::string& source() const { return source_; }
  const table::Schema& schema() const { return *schema_; }
  const std::shared_ptr<const table::Schema>& shared_schema() const { return schema_; }
  std::int64_t rows() const { return rows_; }
  const std::vector<table::Batch>& batches() const { return batches_; }
  // One column of all rows (copied when there are several batches).
  Result<table::Column> Column(std::string_view name) const;
  const Json& about() const { return about_; }  // {"source":..., "key":..., "time":..., "governance":...}

 private:
  std::string hash_;
  std::string source_;
  std::vector<table::Batch> batches_;
  std::shared_ptr<const table::Schema> schema_;
  std::int64_t rows_ = 0;
  Json about_;
};
using SnapshotPtr = std::shared_ptr<const DatasetSnapshot>;

// Reads all rows, treats what is sensitive (sensitive.h), hashes, stores, and records (kind "snapshot", name hash). The same rows give the same snapshot.
// Zero rows are an invalid_argument. `treated`: the rows are as the source's `sensitive` wants them already.
Result<SnapshotPtr> Snapshot(const Call& call, table::BatchReader& rows, const ingest::SourceSpec& spec,
                             store::Store& store, bool treated = false);
// data_loss when the bytes are damaged; not_found. A unique prefix of at least 6 digits will do.
Result<SnapshotPtr> LoadSnapshot(const Call& call, const store::Store& store, std::string_view hash);
// The artifacts that hold a snapshot's rows, by names of their own; `hash` in full. not_found.
Result<Json> ArtifactsOf(const store::Store& store, std::string_view hash);

// A snapshot made of another's rows by value, for tests and for requests in batch; not stored.
SnapshotPtr InMemory(std::vector<table::Batch> batches, std::string source = "data");

// What changed between two snapshots.
struct Difference {
  // {"schema":{"added":[],"removed":[],"changed":[]},"rows":{"before","after","added","removed","changed" (the last three by key, when
  // the source has one, else by whole rows)},"columns":[{"name","psi","mean_before",...}],"examples":{...}}. Values of what is
  // sensitive are "***"; more than 4,096 distinct values are counted within 1.6 %.
  Json summary;
  table::Profile before, after;     // of the columns that both have
  std::vector<std::string> hidden;  // columns whose values no report shows
};
// Memory does not grow with the rows: see CompareRows of diff_internal.h.
Result<Difference> Compare(const Call& call, const DatasetSnapshot& before, const DatasetSnapshot& after);
Result<Json> Diff(const Call& call, const DatasetSnapshot& before, const DatasetSnapshot& after);  // the summary

}  // namespace tenon::dataset

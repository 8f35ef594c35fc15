#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/call.h"
#include "table/batch.h"

namespace tenon::ingest {

// One analytic database in memory, loaded when first opened and gone with its last reader. One thread; the engine itself
// uses call.threads. No extension is loaded by itself, and nothing is fetched. Errors: unavailable when the library is
// not installed; invalid_argument with the engine's words for a query that is wrong; those of Call when it is time to
// give up, also in the midst of a query.
class DuckDb : public std::enable_shared_from_this<DuckDb> {
 public:
  // `memory`: bytes it may hold before rows go to a folder of its own in TMPDIR, which it removes; 0: most of the machine's.
  static Result<std::shared_ptr<DuckDb>> Open(const Call& call, std::int64_t memory = 0);
  virtual ~DuckDb() = default;

  // Runs statements whose result does not matter.
  virtual Result<void> Run(const Call& call, const std::string& sql) = 0;
  // The rows of one SELECT, in its order, as they are asked for; nested values as JSON text. The reader keeps the
  // database. Bool, int64, float64, string and timestamp come out; other types are cast to the nearest of them.
  virtual Result<std::unique_ptr<table::BatchReader>> Query(const Call& call, const std::string& sql) = 0;
  // The operators by which a SELECT would be answered if nothing were made faster, one row of text each.
  virtual Result<std::vector<std::string>> Operators(const Call& call, const std::string& sql) = 0;
  // Makes a table of the schema, in the place of one of that name. Embeddings are an invalid_argument.
  virtual Result<void> MakeTable(const Call& call, const std::string& name, const table::Schema& schema) = 0;
  virtual Result<void> Append(const Call& call, const std::string& name, const table::Batch& batch) = 0;
  // No files, no extensions, no settings from now on: before the SQL of a user.
  virtual Result<void> LockDown(const Call& call) = 0;
};

std::string SqlName(std::string_view name);  // "na""me"
std::string SqlText(std::string_view text);  // 'te''xt'
std::string_view SqlType(table::Type type);

}  // namespace tenon::ingest

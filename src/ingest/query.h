#pragma once

#include <memory>
#include <string>

#include "base/call.h"
#include "table/batch.h"

namespace tenon::ingest {

// The rows of a SELECT over `rows`, which it knows as the table `data`; it reaches neither files nor the network. One that
// makes each of its rows from one of theirs (no joins, groups, windows, order, limit or chance) is answered batch by batch,
// in their order; others by the engine, which holds all the rows: some gigabytes in memory, more of them on disk. Errors: invalid_argument with the engine's words.
Result<std::unique_ptr<table::BatchReader>> QueryOver(const Call& call, std::unique_ptr<table::BatchReader> rows, const std::string& sql);
// Whether it is one that makes each of its rows from one of `schema`'s.
Result<bool> RowByRow(const Call& call, const table::Schema& schema, const std::string& sql);

// SELECTs over tables of rows in memory; what they say reaches neither files nor the network. They run in one thread, so that the
// same rows come in the same order. One thread. Errors: as QueryOver; unavailable where the engine is not installed.
class Queries {
 public:
  virtual ~Queries() = default;
  static Result<std::unique_ptr<Queries>> Open(const Call& call);
  // Columns of embeddings are left out. All tables come before the first query.
  virtual Result<void> AddTable(const Call& call, const std::string& name, const table::Schema& schema, const std::vector<table::Batch>& batches) = 0;
  virtual Result<std::unique_ptr<table::BatchReader>> Run(const Call& call, const std::string& sql) = 0;
};

}  // namespace tenon::ingest

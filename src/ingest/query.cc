#include "ingest/query_internal.h"

#include "ingest/duckdb_internal.h"

namespace tenon::ingest {

Result<std::unique_ptr<table::BatchReader>> QueryOver(const Call& call, table::BatchReader& rows, const std::string& sql) {
  TENON_ASSIGN(auto engine, DuckDb::Open(call), "running `sql`");
  TENON_TRY(engine->MakeTable(call, "data", *rows.schema()));
  while (true) {
    TENON_ASSIGN(std::optional<table::Batch> batch, rows.Next(call));
    if (!batch) break;
    TENON_TRY(engine->Append(call, "data", *batch));
  }
  TENON_TRY(engine->LockDown(call));
  TENON_ASSIGN(auto out, engine->Query(call, sql), "sql");
  return out;
}

}  // namespace tenon::ingest

#include "ingest/query.h"

#include <utility>

#include "ingest/duckdb_internal.h"

namespace tenon::ingest {
namespace {

class InEngine final : public Queries {
 public:
  explicit InEngine(std::shared_ptr<DuckDb> engine) : engine_(std::move(engine)) {}

  Result<void> AddTable(const Call& call, const std::string& name, const table::Schema& schema, const std::vector<table::Batch>& batches) override {
    std::vector<table::Field> fields;
    std::vector<int> taken;
    for (int i = 0; i < schema.size(); ++i) {
      if (schema[i].type == table::Type::kEmbedding) continue;
      fields.push_back(schema[i]);
      taken.push_back(i);
    }
    const auto narrower = std::make_shared<const table::Schema>(std::move(fields));
    TENON_TRY(engine_->MakeTable(call, name, *narrower));
    for (const table::Batch& batch : batches) {
      std::vector<table::Column> columns;
      for (const int i : taken) columns.push_back(batch.column(i));
      TENON_TRY(engine_->Append(call, name, table::Batch(narrower, std::move(columns))));
    }
    return {};
  }

  Result<std::unique_ptr<table::BatchReader>> Run(const Call& call, const std::string& sql) override {
    if (!std::exchange(locked_, true)) TENON_TRY(engine_->LockDown(call));
    return engine_->Query(call, sql);
  }

 private:
  std::shared_ptr<DuckDb> engine_;
  bool locked_ = false;
};

}  // namespace

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

Result<std::unique_ptr<Queries>> Queries::Open(const Call& call) {
  Call alone = call;
  alone.threads = 1;
  TENON_ASSIGN(auto engine, DuckDb::Open(alone));
  return std::unique_ptr<Queries>(std::make_unique<InEngine>(std::move(engine)));
}

}  // namespace tenon::ingest

#include "ingest/query.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "ingest/duckdb_internal.h"

namespace tenon::ingest {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{2} << 30;  // of rows in memory
const std::string kTable = "data";

// Whether each row of the answer is made from one row of the table, by operators that look at nothing else.
Result<bool> Each(const Call& call, DuckDb& engine, const std::string& sql) {
  constexpr std::array<std::string_view, 4> kOfOneRow = {"PROJECTION", "FILTER", "SEQ_SCAN", "TABLE_SCAN"};
  constexpr std::array<std::string_view, 6> kOfMore = {"random", "uuid", "rowid", "nextval", "currval", "setseed"};
  const std::string words = ToLower(sql);
  if (std::ranges::any_of(kOfMore, [&](std::string_view word) { return words.find(word) != std::string::npos; })) return false;
  TENON_TRY(engine.Run(call, "SET enable_external_access = false"));
  TENON_ASSIGN(const std::vector<std::string> operators, engine.Operators(call, sql), "sql");
  const bool scans = std::ranges::count_if(operators, [](const std::string& one) { return one.ends_with("SCAN"); }) == 1;
  return scans && std::ranges::all_of(operators, [&](const std::string& one) { return std::ranges::find(kOfOneRow, one) != kOfOneRow.end(); });
}

// The answer of a SELECT, made of one batch after another.
class ByBatch final : public table::BatchReader {
 public:
  static Result<std::unique_ptr<table::BatchReader>> Make(const Call& call, std::shared_ptr<DuckDb> engine, std::unique_ptr<table::BatchReader> rows,
                                                          const std::string& sql) {
    std::unique_ptr<ByBatch> out(new ByBatch(std::move(engine), std::move(rows), sql));
    TENON_ASSIGN(out->answer_, out->engine_->Query(call, sql), "sql");
    out->schema_ = out->answer_->schema();
    return std::unique_ptr<table::BatchReader>(std::move(out));
  }
  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }
  Result<std::optional<table::Batch>> Next(const Call& call) override {
    while (true) {
      TENON_ASSIGN(std::optional<table::Batch> some, answer_->Next(call));
      if (some) return std::optional<table::Batch>(table::Batch(schema_, Columns(*some)));
      TENON_ASSIGN(const std::optional<table::Batch> batch, rows_->Next(call));
      if (!batch) return std::optional<table::Batch>();
      answer_.reset();
      TENON_TRY(engine_->MakeTable(call, kTable, batch->schema()));
      TENON_TRY(engine_->Append(call, kTable, *batch));
      TENON_ASSIGN(answer_, engine_->Query(call, sql_), "sql");
    }
  }
  std::string library() const override { return answer_->library(); }

 private:
  ByBatch(std::shared_ptr<DuckDb> engine, std::unique_ptr<table::BatchReader> rows, std::string sql)
      : engine_(std::move(engine)), rows_(std::move(rows)), sql_(std::move(sql)) {}
  static std::vector<table::Column> Columns(const table::Batch& batch) {
    std::vector<table::Column> out;
    for (int i = 0; i < batch.columns(); ++i) out.push_back(batch.column(i));
    return out;
  }

  std::shared_ptr<DuckDb> engine_;
  std::unique_ptr<table::BatchReader> rows_;
  std::string sql_;
  std::shared_ptr<const table::Schema> schema_;
  std::unique_ptr<table::BatchReader> answer_;  // to the batch at hand
};

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

Result<std::unique_ptr<table::BatchReader>> QueryOver(const Call& call, std::unique_ptr<table::BatchReader> rows, const std::string& sql) {
  TENON_ASSIGN(auto engine, DuckDb::Open(call, kMostBytes), "running `sql`");
  TENON_TRY(engine->MakeTable(call, kTable, *rows->schema()));
  TENON_ASSIGN(const bool each, Each(call, *engine, sql));
  if (each) {
    TENON_TRY(engine->LockDown(call));
    return ByBatch::Make(call, std::move(engine), std::move(rows), sql);
  }
  // Several threads add up in another order each time: sums and means of floating numbers, and rows without an order, would differ from run to run.
  TENON_TRY(engine->Run(call, "SET threads = 1"));
  while (true) {
    TENON_ASSIGN(std::optional<table::Batch> batch, rows->Next(call));
    if (!batch) break;
    TENON_TRY(engine->Append(call, kTable, *batch), "holding the rows for `sql`");
  }
  rows.reset();
  TENON_TRY(engine->LockDown(call));
  TENON_ASSIGN(auto out, engine->Query(call, sql), "sql");
  return out;
}

Result<bool> RowByRow(const Call& call, const table::Schema& schema, const std::string& sql) {
  TENON_ASSIGN(auto engine, DuckDb::Open(call), "running `sql`");
  TENON_TRY(engine->MakeTable(call, kTable, schema));
  return Each(call, *engine, sql);
}

Result<std::unique_ptr<Queries>> Queries::Open(const Call& call) {
  Call alone = call;
  alone.threads = 1;
  TENON_ASSIGN(auto engine, DuckDb::Open(alone));
  return std::unique_ptr<Queries>(std::make_unique<InEngine>(std::move(engine)));
}

}  // namespace tenon::ingest

#include <duckdb.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "ingest/duckdb_internal.h"
#include "platform/library.h"

namespace tenon::ingest {
namespace {

using table::Batch;
using table::ColumnBuilder;
using table::Field;
using table::Schema;
using table::Type;

constexpr std::int64_t kBatchRows = 65536;

// The functions of the engine that we use, found by name.
struct Api {
#define TENON_DUCKDB_FUNCTIONS(USE)                                                                                     \
  USE(create_config) USE(set_config) USE(destroy_config) USE(open_ext) USE(close) USE(connect) USE(disconnect)          \
  USE(interrupt) USE(query) USE(destroy_result) USE(result_error) USE(prepare) USE(prepare_error) USE(destroy_prepare)  \
  USE(prepared_statement_type) USE(prepared_statement_column_count) USE(prepared_statement_column_name)                 \
  USE(prepared_statement_column_type) USE(pending_prepared_streaming) USE(pending_execute_task) USE(pending_error)      \
  USE(execute_pending) USE(destroy_pending) USE(fetch_chunk) USE(destroy_data_chunk) USE(data_chunk_get_size)           \
  USE(data_chunk_get_vector) USE(vector_get_data) USE(vector_get_validity) USE(appender_create) USE(appender_error)     \
  USE(appender_end_row) USE(appender_destroy) USE(appender_close) USE(append_bool) USE(append_int64) USE(append_double) \
  USE(append_timestamp) USE(append_varchar_length) USE(append_null) USE(free) USE(library_version)
#define TENON_DECLARE(name) decltype(&::duckdb_##name) name = nullptr;
  TENON_DUCKDB_FUNCTIONS(TENON_DECLARE)
#undef TENON_DECLARE

  static Result<Api> Load() {
    TENON_ASSIGN(platform::Library library, platform::Library::Open("libduckdb.so"));
    Api api;
#define TENON_BIND(name) TENON_TRY(library.Bind("duckdb_" #name, &api.name));
    TENON_DUCKDB_FUNCTIONS(TENON_BIND)
#undef TENON_BIND
    return api;
  }
};

// The engine's messages go over several lines, with the query and hints; the first says what is wrong.
Error EngineError(const Call& call, const char* message) {
  if (auto check = call.Check(); !check.ok()) return std::move(check).error();
  std::string text = message != nullptr ? message : "the analytic engine failed without a word";
  const std::size_t hint = text.find("\n\n");
  if (hint != std::string::npos) text.resize(hint);
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return Error(Code::kInvalidArgument, std::move(text));
}

Type TypeOf(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_BOOLEAN: return Type::kBool;
    case DUCKDB_TYPE_TINYINT: case DUCKDB_TYPE_SMALLINT: case DUCKDB_TYPE_INTEGER: case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT: case DUCKDB_TYPE_USMALLINT: case DUCKDB_TYPE_UINTEGER: case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT: case DUCKDB_TYPE_UHUGEINT: return Type::kInt64;
    case DUCKDB_TYPE_FLOAT: case DUCKDB_TYPE_DOUBLE: case DUCKDB_TYPE_DECIMAL: return Type::kFloat64;
    case DUCKDB_TYPE_DATE: case DUCKDB_TYPE_TIMESTAMP: case DUCKDB_TYPE_TIMESTAMP_S: case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS: case DUCKDB_TYPE_TIMESTAMP_TZ: return Type::kTimestamp;
    default: return Type::kString;
  }
}

bool IsNested(duckdb_type type) {
  return type == DUCKDB_TYPE_LIST || type == DUCKDB_TYPE_STRUCT || type == DUCKDB_TYPE_MAP || type == DUCKDB_TYPE_ARRAY ||
         type == DUCKDB_TYPE_UNION;
}

void AddOperators(const Json& plan, std::vector<std::string>* names) {
  if (plan.is_array()) {
    for (const Json& one : plan.array()) AddOperators(one, names);
    return;
  }
  names->emplace_back(Trim(plan.StringAt("name")));
  if (const Json* children = plan.Find("children")) AddOperators(*children, names);
}

// Interrupts the engine from the thread that asks the call to stop.
class Interrupter {
 public:
  Interrupter(const Call& call, const Api& api, duckdb_connection connection)
      : callback_(call.stop, Interrupt{api.interrupt, connection}) {}

 private:
  struct Interrupt {
    decltype(&::duckdb_interrupt) interrupt;
    duckdb_connection connection;
    void operator()() const { interrupt(connection); }
  };
  std::stop_callback<Interrupt> callback_;
};

class Engine;

class Rows final : public table::BatchReader {
 public:
  Rows(std::shared_ptr<Engine> engine, std::shared_ptr<const Schema> schema, duckdb_result result)
      : engine_(std::move(engine)), schema_(std::move(schema)), result_(result) {}
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() override;
  const std::shared_ptr<const Schema>& schema() const override { return schema_; }
  Result<std::optional<Batch>> Next(const Call& call) override;
  std::string library() const override;

 private:
  void AddChunk(duckdb_data_chunk chunk, std::int64_t rows, std::vector<ColumnBuilder>* builders);
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const Schema> schema_;
  duckdb_result result_;
  bool done_ = false;
};

class Engine final : public DuckDb {
 public:
  explicit Engine(const Api& api) : api_(api) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() override {
    if (connection_ != nullptr) api_.disconnect(&connection_);
    if (database_ != nullptr) api_.close(&database_);
  }

  Result<void> Start(const Call& call, std::int64_t memory) {
    duckdb_config config = nullptr;
    if (api_.create_config(&config) == DuckDBError) return Error(Code::kInternal, "the analytic engine makes no settings");
    const char* temporary = std::getenv("TMPDIR");
    const std::array<std::pair<const char*, std::string>, 4> settings = {
        {{"threads", Str(std::max(1, call.threads))}, {"autoinstall_known_extensions", "false"}, {"autoload_known_extensions", "false"},
         {"temp_directory", Str(temporary != nullptr ? temporary : "/tmp", "/tenon-engine-", getpid(), "-", reinterpret_cast<std::uintptr_t>(this))}}};
    bool set = memory == 0 || api_.set_config(config, "memory_limit", Str(memory, "B").c_str()) == DuckDBSuccess;
    for (const auto& [name, value] : settings) set = set && api_.set_config(config, name, value.c_str()) == DuckDBSuccess;
    char* message = nullptr;
    const bool open = set && api_.open_ext(nullptr, &database_, config, &message) == DuckDBSuccess;
    api_.destroy_config(&config);
    if (!open) {
      Error error(Code::kInternal, Str("the analytic engine does not open: ", message != nullptr ? message : "it knows no such setting"));
      if (message != nullptr) api_.free(message);
      return error;
    }
    if (api_.connect(database_, &connection_) == DuckDBError) return Error(Code::kInternal, "no connection to the analytic engine");
    // Times with a zone are cast through the session's zone; without calendars in the build there is nothing to set.
    (void)Run(call, "SET TimeZone = 'UTC'");
    return {};
  }

  Result<void> Run(const Call& call, const std::string& sql) override {
    TENON_TRY(call.Check());
    const Interrupter interrupter(call, api_, connection_);
    duckdb_result result;
    const bool ok = api_.query(connection_, sql.c_str(), &result) == DuckDBSuccess;
    Result<void> out;
    if (!ok) out = EngineError(call, api_.result_error(&result));
    api_.destroy_result(&result);
    return out;
  }

  Result<std::unique_ptr<table::BatchReader>> Query(const Call& call, const std::string& sql) override {
    std::string body = sql;
    while (!body.empty() && (body.back() == ';' || body.back() == ' ' || body.back() == '\n')) body.pop_back();
    std::vector<Field> fields;
    TENON_ASSIGN(const std::string cast, Casted(call, body, &fields));
    duckdb_prepared_statement statement = nullptr;
    TENON_TRY(Prepare(call, cast, &statement));
    auto result = Execute(call, statement);
    api_.destroy_prepare(&statement);
    if (!result.ok()) return std::move(result).error();
    auto self = std::static_pointer_cast<Engine>(shared_from_this());
    return std::make_unique<Rows>(std::move(self), std::make_shared<const Schema>(std::move(fields)), *result);
  }

  Result<std::vector<std::string>> Operators(const Call& call, const std::string& sql) override {
    TENON_TRY(Run(call, "PRAGMA disable_optimizer"));
    duckdb_prepared_statement statement = nullptr;
    TENON_TRY(Prepare(call, Str("EXPLAIN (FORMAT JSON) ", sql), &statement));
    auto result = Execute(call, statement);
    api_.destroy_prepare(&statement);
    if (!result.ok()) return std::move(result).error();
    Rows rows(std::static_pointer_cast<Engine>(shared_from_this()),
              std::make_shared<const Schema>(std::vector<Field>{{"key", Type::kString}, {"value", Type::kString}}), *result);
    TENON_ASSIGN(const std::optional<Batch> batch, rows.Next(call));
    std::vector<std::string> names;
    if (batch && batch->rows() == 1) {
      TENON_ASSIGN(const Json plan, Json::Parse(batch->column(1).Text(0), "plan"));
      AddOperators(plan, &names);
    }
    TENON_TRY(Run(call, "PRAGMA enable_optimizer"));
    return names;
  }

  Result<void> MakeTable(const Call& call, const std::string& name, const Schema& schema) override {
    std::string sql = Str("CREATE OR REPLACE TABLE ", SqlName(name), " (");
    for (int i = 0; i < schema.size(); ++i) {
      if (schema[i].type == Type::kEmbedding) {
        return Error(Code::kInvalidArgument, Str("column '", schema[i].name, "' holds embeddings, which SQL and Parquet cannot take here; leave it out"));
      }
      sql += Str(i > 0 ? ", " : "", SqlName(schema[i].name), " ", SqlType(schema[i].type));
    }
    return Run(call, sql + ")");
  }

  Result<void> Append(const Call& call, const std::string& name, const Batch& batch) override {
    TENON_TRY(call.Check());
    duckdb_appender appender = nullptr;
    bool ok = api_.appender_create(connection_, nullptr, name.c_str(), &appender) == DuckDBSuccess;
    for (std::int64_t row = 0; ok && row < batch.rows(); ++row) {
      for (int i = 0; i < batch.columns(); ++i) ok = ok && AppendValue(appender, batch.column(i), row);
      ok = ok && api_.appender_end_row(appender) == DuckDBSuccess;
    }
    ok = ok && api_.appender_close(appender) == DuckDBSuccess;
    Result<void> out;
    if (!ok) out = EngineError(call, api_.appender_error(appender));
    api_.appender_destroy(&appender);
    return out;
  }

  Result<void> LockDown(const Call& call) override {
    return Run(call, "SET enable_external_access = false; SET lock_configuration = true");
  }

  const Api& api() const { return api_; }
  duckdb_connection connection() const { return connection_; }

 private:
  Result<void> Prepare(const Call& call, const std::string& sql, duckdb_prepared_statement* out) {
    if (api_.prepare(connection_, sql.c_str(), out) == DuckDBSuccess) return {};
    Error error = EngineError(call, api_.prepare_error(*out));
    api_.destroy_prepare(out);
    return error;
  }

  // The query with every column cast to one of our types.
  Result<std::string> Casted(const Call& call, const std::string& sql, std::vector<Field>* fields) {
    duckdb_prepared_statement statement = nullptr;
    TENON_TRY(Prepare(call, sql, &statement));
    const bool select = api_.prepared_statement_type(statement) == DUCKDB_STATEMENT_TYPE_SELECT;
    std::string casts, names;
    const idx_t count = api_.prepared_statement_column_count(statement);
    for (idx_t i = 0; select && i < count; ++i) {
      const char* name = api_.prepared_statement_column_name(statement, i);
      const duckdb_type type = api_.prepared_statement_column_type(statement, i);
      fields->push_back({name != nullptr ? name : "", TypeOf(type)});
      api_.free(const_cast<char*>(name));
      const std::string inner = Str("c", i);
      casts += Str(i > 0 ? ", " : "", "CAST(", IsNested(type) ? Str("to_json(", inner, ")") : inner, " AS ", SqlType(fields->back().type), ")");
      names += Str(i > 0 ? ", " : "", inner);
    }
    api_.destroy_prepare(&statement);
    if (!select) return Error(Code::kInvalidArgument, "only a SELECT can be read from");
    return Str("SELECT ", casts, " FROM (", sql, "\n) AS t(", names, ")");
  }

  Result<duckdb_result> Execute(const Call& call, duckdb_prepared_statement statement) {
    const Interrupter interrupter(call, api_, connection_);
    duckdb_pending_result pending = nullptr;
    bool ok = api_.pending_prepared_streaming(statement, &pending) == DuckDBSuccess;
    Result<void> check;
    while (ok && (check = call.Check()).ok()) {
      const duckdb_pending_state state = api_.pending_execute_task(pending);
      ok = state != DUCKDB_PENDING_ERROR;
      if (state == DUCKDB_PENDING_RESULT_READY) break;
    }
    duckdb_result result;
    std::memset(&result, 0, sizeof result);
    Result<void> out = std::move(check);
    if (!ok) {
      out = EngineError(call, api_.pending_error(pending));
    } else if (out.ok() && api_.execute_pending(pending, &result) == DuckDBError) {
      out = EngineError(call, api_.result_error(&result));
      api_.destroy_result(&result);
    }
    api_.destroy_pending(&pending);
    if (!out.ok()) return std::move(out).error();
    return result;
  }

  bool AppendValue(duckdb_appender appender, const table::Column& column, std::int64_t row) {
    if (column.IsNull(row)) return api_.append_null(appender) == DuckDBSuccess;
    const auto at = static_cast<std::size_t>(row);
    switch (column.type()) {
      case Type::kBool: return api_.append_bool(appender, column.bools()[at] != 0) == DuckDBSuccess;
      case Type::kInt64: return api_.append_int64(appender, column.ints()[at]) == DuckDBSuccess;
      case Type::kFloat64: return api_.append_double(appender, column.doubles()[at]) == DuckDBSuccess;
      case Type::kTimestamp: return api_.append_timestamp(appender, {column.ints()[at]}) == DuckDBSuccess;
      default: {
        const std::string_view text = column.Text(row);
        return api_.append_varchar_length(appender, text.data(), text.size()) == DuckDBSuccess;
      }
    }
  }

  Api api_;
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

Rows::~Rows() { engine_->api().destroy_result(&result_); }

std::string Rows::library() const {
  std::string_view version = engine_->api().library_version();
  if (version.starts_with('v')) version.remove_prefix(1);
  return Str("duckdb ", version);
}

void Rows::AddChunk(duckdb_data_chunk chunk, std::int64_t rows, std::vector<ColumnBuilder>* builders) {
  const Api& api = engine_->api();
  for (std::size_t i = 0; i < builders->size(); ++i) {
    ColumnBuilder& builder = (*builders)[i];
    duckdb_vector vector = api.data_chunk_get_vector(chunk, i);
    const void* data = api.vector_get_data(vector);
    const std::uint64_t* validity = api.vector_get_validity(vector);
    for (std::int64_t row = 0; row < rows; ++row) {
      if (validity != nullptr && (validity[row >> 6] >> (row & 63) & 1) == 0) {
        builder.AddNull();
        continue;
      }
      switch (schema_->fields()[i].type) {
        case Type::kBool: builder.AddInt(static_cast<const bool*>(data)[row] ? 1 : 0); break;
        case Type::kFloat64: builder.Add(static_cast<const double*>(data)[row]); break;
        case Type::kString: {
          const auto& text = static_cast<const duckdb_string_t*>(data)[row];
          const std::uint32_t length = text.value.inlined.length;
          builder.AddText({length <= 12 ? text.value.inlined.inlined : text.value.pointer.ptr, length});
          break;
        }
        default: builder.AddInt(static_cast<const std::int64_t*>(data)[row]);
      }
    }
  }
}

Result<std::optional<Batch>> Rows::Next(const Call& call) {
  const Api& api = engine_->api();
  const Interrupter interrupter(call, api, engine_->connection());
  std::vector<ColumnBuilder> builders;
  for (const Field& field : schema_->fields()) builders.emplace_back(field.type);
  std::int64_t rows = 0;
  while (!done_ && rows < kBatchRows) {
    if (auto check = call.Check(); !check.ok()) return done_ = true, std::move(check).error();
    duckdb_data_chunk chunk = api.fetch_chunk(result_);
    if (chunk == nullptr) {
      done_ = true;
      const char* message = api.result_error(&result_);
      if (message != nullptr && *message != '\0') return EngineError(call, message);
      break;
    }
    const auto size = static_cast<std::int64_t>(api.data_chunk_get_size(chunk));
    AddChunk(chunk, size, &builders);
    api.destroy_data_chunk(&chunk);
    rows += size;
    if (size == 0) done_ = true;
  }
  if (rows == 0) return std::optional<Batch>();
  std::vector<table::Column> columns;
  for (ColumnBuilder& builder : builders) columns.push_back(builder.Finish());
  return std::optional<Batch>(Batch(schema_, std::move(columns)));
}

}  // namespace

Result<std::shared_ptr<DuckDb>> DuckDb::Open(const Call& call, std::int64_t memory) {
  TENON_ASSIGN(const Api api, Api::Load());
  auto engine = std::make_shared<Engine>(api);
  TENON_TRY(engine->Start(call, memory));
  return std::shared_ptr<DuckDb>(std::move(engine));
}

std::string SqlName(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string SqlText(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

std::string_view SqlType(Type type) {
  switch (type) {
    case Type::kBool: return "BOOLEAN";
    case Type::kInt64: return "BIGINT";
    case Type::kFloat64: return "DOUBLE";
    case Type::kTimestamp: return "TIMESTAMP";
    default: return "VARCHAR";
  }
}

}  // namespace tenon::ingest

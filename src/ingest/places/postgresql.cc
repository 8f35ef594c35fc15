// Tables and queries of a PostgreSQL server.

#include "base/text.h"
#include "ingest/place.h"
#include "platform/postgres.h"

namespace tenon::ingest {
namespace {

using platform::PostgresColumn;
using table::Type;

constexpr std::int64_t kBatchRows = 65536;

Type TypeOf(PostgresColumn::Type type) {
  switch (type) {
    case PostgresColumn::Type::kBool: return Type::kBool;
    case PostgresColumn::Type::kInt: return Type::kInt64;
    case PostgresColumn::Type::kReal: return Type::kFloat64;
    case PostgresColumn::Type::kTime: return Type::kTimestamp;
    case PostgresColumn::Type::kText: break;
  }
  return Type::kString;
}

class Reading final : public table::BatchReader {
 public:
  Reading(std::unique_ptr<platform::PostgresRows> rows, std::string shown) : rows_(std::move(rows)), shown_(std::move(shown)) {
    std::vector<table::Field> fields;
    for (const PostgresColumn& column : rows_->columns()) fields.push_back({column.name, TypeOf(column.type)});
    schema_ = std::make_shared<const table::Schema>(std::move(fields));
  }
  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }

  Result<std::optional<table::Batch>> Next(const Call& call) override {
    std::vector<table::ColumnBuilder> builders;
    for (const table::Field& field : schema_->fields()) builders.emplace_back(field.type);
    std::int64_t rows = 0;
    for (; rows < kBatchRows; ++rows) {
      TENON_ASSIGN(const bool more, rows_->Next(call, &row_), shown_);
      if (!more) break;
      for (std::size_t i = 0; i < builders.size(); ++i) {
        const platform::PostgresValue& value = row_[i];
        if (value.null) {
          builders[i].AddNull();
        } else if (schema_->fields()[i].type == Type::kString) {
          builders[i].AddText(value.text);
        } else if (schema_->fields()[i].type == Type::kFloat64) {
          builders[i].Add(value.real);
        } else {
          builders[i].AddInt(value.number);
        }
      }
    }
    if (rows == 0) return std::optional<table::Batch>();
    std::vector<table::Column> columns;
    for (table::ColumnBuilder& builder : builders) columns.push_back(builder.Finish());
    return std::optional<table::Batch>(table::Batch(schema_, std::move(columns)));
  }

 private:
  std::unique_ptr<platform::PostgresRows> rows_;
  std::string shown_;
  std::shared_ptr<const table::Schema> schema_;
  std::vector<platform::PostgresValue> row_;
};

std::string Quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

class Postgresql final : public Place {
 public:
  explicit Postgresql(const Options& options)
      : table_(options.Has("table") ? options.Text("table") : ""), query_(options.Has("query") ? options.Text("query") : ""),
        password_(options.Has("password") ? options.Text("password") : "") {}

  Result<Brought> Bring(const Call& call, const std::string& address, const SourceSpec& spec) override {
    if (table_.empty() == query_.empty()) return Error(Code::kInvalidArgument, "connect: give one of `table` and `query`");
    const std::string_view authority = std::string_view(address).substr(address.find("://") + 3);
    const std::string_view user = authority.substr(0, authority.substr(0, authority.find('/')).rfind('@') + 1);
    if (user.find(':') != std::string_view::npos || address.find("password=") != std::string::npos) {
      return Error(Code::kInvalidArgument, Str(Shown(address), ": a password does not stand in an address; write `connect: {password: env:NAME}`"));
    }
    platform::PostgresQuery query;
    query.address = address;
    TENON_ASSIGN(query.password, Secret(password_, spec.folder, "connect.password"));
    query.select = query_.empty() ? Str("SELECT * FROM ", TableName()) : query_;
    query.since_column = spec.watermark;
    query.since = spec.since;
    if (!spec.watermark.empty()) query.order.push_back(spec.watermark);
    if (!spec.key.empty()) query.order.push_back(spec.key);
    TENON_ASSIGN(auto rows, platform::OpenPostgres(call, query), Shown(address));
    Brought out;
    out.rows = std::make_unique<Reading>(std::move(rows), Shown(address));
    return out;
  }

 private:
  // "schema.table", each part taken as it is written.
  std::string TableName() const {
    std::string out;
    for (const std::string& part : Split(table_, '.')) out += Str(out.empty() ? "" : ".", Quoted(part));
    return out;
  }
  std::string table_, query_, password_;
};

}  // namespace

Result<void> AddPostgresql(Kinds<Place>& kinds) {
  return kinds.Add("postgresql",
                   {.summary = "Read a table or a query of a PostgreSQL server",
                    .when = "Rows that live in a database. They are read in one snapshot of it; with `incremental` only what is new.",
                    .example = R"({"table": "public.orders", "password": "env:SHOP_PASSWORD"})",
                    .options = {{"table", Option::Type::kText, nullptr, "schema.table, as it is written in the database"},
                                {"query", Option::Type::kText, nullptr, "a SELECT in the server's SQL"},
                                {"password", Option::Type::kText, nullptr, "env:NAME or file:PATH"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Place>> { return std::make_unique<Postgresql>(options); });
}

}  // namespace tenon::ingest

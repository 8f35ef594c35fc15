#include "dataset/evolve.h"

#include <utility>

#include "base/text.h"

namespace tenon::dataset {
namespace {

using table::Column;
using table::Field;
using table::Schema;
using table::Type;

// Where a column stands, under its name or the one it had before; -1: nowhere.
int Find(const Schema& in, const std::string& name, const ingest::SourceSpec& spec) {
  if (const int at = in.Find(name); at >= 0) return at;
  for (const auto& [renamed, old] : spec.renames) {
    if (renamed == name) return in.Find(old);
  }
  return -1;
}

std::string NewName(const std::string& name, const ingest::SourceSpec& spec) {
  for (const auto& [renamed, old] : spec.renames) {
    if (old == name) return renamed;
  }
  return name;
}

Column Missing(const Field& field, std::int64_t rows) {
  table::ColumnBuilder builder(field.type, field.width);
  for (std::int64_t i = 0; i < rows; ++i) builder.AddNull();
  return builder.Finish();
}

Column Widened(const Column& column) {
  table::ColumnBuilder builder(Type::kFloat64);
  for (std::int64_t i = 0; i < column.size(); ++i) {
    column.IsNull(i) ? builder.AddNull() : builder.Add(static_cast<double>(column.ints()[static_cast<std::size_t>(i)]));
  }
  return builder.Finish();
}

bool Numbers(Type a, Type b) { return (a == Type::kInt64 || a == Type::kFloat64) && (b == Type::kInt64 || b == Type::kFloat64); }

}  // namespace

Result<Schema> Evolve(const Schema& before, const Schema& after, const ingest::SourceSpec& spec) {
  std::vector<Field> fields;
  std::vector<bool> taken(static_cast<std::size_t>(after.size()), false);
  for (const Field& old : before.fields()) {
    const std::string name = NewName(old.name, spec);
    const int at = Find(after, name, spec);
    if (at < 0) {
      return Error(Code::kInvalidArgument, Str("column '", name, "' is gone", DidYouMean(name, after.Names()),
                                               "; if it has another name now, write `rename: {", name, ": <its name now>}`; otherwise begin anew with `tenon data add --full`"));
    }
    taken[static_cast<std::size_t>(at)] = true;
    const Field& fresh = after[at];
    Field field = old;
    field.name = name;
    if (fresh.type != old.type && Numbers(fresh.type, old.type)) {
      field.type = Type::kFloat64;
    } else if (fresh.type != old.type || fresh.width != old.width) {
      return Error(Code::kInvalidArgument, Str("column '", name, "' was ", table::NameOf(old.type), " and is ", table::NameOf(fresh.type),
                                               " now; only int64 becomes float64 by itself. Say `types: {", name, ": ", table::NameOf(old.type),
                                               "}` to keep it, or begin anew with `tenon data add --full`"));
    }
    fields.push_back(std::move(field));
  }
  for (int i = 0; i < after.size(); ++i) {
    if (!taken[static_cast<std::size_t>(i)]) fields.push_back(after[i]);
  }
  return Schema(std::move(fields));
}

table::Batch InSchema(const table::Batch& batch, const std::shared_ptr<const Schema>& to, const ingest::SourceSpec& spec) {
  std::vector<Column> columns;
  for (const Field& field : to->fields()) {
    const int at = Find(batch.schema(), field.name, spec);
    if (at < 0) {
      columns.push_back(Missing(field, batch.rows()));
    } else if (batch.column(at).type() == field.type) {
      columns.push_back(batch.column(at));
    } else if (batch.column(at).type() == Type::kInt64 && field.type == Type::kFloat64) {
      columns.push_back(Widened(batch.column(at)));
    } else {
      columns.push_back(Missing(field, batch.rows()));  // of a column without a value, whose type says nothing
    }
  }
  return table::Batch(to, std::move(columns));
}

}  // namespace tenon::dataset

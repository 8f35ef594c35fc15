#include "table/batch.h"

#include <cassert>
#include <utility>

namespace tenon::table {
namespace {

class Given final : public BatchReader {
 public:
  Given(std::shared_ptr<const Schema> schema, std::vector<Batch> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}
  const std::shared_ptr<const Schema>& schema() const override { return schema_; }
  Result<std::optional<Batch>> Next(const Call& call) override {
    TENON_TRY(call.Check());
    while (at_ < batches_.size() && batches_[at_].rows() == 0) ++at_;
    if (at_ == batches_.size()) return std::optional<Batch>();
    return std::optional<Batch>(batches_[at_++]);
  }

 private:
  std::shared_ptr<const Schema> schema_;
  std::vector<Batch> batches_;
  std::size_t at_ = 0;
};

}  // namespace

Batch::Batch(std::shared_ptr<const Schema> schema, std::vector<Column> columns)
    : schema_(std::move(schema)), columns_(std::move(columns)), rows_(columns_.empty() ? 0 : columns_[0].size()) {
  assert(static_cast<std::size_t>(schema_->size()) == columns_.size());
  for ([[maybe_unused]] std::size_t i = 0; i < columns_.size(); ++i) {
    assert(columns_[i].size() == rows_ && columns_[i].type() == schema_->fields()[i].type);
  }
}

Result<Column> Batch::Named(std::string_view name) const {
  TENON_ASSIGN(const int at, schema_->At(name));
  return column(at);
}

Batch Batch::Slice(std::int64_t from, std::int64_t count) const {
  std::vector<Column> columns;
  for (const Column& column : columns_) columns.push_back(column.Slice(from, count));
  return Batch(schema_, std::move(columns));
}

Batch Batch::Take(std::span<const std::int64_t> rows) const {
  std::vector<Column> columns;
  for (const Column& column : columns_) columns.push_back(column.Take(rows));
  return Batch(schema_, std::move(columns));
}

Result<Batch> Batch::Select(std::span<const std::string> names) const {
  std::vector<Field> fields;
  std::vector<Column> columns;
  for (const std::string& name : names) {
    TENON_ASSIGN(const int at, schema_->At(name));
    fields.push_back((*schema_)[at]);
    columns.push_back(column(at));
  }
  return Batch(std::make_shared<const Schema>(std::move(fields)), std::move(columns));
}

Json Batch::RowAt(std::int64_t row) const {
  Json out = Json::MakeObject();
  for (int i = 0; i < columns(); ++i) out.object().emplace_back((*schema_)[i].name, column(i).ValueAt(row));
  return out;
}

Batch Batch::Concat(std::span<const Batch> parts) {
  assert(!parts.empty());
  if (parts.size() == 1) return parts[0];
  std::vector<Column> columns;
  std::vector<Column> pieces;
  for (int i = 0; i < parts[0].columns(); ++i) {
    pieces.clear();
    for (const Batch& part : parts) pieces.push_back(part.column(i));
    columns.push_back(Column::Concat(pieces));
  }
  return Batch(parts[0].schema_, std::move(columns));
}

std::unique_ptr<BatchReader> ReaderOver(std::shared_ptr<const Schema> schema, std::vector<Batch> batches) {
  return std::make_unique<Given>(std::move(schema), std::move(batches));
}

Result<Batch> ReadAll(const Call& call, BatchReader& reader) {
  std::vector<Batch> batches;
  while (true) {
    TENON_ASSIGN(std::optional<Batch> next, reader.Next(call));
    if (!next) break;
    batches.push_back(*std::move(next));
  }
  if (!batches.empty()) return Batch::Concat(batches);
  std::vector<Column> columns;
  for (const Field& field : reader.schema()->fields()) columns.push_back(ColumnBuilder(field.type, field.width).Finish());
  return Batch(reader.schema(), std::move(columns));
}

}  // namespace tenon::table

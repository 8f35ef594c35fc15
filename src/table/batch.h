#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/call.h"
#include "table/column.h"

namespace tenon::table {

// Some rows of a table: one column a field, all of one length. Immutable and cheap to copy.
class Batch {
 public:
  Batch() = default;
  // The columns fit the schema in number, type and length (asserted).
  Batch(std::shared_ptr<const Schema> schema, std::vector<Column> columns);

  const Schema& schema() const { return *schema_; }
  const std::shared_ptr<const Schema>& shared_schema() const { return schema_; }
  std::int64_t rows() const { return rows_; }
  int columns() const { return static_cast<int>(columns_.size()); }
  const Column& column(int i) const { return columns_[static_cast<std::size_t>(i)]; }
  // By name; not_found with near names.
  Result<Column> Named(std::string_view name) const;

  Batch Slice(std::int64_t from, std::int64_t count) const;
  Batch Take(std::span<const std::int64_t> rows) const;
  // The named columns in that order.
  Result<Batch> Select(std::span<const std::string> names) const;
  // One row as an object of JSON values.
  Json RowAt(std::int64_t row) const;
  // One batch of all rows; `parts` has at least one and all have equal schemas (asserted).
  static Batch Concat(std::span<const Batch> parts);

 private:
  std::shared_ptr<const Schema> schema_;
  std::vector<Column> columns_;
  std::int64_t rows_ = 0;
};

// Gives batches one after another. One thread.
class BatchReader {
 public:
  virtual ~BatchReader() = default;
  virtual const std::shared_ptr<const Schema>& schema() const = 0;
  // The next rows (never zero of them), or nothing at the end. After an error the reader is finished.
  virtual Result<std::optional<Batch>> Next(const Call& call) = 0;
  // The foreign library the rows come through, with its version ("duckdb 1.5.6"); "": none.
  virtual std::string library() const { return ""; }
};

// Reads batches that are already there.
std::unique_ptr<BatchReader> ReaderOver(std::shared_ptr<const Schema> schema, std::vector<Batch> batches);
// All that is left in the reader as one batch (with zero rows when there are none).
Result<Batch> ReadAll(const Call& call, BatchReader& reader);

}  // namespace tenon::table

#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "feature/record.h"
#include "feature/aggregate.h"
#include "table/batch.h"

namespace tenon::feature {

// Rows of a schema from JSON, value by value: numbers, true/false and texts by the column's type, timestamps as ISO 8601
// texts or microseconds; null or nothing: missing. Columns the schema lacks are passed over. One thread.
class RowsFromJson {
 public:
  explicit RowsFromJson(std::shared_ptr<const table::Schema> schema);
  // invalid_argument naming column and value; the row is not there then.
  Result<void> Add(const Json& object);
  const table::Schema& schema() const { return *schema_; }
  std::int64_t rows() const { return rows_; }
  table::Batch Finish();  // empty afterwards

 private:
  std::shared_ptr<const table::Schema> schema_;
  std::vector<table::ColumnBuilder> builders_;
  std::int64_t rows_ = 0;
};

// "expected a number, got \"abc\"", or nothing when the value is of the type or null.
std::string WhyNotOfType(const Json& value, table::Type type);
void AddJson(const Json& value, table::Type type, table::ColumnBuilder* to);  // it is of the type

// The values of all features of a plan into a record of its layout.
void PackValues(const ViewPlan& plan, std::span<const Value> values, RecordPacker* out);

}  // namespace tenon::feature

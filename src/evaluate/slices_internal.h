#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/batch.h"

namespace tenon::evaluate {

constexpr std::int64_t kFewestSliceRows = 30;  // fewer say little
constexpr std::size_t kMostSlices = 20;        // of one column

// Rows that share a value.
struct RowGroup {
  std::string value;
  std::vector<std::int64_t> rows;
};

// The values of a column with at least 30 rows, the biggest 20, biggest first. A number column with more than 20 values is
// cut into quarters ("28 < age <= 37"). Missing values are the group "missing". not_found for an unknown column.
Result<std::vector<RowGroup>> GroupsOf(const table::Batch& rows, const std::string& column);

// The slices one line of `slices:` asks for: a column's groups, named "column = value", or the rows for which a boolean
// expression is true, named by it (of any size, also empty). invalid_argument for what is neither.
Result<std::vector<RowGroup>> SlicesOf(const table::Batch& rows, const std::string& text);

// At most `most` of the row numbers below `rows`, drawn by seed, ascending.
std::vector<std::size_t> SampleRows(std::size_t rows, std::size_t most, std::uint64_t seed);

}  // namespace tenon::evaluate

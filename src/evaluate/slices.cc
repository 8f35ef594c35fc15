#include "evaluate/slices_internal.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "base/time.h"
#include "evaluate/resample_internal.h"
#include "table/expression.h"

namespace tenon::evaluate {
namespace {

std::string TextOf(const table::Column& column, std::int64_t row) {
  switch (column.type()) {
    case table::Type::kString: return std::string(column.Text(row));
    case table::Type::kBool: return column.Number(row) != 0 ? "true" : "false";
    case table::Type::kInt64: return std::to_string(column.ints()[static_cast<std::size_t>(row)]);
    case table::Type::kTimestamp: return FormatTimestamp(column.ints()[static_cast<std::size_t>(row)]);
    default: return FormatDouble(column.Number(row));
  }
}

bool Missing(const table::Column& column, std::int64_t row) {
  return column.IsNull(row) || (column.type() == table::Type::kFloat64 && std::isnan(column.Number(row)));
}

// Quarters of the values: up to the first quartile, between, above the third; equal quartiles make one bound.
std::vector<RowGroup> Quarters(const table::Column& column, const std::string& name) {
  std::vector<double> values;
  for (std::int64_t row = 0; row < column.size(); ++row) {
    if (!Missing(column, row)) values.push_back(column.Number(row));
  }
  std::ranges::sort(values);
  std::vector<double> bounds;
  for (const double q : {0.25, 0.5, 0.75}) {
    const double bound = values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
    if ((bounds.empty() || bound > bounds.back()) && bound < values.back()) bounds.push_back(bound);
  }
  const auto shown = [&](double bound) {
    return column.type() == table::Type::kTimestamp ? FormatTimestamp(static_cast<Micros>(bound)) : FormatDouble(bound);
  };
  std::vector<RowGroup> groups(bounds.size() + 2);
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    groups[i].value = i == 0               ? Str(name, " <= ", bounds.empty() ? shown(values.back()) : shown(bounds[0]))
                      : i == bounds.size() ? Str(name, " > ", shown(bounds[i - 1]))
                                           : Str(shown(bounds[i - 1]), " < ", name, " <= ", shown(bounds[i]));
  }
  groups.back().value = "missing";
  for (std::int64_t row = 0; row < column.size(); ++row) {
    const std::size_t at = Missing(column, row)
                               ? groups.size() - 1
                               : static_cast<std::size_t>(std::ranges::lower_bound(bounds, column.Number(row)) - bounds.begin());
    groups[at].rows.push_back(row);
  }
  return groups;
}

}  // namespace

Result<std::vector<RowGroup>> GroupsOf(const table::Batch& rows, const std::string& name) {
  TENON_ASSIGN(const table::Column column, rows.Named(name));
  if (column.type() == table::Type::kEmbedding) {
    return Error(Code::kInvalidArgument, Str("'", name, "' holds embeddings; slices and groups need a column of single values"));
  }
  std::map<std::string, std::vector<std::int64_t>> by_value;
  for (std::int64_t row = 0; row < column.size(); ++row) {
    by_value[Missing(column, row) ? "missing" : TextOf(column, row)].push_back(row);
  }
  std::vector<RowGroup> groups;
  const bool ordered = column.type() != table::Type::kString && column.type() != table::Type::kBool;
  if (ordered && by_value.size() > kMostSlices) {
    groups = Quarters(column, name);  // in order of the values
    std::erase_if(groups, [](const RowGroup& group) { return static_cast<std::int64_t>(group.rows.size()) < kFewestSliceRows; });
    return groups;
  }
  for (auto& [value, members] : by_value) {
    if (static_cast<std::int64_t>(members.size()) >= kFewestSliceRows) groups.push_back({value, std::move(members)});
  }
  std::ranges::stable_sort(groups, [](const RowGroup& a, const RowGroup& b) { return a.rows.size() > b.rows.size(); });
  if (groups.size() > kMostSlices) groups.resize(kMostSlices);
  return groups;
}

Result<std::vector<RowGroup>> SlicesOf(const table::Batch& rows, const std::string& text) {
  if (rows.schema().Find(text) >= 0) {
    TENON_ASSIGN(std::vector<RowGroup> groups, GroupsOf(rows, text));
    for (RowGroup& group : groups) {
      const bool range = group.value.find(" > ") != std::string::npos || group.value.find(" <= ") != std::string::npos;
      if (!range || rows.schema()[rows.schema().Find(text)].type == table::Type::kString) {
        group.value = Str(text, " = ", group.value);
      }
    }
    return groups;
  }
  TENON_ASSIGN(const auto expression, table::Expression::Parse(text, rows.schema()),
               Str("evaluate.slices: '", text, "' is neither a column nor an expression over columns"));
  if (expression.type() != table::Type::kBool) {
    return Error(Code::kInvalidArgument, Str("evaluate.slices: '", text, "' gives ", NameOf(expression.type()),
                                             "; expected a column's name or a condition such as \"age > 60\""));
  }
  const table::Column truth = expression.Evaluate(rows);
  RowGroup group{text, {}};
  for (std::int64_t row = 0; row < truth.size(); ++row) {
    if (!truth.IsNull(row) && truth.bools()[static_cast<std::size_t>(row)] != 0) group.rows.push_back(row);
  }
  return std::vector<RowGroup>{std::move(group)};
}

}  // namespace tenon::evaluate

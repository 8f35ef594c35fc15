// Expressions: what parses evaluates on rows with everything in them, alone as among others, by columns as by lanes.

#include <bit>
#include <cmath>
#include <limits>

#include "fuzz/tables.h"
#include "table/expression.h"

namespace tenon::fuzz {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

table::Batch Rows() {
  using table::Type;
  const auto schema = std::make_shared<const table::Schema>(
      std::vector<table::Field>{{"a", Type::kFloat64}, {"n", Type::kInt64}, {"s", Type::kString}, {"b", Type::kBool}, {"at", Type::kTimestamp}});
  table::ColumnBuilder a(Type::kFloat64), n(Type::kInt64), s(Type::kString), b(Type::kBool), at(Type::kTimestamp);
  const double odd[] = {0.0, -0.0, 1.5, -2.25, 1e308, -1e308, 5e-324, kNaN, INFINITY, -INFINITY};
  const std::int64_t whole[] = {0, 1, -1, 42, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(), 7, 9007199254740993, 3, -5};
  const char* texts[] = {"", "red", "Gr\xC3\xBCn", "a%b_c", " x ", "2024-02-29", "1e5", "\xF0\x9F\x98\x80", "no\xFFutf8", "red"};
  for (std::size_t i = 0; i < 10; ++i) {
    i == 3 ? a.AddNull() : a.Add(odd[i]);
    i == 8 ? n.AddNull() : n.AddInt(whole[i]);
    i == 9 ? s.AddNull() : s.AddText(texts[i]);
    i == 1 ? b.AddNull() : b.AddInt(static_cast<std::int64_t>(i % 2));
    i == 2 ? at.AddNull() : at.AddInt(whole[i]);
  }
  return table::Batch(schema, {a.Finish(), n.Finish(), s.Finish(), b.Finish(), at.Finish()});
}

// The value of one row by lanes, as text.
std::string ByLanes(const table::Expression& expression, const table::Batch& rows, std::int64_t row) {
  std::vector<double> numbers(expression.inputs().size());
  std::vector<std::string_view> texts(expression.inputs().size());
  std::vector<const double*> number_lanes;
  std::vector<const std::string_view*> text_lanes;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const table::Column column = Must(rows.Named(expression.inputs()[i]), "a column that an expression reads");
    const bool text = column.type() == table::Type::kString;
    if (text && !column.IsNull(row)) texts[i] = column.Text(row);
    const bool number = column.type() == table::Type::kInt64 || column.type() == table::Type::kTimestamp;
    if (!text) numbers[i] = column.IsNull(row) ? kNaN : number ? static_cast<double>(column.ints()[static_cast<std::size_t>(row)]) : column.Number(row);
    number_lanes.push_back(text ? nullptr : &numbers[i]);
    text_lanes.push_back(text ? &texts[i] : nullptr);
  }
  double out = 0;
  std::string_view out_text;
  std::vector<std::string> scratch;
  const bool text = expression.type() == table::Type::kString;
  expression.Evaluate(number_lanes, text_lanes, 1, text ? nullptr : &out, text ? &out_text : nullptr, &scratch);
  if (text) return out_text.data() == nullptr ? "null" : Str("'", out_text, "'");
  return std::isnan(out) ? "null" : FormatDouble(out);
}

std::string ByColumns(const table::Column& column, std::int64_t row) {
  if (column.IsNull(row)) return "null";
  if (column.type() == table::Type::kString) return Str("'", column.Text(row), "'");
  const double value = column.Number(row);
  return std::isnan(value) ? "null" : FormatDouble(value);
}

void RunExpression(std::string_view input) {
  static const table::Batch rows = Rows();
  const auto expression = table::Expression::Parse(input, rows.schema());
  if (!expression.ok()) return CheckError(expression.error());
  const table::Column whole = expression->Evaluate(rows);
  Hold(whole.size() == rows.rows() && whole.type() == expression->type(), "one value a row, of the type that was said");
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    const std::string value = ByColumns(whole, row);
    const table::Column alone = expression->Evaluate(rows.Slice(row, 1));
    Same(ByColumns(alone, 0), value, Str("row ", row, " alone and among others"));
    Same(ByLanes(*expression, rows, row), value, Str("row ", row, " by lanes and by columns"));
  }
  const auto again = Must(table::Expression::Parse(expression->text(), rows.schema()), "an expression's own text");
  Hold(again.type() == expression->type() && again.inputs() == expression->inputs(), "an expression's text is the expression");
}

std::vector<std::string> Seeds() {
  return {"a + n * 2 - -3 / (n % 4)", "NOT b OR a >= 1.5 AND n <> 42", "CASE WHEN a IS NULL THEN 'x' WHEN s LIKE '%e_' THEN s ELSE LOWER(s) || '!' END",
          "COALESCE(NULLIF(n, 7), a, 0)", "s IN ('red', 'green') AND n BETWEEN -1 AND 42", "LENGTH(SUBSTR(REPLACE(TRIM(s), 'e', 'ee'), 2, 3))",
          "YEAR(at) * 100 + MONTH(at) + DAY(at) + HOUR(at) + MINUTE(at) + WEEKDAY(at)", "EPOCH(at)", "POW(ABS(a), 0.5) + LN(a) + LOG10(a) + EXP(a) + SQRT(a)",
          "ROUND(a, 2) + FLOOR(a) + CEIL(a) + SIGN(a) + GREATEST(a, n) + LEAST(a, n)", "CONTAINS(s, 'r') = STARTS_WITH(UPPER(s), 'R')",
          "CONCAT(s, 'x', s)", "at > '2024-02-29T12:00:00Z'", "\"a\" = 1e-3", "a IS NOT NULL", "s NOT IN ('a')", "SUBSTR(s, -2)"};
}

}  // namespace

Target MakeExpression() { return {RunExpression, Seeds}; }

}  // namespace tenon::fuzz

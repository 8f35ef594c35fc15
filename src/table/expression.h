#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/batch.h"

namespace tenon::table {

// A typed expression over the columns of a row: the scalar part of SQL. Numbers, texts, booleans, timestamps; null
// semantics as in SQL. Grammar and functions: docs/reference/expressions.md. Immutable after Parse; any number of
// threads may evaluate at once. The same evaluator serves batch and one row, so that both give the same bits.
//
//   + - * / %  = <> < <= > >=  AND OR NOT  IS [NOT] NULL  IN (...)  BETWEEN .. AND ..  LIKE
//   CASE WHEN .. THEN .. ELSE .. END  COALESCE NULLIF ABS LN LOG10 EXP SQRT POW FLOOR CEIL ROUND LEAST GREATEST SIGN
//   LOWER UPPER TRIM LENGTH SUBSTR CONCAT || REPLACE CONTAINS STARTS_WITH  YEAR MONTH DAY HOUR MINUTE WEEKDAY EPOCH
class Expression {
 public:
  // Errors: invalid_argument with the caret under the offending column of the text; unknown columns and functions name
  // the nearest; operands whose types do not fit say what was expected.
  static Result<Expression> Parse(std::string_view text, const Schema& columns);

  Type type() const;                                 // bool, float64, string or timestamp
  const std::vector<std::string>& inputs() const;    // the columns it reads, in order of first use
  const std::string& text() const;
  // The checked formula as data, for exporters: {"op", "type", "args"}, where op is "number" or "text" (with "value"), "null", "column"
  // (with "column"), or the name of an operator or function: add, less_equal, and, is_null, case, coalesce, ln, ...; type is number, text,
  // truth or time.
  Json Tree() const;
  // One value a row; the batch has the inputs by name (asserted). Never fails: what cannot be computed (division by
  // zero, logarithm of a negative number) is null.
  Column Evaluate(const Batch& batch) const;

  // The fast form, for plans: numbers (bools 0/1, timestamps as microseconds) with NaN for null, texts with a null
  // data() for null. `numbers[i]` or `texts[i]` is the lane of inputs()[i]; the other may be null.
  void Evaluate(std::span<const double* const> numbers, std::span<const std::string_view* const> texts, std::int64_t rows,
                double* out_numbers, std::string_view* out_texts, std::vector<std::string>* scratch) const;

 private:
  struct Body;
  std::shared_ptr<const Body> body_;
};

}  // namespace tenon::table

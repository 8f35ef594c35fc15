#include "evaluate/costs_internal.h"

#include <cmath>

#include "base/text.h"
#include "table/expression.h"

namespace tenon::evaluate {
namespace {

Result<std::vector<double>> CostOfEach(const table::Batch& rows, const std::string& text, std::string_view which) {
  const auto count = static_cast<std::size_t>(rows.rows());
  double constant = 0;
  if (ParseDouble(Trim(text), &constant)) {
    if (!std::isfinite(constant)) {
      return Error(Code::kInvalidArgument, Str("problem.costs.", which, ": expected a finite number, got '", text, "'"));
    }
    return std::vector<double>(count, constant);
  }
  TENON_ASSIGN(const auto expression, table::Expression::Parse(text, rows.schema()), Str("problem.costs.", which));
  if (expression.type() != table::Type::kFloat64 && expression.type() != table::Type::kInt64) {
    return Error(Code::kInvalidArgument, Str("problem.costs.", which, ": '", text, "' gives ", NameOf(expression.type()),
                                             "; expected an expression that gives a number"));
  }
  const table::Column column = expression.Evaluate(rows);
  std::vector<double> out(count);
  double sum = 0;
  std::size_t known = 0;
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = column.Number(static_cast<std::int64_t>(i));
    if (!std::isfinite(out[i])) continue;
    sum += out[i];
    ++known;
  }
  if (known == 0) {
    return Error(Code::kInvalidArgument, Str("problem.costs.", which, ": '", text, "' has no value in any of ", count,
                                             " rows; guard what may be null with COALESCE"));
  }
  for (double& cost : out) {
    if (!std::isfinite(cost)) cost = sum / static_cast<double>(known);
  }
  return out;
}

}  // namespace

Result<RowCosts> CostsOf(const table::Batch& rows, const Costs& costs) {
  RowCosts out;
  TENON_ASSIGN(out.false_positive, CostOfEach(rows, costs.false_positive, "false_positive"));
  TENON_ASSIGN(out.false_negative, CostOfEach(rows, costs.false_negative, "false_negative"));
  return out;
}

std::vector<double> CostOfDecisions(const RowCosts& costs, const Scored& scored, std::span<const int> decisions) {
  std::vector<double> out(decisions.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool positive = scored.actual[i] != 0;
    if (positive == (decisions[i] == 1)) continue;
    out[i] = positive ? costs.false_negative[i] : costs.false_positive[i];
  }
  return out;
}

}  // namespace tenon::evaluate

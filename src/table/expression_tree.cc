// A checked formula as data.

#include "base/json.h"
#include "table/expression.h"
#include "table/expression_internal.h"

namespace tenon::table {
namespace {

// In the order of ExpressionOp.
constexpr std::string_view kNames[] = {
    "number", "text", "null", "column",
    "negate", "add", "subtract", "multiply", "divide", "modulo",
    "seconds_between", "add_seconds", "subtract_seconds",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "and", "or", "not", "is_null", "is_not_null", "in", "between", "like",
    "case", "case_of",
    "coalesce", "nullif", "least", "greatest",
    "abs", "ln", "log10", "exp", "sqrt", "pow", "floor", "ceil", "round", "sign",
    "lower", "upper", "trim", "length", "substr", "concat", "concat_nulls", "replace", "contains", "starts_with",
    "year", "month", "day", "hour", "minute", "weekday", "epoch",
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "log2", "cbrt", "trunc", "degrees", "radians", "pi",
    "ltrim", "rtrim", "left", "right", "lpad", "rpad", "reverse", "repeat", "split_part", "strpos", "ends_with", "matches",
    "second", "quarter", "week", "dayofyear", "date_trunc", "date_diff",
    "cast_text_to_number", "cast_text_to_time", "cast_number_to_text", "cast_truth_to_text", "cast_time_to_text"};
static_assert(std::size(kNames) == static_cast<std::size_t>(ExpressionOp::kTimeToText) + 1);

std::string_view NameOfType(Type type) {
  switch (type) {
    case Type::kBool: return "truth";
    case Type::kString: return "text";
    case Type::kTimestamp: return "time";
    default: return "number";
  }
}

Json TreeOf(const ExpressionNode& node, const std::vector<std::string>& inputs) {
  Json out;
  out["op"] = kNames[static_cast<std::size_t>(node.op)];
  out["type"] = NameOfType(node.type);
  if (node.op == ExpressionOp::kNumber) out["value"] = node.number;
  if (node.op == ExpressionOp::kText) out["value"] = node.text;
  if (node.op == ExpressionOp::kColumn) out["column"] = inputs[static_cast<std::size_t>(node.lane)];
  if (node.args.empty()) return out;
  Json args = Json::MakeArray();
  for (const auto& arg : node.args) args.Push(TreeOf(*arg, inputs));
  out["args"] = std::move(args);
  return out;
}

}  // namespace

Json Expression::Tree() const { return TreeOf(*body_->parsed.root, inputs()); }

}  // namespace tenon::table

// The functions of expressions: a new one is a row here, an operation in expression_internal.h and its evaluation.

#include "table/expression_words_internal.h"

namespace tenon::table {
namespace {

using Op = ExpressionOp;

constexpr std::size_t kAny = 1000;
constexpr std::array<ExpressionFunction, 33> kFunctions = {{
    {"ABS", Op::kAbs, "n", 1, 1, Type::kFloat64, "ABS(number)"},
    {"CEIL", Op::kCeil, "n", 1, 1, Type::kFloat64, "CEIL(number)"},
    {"COALESCE", Op::kCoalesce, "a", 1, kAny, Type::kFloat64, "COALESCE(value, value, ...)"},
    {"CONCAT", Op::kConcat, "t", 1, kAny, Type::kString, "CONCAT(text, text, ...)"},
    {"CONTAINS", Op::kContains, "tt", 2, 2, Type::kBool, "CONTAINS(text, part)"},
    {"DAY", Op::kDay, "s", 1, 1, Type::kFloat64, "DAY(timestamp)"},
    {"EPOCH", Op::kEpoch, "s", 1, 1, Type::kFloat64, "EPOCH(timestamp)"},
    {"EXP", Op::kExp, "n", 1, 1, Type::kFloat64, "EXP(number)"},
    {"FLOOR", Op::kFloor, "n", 1, 1, Type::kFloat64, "FLOOR(number)"},
    {"GREATEST", Op::kGreatest, "a", 1, kAny, Type::kFloat64, "GREATEST(value, value, ...)"},
    {"HOUR", Op::kHour, "s", 1, 1, Type::kFloat64, "HOUR(timestamp)"},
    {"LEAST", Op::kLeast, "a", 1, kAny, Type::kFloat64, "LEAST(value, value, ...)"},
    {"LENGTH", Op::kLength, "t", 1, 1, Type::kFloat64, "LENGTH(text)"},
    {"LN", Op::kLn, "n", 1, 1, Type::kFloat64, "LN(number)"},
    {"LOG10", Op::kLog10, "n", 1, 1, Type::kFloat64, "LOG10(number)"},
    {"LOWER", Op::kLower, "t", 1, 1, Type::kString, "LOWER(text)"},
    {"MINUTE", Op::kMinute, "s", 1, 1, Type::kFloat64, "MINUTE(timestamp)"},
    {"MONTH", Op::kMonth, "s", 1, 1, Type::kFloat64, "MONTH(timestamp)"},
    {"NULLIF", Op::kNullIf, "a", 2, 2, Type::kFloat64, "NULLIF(value, value)"},
    {"POW", Op::kPow, "n", 2, 2, Type::kFloat64, "POW(number, exponent)"},
    {"REPLACE", Op::kReplace, "t", 3, 3, Type::kString, "REPLACE(text, from, to)"},
    {"ROUND", Op::kRound, "n", 1, 2, Type::kFloat64, "ROUND(number [, digits])"},
    {"SIGN", Op::kSign, "n", 1, 1, Type::kFloat64, "SIGN(number)"},
    {"SQRT", Op::kSqrt, "n", 1, 1, Type::kFloat64, "SQRT(number)"},
    {"STARTS_WITH", Op::kStartsWith, "t", 2, 2, Type::kBool, "STARTS_WITH(text, start)"},
    {"SUBSTR", Op::kSubstr, "tn", 2, 3, Type::kString, "SUBSTR(text, position [, count])"},
    {"TRIM", Op::kTrim, "t", 1, 1, Type::kString, "TRIM(text)"},
    {"UPPER", Op::kUpper, "t", 1, 1, Type::kString, "UPPER(text)"},
    {"WEEKDAY", Op::kWeekday, "s", 1, 1, Type::kFloat64, "WEEKDAY(timestamp)"},
    {"YEAR", Op::kYear, "s", 1, 1, Type::kFloat64, "YEAR(timestamp)"},
    // Other names in use for the same.
    {"CEILING", Op::kCeil, "n", 1, 1, Type::kFloat64, "CEILING(number)"},
    {"POWER", Op::kPow, "n", 2, 2, Type::kFloat64, "POWER(number, exponent)"},
    {"SUBSTRING", Op::kSubstr, "tn", 2, 3, Type::kString, "SUBSTRING(text, position [, count])"},
}};

}  // namespace

std::span<const ExpressionFunction> ExpressionFunctions() { return kFunctions; }

}  // namespace tenon::table

// The functions of expressions: a new one is a row here, an operation in expression_internal.h and its evaluation.

#include "table/expression_words_internal.h"

namespace tenon::table {
namespace {

using Op = ExpressionOp;

constexpr std::size_t kAny = 1000;
constexpr std::array<ExpressionFunction, 71> kFunctions = {{
    {"ABS", Op::kAbs, "n", 1, 1, Type::kFloat64, "ABS(number)"},
    {"ACOS", Op::kAcos, "n", 1, 1, Type::kFloat64, "ACOS(number)"},
    {"ASIN", Op::kAsin, "n", 1, 1, Type::kFloat64, "ASIN(number)"},
    {"ATAN", Op::kAtan, "n", 1, 1, Type::kFloat64, "ATAN(number)"},
    {"ATAN2", Op::kAtan2, "n", 2, 2, Type::kFloat64, "ATAN2(y, x)"},
    {"CBRT", Op::kCbrt, "n", 1, 1, Type::kFloat64, "CBRT(number)"},
    {"CEIL", Op::kCeil, "n", 1, 1, Type::kFloat64, "CEIL(number)"},
    {"COALESCE", Op::kCoalesce, "a", 1, kAny, Type::kFloat64, "COALESCE(value, value, ...)"},
    {"CONCAT", Op::kConcat, "t", 1, kAny, Type::kString, "CONCAT(text, text, ...)"},
    {"CONTAINS", Op::kContains, "tt", 2, 2, Type::kBool, "CONTAINS(text, part)"},
    {"COS", Op::kCos, "n", 1, 1, Type::kFloat64, "COS(radians)"},
    {"DATE_DIFF", Op::kDateDiff, "uss", 3, 3, Type::kFloat64, "DATE_DIFF('day', from, to)"},
    {"DATE_TRUNC", Op::kDateTrunc, "us", 2, 2, Type::kTimestamp, "DATE_TRUNC('month', timestamp)"},
    {"DAY", Op::kDay, "s", 1, 1, Type::kFloat64, "DAY(timestamp)"},
    {"DAYOFYEAR", Op::kDayOfYear, "s", 1, 1, Type::kFloat64, "DAYOFYEAR(timestamp)"},
    {"DEGREES", Op::kDegrees, "n", 1, 1, Type::kFloat64, "DEGREES(radians)"},
    {"ENDS_WITH", Op::kEndsWith, "tt", 2, 2, Type::kBool, "ENDS_WITH(text, end)"},
    {"EPOCH", Op::kEpoch, "s", 1, 1, Type::kFloat64, "EPOCH(timestamp)"},
    {"EXP", Op::kExp, "n", 1, 1, Type::kFloat64, "EXP(number)"},
    {"FLOOR", Op::kFloor, "n", 1, 1, Type::kFloat64, "FLOOR(number)"},
    {"GREATEST", Op::kGreatest, "a", 1, kAny, Type::kFloat64, "GREATEST(value, value, ...)"},
    {"HOUR", Op::kHour, "s", 1, 1, Type::kFloat64, "HOUR(timestamp)"},
    {"IF", Op::kCase, "ba", 3, 3, Type::kFloat64, "IF(condition, value, else)"},
    {"LEAST", Op::kLeast, "a", 1, kAny, Type::kFloat64, "LEAST(value, value, ...)"},
    {"LEFT", Op::kLeft, "tn", 2, 2, Type::kString, "LEFT(text, count)"},
    {"LENGTH", Op::kLength, "t", 1, 1, Type::kFloat64, "LENGTH(text)"},
    {"LN", Op::kLn, "n", 1, 1, Type::kFloat64, "LN(number)"},
    {"LOG10", Op::kLog10, "n", 1, 1, Type::kFloat64, "LOG10(number)"},
    {"LOG2", Op::kLog2, "n", 1, 1, Type::kFloat64, "LOG2(number)"},
    {"LOWER", Op::kLower, "t", 1, 1, Type::kString, "LOWER(text)"},
    {"LPAD", Op::kPadLeft, "tnt", 3, 3, Type::kString, "LPAD(text, length, with)"},
    {"LTRIM", Op::kTrimLeft, "t", 1, 1, Type::kString, "LTRIM(text)"},
    {"MINUTE", Op::kMinute, "s", 1, 1, Type::kFloat64, "MINUTE(timestamp)"},
    {"MONTH", Op::kMonth, "s", 1, 1, Type::kFloat64, "MONTH(timestamp)"},
    {"NULLIF", Op::kNullIf, "a", 2, 2, Type::kFloat64, "NULLIF(value, value)"},
    {"PI", Op::kPi, "n", 0, 0, Type::kFloat64, "PI()"},
    {"POW", Op::kPow, "n", 2, 2, Type::kFloat64, "POW(number, exponent)"},
    {"QUARTER", Op::kQuarter, "s", 1, 1, Type::kFloat64, "QUARTER(timestamp)"},
    {"RADIANS", Op::kRadians, "n", 1, 1, Type::kFloat64, "RADIANS(degrees)"},
    {"REGEXP_FULL_MATCH", Op::kMatches, "tp", 2, 2, Type::kBool, "REGEXP_FULL_MATCH(text, 'pattern')"},
    {"REGEXP_MATCHES", Op::kMatches, "tp", 2, 2, Type::kBool, "REGEXP_MATCHES(text, 'pattern')"},
    {"REPEAT", Op::kRepeat, "tn", 2, 2, Type::kString, "REPEAT(text, times)"},
    {"REPLACE", Op::kReplace, "t", 3, 3, Type::kString, "REPLACE(text, from, to)"},
    {"REVERSE", Op::kReverse, "t", 1, 1, Type::kString, "REVERSE(text)"},
    {"RIGHT", Op::kRight, "tn", 2, 2, Type::kString, "RIGHT(text, count)"},
    {"ROUND", Op::kRound, "n", 1, 2, Type::kFloat64, "ROUND(number [, digits])"},
    {"RPAD", Op::kPadRight, "tnt", 3, 3, Type::kString, "RPAD(text, length, with)"},
    {"RTRIM", Op::kTrimRight, "t", 1, 1, Type::kString, "RTRIM(text)"},
    {"SECOND", Op::kSecond, "s", 1, 1, Type::kFloat64, "SECOND(timestamp)"},
    {"SIGN", Op::kSign, "n", 1, 1, Type::kFloat64, "SIGN(number)"},
    {"SIN", Op::kSin, "n", 1, 1, Type::kFloat64, "SIN(radians)"},
    {"SPLIT_PART", Op::kSplitPart, "ttn", 3, 3, Type::kString, "SPLIT_PART(text, separator, number)"},
    {"SQRT", Op::kSqrt, "n", 1, 1, Type::kFloat64, "SQRT(number)"},
    {"STARTS_WITH", Op::kStartsWith, "t", 2, 2, Type::kBool, "STARTS_WITH(text, start)"},
    {"STRPOS", Op::kPosition, "tt", 2, 2, Type::kFloat64, "STRPOS(text, part)"},
    {"SUBSTR", Op::kSubstr, "tn", 2, 3, Type::kString, "SUBSTR(text, position [, count])"},
    {"TAN", Op::kTan, "n", 1, 1, Type::kFloat64, "TAN(radians)"},
    {"TRIM", Op::kTrim, "t", 1, 1, Type::kString, "TRIM(text)"},
    {"TRUNC", Op::kTrunc, "n", 1, 1, Type::kFloat64, "TRUNC(number)"},
    {"UPPER", Op::kUpper, "t", 1, 1, Type::kString, "UPPER(text)"},
    {"WEEK", Op::kWeek, "s", 1, 1, Type::kFloat64, "WEEK(timestamp)"},
    {"WEEKDAY", Op::kWeekday, "s", 1, 1, Type::kFloat64, "WEEKDAY(timestamp)"},
    {"YEAR", Op::kYear, "s", 1, 1, Type::kFloat64, "YEAR(timestamp)"},
    // Other names in use for the same.
    {"CEILING", Op::kCeil, "n", 1, 1, Type::kFloat64, "CEILING(number)"},
    {"CHAR_LENGTH", Op::kLength, "t", 1, 1, Type::kFloat64, "CHAR_LENGTH(text)"},
    {"IFNULL", Op::kCoalesce, "a", 2, 2, Type::kFloat64, "IFNULL(value, value)"},
    {"INSTR", Op::kPosition, "tt", 2, 2, Type::kFloat64, "INSTR(text, part)"},
    {"MOD", Op::kModulo, "n", 2, 2, Type::kFloat64, "MOD(number, number)"},
    {"DATEDIFF", Op::kDateDiff, "uss", 3, 3, Type::kFloat64, "DATEDIFF('day', from, to)"},
    {"POWER", Op::kPow, "n", 2, 2, Type::kFloat64, "POWER(number, exponent)"},
    {"SUBSTRING", Op::kSubstr, "tn", 2, 3, Type::kString, "SUBSTRING(text, position [, count])"},
}};

}  // namespace

std::span<const ExpressionFunction> ExpressionFunctions() { return kFunctions; }

}  // namespace tenon::table

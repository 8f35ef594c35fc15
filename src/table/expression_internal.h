#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/expression.h"
#include "table/pattern.h"

namespace tenon::table {

enum class ExpressionOp : std::uint8_t {
  kNumber, kText, kNull, kColumn,
  kNegate, kAdd, kSubtract, kMultiply, kDivide, kModulo,
  kSecondsBetween, kAddSeconds, kSubtractSeconds,  // of timestamps
  kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual,
  kAnd, kOr, kNot, kIsNull, kIsNotNull, kIn, kBetween, kLike,
  kCase,    // condition, value, condition, value, ..., else
  kCaseOf,  // x, value, result, value, result, ..., else
  kCoalesce, kNullIf, kLeast, kGreatest,
  kAbs, kLn, kLog10, kExp, kSqrt, kPow, kFloor, kCeil, kRound, kSign,
  kLower, kUpper, kTrim, kLength, kSubstr, kConcat, kConcatNulls, kReplace, kContains, kStartsWith,
  kYear, kMonth, kDay, kHour, kMinute, kWeekday, kEpoch,
  kSin, kCos, kTan, kAsin, kAcos, kAtan, kAtan2, kLog2, kCbrt, kTrunc, kDegrees, kRadians, kPi,
  kTrimLeft, kTrimRight, kLeft, kRight, kPadLeft, kPadRight, kReverse, kRepeat, kSplitPart, kPosition, kEndsWith, kMatches,
  kSecond, kQuarter, kWeek, kDayOfYear, kDateTrunc, kDateDiff,  // units are texts that the parser has checked
  kTextToNumber, kTextToTime, kNumberToText, kTruthToText, kTimeToText,
};

// One operation over its arguments, types checked. Immutable once parsed.
struct ExpressionNode {
  ExpressionOp op = ExpressionOp::kNull;
  Type type = Type::kFloat64;  // bool, float64, string or timestamp
  bool untyped = false;        // a NULL that takes the type of its neighbours
  int lane = 0;                // of columns: position in inputs
  int depth = 1;
  double number = 0;
  std::string text;
  std::shared_ptr<const Pattern> pattern;  // of kMatches
  std::size_t at = 0;          // where it begins in the text, for messages
  std::vector<std::unique_ptr<ExpressionNode>> args;
};

struct ParsedExpression {
  std::unique_ptr<ExpressionNode> root;
  std::vector<std::string> inputs;
};
struct Expression::Body {
  std::string text;
  ParsedExpression parsed;
};
Result<ParsedExpression> ParseExpression(std::string_view text, const Schema& columns);

// Reads of one block of rows.
inline constexpr std::int64_t kBlockRows = 256;
struct ExpressionBlock {
  std::span<const double* const> numbers;
  std::span<const std::string_view* const> texts;
  std::int64_t from = 0;
  std::int64_t rows = 0;  // at most kBlockRows
  std::vector<std::string>* scratch = nullptr;
};
void EvaluateNumbers(const ExpressionNode& node, const ExpressionBlock& block, double* out);
void EvaluateTexts(const ExpressionNode& node, const ExpressionBlock& block, std::string_view* out);
// expression_more.cc: functions of numbers and times, and of texts. False when the node is none of them.
bool EvaluateMoreNumbers(const ExpressionNode& node, const ExpressionBlock& block, double* out);
bool EvaluateMoreTexts(const ExpressionNode& node, const ExpressionBlock& block, std::string_view* out);
// Texts made anew: `append(i, &bytes)` adds the text of row i, or returns false for null. All rows' bytes share one
// string, which is kept in the scratch.
template <typename F>
void MakeTexts(const ExpressionBlock& block, std::string_view* out, F append) {
  std::string bytes;
  bytes.reserve(64);  // on the heap, so that the views stay right when the scratch moves its strings
  std::array<std::size_t, kBlockRows> ends;
  std::array<bool, kBlockRows> there;
  for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
    there[i] = append(i, &bytes);
    ends[i] = bytes.size();
  }
  const std::string& kept = block.scratch->emplace_back(std::move(bytes));
  std::size_t from = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
    out[i] = there[i] ? std::string_view(kept).substr(from, ends[i] - from) : std::string_view();
    from = ends[i];
  }
}

// What DATE_TRUNC and DATE_DIFF count in: second ... year.
std::span<const std::string_view> TimeUnits();

// Texts are UTF-8; a position is a code point's. Bytes that are no UTF-8 count as one each and never lead astray.
std::int64_t CountPoints(std::string_view text);
// From position `start` (1 is the first, -1 the last), `count` of them.
std::size_t PointSize(std::string_view text, std::size_t at);  // the bytes of the code point at text[at]
std::string_view PartOf(std::string_view text, double start, double count);
bool MatchesLike(std::string_view text, std::string_view pattern);
// Latin, Greek and Cyrillic letters; others stay.
void AppendLower(std::string_view text, std::string* out);
void AppendUpper(std::string_view text, std::string* out);

}  // namespace tenon::table

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/expression_internal.h"

namespace tenon::table {

// A word of an expression's text.
struct ExpressionToken {
  enum class Kind : std::uint8_t { kNumber, kText, kName, kQuotedName, kSymbol, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;  // of names as written; of texts and quoted names without their quotes
  std::size_t at = 0;
};

// The words, the last one of kind kEnd. invalid_argument with a caret.
Result<std::vector<ExpressionToken>> TokensOf(std::string_view text);

// An invalid_argument: the message, the line of the text, and a caret below the column.
Error WrongExpression(std::string_view text, std::size_t at, std::string_view what);

std::string ToUpper(std::string_view text);

// What an argument of a function must be: n number, t text, s timestamp, b truth value, u a unit of time written out as a text, p a
// regular expression written so, a anything, all of one type.
struct ExpressionFunction {
  std::string_view name;
  ExpressionOp op;
  std::string_view args;  // the last one repeats up to `most`
  std::size_t least;
  std::size_t most;
  Type result;  // where the last is 'a': the type of the arguments
  std::string_view usage;
};

std::span<const ExpressionFunction> ExpressionFunctions();

}  // namespace tenon::table

// Words of an expression's text, and the caret below one of them.

#include <algorithm>

#include "base/text.h"
#include "table/expression_words_internal.h"

namespace tenon::table {
namespace {

using Token = ExpressionToken;

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> Tokens() {
    std::size_t at = 0;
    while (true) {
      while (at < text_.size() && std::string_view(" \t\r\n\f\v").find(text_[at]) != std::string_view::npos) ++at;
      if (at == text_.size()) break;
      const char c = text_[at];
      const bool digit_next = at + 1 < text_.size() && IsDigit(text_[at + 1]);
      if (IsDigit(c) || (c == '.' && digit_next)) {
        TENON_TRY(NumberToken(&at));
      } else if (IsLetter(c)) {
        std::size_t end = at;
        // A feature of a view is named view.feature.
        while (end < text_.size() && (IsLetter(text_[end]) || IsDigit(text_[end]) || (text_[end] == '.' && end + 1 < text_.size() && IsLetter(text_[end + 1])))) ++end;
        tokens_.push_back({Token::Kind::kName, std::string(text_.substr(at, end - at)), at});
        at = end;
      } else if (c == '\'' || c == '"') {
        TENON_TRY(QuotedToken(&at));
      } else {
        TENON_TRY(SymbolToken(&at));
      }
    }
    tokens_.push_back({Token::Kind::kEnd, "the end", text_.size()});
    return std::move(tokens_);
  }

 private:
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }
  static bool IsLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
  }

  Result<void> NumberToken(std::size_t* at) {
    std::size_t end = *at;
    const auto digits = [&] {
      while (end < text_.size() && IsDigit(text_[end])) ++end;
    };
    digits();
    if (end < text_.size() && text_[end] == '.') {
      ++end;
      digits();
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      ++end;
      if (end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
      digits();
    }
    if (end < text_.size() && IsLetter(text_[end])) {
      return Wrong(end, "a number runs into a name; put an operator between them, or the name in double quotes");
    }
    tokens_.push_back({Token::Kind::kNumber, std::string(text_.substr(*at, end - *at)), *at});
    *at = end;
    return {};
  }

  // 'it''s' or "a ""name""": a doubled quote stands for itself.
  Result<void> QuotedToken(std::size_t* at) {
    const char quote = text_[*at];
    std::string content;
    std::size_t end = *at + 1;
    while (true) {
      const std::size_t next = text_.find(quote, end);
      if (next == std::string_view::npos) {
        return Wrong(*at, quote == '\'' ? "this text has no closing quote (')" : "this name has no closing quote (\")");
      }
      content += text_.substr(end, next - end);
      end = next + 1;
      if (end == text_.size() || text_[end] != quote) break;
      content += quote;
      ++end;
    }
    tokens_.push_back({quote == '\'' ? Token::Kind::kText : Token::Kind::kQuotedName, std::move(content), *at});
    *at = end;
    return {};
  }

  Result<void> SymbolToken(std::size_t* at) {
    for (const std::string_view symbol : {"<>", "!=", "<=", ">=", "==", "||", "+", "-", "*", "/", "%", "=", "<", ">", "(", ")", ","}) {
      if (!text_.substr(*at).starts_with(symbol)) continue;
      tokens_.push_back({Token::Kind::kSymbol, std::string(symbol), *at});
      *at += symbol.size();
      return {};
    }
    return Wrong(*at, Str("'", text_[*at], "' has no meaning here"));
  }

  Error Wrong(std::size_t at, std::string_view what) const { return WrongExpression(text_, at, what); }

  std::string_view text_;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<ExpressionToken>> TokensOf(std::string_view text) { return Tokenizer(text).Tokens(); }

Error WrongExpression(std::string_view text, std::size_t at, std::string_view what) {
  at = std::min(at, text.size());
  const std::size_t before = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  std::string line(text.substr(begin, text.find('\n', begin) - begin));
  std::replace(line.begin(), line.end(), '\t', ' ');
  const auto column = static_cast<std::size_t>(CountPoints(text.substr(begin, at - begin)));
  return Error(Code::kInvalidArgument, Str(what, "\n  ", line, "\n  ", std::string(column, ' '), "^"));
}

std::string ToUpper(std::string_view text) {
  std::string out;
  AppendUpper(text, &out);
  return out;
}

}  // namespace tenon::table

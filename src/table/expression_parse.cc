// From text to checked nodes: tokens, a recursive descent by precedence, and types on the way up.

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "table/expression_internal.h"
#include "table/expression_words_internal.h"

namespace tenon::table {
namespace {

using Op = ExpressionOp;
using Token = ExpressionToken;
using Function = ExpressionFunction;
using NodePtr = std::unique_ptr<ExpressionNode>;

constexpr int kMostDepth = 256;   // of operations: a sum of as many columns
constexpr int kMostNested = 100;  // of brackets

constexpr std::array<std::string_view, 16> kReserved = {"AND",  "OR",   "NOT",  "IS",   "NULL", "IN",   "BETWEEN", "LIKE", "ILIKE",
                                                        "CASE", "WHEN", "THEN", "ELSE", "END",  "TRUE", "FALSE"};

std::string_view ForPeople(Type type) {
  switch (type) {
    case Type::kBool: return "a truth value";
    case Type::kString: return "a text";
    case Type::kTimestamp: return "a timestamp";
    default: return "a number";
  }
}

class Parser {
 public:
  Parser(std::string_view text, const Schema& columns) : text_(text), columns_(columns) {}

  Result<ParsedExpression> Parse() {
    if (!IsUtf8(text_)) return Error(Code::kInvalidArgument, "the expression is not valid UTF-8");
    TENON_ASSIGN(tokens_, TokensOf(text_));
    if (Now().kind == Token::Kind::kEnd) return Wrong(0, "the expression is empty");
    TENON_ASSIGN(NodePtr root, Or());
    if (Now().kind != Token::Kind::kEnd) return Wrong(Now().at, Str("expected an operator or the end, not '", Now().text, "'"));
    return ParsedExpression{std::move(root), std::move(inputs_)};
  }

 private:
  Error Wrong(std::size_t at, std::string_view what) const { return WrongExpression(text_, at, what); }

  // ---- tokens

  const Token& Now() const { return tokens_[next_]; }
  bool IsSymbol(std::string_view symbol) const { return Now().kind == Token::Kind::kSymbol && Now().text == symbol; }
  bool IsWord(std::string_view word, std::size_t ahead = 0) const {
    if (next_ + ahead >= tokens_.size()) return false;
    const Token& token = tokens_[next_ + ahead];
    return token.kind == Token::Kind::kName && token.text.size() == word.size() && ToUpper(token.text) == word;
  }
  bool Take(std::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    ++next_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!IsWord(word)) return false;
    ++next_;
    return true;
  }
  Result<void> Need(std::string_view symbol, std::string_view why) {
    if (Take(symbol)) return {};
    return Wrong(Now().at, Str("expected '", symbol, "' ", why, ", not ", Shown(Now())));
  }
  Result<void> NeedWord(std::string_view word, std::string_view why) {
    if (TakeWord(word)) return {};
    return Wrong(Now().at, Str("expected ", word, " ", why, ", not ", Shown(Now())));
  }
  static std::string Shown(const Token& token) {
    return token.kind == Token::Kind::kEnd ? token.text : Str("'", token.text, "'");
  }

  // ---- nodes and types

  Result<NodePtr> Make(Op op, Type type, std::size_t at, std::vector<NodePtr> args) const {
    auto node = std::make_unique<ExpressionNode>();
    node->op = op;
    node->type = type;
    node->at = at;
    for (const NodePtr& arg : args) node->depth = std::max(node->depth, arg->depth + 1);
    if (node->depth > kMostDepth) {
      return Wrong(at, Str("the expression is more than ", kMostDepth, " operations deep; split it into several"));
    }
    node->args = std::move(args);
    return node;
  }
  Result<NodePtr> Make(Op op, Type type, std::size_t at, NodePtr left, NodePtr right) const {
    std::vector<NodePtr> args;
    args.push_back(std::move(left));
    args.push_back(std::move(right));
    return Make(op, type, at, std::move(args));
  }
  Result<NodePtr> Make(Op op, Type type, std::size_t at, NodePtr only) const {
    std::vector<NodePtr> args;
    args.push_back(std::move(only));
    return Make(op, type, at, std::move(args));
  }

  // Makes the node be of the type, where a NULL or a text that is written out can become it.
  Result<void> Want(ExpressionNode& node, Type type, std::string_view who) const {
    if (node.type == type) {
      node.untyped = false;
      return {};
    }
    if (node.untyped) {
      SetType(node, type);
      return {};
    }
    if (type == Type::kTimestamp && node.op == Op::kText) return ToTimestamp(node);
    std::string hint;
    if (node.type == Type::kBool && type == Type::kFloat64) hint = "; write CASE WHEN .. THEN 1 ELSE 0 END";
    if (node.type == Type::kFloat64 && type == Type::kBool) hint = "; write for example .. <> 0";
    return Wrong(node.at, Str(who, " takes ", ForPeople(type), ", and this is ", ForPeople(node.type), hint));
  }

  static void SetType(ExpressionNode& node, Type type) {
    node.type = type;
    node.untyped = false;
    for (const NodePtr& arg : node.args) {
      if (arg->untyped) SetType(*arg, type);
    }
  }

  Result<void> ToTimestamp(ExpressionNode& node) const {
    Micros at = 0;
    if (!ParseTimestamp(node.text, &at)) {
      return Wrong(node.at, Str("'", node.text, "' is not a timestamp; write for example '2024-02-29 12:30:00'"));
    }
    node.op = Op::kNumber;
    node.type = Type::kTimestamp;
    node.number = static_cast<double>(at);
    return {};
  }

  // Gives all of them one type: that of the first whose type is certain.
  Result<Type> Unify(std::span<ExpressionNode* const> nodes, std::string_view who) const {
    const ExpressionNode* sure = nullptr;
    for (const ExpressionNode* node : nodes) {
      if (!node->untyped && (sure == nullptr || (sure->op == Op::kText && node->type == Type::kTimestamp))) sure = node;
    }
    const Type type = sure == nullptr ? Type::kFloat64 : sure->type;
    for (ExpressionNode* node : nodes) {
      if (node->type == type || node->untyped || (type == Type::kTimestamp && node->op == Op::kText)) {
        if (sure != nullptr) TENON_TRY(Want(*node, type, who));
        continue;
      }
      return Wrong(node->at, Str(who, " takes values of one type: this is ", ForPeople(node->type), ", and another is ",
                                 ForPeople(type)));
    }
    return type;
  }

  // ---- grammar, loosest first

  Result<NodePtr> Or() {
    // Counts brackets, CASE and arguments, which all come back here.
    if (++nested_ > kMostNested) return Wrong(Now().at, Str("the expression has brackets more than ", kMostNested, " deep"));
    TENON_ASSIGN(NodePtr left, And());
    while (IsWord("OR")) {
      ++next_;
      TENON_ASSIGN(NodePtr right, And());
      TENON_ASSIGN(left, Logic(Op::kOr, "OR", std::move(left), std::move(right)));
    }
    --nested_;
    return left;
  }

  Result<NodePtr> And() {
    TENON_ASSIGN(NodePtr left, Not());
    while (IsWord("AND")) {
      ++next_;
      TENON_ASSIGN(NodePtr right, Not());
      TENON_ASSIGN(left, Logic(Op::kAnd, "AND", std::move(left), std::move(right)));
    }
    return left;
  }

  Result<NodePtr> Logic(Op op, std::string_view word, NodePtr left, NodePtr right) const {
    TENON_TRY(Want(*left, Type::kBool, word));
    TENON_TRY(Want(*right, Type::kBool, word));
    const std::size_t at = left->at;
    return Make(op, Type::kBool, at, std::move(left), std::move(right));
  }

  Result<NodePtr> Not() {
    std::vector<std::size_t> places;
    while (IsWord("NOT")) places.push_back(tokens_[next_++].at);
    TENON_ASSIGN(NodePtr node, Is());
    for (; !places.empty(); places.pop_back()) {
      TENON_TRY(Want(*node, Type::kBool, "NOT"));
      TENON_ASSIGN(node, Make(Op::kNot, Type::kBool, places.back(), std::move(node)));
    }
    return node;
  }

  Result<NodePtr> Is() {
    TENON_ASSIGN(NodePtr node, Comparison());
    while (TakeWord("IS")) {
      const bool negated = TakeWord("NOT");
      TENON_TRY(NeedWord("NULL", negated ? "after IS NOT" : "or NOT NULL after IS"));
      const std::size_t at = node->at;
      TENON_ASSIGN(node, Make(negated ? Op::kIsNotNull : Op::kIsNull, Type::kBool, at, std::move(node)));
    }
    return node;
  }

  static Op ComparisonOf(std::string_view symbol) {
    if (symbol == "=" || symbol == "==") return Op::kEqual;
    if (symbol == "<>" || symbol == "!=") return Op::kNotEqual;
    if (symbol == "<") return Op::kLess;
    if (symbol == "<=") return Op::kLessEqual;
    if (symbol == ">") return Op::kGreater;
    if (symbol == ">=") return Op::kGreaterEqual;
    return Op::kNull;
  }

  Result<NodePtr> Comparison() {
    TENON_ASSIGN(NodePtr left, Range());
    if (Now().kind != Token::Kind::kSymbol || ComparisonOf(Now().text) == Op::kNull) return left;
    const Token& symbol = tokens_[next_++];
    TENON_ASSIGN(NodePtr right, Range());
    if (Now().kind == Token::Kind::kSymbol && ComparisonOf(Now().text) != Op::kNull) {
      return Wrong(Now().at, "comparisons do not chain; write a < b AND b < c, or put brackets");
    }
    TENON_TRY(Unify(std::array{left.get(), right.get()}, Str("'", symbol.text, "'")));
    const std::size_t at = left->at;
    return Make(ComparisonOf(symbol.text), Type::kBool, at, std::move(left), std::move(right));
  }

  // IN, BETWEEN and LIKE.
  Result<NodePtr> Range() {
    TENON_ASSIGN(NodePtr left, Concatenation());
    while (true) {
      const bool negated = IsWord("NOT") && (IsWord("IN", 1) || IsWord("BETWEEN", 1) || IsWord("LIKE", 1) || IsWord("ILIKE", 1));
      if (negated) ++next_;
      const std::size_t at = left->at;
      if (TakeWord("IN")) {
        TENON_ASSIGN(left, In(std::move(left)));
      } else if (TakeWord("BETWEEN")) {
        TENON_ASSIGN(left, Between(std::move(left)));
      } else if (IsWord("LIKE") || IsWord("ILIKE")) {
        const bool any_case = !TakeWord("LIKE");
        if (any_case) ++next_;
        TENON_ASSIGN(NodePtr pattern, Concatenation());
        TENON_TRY(Want(*left, Type::kString, "LIKE"));
        TENON_TRY(Want(*pattern, Type::kString, "LIKE"));
        if (any_case) {
          TENON_ASSIGN(left, Make(Op::kLower, Type::kString, at, std::move(left)));
          const std::size_t pattern_at = pattern->at;
          TENON_ASSIGN(pattern, Make(Op::kLower, Type::kString, pattern_at, std::move(pattern)));
        }
        TENON_ASSIGN(left, Make(Op::kLike, Type::kBool, at, std::move(left), std::move(pattern)));
      } else {
        return left;
      }
      if (!negated) continue;
      TENON_ASSIGN(left, Make(Op::kNot, Type::kBool, at, std::move(left)));
    }
  }

  Result<NodePtr> In(NodePtr left) {
    TENON_TRY(Need("(", "after IN"));
    const std::size_t at = left->at;
    std::vector<NodePtr> args;
    args.push_back(std::move(left));
    do {
      TENON_ASSIGN(NodePtr item, Or());
      args.push_back(std::move(item));
    } while (Take(","));
    TENON_TRY(Need(")", "after the values of IN"));
    TENON_TRY(UnifyAll(args, "IN"));
    return Make(Op::kIn, Type::kBool, at, std::move(args));
  }

  Result<NodePtr> Between(NodePtr left) {
    const std::size_t at = left->at;
    TENON_ASSIGN(NodePtr low, Concatenation());
    TENON_TRY(NeedWord("AND", "between the bounds of BETWEEN"));
    TENON_ASSIGN(NodePtr high, Concatenation());
    std::vector<NodePtr> args;
    args.push_back(std::move(left));
    args.push_back(std::move(low));
    args.push_back(std::move(high));
    TENON_TRY(UnifyAll(args, "BETWEEN"));
    return Make(Op::kBetween, Type::kBool, at, std::move(args));
  }

  Result<Type> UnifyAll(std::span<const NodePtr> nodes, std::string_view who) const {
    std::vector<ExpressionNode*> pointers;
    for (const NodePtr& node : nodes) pointers.push_back(node.get());
    return Unify(pointers, who);
  }

  Result<NodePtr> Concatenation() {
    TENON_ASSIGN(NodePtr left, Sum());
    while (Take("||")) {
      TENON_ASSIGN(NodePtr right, Sum());
      TENON_TRY(Want(*left, Type::kString, "'||'"));
      TENON_TRY(Want(*right, Type::kString, "'||'"));
      const std::size_t at = left->at;
      TENON_ASSIGN(left, Make(Op::kConcatNulls, Type::kString, at, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<NodePtr> Sum() {
    TENON_ASSIGN(NodePtr left, Product());
    while (IsSymbol("+") || IsSymbol("-")) {
      const bool plus = tokens_[next_++].text == "+";
      TENON_ASSIGN(NodePtr right, Product());
      TENON_ASSIGN(left, AddOrSubtract(plus, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<NodePtr> AddOrSubtract(bool plus, NodePtr left, NodePtr right) const {
    const std::size_t at = left->at;
    const std::string_view who = plus ? "'+'" : "'-'";
    if (left->type == Type::kTimestamp && !plus && (right->type == Type::kTimestamp || right->op == Op::kText)) {
      TENON_TRY(Want(*right, Type::kTimestamp, who));
      return Make(Op::kSecondsBetween, Type::kFloat64, at, std::move(left), std::move(right));
    }
    if (!plus && right->type == Type::kTimestamp && left->op == Op::kText) {
      TENON_TRY(Want(*left, Type::kTimestamp, who));
      return Make(Op::kSecondsBetween, Type::kFloat64, at, std::move(left), std::move(right));
    }
    if (plus && right->type == Type::kTimestamp) std::swap(left, right);
    if (left->type == Type::kTimestamp) {
      TENON_TRY(Want(*right, Type::kFloat64, Str(who, " with a timestamp (seconds)")));
      return Make(plus ? Op::kAddSeconds : Op::kSubtractSeconds, Type::kTimestamp, at, std::move(left), std::move(right));
    }
    TENON_TRY(Want(*left, Type::kFloat64, who));
    TENON_TRY(Want(*right, Type::kFloat64, who));
    return Make(plus ? Op::kAdd : Op::kSubtract, Type::kFloat64, at, std::move(left), std::move(right));
  }

  Result<NodePtr> Product() {
    TENON_ASSIGN(NodePtr left, Sign());
    while (IsSymbol("*") || IsSymbol("/") || IsSymbol("%")) {
      const std::string symbol = tokens_[next_++].text;
      TENON_ASSIGN(NodePtr right, Sign());
      TENON_TRY(Want(*left, Type::kFloat64, Str("'", symbol, "'")));
      TENON_TRY(Want(*right, Type::kFloat64, Str("'", symbol, "'")));
      const Op op = symbol == "*" ? Op::kMultiply : symbol == "/" ? Op::kDivide : Op::kModulo;
      const std::size_t at = left->at;
      TENON_ASSIGN(left, Make(op, Type::kFloat64, at, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<NodePtr> Sign() {
    std::vector<std::pair<std::size_t, bool>> signs;
    while (IsSymbol("-") || IsSymbol("+")) {
      signs.emplace_back(Now().at, Now().text == "-");
      ++next_;
    }
    TENON_ASSIGN(NodePtr node, Primary());
    for (; !signs.empty(); signs.pop_back()) {
      TENON_TRY(Want(*node, Type::kFloat64, "a sign"));
      if (!signs.back().second) continue;
      TENON_ASSIGN(node, Make(Op::kNegate, Type::kFloat64, signs.back().first, std::move(node)));
    }
    return node;
  }

  Result<NodePtr> Primary() {
    const Token token = Now();
    if (Take("(")) {
      TENON_ASSIGN(NodePtr node, Or());
      TENON_TRY(Need(")", "to close the bracket"));
      return node;
    }
    switch (token.kind) {
      case Token::Kind::kNumber: {
        ++next_;
        double value = 0;
        if (!ParseDouble(token.text, &value)) return Wrong(token.at, Str("'", token.text, "' is no number of 64 bits"));
        return Number(value, Type::kFloat64, token.at);
      }
      case Token::Kind::kText: ++next_; return Text(token);
      case Token::Kind::kQuotedName: ++next_; return Column(token);
      case Token::Kind::kName: return Name(token);
      default: return Wrong(token.at, Str("expected a value, not ", Shown(token)));
    }
  }

  static Result<NodePtr> Number(double value, Type type, std::size_t at) {
    auto node = std::make_unique<ExpressionNode>();
    node->op = Op::kNumber;
    node->type = type;
    node->number = value;
    node->at = at;
    return node;
  }

  static Result<NodePtr> Text(const Token& token) {
    auto node = std::make_unique<ExpressionNode>();
    node->op = Op::kText;
    node->type = Type::kString;
    node->text = token.text;
    node->at = token.at;
    return node;
  }

  Result<NodePtr> Name(const Token& token) {
    const std::string word = ToUpper(token.text);
    ++next_;
    if (word == "TRUE" || word == "FALSE") return Number(word == "TRUE" ? 1 : 0, Type::kBool, token.at);
    if (word == "NULL") {
      auto node = std::make_unique<ExpressionNode>();
      node->untyped = true;
      node->at = token.at;
      return node;
    }
    if (word == "CASE") return Case(token.at);
    if (word == "TIMESTAMP" && Now().kind == Token::Kind::kText) {
      TENON_ASSIGN(NodePtr node, Text(tokens_[next_++]));
      TENON_TRY(ToTimestamp(*node));
      return node;
    }
    if (std::find(kReserved.begin(), kReserved.end(), word) != kReserved.end()) {
      return Wrong(token.at, Str("expected a value, not ", word, "; a column of this name is written \"", token.text, "\""));
    }
    if (IsSymbol("(")) return word == "CAST" || word == "TRY_CAST" ? Cast(token, word) : Call(token, word);
    return Column(token);
  }

  Result<NodePtr> Column(const Token& token) {
    const int at = columns_.Find(token.text);
    if (at < 0) return Wrong(token.at, Str("no column '", token.text, "'", DidYouMean(token.text, columns_.Names())));
    auto node = std::make_unique<ExpressionNode>();
    node->op = Op::kColumn;
    node->at = token.at;
    switch (columns_[at].type) {
      case Type::kInt64: node->type = Type::kFloat64; break;
      case Type::kEmbedding:
        return Wrong(token.at, Str("column '", token.text, "' is an embedding, which expressions cannot compute with"));
      default: node->type = columns_[at].type;
    }
    const auto known = std::find(inputs_.begin(), inputs_.end(), token.text);
    node->lane = static_cast<int>(known - inputs_.begin());
    if (known == inputs_.end()) inputs_.push_back(token.text);
    return node;
  }

  Result<NodePtr> Call(const Token& token, std::string_view word) {
    const auto functions = ExpressionFunctions();
    const auto function = std::find_if(functions.begin(), functions.end(), [&](const Function& f) { return f.name == word; });
    if (function == functions.end()) {
      std::vector<std::string> names;
      for (const Function& f : functions) names.emplace_back(f.name);
      std::string near = Nearest(word, names);
      return Wrong(token.at, Str("no function ", word, near.empty() ? "; there are: " + Join(names, ", ")
                                                                    : "; did you mean " + near + "?"));
    }
    ++next_;
    std::vector<NodePtr> args;
    if (!IsSymbol(")")) {
      do {
        TENON_ASSIGN(NodePtr arg, Or());
        args.push_back(std::move(arg));
      } while (Take(","));
    }
    TENON_TRY(Need(")", Str("after the arguments of ", word)));
    if (args.size() < function->least || args.size() > function->most) {
      return Wrong(token.at, Str(word, " has ", args.size(), args.size() == 1 ? " argument" : " arguments", " here; it is used as ",
                                 function->usage));
    }
    Type type = function->result;
    bool untyped = false;
    std::vector<ExpressionNode*> alike;
    for (std::size_t i = 0; i < args.size(); ++i) {
      const char wanted = function->args[std::min(i, function->args.size() - 1)];
      if (wanted == 'a') {
        alike.push_back(args[i].get());
        continue;
      }
      const Type arg_type = wanted == 'n' ? Type::kFloat64 : wanted == 't' || wanted == 'u' || wanted == 'p' ? Type::kString : wanted == 'b' ? Type::kBool : Type::kTimestamp;
      TENON_TRY(Want(*args[i], arg_type, word));
      if (wanted == 'u') TENON_TRY(CheckUnit(*args[i], word));
      if (wanted == 'p') TENON_TRY(TakePattern(args[i].get(), word));
    }
    if (!alike.empty()) {
      untyped = std::all_of(alike.begin(), alike.end(), [](const ExpressionNode* arg) { return arg->untyped; });
      TENON_ASSIGN(type, Unify(alike, word));
    }
    const auto pattern = args.empty() ? nullptr : args.back()->pattern;
    TENON_ASSIGN(NodePtr node, Make(function->op, type, token.at, std::move(args)));
    node->untyped = untyped;
    if (function->op == Op::kMatches) node->pattern = pattern;
    return node;
  }

  Result<void> TakePattern(ExpressionNode* written, std::string_view word) const {
    if (written->op != Op::kText) return Wrong(written->at, Str("the pattern of ", word, " is written out as a text, such as '[A-Z]+'"));
    auto made = word == "REGEXP_FULL_MATCH" ? Pattern::Whole(written->text) : Pattern::Parse(written->text);
    if (!made.ok()) return Wrong(written->at, made.error().message());
    written->pattern = std::make_shared<const Pattern>(std::move(*made));
    return {};
  }

  Result<void> CheckUnit(ExpressionNode& unit, std::string_view word) const {
    std::vector<std::string> known(TimeUnits().begin(), TimeUnits().end());
    if (unit.op != Op::kText) return Wrong(unit.at, Str("the unit of ", word, " is written out as a text", DidYouMean("", known)));
    unit.text = ToLower(unit.text);
    if (std::find(known.begin(), known.end(), unit.text) != known.end()) return {};
    return Wrong(unit.at, Str("no unit '", unit.text, "'", DidYouMean(unit.text, known)));
  }

  // CAST(value AS type): what cannot be read is null, as all that cannot be computed. TRY_CAST is the same.
  Result<NodePtr> Cast(const Token& token, std::string_view word) {
    ++next_;
    TENON_ASSIGN(NodePtr value, Or());
    TENON_TRY(NeedWord("AS", Str("after the value of ", word)));
    const Token name = Now();
    const std::string to = ToUpper(name.text);
    ++next_;
    TENON_TRY(Need(")", Str("after the type of ", word)));
    const bool number = to == "DOUBLE" || to == "FLOAT" || to == "NUMERIC" || to == "NUMBER";
    const bool text = to == "TEXT" || to == "VARCHAR";
    if (!number && !text && to != "TIMESTAMP") return Wrong(name.at, Str("no type ", to, " to cast to; there are: DOUBLE, TEXT, TIMESTAMP"));
    const Type type = number ? Type::kFloat64 : text ? Type::kString : Type::kTimestamp;
    if (value->untyped) {
      value->type = type;
      value->untyped = false;
    }
    const Type from = value->type;
    if (from == type) return value;
    if (from == Type::kString) return Make(number ? Op::kTextToNumber : Op::kTextToTime, type, token.at, std::move(value));
    if (text) return Make(from == Type::kBool ? Op::kTruthToText : from == Type::kTimestamp ? Op::kTimeToText : Op::kNumberToText, type, token.at, std::move(value));
    if (from != Type::kBool || !number) return Wrong(token.at, Str("a cast from ", ForPeople(from), " to ", ForPeople(type), " says nothing; EPOCH gives a timestamp's seconds"));
    return Make(Op::kAbs, type, token.at, std::move(value));  // 0 and 1
  }

  // CASE WHEN condition THEN value .. and CASE x WHEN value THEN value ..
  Result<NodePtr> Case(std::size_t at) {
    std::vector<NodePtr> args;
    std::vector<ExpressionNode*> compared;
    std::vector<ExpressionNode*> values;
    const bool subject = !IsWord("WHEN");
    if (subject) {
      TENON_ASSIGN(NodePtr x, Or());
      compared.push_back(x.get());
      args.push_back(std::move(x));
      if (!IsWord("WHEN")) return Wrong(Now().at, Str("expected WHEN, not ", Shown(Now())));
    }
    while (TakeWord("WHEN")) {
      TENON_ASSIGN(NodePtr condition, Or());
      if (subject) {
        compared.push_back(condition.get());
      } else {
        TENON_TRY(Want(*condition, Type::kBool, "WHEN"));
      }
      TENON_TRY(NeedWord("THEN", "after the condition of WHEN"));
      TENON_ASSIGN(NodePtr value, Or());
      values.push_back(value.get());
      args.push_back(std::move(condition));
      args.push_back(std::move(value));
    }
    if (TakeWord("ELSE")) {
      TENON_ASSIGN(NodePtr value, Or());
      args.push_back(std::move(value));
    } else {
      args.push_back(std::make_unique<ExpressionNode>());
      args.back()->untyped = true;
    }
    values.push_back(args.back().get());
    TENON_TRY(NeedWord("END", "to close the CASE"));
    TENON_TRY(Unify(compared, "CASE"));
    const bool untyped = std::all_of(values.begin(), values.end(), [](const ExpressionNode* value) { return value->untyped; });
    TENON_ASSIGN(const Type type, Unify(values, "CASE"));
    TENON_ASSIGN(NodePtr node, Make(subject ? Op::kCaseOf : Op::kCase, type, at, std::move(args)));
    node->untyped = untyped;
    return node;
  }

  std::string_view text_;
  const Schema& columns_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  int nested_ = 0;
  std::vector<std::string> inputs_;
};

}  // namespace

Result<ParsedExpression> ParseExpression(std::string_view text, const Schema& columns) { return Parser(text, columns).Parse(); }

}  // namespace tenon::table

// Evaluation, one node over a block of rows at a time. NaN and a null data() are null; see expression.h.

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/time.h"
#include "table/expression_internal.h"

namespace tenon::table {
namespace {

using Op = ExpressionOp;
using Node = ExpressionNode;
using Block = ExpressionBlock;
using Numbers = std::array<double, kBlockRows>;
using Texts = std::array<std::string_view, kBlockRows>;

constexpr double kNull = std::numeric_limits<double>::quiet_NaN();

bool Both(double a, double b) { return !std::isnan(a) && !std::isnan(b); }
double Truth(bool value) { return value ? 1.0 : 0.0; }

template <typename F>
void Unary(const Node& node, const Block& block, double* out, F f) {
  EvaluateNumbers(*node.args[0], block, out);
  for (std::int64_t i = 0; i < block.rows; ++i) out[i] = f(out[i]);
}

template <typename F>
void Binary(const Node& node, const Block& block, double* out, F f) {
  Numbers right;
  EvaluateNumbers(*node.args[0], block, out);
  EvaluateNumbers(*node.args[1], block, right.data());
  for (std::int64_t i = 0; i < block.rows; ++i) out[i] = f(out[i], right[static_cast<std::size_t>(i)]);
}

// A number of one text; null stays null.
template <typename F>
void OfText(const Node& node, const Block& block, double* out, F f) {
  Texts text;
  EvaluateTexts(*node.args[0], block, text.data());
  for (std::int64_t i = 0; i < block.rows; ++i) {
    const std::string_view a = text[static_cast<std::size_t>(i)];
    out[i] = a.data() == nullptr ? kNull : f(a);
  }
}

// A number of two texts; null when one is.
template <typename F>
void OfTexts(const Node& node, const Block& block, double* out, F f) {
  Texts left;
  Texts right;
  EvaluateTexts(*node.args[0], block, left.data());
  EvaluateTexts(*node.args[1], block, right.data());
  for (std::int64_t i = 0; i < block.rows; ++i) {
    const std::string_view a = left[static_cast<std::size_t>(i)];
    const std::string_view b = right[static_cast<std::size_t>(i)];
    out[i] = a.data() == nullptr || b.data() == nullptr ? kNull : f(a, b);
  }
}

template <typename F>
void Compare(const Node& node, const Block& block, double* out, F f) {
  if (node.args[0]->type == Type::kString) {
    OfTexts(node, block, out, [f](std::string_view a, std::string_view b) { return Truth(f(a, b)); });
  } else {
    Binary(node, block, out, [f](double a, double b) { return Both(a, b) ? Truth(f(a, b)) : kNull; });
  }
}

double And(double a, double b) {
  if (a == 0 || b == 0) return 0;
  return Both(a, b) ? 1 : kNull;
}

double Or(double a, double b) {
  if (a == 1 || b == 1) return 1;
  return Both(a, b) ? 0 : kNull;
}

double Round(double value, double digits) {
  if (!Both(value, digits)) return kNull;
  digits = std::trunc(digits);
  if (digits == 0 || !std::isfinite(value)) return std::round(value);
  const double scale = std::pow(10.0, std::abs(digits));
  if (std::isinf(scale)) return digits > 0 ? value : 0.0;
  const double rounded = digits > 0 ? std::round(value * scale) / scale : std::round(value / scale) * scale;
  // Beyond the range of doubles there is nothing after the point to round.
  return std::isfinite(rounded) ? rounded : value;
}

double Power(double a, double b) {
  if (!Both(a, b) || (a == 0 && b < 0)) return kNull;
  return std::pow(a, b);
}

double AddSeconds(double at, double seconds) {
  const double moved = std::nearbyint(at + seconds * 1e6);
  return std::abs(moved) < 9.2e18 ? moved : kNull;
}

template <typename F>
void DatePart(const Node& node, const Block& block, double* out, F part) {
  Unary(node, block, out, [part](double at) {
    return std::abs(at) < 9.2e18 ? static_cast<double>(part(PartsOf(static_cast<Micros>(at)))) : kNull;
  });
}

void IsNull(const Node& node, const Block& block, double* out) {
  if (node.args[0]->type == Type::kString) {
    Texts text;
    EvaluateTexts(*node.args[0], block, text.data());
    for (std::int64_t i = 0; i < block.rows; ++i) out[i] = Truth(text[static_cast<std::size_t>(i)].data() == nullptr);
  } else {
    Unary(node, block, out, [](double a) { return Truth(std::isnan(a)); });
  }
}

// x IN (a, b, ...) is x = a OR x = b OR ...
void In(const Node& node, const Block& block, double* out) {
  const bool texts = node.args[0]->type == Type::kString;
  Numbers needle;
  Numbers item;
  Texts text_needle;
  Texts text_item;
  if (texts) {
    EvaluateTexts(*node.args[0], block, text_needle.data());
  } else {
    EvaluateNumbers(*node.args[0], block, needle.data());
  }
  std::fill_n(out, block.rows, 0.0);
  for (std::size_t arg = 1; arg < node.args.size(); ++arg) {
    if (texts) {
      EvaluateTexts(*node.args[arg], block, text_item.data());
    } else {
      EvaluateNumbers(*node.args[arg], block, item.data());
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
      const bool known = texts ? text_needle[i].data() != nullptr && text_item[i].data() != nullptr : Both(needle[i], item[i]);
      const bool same = texts ? text_needle[i] == text_item[i] : needle[i] == item[i];
      out[i] = Or(out[i], known ? Truth(same) : kNull);
    }
  }
}

void Between(const Node& node, const Block& block, double* out) {
  if (node.args[0]->type == Type::kString) {
    Texts value;
    Texts low;
    Texts high;
    EvaluateTexts(*node.args[0], block, value.data());
    EvaluateTexts(*node.args[1], block, low.data());
    EvaluateTexts(*node.args[2], block, high.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
      const bool there = value[i].data() != nullptr;
      out[i] = And(there && low[i].data() != nullptr ? Truth(value[i] >= low[i]) : kNull,
                   there && high[i].data() != nullptr ? Truth(value[i] <= high[i]) : kNull);
    }
    return;
  }
  Numbers low;
  Numbers high;
  EvaluateNumbers(*node.args[0], block, out);
  EvaluateNumbers(*node.args[1], block, low.data());
  EvaluateNumbers(*node.args[2], block, high.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
    out[i] = And(Both(out[i], low[i]) ? Truth(out[i] >= low[i]) : kNull, Both(out[i], high[i]) ? Truth(out[i] <= high[i]) : kNull);
  }
}

void Evaluate(const Node& node, const Block& block, double* out) { EvaluateNumbers(node, block, out); }
void Evaluate(const Node& node, const Block& block, std::string_view* out) { EvaluateTexts(node, block, out); }
bool Missing(double value) { return std::isnan(value); }
bool Missing(std::string_view value) { return value.data() == nullptr; }
void SetMissing(double* value) { *value = kNull; }
void SetMissing(std::string_view* value) { *value = {}; }

// Branches have no effects and cannot fail, so that all are computed and one is chosen. From the last to the first, so
// that the first true one stays. `matches(node, out)` makes the truth of a condition.
template <typename T, typename F>
void Case(const Node& node, const Block& block, T* out, std::size_t first, F matches) {
  std::array<T, kBlockRows> value;
  Numbers condition;
  Evaluate(*node.args.back(), block, out);
  for (std::size_t arg = node.args.size() - 1; arg > first; arg -= 2) {
    matches(*node.args[arg - 2], condition.data());
    Evaluate(*node.args[arg - 1], block, value.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
      if (condition[i] == 1) out[i] = value[i];
    }
  }
}

// CASE x WHEN value ..: x once, then compared with each value; X is the type of both.
template <typename X, typename T>
void CaseOf(const Node& node, const Block& block, T* out) {
  std::array<X, kBlockRows> x;
  Evaluate(*node.args[0], block, x.data());
  Case(node, block, out, 1, [&](const Node& arg, double* truth) {
    std::array<X, kBlockRows> value;
    Evaluate(arg, block, value.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
      truth[i] = Truth(!Missing(x[i]) && !Missing(value[i]) && x[i] == value[i]);
    }
  });
}

// COALESCE, LEAST, GREATEST: `replaces(old, fresh)` tells whether the fresh value, which is there, takes the place of
// the old one, which is there too.
template <typename T, typename F>
void Choose(const Node& node, const Block& block, T* out, F replaces) {
  std::array<T, kBlockRows> value;
  Evaluate(*node.args[0], block, out);
  for (std::size_t arg = 1; arg < node.args.size(); ++arg) {
    Evaluate(*node.args[arg], block, value.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
      if (!Missing(value[i]) && (Missing(out[i]) || replaces(out[i], value[i]))) out[i] = value[i];
    }
  }
}

// What numbers and texts do alike. False when the node is none of these.
template <typename T>
bool AnyType(const Node& node, const Block& block, T* out) {
  switch (node.op) {
    case Op::kNull:
      for (std::int64_t i = 0; i < block.rows; ++i) SetMissing(out + i);
      return true;
    case Op::kCase:
      Case(node, block, out, 0, [&](const Node& arg, double* truth) { EvaluateNumbers(arg, block, truth); });
      return true;
    case Op::kCaseOf:
      node.args[0]->type == Type::kString ? CaseOf<std::string_view>(node, block, out) : CaseOf<double>(node, block, out);
      return true;
    case Op::kCoalesce: Choose(node, block, out, [](const T&, const T&) { return false; }); return true;
    case Op::kLeast: Choose(node, block, out, [](const T& old, const T& fresh) { return fresh < old; }); return true;
    case Op::kGreatest: Choose(node, block, out, [](const T& old, const T& fresh) { return old < fresh; }); return true;
    case Op::kNullIf: {
      std::array<T, kBlockRows> other;
      Evaluate(*node.args[0], block, out);
      Evaluate(*node.args[1], block, other.data());
      for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
        if (!Missing(out[i]) && !Missing(other[i]) && out[i] == other[i]) SetMissing(out + i);
      }
      return true;
    }
    default: return false;
  }
}

void Substr(const Node& node, const Block& block, std::string_view* out) {
  Numbers start;
  Numbers count;
  EvaluateTexts(*node.args[0], block, out);
  EvaluateNumbers(*node.args[1], block, start.data());
  if (node.args.size() == 3) {
    EvaluateNumbers(*node.args[2], block, count.data());
  } else {
    count.fill(std::numeric_limits<double>::infinity());
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
    if (out[i].data() == nullptr) continue;
    out[i] = Both(start[i], count[i]) ? PartOf(out[i], start[i], count[i]) : std::string_view();
  }
}

void Replace(const Node& node, const Block& block, std::string_view* out) {
  Texts text;
  Texts from;
  Texts to;
  EvaluateTexts(*node.args[0], block, text.data());
  EvaluateTexts(*node.args[1], block, from.data());
  EvaluateTexts(*node.args[2], block, to.data());
  MakeTexts(block, out, [&](std::size_t i, std::string* bytes) {
    if (text[i].data() == nullptr || from[i].data() == nullptr || to[i].data() == nullptr) return false;
    std::string_view rest = text[i];
    if (!from[i].empty()) {
      for (std::size_t at = rest.find(from[i]); at != std::string_view::npos; at = rest.find(from[i])) {
        bytes->append(rest.substr(0, at)).append(to[i]);
        rest.remove_prefix(at + from[i].size());
      }
    }
    bytes->append(rest);
    return true;
  });
}

// a || b is null when one of them is; CONCAT skips nulls.
void Concat(const Node& node, const Block& block, bool skip_nulls, std::string_view* out) {
  std::vector<Texts> parts(node.args.size());
  for (std::size_t arg = 0; arg < parts.size(); ++arg) EvaluateTexts(*node.args[arg], block, parts[arg].data());
  MakeTexts(block, out, [&](std::size_t i, std::string* bytes) {
    for (const Texts& part : parts) {
      if (part[i].data() == nullptr && !skip_nulls) return false;
    }
    for (const Texts& part : parts) bytes->append(part[i]);
    return true;
  });
}

std::string_view TrimSpaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Operators that give numbers, truth values or timestamps. False when the node is a function.
bool Operator(const Node& node, const Block& block, double* out) {
  switch (node.op) {
    case Op::kNegate: Unary(node, block, out, [](double a) { return -a; }); return true;
    case Op::kAdd: Binary(node, block, out, [](double a, double b) { return a + b; }); return true;
    case Op::kSubtract: Binary(node, block, out, [](double a, double b) { return a - b; }); return true;
    case Op::kMultiply: Binary(node, block, out, [](double a, double b) { return a * b; }); return true;
    case Op::kDivide: Binary(node, block, out, [](double a, double b) { return b == 0 ? kNull : a / b; }); return true;
    case Op::kModulo: Binary(node, block, out, [](double a, double b) { return b == 0 ? kNull : std::fmod(a, b); }); return true;
    case Op::kSecondsBetween: Binary(node, block, out, [](double a, double b) { return (a - b) / 1e6; }); return true;
    case Op::kAddSeconds: Binary(node, block, out, AddSeconds); return true;
    case Op::kSubtractSeconds: Binary(node, block, out, [](double a, double b) { return AddSeconds(a, -b); }); return true;
    case Op::kEqual: Compare(node, block, out, [](auto a, auto b) { return a == b; }); return true;
    case Op::kNotEqual: Compare(node, block, out, [](auto a, auto b) { return a != b; }); return true;
    case Op::kLess: Compare(node, block, out, [](auto a, auto b) { return a < b; }); return true;
    case Op::kLessEqual: Compare(node, block, out, [](auto a, auto b) { return a <= b; }); return true;
    case Op::kGreater: Compare(node, block, out, [](auto a, auto b) { return a > b; }); return true;
    case Op::kGreaterEqual: Compare(node, block, out, [](auto a, auto b) { return a >= b; }); return true;
    case Op::kAnd: Binary(node, block, out, And); return true;
    case Op::kOr: Binary(node, block, out, Or); return true;
    case Op::kNot: Unary(node, block, out, [](double a) { return 1 - a; }); return true;
    case Op::kIsNull: IsNull(node, block, out); return true;
    case Op::kIsNotNull:
      IsNull(node, block, out);
      for (std::int64_t i = 0; i < block.rows; ++i) out[i] = 1 - out[i];
      return true;
    case Op::kIn: In(node, block, out); return true;
    case Op::kBetween: Between(node, block, out); return true;
    case Op::kLike:
      OfTexts(node, block, out, [](std::string_view a, std::string_view b) { return Truth(MatchesLike(a, b)); });
      return true;
    default: return false;
  }
}

void Function(const Node& node, const Block& block, double* out) {
  switch (node.op) {
    case Op::kAbs: return Unary(node, block, out, [](double a) { return std::abs(a); });
    case Op::kLn: return Unary(node, block, out, [](double a) { return a > 0 ? std::log(a) : kNull; });
    case Op::kLog10: return Unary(node, block, out, [](double a) { return a > 0 ? std::log10(a) : kNull; });
    case Op::kExp: return Unary(node, block, out, [](double a) { return std::exp(a); });
    case Op::kSqrt: return Unary(node, block, out, [](double a) { return a >= 0 ? std::sqrt(a) : kNull; });
    case Op::kPow: return Binary(node, block, out, Power);
    case Op::kFloor: return Unary(node, block, out, [](double a) { return std::floor(a); });
    case Op::kCeil: return Unary(node, block, out, [](double a) { return std::ceil(a); });
    case Op::kRound:
      if (node.args.size() == 2) return Binary(node, block, out, Round);
      return Unary(node, block, out, [](double a) { return std::round(a); });
    case Op::kSign: return Unary(node, block, out, [](double a) { return a > 0 ? 1.0 : a < 0 ? -1.0 : a == 0 ? 0.0 : kNull; });
    case Op::kLength:
      return OfText(node, block, out, [](std::string_view a) { return static_cast<double>(CountPoints(a)); });
    case Op::kContains:
      return OfTexts(node, block, out, [](std::string_view a, std::string_view b) {
        return Truth(a.find(b) != std::string_view::npos);
      });
    case Op::kMatches:
      return OfText(node, block, out, [&](std::string_view a) { return Truth(node.pattern->Matches(a)); });
    case Op::kStartsWith:
      return OfTexts(node, block, out, [](std::string_view a, std::string_view b) { return Truth(a.starts_with(b)); });
    case Op::kYear: return DatePart(node, block, out, [](const DateParts& parts) { return parts.year; });
    case Op::kMonth: return DatePart(node, block, out, [](const DateParts& parts) { return parts.month; });
    case Op::kDay: return DatePart(node, block, out, [](const DateParts& parts) { return parts.day; });
    case Op::kHour: return DatePart(node, block, out, [](const DateParts& parts) { return parts.hour; });
    case Op::kMinute: return DatePart(node, block, out, [](const DateParts& parts) { return parts.minute; });
    case Op::kWeekday: return DatePart(node, block, out, [](const DateParts& parts) { return parts.weekday; });
    case Op::kEpoch: return Unary(node, block, out, [](double at) { return at / 1e6; });
    default: assert(false && "an operation without an evaluation");
  }
}

}  // namespace

void EvaluateNumbers(const Node& node, const Block& block, double* out) {
  if (node.op == Op::kNumber) {
    std::fill_n(out, block.rows, node.number);
  } else if (node.op == Op::kColumn) {
    std::copy_n(block.numbers[static_cast<std::size_t>(node.lane)] + block.from, block.rows, out);
  } else if (!AnyType(node, block, out) && !Operator(node, block, out) && !EvaluateMoreNumbers(node, block, out)) {
    Function(node, block, out);
  }
}

void EvaluateTexts(const Node& node, const Block& block, std::string_view* out) {
  if (AnyType(node, block, out) || EvaluateMoreTexts(node, block, out)) return;
  switch (node.op) {
    case Op::kText: std::fill_n(out, block.rows, std::string_view(node.text)); return;
    case Op::kColumn: std::copy_n(block.texts[static_cast<std::size_t>(node.lane)] + block.from, block.rows, out); return;
    case Op::kSubstr: return Substr(node, block, out);
    case Op::kReplace: return Replace(node, block, out);
    case Op::kConcat: return Concat(node, block, true, out);
    case Op::kConcatNulls: return Concat(node, block, false, out);
    case Op::kTrim:
      EvaluateTexts(*node.args[0], block, out);
      for (std::int64_t i = 0; i < block.rows; ++i) out[i] = TrimSpaces(out[i]);
      return;
    case Op::kLower:
    case Op::kUpper: {
      Texts text;
      EvaluateTexts(*node.args[0], block, text.data());
      return MakeTexts(block, out, [&](std::size_t i, std::string* bytes) {
        if (text[i].data() == nullptr) return false;
        node.op == Op::kLower ? AppendLower(text[i], bytes) : AppendUpper(text[i], bytes);
        return true;
      });
    }
    default: assert(false && "an operation without an evaluation");
  }
}

}  // namespace tenon::table

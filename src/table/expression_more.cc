// Further functions of expressions: angles, ends and pieces of texts, calendar units, casts.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/text.h"
#include "base/time.h"
#include "base/utf8.h"
#include "table/expression_internal.h"

namespace tenon::table {
namespace {

using Op = ExpressionOp;
using Node = ExpressionNode;
using Block = ExpressionBlock;
using Numbers = std::array<double, kBlockRows>;
using Texts = std::array<std::string_view, kBlockRows>;

constexpr double kNull = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostTime = 9.2e18;
constexpr double kMostMade = 10'000;  // characters of a text that is filled up or repeated; more is null
constexpr std::array<std::string_view, 8> kUnits = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"};
constexpr std::array<Micros, 4> kSizes = {1'000'000, 60'000'000, 3'600'000'000, 86'400'000'000};  // of the first

std::size_t UnitOf(const Node& node) { return static_cast<std::size_t>(std::ranges::find(kUnits, node.args[0]->text) - kUnits.begin()); }

Micros FloorDiv(Micros a, Micros b) { return a / b - (a % b < 0 ? 1 : 0); }

// Days from 1970-01-01 to the first of a month.
Micros DayOf(Micros year, Micros month) {
  if (month <= 2) --year;
  const Micros era = FloorDiv(year, 400);
  const Micros of_era = year - era * 400;
  const Micros of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

// Which one of the unit's it is, counted from 1970 (weeks from a Monday).
Micros Ordinal(Micros at, std::size_t unit) {
  if (unit < kSizes.size()) return FloorDiv(at, kSizes[unit]);
  const Micros day = FloorDiv(at, kSizes[3]);
  if (unit == 4) return FloorDiv(day + 3, 7);
  const DateParts parts = PartsOf(at);
  if (unit == 5) return parts.year * Micros{12} + parts.month - 1;
  return unit == 6 ? parts.year * Micros{4} + (parts.month - 1) / 3 : parts.year;
}

double Truncated(double at, std::size_t unit) {
  if (!(std::abs(at) < kMostTime)) return kNull;
  const Micros ordinal = Ordinal(static_cast<Micros>(at), unit);
  if (unit < kSizes.size()) return static_cast<double>(ordinal * kSizes[unit]);
  if (unit == 4) return static_cast<double>((ordinal * 7 - 3) * kSizes[3]);
  const Micros each = unit == 5 ? 12 : unit == 6 ? 4 : 1;
  return static_cast<double>(DayOf(FloorDiv(ordinal, each), (ordinal - FloorDiv(ordinal, each) * each) * (12 / each) + 1) * kSizes[3]);
}

// The week of ISO 8601: its Thursday says which year it is of.
int IsoWeek(Micros at) {
  const DateParts parts = PartsOf(at);
  const DateParts thursday = PartsOf(at + (3 - parts.weekday) * kSizes[3]);
  return (thursday.day_of_year - 1) / 7 + 1;
}

template <typename F>
bool Each(const Node& node, const Block& block, double* out, F f) {
  EvaluateNumbers(*node.args[0], block, out);
  for (std::int64_t i = 0; i < block.rows; ++i) out[i] = f(out[i]);
  return true;
}

template <typename F>
bool Part(const Node& node, const Block& block, double* out, F f) {
  return Each(node, block, out, [f](double at) { return std::abs(at) < kMostTime ? static_cast<double>(f(static_cast<Micros>(at))) : kNull; });
}

template <typename F>
bool OfTexts(const Node& node, const Block& block, double* out, F f) {
  Texts left;
  Texts right;
  EvaluateTexts(*node.args[0], block, left.data());
  if (node.args.size() > 1) EvaluateTexts(*node.args[1], block, right.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(block.rows); ++i) {
    const bool null = left[i].data() == nullptr || (node.args.size() > 1 && right[i].data() == nullptr);
    out[i] = null ? kNull : f(left[i], right[i]);
  }
  return true;
}

double Position(std::string_view text, std::string_view part) {
  const std::size_t at = text.find(part);
  return at == std::string_view::npos ? 0 : static_cast<double>(CountPoints(text.substr(0, at)) + 1);
}

double NumberIn(std::string_view text) {
  double out = kNull;
  return ParseDouble(Trim(text), &out) && std::isfinite(out) ? out : kNull;
}

double TimeIn(std::string_view text) {
  Micros at = 0;
  return ParseTimestamp(Trim(text), &at) ? static_cast<double>(at) : kNull;
}

bool OfAngles(const Node& node, const Block& block, double* out) {
  // The sine of an infinite angle and the like are NaN, which is null.
  switch (node.op) {
    case Op::kSin: return Each(node, block, out, [](double a) { return std::sin(a); });
    case Op::kCos: return Each(node, block, out, [](double a) { return std::cos(a); });
    case Op::kTan: return Each(node, block, out, [](double a) { return std::tan(a); });
    case Op::kAsin: return Each(node, block, out, [](double a) { return std::asin(a); });
    case Op::kAcos: return Each(node, block, out, [](double a) { return std::acos(a); });
    case Op::kAtan: return Each(node, block, out, [](double a) { return std::atan(a); });
    case Op::kDegrees: return Each(node, block, out, [](double a) { return a * (180 / std::numbers::pi); });
    case Op::kRadians: return Each(node, block, out, [](double a) { return a * (std::numbers::pi / 180); });
    case Op::kPi: std::fill_n(out, block.rows, std::numbers::pi); return true;
    case Op::kAtan2: {
      Numbers x;
      EvaluateNumbers(*node.args[0], block, out);
      EvaluateNumbers(*node.args[1], block, x.data());
      for (std::int64_t i = 0; i < block.rows; ++i) out[i] = std::atan2(out[i], x[static_cast<std::size_t>(i)]);
      return true;
    }
    default: return false;
  }
}

bool OfTimes(const Node& node, const Block& block, double* out) {
  switch (node.op) {
    case Op::kSecond: return Part(node, block, out, [](Micros at) { return PartsOf(at).second; });
    case Op::kQuarter: return Part(node, block, out, [](Micros at) { return (PartsOf(at).month + 2) / 3; });
    case Op::kWeek: return Part(node, block, out, IsoWeek);
    case Op::kDayOfYear: return Part(node, block, out, [](Micros at) { return PartsOf(at).day_of_year; });
    case Op::kDateTrunc: {
      EvaluateNumbers(*node.args[1], block, out);
      for (std::int64_t i = 0; i < block.rows; ++i) out[i] = Truncated(out[i], UnitOf(node));
      return true;
    }
    case Op::kDateDiff: {
      Numbers to;
      EvaluateNumbers(*node.args[1], block, out);
      EvaluateNumbers(*node.args[2], block, to.data());
      for (std::int64_t i = 0; i < block.rows; ++i) {
        const double until = to[static_cast<std::size_t>(i)];
        const bool known = std::abs(out[i]) < kMostTime && std::abs(until) < kMostTime;
        out[i] = known ? static_cast<double>(Ordinal(static_cast<Micros>(until), UnitOf(node)) - Ordinal(static_cast<Micros>(out[i]), UnitOf(node))) : kNull;
      }
      return true;
    }
    default: return false;
  }
}

// A negative count leaves out so many at the other end.
std::string_view End(std::string_view text, double count, bool left) {
  count = std::trunc(count);
  const auto size = static_cast<double>(CountPoints(text));
  const double kept = std::clamp(count < 0 ? size + count : count, 0.0, size);
  return left ? PartOf(text, 1, kept) : PartOf(text, size - kept + 1, kept);
}

void AppendReversed(std::string_view text, std::string* out) {
  const std::size_t from = out->size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = PointSize(text, at);
    out->insert(from, text.substr(at, size));
    at += size;
  }
}

// The number-th piece between separators; negative: counted from the last. Beyond them an empty text.
std::string_view Piece(std::string_view text, std::string_view separator, double number) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = separator.empty() ? std::string_view::npos : text.find(separator); at != std::string_view::npos; at = text.find(separator)) {
    pieces.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  pieces.push_back(text);
  const auto count = static_cast<double>(pieces.size());
  number = std::trunc(number);
  const double at = number < 0 ? count + number : number - 1;
  return at >= 0 && at < count ? pieces[static_cast<std::size_t>(at)] : std::string_view("");
}

// Filled up with `with` to so many characters, or cut to them.
bool AppendPadded(std::string_view text, double length, std::string_view with, bool left, std::string* out) {
  const double wanted = std::max(0.0, std::trunc(length));
  const auto size = static_cast<double>(CountPoints(text));
  if (wanted > kMostMade || (wanted > size && with.empty())) return false;
  std::string fill;
  std::size_t at = 0;
  for (double k = size; k < wanted; ++k) {
    if (at == with.size()) at = 0;
    const std::size_t bytes = PointSize(with, at);
    fill.append(with.substr(at, bytes));
    at += bytes;
  }
  const std::string_view kept = PartOf(text, 1, std::min(size, wanted));
  left ? out->append(fill).append(kept) : out->append(kept).append(fill);
  return true;
}

bool Casts(const Node& node, const Block& block, std::string_view* out) {
  if (node.op != Op::kNumberToText && node.op != Op::kTruthToText && node.op != Op::kTimeToText) return false;
  Numbers value;
  EvaluateNumbers(*node.args[0], block, value.data());
  MakeTexts(block, out, [&](std::size_t i, std::string* bytes) {
    if (std::isnan(value[i])) return false;
    if (node.op == Op::kNumberToText) bytes->append(FormatDouble(value[i]));
    if (node.op == Op::kTruthToText) bytes->append(value[i] != 0 ? "true" : "false");
    if (node.op == Op::kTimeToText) bytes->append(FormatTimestamp(static_cast<Micros>(value[i])));
    return true;
  });
  return true;
}

}  // namespace

std::span<const std::string_view> TimeUnits() { return kUnits; }

bool EvaluateMoreNumbers(const Node& node, const Block& block, double* out) {
  switch (node.op) {
    case Op::kLog2: return Each(node, block, out, [](double a) { return a > 0 ? std::log2(a) : kNull; });
    case Op::kCbrt: return Each(node, block, out, [](double a) { return std::cbrt(a); });
    case Op::kTrunc: return Each(node, block, out, [](double a) { return std::trunc(a); });
    case Op::kPosition: return OfTexts(node, block, out, Position);
    case Op::kEndsWith: return OfTexts(node, block, out, [](std::string_view a, std::string_view b) { return a.ends_with(b) ? 1.0 : 0.0; });
    case Op::kTextToNumber: return OfTexts(node, block, out, [](std::string_view a, std::string_view) { return NumberIn(a); });
    case Op::kTextToTime: return OfTexts(node, block, out, [](std::string_view a, std::string_view) { return TimeIn(a); });
    default: return OfAngles(node, block, out) || OfTimes(node, block, out);
  }
}

bool EvaluateMoreTexts(const Node& node, const Block& block, std::string_view* out) {
  const auto rows = static_cast<std::size_t>(block.rows);
  const bool ends = node.op == Op::kTrimLeft || node.op == Op::kTrimRight;
  if (ends || node.op == Op::kLeft || node.op == Op::kRight) {
    Numbers count;
    EvaluateTexts(*node.args[0], block, out);
    if (!ends) EvaluateNumbers(*node.args[1], block, count.data());
    for (std::size_t i = 0; i < rows; ++i) {
      if (out[i].data() == nullptr) continue;
      if (!ends) out[i] = std::isnan(count[i]) ? std::string_view() : End(out[i], count[i], node.op == Op::kLeft);
      while (node.op == Op::kTrimLeft && out[i].starts_with(' ')) out[i].remove_prefix(1);
      while (node.op == Op::kTrimRight && out[i].ends_with(' ')) out[i].remove_suffix(1);
    }
    return true;
  }
  const bool with_text = node.op == Op::kSplitPart || node.op == Op::kPadLeft || node.op == Op::kPadRight;
  if (!with_text && node.op != Op::kReverse && node.op != Op::kRepeat) return Casts(node, block, out);
  Texts text;
  Texts other;
  Numbers number;
  EvaluateTexts(*node.args[0], block, text.data());
  if (node.op == Op::kRepeat) EvaluateNumbers(*node.args[1], block, number.data());
  if (with_text) {
    EvaluateTexts(*node.args[node.op == Op::kSplitPart ? 1 : 2], block, other.data());
    EvaluateNumbers(*node.args[node.op == Op::kSplitPart ? 2 : 1], block, number.data());
  }
  MakeTexts(block, out, [&](std::size_t i, std::string* bytes) {
    const bool needs_number = with_text || node.op == Op::kRepeat;
    if (text[i].data() == nullptr || (with_text && other[i].data() == nullptr) || (needs_number && std::isnan(number[i]))) return false;
    if (node.op == Op::kReverse) AppendReversed(text[i], bytes);
    if (node.op == Op::kSplitPart) bytes->append(Piece(text[i], other[i], number[i]));
    if (node.op == Op::kRepeat) {
      if (number[i] * static_cast<double>(text[i].size()) > kMostMade) return false;
      for (double k = 1; k <= std::trunc(number[i]); ++k) bytes->append(text[i]);
    }
    if (node.op == Op::kPadLeft || node.op == Op::kPadRight) return AppendPadded(text[i], number[i], other[i], node.op == Op::kPadLeft, bytes);
    return true;
  });
  return true;
}

}  // namespace tenon::table

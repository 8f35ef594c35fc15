#include "ingest/number_form_internal.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::ingest {
namespace {

bool Digit(char c) { return c >= '0' && c <= '9'; }

std::size_t DigitsAt(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && Digit(text[end])) ++end;
  return end - at;
}

// How a text would be read in one form: up to three digits, then groups of three behind `mark`, or digits alone; then perhaps `point`
// and digits.
struct Shape {
  bool number = false;
  std::size_t groups = 0;     // behind the first
  std::size_t first = 0;      // digits before any mark
  bool leading_zero = false;
  std::size_t fraction = 0;   // digits behind the point
  bool pointed = false;
};

Shape ShapeOf(std::string_view text, char mark, char point) {
  Shape out;
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  out.first = DigitsAt(text, at);
  out.leading_zero = out.first > 0 && text[at] == '0';
  at += out.first;
  while (at < text.size() && text[at] == mark && DigitsAt(text, at + 1) == 3 && out.first >= 1 && out.first <= 3) {
    ++out.groups;
    at += 4;
  }
  if (at < text.size() && text[at] == point) {
    out.pointed = true;
    out.fraction = DigitsAt(text, at + 1);
    at += 1 + out.fraction;
  }
  out.number = out.first > 0 && at == text.size();
  return out;
}

}  // namespace

std::optional<std::string_view> Plain(const NumberForm& form, std::string_view text, std::string* buffer) {
  if (form.plain()) return text;
  buffer->clear();
  std::size_t digits = 0;    // since the last mark, or the beginning
  bool grouped = false;
  std::size_t at = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) buffer->push_back(text[at++]);
  for (; at < text.size() && (Digit(text[at]) || (form.thousands != '\0' && text[at] == form.thousands)); ++at) {
    if (Digit(text[at])) {
      buffer->push_back(text[at]);
      ++digits;
      continue;
    }
    // Groups of three: 1.234.567 is a number, 1.23.4 is none.
    if (grouped ? digits != 3 : digits == 0 || digits > 3) return std::nullopt;
    grouped = true;
    digits = 0;
  }
  if (grouped && digits != 3) return std::nullopt;
  for (; at < text.size(); ++at) {
    if (form.decimal != '.' && text[at] == '.') return std::nullopt;
    buffer->push_back(text[at] == form.decimal ? '.' : text[at]);
  }
  return std::string_view(*buffer);
}

NumberForm GuessNumberForm(const std::vector<std::vector<std::string>>& rows, char separator) {
  std::size_t commas = 0, points = 0, english = 0;
  for (const std::vector<std::string>& row : rows) {
    for (const std::string& value : row) {
      const std::string_view text = Trim(value);
      if (text.empty() || !(Digit(text.back()) && (Digit(text.front()) || text.front() == '-' || text.front() == '+'))) continue;
      const Shape with_comma = ShapeOf(text, '.', ','), with_point = ShapeOf(text, ',', '.');
      // 1,234 may be both, and so may 1.234: they tell nothing.
      if (with_comma.number && with_comma.pointed && (with_comma.groups > 0 || with_comma.fraction != 3 || with_comma.first > 3 || with_comma.leading_zero)) ++commas;
      if (with_point.number && with_point.pointed && with_point.groups > 0) ++english;
      if (with_point.number && with_point.pointed && with_point.groups == 0 && (with_point.fraction != 3 || with_point.first > 3 || with_point.leading_zero)) ++points;
    }
  }
  if (commas > 0 && points == 0 && english == 0 && separator != ',') return {.decimal = ',', .thousands = '.'};
  if (english > 0 && commas == 0) return {.decimal = '.', .thousands = ','};
  return {};
}

bool OtherForm(const NumberForm& form, std::string_view text) {
  if (!form.guessed || text.empty() || !Digit(text.back()) || !(Digit(text.front()) || text.front() == '-' || text.front() == '+')) return false;
  const Shape with_comma = ShapeOf(text, '.', ','), with_point = ShapeOf(text, ',', '.');
  const auto sure = [](const Shape& shape) { return shape.number && shape.pointed && (shape.groups > 0 || shape.fraction != 3 || shape.first > 3 || shape.leading_zero); };
  if (form.decimal == ',') return sure(with_point);
  if (sure(with_comma)) return with_comma.groups > 0 || !form.commas_part;
  return form.thousands == '\0' && sure(with_point) && with_point.groups > 0;
}

std::string WayOut(const NumberForm& form) {
  if (form.decimal == ',') return "`decimal: \".\"`, and `thousands:` where there are any,";
  return "`decimal: \",\"` and `thousands: \".\"` (or the other way round, as they are written)";
}

Result<NumberForm> MadeNumberForm(std::string_view decimal, std::string_view thousands) {
  NumberForm out;
  if (!decimal.empty() && decimal != "auto") {
    if (decimal != "." && decimal != ",") return Error(Code::kInvalidArgument, Str("decimal: `.`, `,` or auto, not '", decimal, "'"));
    out.decimal = decimal[0];
  }
  if (!thousands.empty() && thousands != "auto") {
    constexpr std::string_view kMarks = ".,' _";
    if (thousands.size() != 1 || kMarks.find(thousands[0]) == std::string_view::npos) {
      return Error(Code::kInvalidArgument, Str("thousands: one of `.`, `,`, `'`, a blank and `_`, \"\" for none, or auto, not '", thousands, "'"));
    }
    out.thousands = thousands[0];
  }
  if (out.thousands == out.decimal) return Error(Code::kInvalidArgument, Str("decimal and thousands are both '", std::string(1, out.decimal), "'"));
  return out;
}

}  // namespace tenon::ingest

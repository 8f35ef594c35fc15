#include "base/time.h"

#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace tenon {
namespace {

constexpr Micros kSecond = 1'000'000;
constexpr Micros kDay = 86'400 * kSecond;

bool Digits(std::string_view* text, int count, int* out) {
  if (text->size() < static_cast<std::size_t>(count)) return false;
  *out = 0;
  for (int i = 0; i < count; ++i) {
    const char c = (*text)[static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') return false;
    *out = *out * 10 + (c - '0');
  }
  text->remove_prefix(static_cast<std::size_t>(count));
  return true;
}

bool Eat(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

bool Zone(std::string_view text, Micros* offset) {
  *offset = 0;
  if (text.empty() || text == "Z" || text == "z") return true;
  const char sign = text.front();
  if (sign != '+' && sign != '-') return false;
  text.remove_prefix(1);
  int hours = 0;
  int minutes = 0;
  if (!Digits(&text, 2, &hours)) return false;
  Eat(&text, ':');
  if (!text.empty() && !Digits(&text, 2, &minutes)) return false;
  if (!text.empty() || hours > 18 || minutes > 59) return false;
  *offset = (hours * 3600LL + minutes * 60LL) * kSecond * (sign == '+' ? 1 : -1);
  return true;
}

Micros FloorDiv(Micros a, Micros b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

bool ParseTimestamp(std::string_view text, Micros* out) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!Digits(&text, 4, &year) || !Eat(&text, '-') || !Digits(&text, 2, &month) || !Eat(&text, '-') || !Digits(&text, 2, &day)) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  Micros at = std::chrono::sys_days(date).time_since_epoch().count() * kDay;
  if (text.empty()) {
    *out = at;
    return true;
  }
  if (!Eat(&text, 'T') && !Eat(&text, ' ')) return false;
  if (!Digits(&text, 2, &hour) || !Eat(&text, ':') || !Digits(&text, 2, &minute)) return false;
  Micros fraction = 0;
  if (Eat(&text, ':')) {
    if (!Digits(&text, 2, &second)) return false;
    if (Eat(&text, '.')) {
      Micros unit = kSecond / 10;
      if (text.empty() || text.front() < '0' || text.front() > '9') return false;
      for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), unit /= 10) {
        fraction += (text.front() - '0') * unit;
      }
    }
  }
  Micros offset = 0;
  if (hour > 23 || minute > 59 || second > 59 || !Zone(text, &offset)) return false;
  *out = at + (hour * 3600LL + minute * 60LL + second) * kSecond + fraction - offset;
  return true;
}

DateParts PartsOf(Micros at) {
  const Micros days = FloorDiv(at, kDay);
  const auto rest = static_cast<int>((at - days * kDay) / kSecond);
  const std::chrono::sys_days date{std::chrono::days(days)};
  const std::chrono::year_month_day ymd(date);
  const std::chrono::sys_days new_year = std::chrono::sys_days(ymd.year() / std::chrono::January / 1);
  return {static_cast<int>(ymd.year()),
          static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day())),
          rest / 3600,
          rest / 60 % 60,
          rest % 60,
          static_cast<int>((days % 7 + 10) % 7),
          static_cast<int>((date - new_year).count()) + 1};
}

std::string FormatTimestamp(Micros at) {
  const DateParts parts = PartsOf(at);
  std::array<char, 64> buffer;
  int size = std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d", parts.year, parts.month,
                           parts.day, parts.hour, parts.minute, parts.second);
  std::string out(buffer.data(), static_cast<std::size_t>(size));
  if (const Micros fraction = at - FloorDiv(at, kSecond) * kSecond; fraction != 0) {
    size = std::snprintf(buffer.data(), buffer.size(), ".%06d", static_cast<int>(fraction));
    out.append(buffer.data(), static_cast<std::size_t>(size));
    while (out.back() == '0') out.pop_back();
  }
  return out + "Z";
}

Result<std::chrono::microseconds> ParseDuration(std::string_view text) {
  const Error wrong(Code::kInvalidArgument, Str("'", text, "' is not a duration; write for example 7d, 10m or 1h30m"));
  std::string_view rest = Trim(text);
  if (rest.empty()) return wrong.Clone();
  double total = 0;
  while (!rest.empty()) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    double count = 0;
    if (!ParseDouble(rest.substr(0, digits), &count)) return wrong.Clone();
    rest = Trim(rest.substr(digits));
    const std::size_t letters = std::min(rest.find_first_of("0123456789. "), rest.size());
    const std::string_view unit = rest.substr(0, letters);
    rest = Trim(rest.substr(letters));
    const double seconds = unit == "us"  ? 0.000'001
                           : unit == "ms" ? 0.001
                           : unit == "s" ? 1
                           : unit == "m" || unit == "min" ? 60
                           : unit == "h" ? 3600
                           : unit == "d" ? 86400
                           : unit == "w" ? 604800
                                         : 0;
    if (seconds == 0) return wrong.Clone();
    total += count * seconds;
  }
  if (total > 3.2e9) return Error(Code::kInvalidArgument, Str("'", text, "' is longer than a century"));
  return std::chrono::microseconds(std::llround(total * 1e6));
}

std::string FormatDuration(std::chrono::microseconds duration) {
  const double seconds = static_cast<double>(duration.count()) / 1e6;
  if (seconds < 0.001) return Str(duration.count(), " us");
  if (seconds < 1) return FormatShort(seconds * 1000, 3) + " ms";
  if (seconds < 100) return FormatShort(seconds, 3) + " s";
  const auto whole = std::llround(seconds);
  if (whole < 7200) return Str(whole / 60, " min ", whole % 60, " s");
  return Str(whole / 3600, " h ", whole / 60 % 60, " min");
}

}  // namespace tenon

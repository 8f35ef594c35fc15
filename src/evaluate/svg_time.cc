// Ticks of an axis of time: begins of hours, days, months, years.

#include <array>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "evaluate/svg.h"

namespace tenon::evaluate {
namespace {

constexpr double kSecond = 1e6, kDay = 86400 * kSecond;
constexpr std::array<double, 13> kSteps = {kSecond,          10 * kSecond,     60 * kSecond,     300 * kSecond, 900 * kSecond, 3600 * kSecond, 10800 * kSecond, 21600 * kSecond,
                                           43200 * kSecond,  kDay,             2 * kDay,         7 * kDay,      14 * kDay};
constexpr std::array<int, 11> kMonths = {1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200};
constexpr std::array<std::string_view, 12> kNames = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

double BeginOf(int months) {  // since year 0
  const int year = months / 12, month = months % 12 + 1;
  const std::string padded = std::to_string(10000 + year).substr(1);
  Micros at = 0;
  ParseTimestamp(Str(padded, "-", month < 10 ? "0" : "", month, "-01"), &at);
  return static_cast<double>(at);
}

}  // namespace

std::vector<double> TimeTicksOf(double low, double high, int count) {
  std::vector<double> ticks;
  if (!(high > low) || !std::isfinite(high - low)) return {low};
  for (const double step : kSteps) {
    if ((high - low) / step > count) continue;
    for (double at = std::ceil(low / step) * step; at <= high; at += step) ticks.push_back(at);
    return ticks;
  }
  const auto month_of = [](double at) {
    const DateParts parts = PartsOf(static_cast<Micros>(at));
    return parts.year * 12 + parts.month - 1;
  };
  const int first = month_of(low), last = month_of(high);
  if (first < 0 || last >= 12 * 10000) return {low};
  for (const int step : kMonths) {
    if ((last - first) / step > count && step != kMonths.back()) continue;
    for (int month = (first + step - 1) / step * step; month <= last; month += step) {
      if (BeginOf(month) >= low && BeginOf(month) <= high) ticks.push_back(BeginOf(month));
    }
    return ticks;
  }
  return ticks;
}

std::string TimeTickLabel(double value, double step) {
  const auto at = static_cast<Micros>(value);
  const DateParts parts = PartsOf(at);
  const std::string_view month = kNames[static_cast<std::size_t>(parts.month - 1)];
  if (step >= 360 * kDay) return std::to_string(parts.year);
  if (step >= 28 * kDay) return Str(month, " ", parts.year);
  if (step >= kDay) return Str(parts.day, " ", month);
  const std::string text = FormatTimestamp(at);
  if (parts.hour == 0 && parts.minute == 0 && parts.second == 0) return Str(parts.day, " ", month);
  return text.substr(11, step >= 60 * kSecond ? 5 : 8);
}

}  // namespace tenon::evaluate

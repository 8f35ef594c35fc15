#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon {

// Microseconds since 1970-01-01T00:00:00Z, without leap seconds: the value of a timestamp column.
using Micros = std::int64_t;

// Reads ISO 8601 dates and times ("2024-02-29", "2024-02-29T23:59:59.25Z", "2024-02-29 23:59:59+02:00"); no zone means
// UTC. False when it is none.
bool ParseTimestamp(std::string_view text, Micros* out);
// "2024-02-29T23:59:59Z", with a fraction only when there is one.
std::string FormatTimestamp(Micros at);
// "7d", "10m", "1h30m", "250ms", "2 h": sums of ms, s, m, h, d, w.
Result<std::chrono::microseconds> ParseDuration(std::string_view text);
// For people: "3.2 s", "410 ms", "2 min 5 s".
std::string FormatDuration(std::chrono::microseconds duration);

// A date of the proleptic Gregorian calendar and the time of day, UTC.
struct DateParts {
  int year, month, day;      // month and day from 1
  int hour, minute, second;  // from 0
  int weekday;               // Monday 0 ... Sunday 6
  int day_of_year;           // from 1
};
DateParts PartsOf(Micros at);

}  // namespace tenon

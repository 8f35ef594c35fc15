// Small texts that stand in many places: numbers, times, durations, UTF-8, percent escapes, HTML.

#include <bit>

#include "base/text.h"
#include "base/time.h"
#include "base/json.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

void RunText(std::string_view input) {
  double number = 0;
  if (ParseDouble(input, &number)) {
    double again = 0;
    const std::string text = FormatDouble(number);
    if (number == number && number - number == 0) {
      Hold(ParseDouble(text, &again) && std::bit_cast<std::uint64_t>(again) == std::bit_cast<std::uint64_t>(number), "a number survives its text");
    }
    (void)FormatShort(number);
  }
  std::int64_t whole = 0;
  if (ParseInt64(input, &whole)) {
    Hold(ParseDouble(input, &number), "a whole number is a number");
    (void)FormatCount(whole);
  }
  Micros at = 0;
  if (ParseTimestamp(input, &at)) {
    Micros again = 0;
    const std::string text = FormatTimestamp(at);
    Hold(ParseTimestamp(text, &again) && again == at, Str("a time survives its text: ", text));
    const DateParts parts = PartsOf(at);
    Hold(parts.month >= 1 && parts.month <= 12 && parts.day >= 1 && parts.day <= 31 && parts.hour < 24 && parts.weekday < 7, "a date has parts");
  }
  if (auto duration = ParseDuration(input); duration.ok()) (void)FormatDuration(*duration);
  std::string quoted;
  AppendJsonString(input, &quoted);
  const Json back = Must(Json::Parse(quoted), "any text in quotes");
  if (IsUtf8(input)) Same(back.String(), input, "a text survives its quotes");
  const std::string html = EscapeHtml(input);
  Hold(html.find_first_of("<>\"'") == std::string::npos, "nothing of HTML is left");
  const std::vector<std::string> parts = Split(input, ',');
  Same(Join(parts, ","), input, "split and joined");
}

std::vector<std::string> Seeds() {
  return {"0.1", "-1.7976931348623157e308", "5e-324", "9223372036854775807", "-9223372036854775808", "2024-02-29", "2024-02-29T23:59:59.25Z",
          "2024-02-29 23:59:59+02:00", "1969-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59Z", "0001-01-01", "7d", "1h30m", "250ms", "2 h", "NaN", "inf",
          "a,b,,c", "<a href=\"x\">&'</a>", "gr\xC3\xBCn \xF0\x9F\x98\x80", "\xED\xA0\x80"};
}

}  // namespace

Target MakeText() { return {RunText, Seeds}; }

}  // namespace tenon::fuzz

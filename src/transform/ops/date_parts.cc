// The calendar parts of a timestamp (UTC), as one vector.

#include <cmath>
#include <limits>
#include <numbers>

#include "base/time.h"
#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr double kMicrosPerDay = 86'400e6;

enum class Part : std::uint8_t { kYear, kMonth, kDay, kWeekday, kHour, kMinute, kDayOfYear, kWeekend, kDaysSince };
struct PartRow {
  std::string_view name;
  Part part;
  double turn;   // values of one turn of the circle; 0: no circle
  double first;  // the smallest value
};
constexpr PartRow kParts[] = {
    {"year", Part::kYear, 0, 0},          {"month", Part::kMonth, 12, 1},     {"day", Part::kDay, 31, 1},
    {"weekday", Part::kWeekday, 7, 0},    {"hour", Part::kHour, 24, 0},       {"minute", Part::kMinute, 60, 0},
    {"day_of_year", Part::kDayOfYear, 366, 1}, {"is_weekend", Part::kWeekend, 0, 0}, {"days_since", Part::kDaysSince, 0, 0}};

struct Settings {
  std::vector<PartRow> parts;
  bool cyclic = false;
  bool zero = false;  // what a missing time gives: zeros, or NaN
  double since = 0;
  double unit = kMicrosPerDay;
};

double ValueOf(Part part, const DateParts& date) {
  switch (part) {
    case Part::kYear: return date.year;
    case Part::kMonth: return date.month;
    case Part::kDay: return date.day;
    case Part::kWeekday: return date.weekday;
    case Part::kHour: return date.hour;
    case Part::kMinute: return date.minute;
    case Part::kDayOfYear: return date.day_of_year;
    case Part::kWeekend: return date.weekday >= 5 ? 1 : 0;
    case Part::kDaysSince: return 0;
  }
  return 0;
}

class DatePartsOf final : public Op {
 public:
  explicit DatePartsOf(Settings settings) : settings_(std::move(settings)) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      if (!port.timestamp) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is no timestamp; read the column as one"));
      }
      Port vector{.name = Str(port.name, "_parts"), .kind = Port::Kind::kVector};
      for (const PartRow& row : settings_.parts) {
        if (Circle(row)) {
          vector.parts.push_back(Str(port.name, "_", row.name, "_sin"));
          vector.parts.push_back(Str(port.name, "_", row.name, "_cos"));
        } else {
          vector.parts.push_back(Str(port.name, "_", row.name));
        }
      }
      vector.width = static_cast<int>(vector.parts.size());
      out.push_back(std::move(vector));
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) One(in[i].numbers[row], out[i].vectors + row * out[i].stride);
    }
  }

 private:
  bool Circle(const PartRow& row) const { return settings_.cyclic && row.turn > 0; }

  void One(double at, float* out) const {
    // Beyond these years (about +-200,000) there is no calendar to speak of.
    const bool missing = !(std::abs(at) < 6e18);
    const DateParts date = missing ? DateParts{} : PartsOf(static_cast<Micros>(at));
    for (const PartRow& row : settings_.parts) {
      if (missing) {
        const float value = settings_.zero ? 0.0F : std::numeric_limits<float>::quiet_NaN();
        *out++ = value;
        if (Circle(row)) *out++ = value;
        continue;
      }
      if (row.part == Part::kDaysSince) {
        *out++ = static_cast<float>((at - settings_.since) / settings_.unit);
        continue;
      }
      const double value = ValueOf(row.part, date);
      if (!Circle(row)) {
        *out++ = static_cast<float>(value);
        continue;
      }
      const double angle = 2 * std::numbers::pi * (value - row.first) / row.turn;
      *out++ = static_cast<float>(std::sin(angle));
      *out++ = static_cast<float>(std::cos(angle));
    }
  }

  Settings settings_;
};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  Settings settings;
  for (const std::string& name : options.TextList("parts")) {
    std::vector<std::string> known;
    bool found = false;
    for (const PartRow& row : kParts) {
      known.emplace_back(row.name);
      if (row.name != name) continue;
      settings.parts.push_back(row);
      found = true;
    }
    if (!found) return Error(Code::kInvalidArgument, Str("date_parts: no part '", name, "'", DidYouMean(name, known)));
  }
  if (settings.parts.empty()) return Error(Code::kInvalidArgument, "date_parts: name at least one part");
  Micros since = 0;
  if (!ParseTimestamp(options.Text("since"), &since)) {
    return Error(Code::kInvalidArgument, Str("date_parts: 'since' is '", options.Text("since"), "', expected a date such as 2000-01-01"));
  }
  settings.since = static_cast<double>(since);
  settings.cyclic = options.Bool("cyclic");
  settings.zero = options.Text("missing") == "zero";
  settings.unit = options.Number("unit_days") * kMicrosPerDay;
  return std::make_unique<DatePartsOf>(std::move(settings));
}

}  // namespace

Result<void> AddDateParts(Kinds<Op>& kinds) {
  return kinds.Add(
      "date_parts",
      {.summary = "Split timestamps into calendar parts",
       .when = "The label has a daily, weekly or yearly rhythm. For linear models and networks set cyclic: then December and "
               "January are neighbours.",
       .example = R"({"parts": ["month", "weekday", "hour", "days_since"], "cyclic": true})",
       .options = {{.name = "parts", .type = Option::Type::kTextList,
                    .fallback = Json::ListOf(std::vector<std::string>{"year", "month", "day", "weekday", "hour"}),
                    .help = "Of year, month, day, weekday (Monday 0), hour, minute, day_of_year, is_weekend, days_since"},
                   {.name = "cyclic", .type = Option::Type::kBool, .fallback = false,
                    .help = "Sine and cosine instead of the number, for parts that turn"},
                   {.name = "since", .type = Option::Type::kText, .fallback = "2000-01-01", .help = "The day days_since counts from"},
                   {.name = "unit_days", .type = Option::Type::kNumber, .fallback = 1.0, .help = "Days of one unit of days_since", .least = 1e-9},
                   {.name = "missing", .type = Option::Type::kText, .fallback = "missing",
                    .help = "A missing time gives missing parts, or zeros", .choices = {"missing", "zero"}}}},
      Make);
}

}  // namespace tenon::transform

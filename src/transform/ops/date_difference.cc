// The time between two timestamps, or between one and a given day.

#include <cmath>
#include <limits>

#include "base/time.h"
#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

class DateDifference final : public Op {
 public:
  DateDifference(double unit, bool has_since, double since, bool whole)
      : unit_(unit), has_since_(has_since), since_(since), whole_(whole) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in, 2));
    for (const Port& port : in) {
      if (!port.timestamp) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is no timestamp; read the column as one"));
      }
    }
    if (has_since_ != (in.size() == 1)) {
      return Error(Code::kInvalidArgument, "it takes two timestamps, the later one first, or one and the setting 'since'");
    }
    return std::vector<Port>{{.name = in.size() == 1 ? Str(in[0].name, "_age") : Str(in[0].name, "_after_", in[1].name)}};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::int64_t row = 0; row < n; ++row) {
      const double from = has_since_ ? since_ : in[1].numbers[row];
      const double units = (in[0].numbers[row] - from) / unit_;
      out[0].numbers[row] = std::isnan(units) ? std::numeric_limits<double>::quiet_NaN() : whole_ ? std::floor(units) : units;
    }
  }

 private:
  double unit_;
  bool has_since_;
  double since_;
  bool whole_;
};

struct Unit {
  std::string_view name;
  double micros;
};
constexpr Unit kUnits[] = {{"second", 1e6},     {"minute", 60e6},     {"hour", 3600e6},
                           {"day", 86'400e6},   {"week", 604'800e6},  {"year", 86'400e6 * 365.2425}};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  double unit = 0;
  for (const Unit& one : kUnits) {
    if (one.name == options.Text("unit")) unit = one.micros;
  }
  Micros since = 0;
  if (options.Has("since") && !ParseTimestamp(options.Text("since"), &since)) {
    return Error(Code::kInvalidArgument, Str("date_difference: 'since' is '", options.Text("since"), "', expected a date such as 2000-01-01"));
  }
  return std::make_unique<DateDifference>(unit, options.Has("since"), static_cast<double>(since), options.Bool("whole"));
}

}  // namespace

Result<void> AddDateDifference(Kinds<Op>& kinds) {
  return kinds.Add("date_difference",
                   {.summary = "Measure the time between two timestamps",
                    .when = "Ages, delays, time since the last visit: [shipped, ordered] gives how long after the order it was shipped, "
                            "negative when before. Missing when either is.",
                    .example = R"({"unit": "day", "since": "2020-01-01"})",
                    .options = {{.name = "unit", .type = Option::Type::kText, .fallback = "day", .help = "A year is 365.2425 days",
                                 .choices = {"second", "minute", "hour", "day", "week", "year"}},
                                {.name = "since", .type = Option::Type::kText, .help = "Measure one timestamp from this day"},
                                {.name = "whole", .type = Option::Type::kBool, .fallback = false, .help = "Whole units, rounded down"}}},
                   Make);
}

}  // namespace tenon::transform

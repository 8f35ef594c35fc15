// The distance between two places on the globe, and the direction from one to the other.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr double kRadius = 6371.0088;  // km, the mean one (IUGG)
constexpr double kDegree = std::numbers::pi / 180;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Settings {
  bool fixed = false;  // the second place is given
  double latitude = 0, longitude = 0;
  double unit = 1;     // km
  bool bearing = false;
};

class Haversine final : public Op {
 public:
  explicit Haversine(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in, 4));
    if (in.size() != (settings_.fixed ? 2 : 4)) {
      return Error(Code::kInvalidArgument, Str("it takes latitude and longitude of two places (four inputs), or of one with the settings "
                                               "'latitude' and 'longitude'; got ", in.size(), in.size() == 1 ? " input" : " inputs"));
    }
    std::vector<Port> out = {{.name = Str(in[0].name, "_distance")}};
    if (settings_.bearing) out.push_back({.name = Str(in[0].name, "_bearing")});
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::int64_t row = 0; row < n; ++row) {
      const double lat1 = in[0].numbers[row];
      const double lon1 = in[1].numbers[row];
      const double lat2 = settings_.fixed ? settings_.latitude : in[2].numbers[row];
      const double lon2 = settings_.fixed ? settings_.longitude : in[3].numbers[row];
      const bool placed = std::abs(lat1) <= 90 && std::abs(lat2) <= 90 && std::isfinite(lon1) && std::isfinite(lon2);
      out[0].numbers[row] = placed ? Distance(lat1, lon1, lat2, lon2) : kNone;
      if (settings_.bearing) out[1].numbers[row] = placed ? Bearing(lat1, lon1, lat2, lon2) : kNone;
    }
  }

 private:
  double Distance(double lat1, double lon1, double lat2, double lon2) const {
    const double up = std::sin((lat2 - lat1) / 2 * kDegree);
    const double along = std::sin(std::fmod(lon2 - lon1, 360) / 2 * kDegree);
    const double half = up * up + std::cos(lat1 * kDegree) * std::cos(lat2 * kDegree) * along * along;
    return 2 * kRadius * std::asin(std::sqrt(std::min(1.0, half))) / settings_.unit;
  }
  // Degrees from north, clockwise, 0 <= . < 360.
  static double Bearing(double lat1, double lon1, double lat2, double lon2) {
    const double across = std::fmod(lon2 - lon1, 360) * kDegree;
    const double y = std::sin(across) * std::cos(lat2 * kDegree);
    const double x = std::cos(lat1 * kDegree) * std::sin(lat2 * kDegree) - std::sin(lat1 * kDegree) * std::cos(lat2 * kDegree) * std::cos(across);
    const double angle = std::atan2(y, x) / kDegree;
    return angle < 0 ? angle + 360 : angle;
  }
  Settings settings_;
};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  if (options.Has("latitude") != options.Has("longitude")) {
    return Error(Code::kInvalidArgument, "haversine: give both 'latitude' and 'longitude' of the fixed place, or neither");
  }
  Settings settings;
  settings.fixed = options.Has("latitude");
  if (settings.fixed) {
    settings.latitude = options.Number("latitude");
    settings.longitude = options.Number("longitude");
  }
  const std::string unit = options.Text("unit");
  settings.unit = unit == "km" ? 1 : unit == "m" ? 0.001 : unit == "mile" ? 1.609344 : 1.852;
  settings.bearing = options.Bool("bearing");
  return std::make_unique<Haversine>(settings);
}

}  // namespace

Result<void> AddHaversine(Kinds<Op>& kinds) {
  return kinds.Add("haversine",
                   {.summary = "Measure the distance between two places on the globe",
                    .when = "Trips, deliveries, a card used far from home: inputs are latitude, longitude, latitude, longitude in degrees, or "
                            "the first two and a fixed place. On a sphere, within 0.6 % of the ellipsoid. Missing when a coordinate is, or "
                            "when a latitude is beyond 90.",
                    .example = R"({"latitude": 52.52, "longitude": 13.405, "bearing": true})",
                    .options = {{.name = "latitude", .help = "Of a fixed second place", .least = -90, .most = 90},
                                {.name = "longitude", .help = "Of a fixed second place", .least = -360, .most = 360},
                                {.name = "unit", .type = Option::Type::kText, .fallback = "km", .help = "Of the distance",
                                 .choices = {"km", "m", "mile", "nautical_mile"}},
                                {.name = "bearing", .type = Option::Type::kBool, .fallback = false,
                                 .help = "Also the direction from the first place to the second, in degrees from north"}}},
                   Make);
}

}  // namespace tenon::transform

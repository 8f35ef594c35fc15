// Places to the name of the cell they are in, of a grid whose cells have one area everywhere: rows are equal steps of the
// sine of the latitude (Lambert's cylindrical projection, 1772), columns equal steps of longitude.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr double kRadius = 6371.0088;  // km
constexpr double kDegree = std::numbers::pi / 180;

class GridCell final : public Op {
 public:
  // Cells are about `size` km long both ways at the latitude where the projection keeps shapes.
  GridCell(double size, double latitude) {
    const double squeeze = std::cos(latitude * kDegree);
    columns_ = std::max(1.0, std::round(2 * std::numbers::pi * kRadius * squeeze / size));
    rows_ = std::max(1.0, std::round(2 * kRadius / squeeze / size));
  }

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in, 2));
    if (in.size() != 2) return Error(Code::kInvalidArgument, "it takes two inputs, latitude and longitude in degrees");
    return std::vector<Port>{{.name = Str(in[0].name, "_cell"), .kind = Port::Kind::kText}};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>* texts) const override {
    for (std::int64_t row = 0; row < n; ++row) {
      const double latitude = in[0].numbers[row];
      const double longitude = in[1].numbers[row];
      out[0].texts[row] = {};
      if (!(std::abs(latitude) <= 90) || !std::isfinite(longitude)) continue;
      double turn = std::fmod(longitude + 180, 360) / 360;
      if (turn < 0) turn += 1;
      const auto x = static_cast<std::int64_t>(std::min(columns_ - 1, std::floor(turn * columns_)));
      const auto y = static_cast<std::int64_t>(std::min(rows_ - 1, std::floor((std::sin(latitude * kDegree) + 1) / 2 * rows_)));
      out[0].texts[row] = texts->emplace_back(Str(y, ":", x));
    }
  }

 private:
  double columns_ = 1, rows_ = 1;
};

}  // namespace

Result<void> AddGridCell(Kinds<Op>& kinds) {
  return kinds.Add("grid_cell",
                   {.summary = "Name the cell of a place in a grid of equal areas",
                    .when = "Counts and rates by place (demand, accidents, fraud), where cells must be comparable from the equator to the poles. "
                            "Follow with target_encode, frequency or one_hot. Longitudes wrap around; missing beyond 90 degrees of latitude.",
                    .example = R"({"size_km": 50})",
                    .options = {{.name = "size_km", .fallback = 10.0, .help = "A cell has the area of a square of this side", .least = 0.001, .most = 20'000},
                                {.name = "latitude", .fallback = 0.0, .help = "Where cells are square, such as the middle of your country", .least = -80,
                                 .most = 80}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<GridCell>(options.Number("size_km"), options.Number("latitude"));
                   });
}

}  // namespace tenon::transform

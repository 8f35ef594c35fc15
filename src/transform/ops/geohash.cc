// Places to the name of the cell they are in, by halving longitude and latitude in turn (geohash; Niemeyer 2008).

#include <cmath>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr char kDigits[] = "0123456789bcdefghjkmnpqrstuvwxyz";

class Geohash final : public Op {
 public:
  explicit Geohash(std::int64_t length) : length_(static_cast<int>(length)) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in, 2));
    if (in.size() != 2) return Error(Code::kInvalidArgument, "it takes two inputs, latitude and longitude in degrees");
    return std::vector<Port>{{.name = Str(in[0].name, "_geohash"), .kind = Port::Kind::kText}};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>* texts) const override {
    for (std::int64_t row = 0; row < n; ++row) {
      const double latitude = in[0].numbers[row];
      const double longitude = in[1].numbers[row];
      out[0].texts[row] = {};
      if (!(std::abs(latitude) <= 90) || !(std::abs(longitude) <= 180)) continue;
      out[0].texts[row] = texts->emplace_back(Name(latitude, longitude));
    }
  }

 private:
  std::string Name(double latitude, double longitude) const {
    double low[2] = {-180, -90};
    double high[2] = {180, 90};
    const double at[2] = {longitude, latitude};
    std::string name;
    int axis = 0;
    for (int i = 0; i < length_; ++i) {
      unsigned digit = 0;
      for (int bit = 0; bit < 5; ++bit, axis ^= 1) {
        const double middle = (low[axis] + high[axis]) / 2;
        const bool upper = at[axis] >= middle;
        digit = digit << 1 | (upper ? 1U : 0U);
        (upper ? low : high)[axis] = middle;
      }
      name.push_back(kDigits[digit]);
    }
    return name;
  }
  int length_;
};

}  // namespace

Result<void> AddGeohash(Kinds<Op>& kinds) {
  return kinds.Add("geohash",
                   {.summary = "Name the geohash cell of a place",
                    .when = "Places as values for one_hot, target_encode, frequency or cross, or to join with data that is named so. Cells are "
                            "smaller near the poles; grid_cell has cells of one area. Missing beyond 90 and 180 degrees.",
                    .example = R"({"length": 4})",
                    .options = {{.name = "length", .type = Option::Type::kInt, .fallback = 5,
                                 .help = "Characters: 1 is 5000 km wide, 3 is 156 km, 5 is 4.9 km, 7 is 153 m (at the equator)", .least = 1,
                                 .most = 12}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Geohash>(options.Int("length"));
                   });
}

}  // namespace tenon::transform

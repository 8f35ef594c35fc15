// Centres numbers on their mean and divides by their standard deviation (of the population, as scikit-learn does).

#include <cmath>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/lanes_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  bool center = true;
  bool scale = true;
  Moments moments;
  double shift = 0;
  double factor = 1;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { moments.Add(in, n); }
  void Merge(const Learned& other) { moments.Merge(other.moments); }
  void Finish() {
    if (moments.count() == 0) return;
    if (center) shift = moments.Mean();
    const double deviation = std::sqrt(moments.Variance());
    if (scale && deviation > 0) factor = deviation;
  }
  std::string Words() const { return Str("minus ", FormatShort(shift, 5), ", divided by ", FormatShort(factor, 5)); }
  void Save(Writer& out) const {
    out.F64(shift);
    out.F64(factor);
  }
  void Load(Reader& in) {
    shift = in.F64();
    factor = in.F64();
  }
};

class StandardScale final : public EachNumber<Learned> {
 public:
  explicit StandardScale(Learned fresh) : EachNumber("scaled", std::move(fresh)) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    ShiftAndDivide(in, n, learned.shift, learned.factor, out);
  }
};

}  // namespace

Result<void> AddStandardScale(Kinds<Op>& kinds) {
  return kinds.Add("standard_scale",
                   {.summary = "Scale numbers to mean 0 and standard deviation 1",
                    .when = "Before linear models and neural networks, on roughly bell-shaped numbers; robust_scale when there "
                            "are outliers. Trees need no scaling. Missing values stay missing; constant columns become 0.",
                    .example = R"({"center": true})",
                    .options = {{.name = "center", .type = Option::Type::kBool, .fallback = true, .help = "Subtract the mean"},
                                {.name = "scale", .type = Option::Type::kBool, .fallback = true,
                                 .help = "Divide by the standard deviation"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.center = options.Bool("center");
                     fresh.scale = options.Bool("scale");
                     return std::make_unique<StandardScale>(std::move(fresh));
                   });
}

}  // namespace tenon::transform

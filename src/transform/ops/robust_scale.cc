// Centres numbers on their median and divides by the distance of two quantiles.

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/lanes_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  double low = 0.25;
  double high = 0.75;
  Quantiles quantiles;
  double shift = 0;
  double factor = 1;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { quantiles.Add(in, n); }
  void Merge(const Learned& other) { quantiles.Merge(other.quantiles); }
  void Finish() {
    if (quantiles.count() == 0) return;
    const std::vector<double> at = quantiles.At({low, 0.5, high});
    shift = at[1];
    if (at[2] > at[0]) factor = at[2] - at[0];
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

class RobustScale final : public EachNumber<Learned> {
 public:
  explicit RobustScale(Learned fresh) : EachNumber("scaled", std::move(fresh)) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    ShiftAndDivide(in, n, learned.shift, learned.factor, out);
  }
};

}  // namespace

Result<void> AddRobustScale(Kinds<Op>& kinds) {
  return kinds.Add("robust_scale",
                   {.summary = "Scale numbers by their median and the spread of their middle half",
                    .when = "Before linear models and networks, on numbers with outliers, which then change neither centre nor "
                            "scale. Columns whose quantiles coincide are centred only.",
                    .example = R"({"low": 0.1, "high": 0.9})",
                    .options = {{.name = "low", .fallback = 0.25, .help = "Lower quantile", .least = 0, .most = 0.5},
                                {.name = "high", .fallback = 0.75, .help = "Upper quantile", .least = 0.5, .most = 1}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.low = options.Number("low");
                     fresh.high = options.Number("high");
                     return std::make_unique<RobustScale>(std::move(fresh));
                   });
}

}  // namespace tenon::transform

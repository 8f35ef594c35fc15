// Keeps numbers within bounds: given ones, or quantiles of the training rows.

#include <limits>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  bool low_share = false;   // the bound is learned from this quantile
  bool high_share = false;
  double low_quantile = 0;
  double high_quantile = 1;
  Quantiles quantiles;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { quantiles.Add(in, n); }
  void Merge(const Learned& other) { quantiles.Merge(other.quantiles); }
  void Finish() {
    if (quantiles.count() == 0) return;
    const std::vector<double> at = quantiles.At({low_quantile, high_quantile});
    if (low_share) low = at[0];
    if (high_share) high = at[1];
  }
  std::string Words() const { return Str("from ", FormatShort(low, 5), " to ", FormatShort(high, 5)); }
  void Save(Writer& out) const {
    out.F64(low);
    out.F64(high);
  }
  void Load(Reader& in) {
    low = in.F64();
    high = in.F64();
  }
};

class Clip final : public EachNumber<Learned> {
 public:
  explicit Clip(const Learned& fresh) : EachNumber("clipped", fresh, fresh.low_share || fresh.high_share) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    const double low = learned.low;
    const double high = learned.high;
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] < low ? low : in[i] > high ? high : in[i];
  }
};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  Learned fresh;
  fresh.low_share = options.Has("low_quantile");
  fresh.high_share = options.Has("high_quantile");
  if ((fresh.low_share && options.Has("low")) || (fresh.high_share && options.Has("high"))) {
    return Error(Code::kInvalidArgument, "clip: give a bound or its quantile, not both");
  }
  if (options.Has("low")) fresh.low = options.Number("low");
  if (options.Has("high")) fresh.high = options.Number("high");
  if (fresh.low_share) fresh.low_quantile = options.Number("low_quantile");
  if (fresh.high_share) fresh.high_quantile = options.Number("high_quantile");
  if (fresh.low > fresh.high || fresh.low_quantile > fresh.high_quantile) {
    return Error(Code::kInvalidArgument, "clip: the lower bound is above the upper one");
  }
  return std::make_unique<Clip>(fresh);
}

}  // namespace

Result<void> AddClip(Kinds<Op>& kinds) {
  return kinds.Add("clip",
                   {.summary = "Keep numbers within bounds",
                    .when = "Outliers and typing errors would dominate a linear model; also turns infinities into the bounds. "
                            "Missing values stay missing.",
                    .example = R"({"low": 0, "high_quantile": 0.99})",
                    .options = {{.name = "low", .help = "Lower bound"},
                                {.name = "high", .help = "Upper bound"},
                                {.name = "low_quantile", .help = "Lower bound as a quantile of the training rows", .least = 0, .most = 1},
                                {.name = "high_quantile", .help = "Upper bound as a quantile of the training rows", .least = 0, .most = 1}}},
                   Make);
}

}  // namespace tenon::transform

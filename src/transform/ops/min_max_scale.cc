// Maps the range seen in training onto another, [0, 1] by default.

#include <algorithm>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  double to_low = 0;
  double to_high = 1;
  Range range;
  double factor = 1;
  double shift = 0;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { range.Add(in, n); }
  void Merge(const Learned& other) { range.Merge(other.range); }
  void Finish() {
    if (range.empty()) return;
    const double width = range.high - range.low;
    factor = (to_high - to_low) / (width > 0 ? width : 1);
    shift = to_low - range.low * factor;
  }
  std::string Words() const { return Str("times ", FormatShort(factor, 5), ", plus ", FormatShort(shift, 5)); }
  void Save(Writer& out) const {
    out.F64(factor);
    out.F64(shift);
  }
  void Load(Reader& in) {
    factor = in.F64();
    shift = in.F64();
  }
};

class MinMaxScale final : public EachNumber<Learned> {
 public:
  MinMaxScale(Learned fresh, bool clip) : EachNumber("scaled", fresh), low_(fresh.to_low), high_(fresh.to_high), clip_(clip) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] * learned.factor + learned.shift;
    if (!clip_) return;
    for (std::int64_t i = 0; i < n; ++i) out[i] = out[i] < low_ ? low_ : out[i] > high_ ? high_ : out[i];
  }
  double low_, high_;
  bool clip_;
};

}  // namespace

Result<void> AddMinMaxScale(Kinds<Op>& kinds) {
  return kinds.Add("min_max_scale",
                   {.summary = "Scale numbers so that the training range becomes 0 to 1",
                    .when = "Bounded numbers (shares, pixels, ratings) before distance-based models and networks. One outlier "
                            "squeezes all the rest: then use robust_scale.",
                    .example = R"({"low": -1, "high": 1, "clip": true})",
                    .options = {{.name = "low", .fallback = 0.0, .help = "What the smallest value becomes"},
                                {.name = "high", .fallback = 1.0, .help = "What the largest value becomes"},
                                {.name = "clip", .type = Option::Type::kBool, .fallback = false,
                                 .help = "Keep values outside the training range at the ends"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.to_low = options.Number("low");
                     fresh.to_high = options.Number("high");
                     if (!(fresh.to_low < fresh.to_high)) {
                       return Error(Code::kInvalidArgument, Str("min_max_scale: 'low' (", fresh.to_low, ") must be below 'high' (",
                                                                fresh.to_high, ")"));
                     }
                     return std::make_unique<MinMaxScale>(fresh, options.Bool("clip"));
                   });
}

}  // namespace tenon::transform

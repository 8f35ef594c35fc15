// Divides numbers by the largest absolute value, so that zeros stay zeros.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  Range range;
  double factor = 1;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { range.Add(in, n); }
  void Merge(const Learned& other) { range.Merge(other.range); }
  void Finish() {
    if (range.empty()) return;
    const double largest = std::max(std::abs(range.low), std::abs(range.high));
    if (largest > 0) factor = largest;
  }
  std::string Words() const { return Str("divided by ", FormatShort(factor, 5)); }
  void Save(Writer& out) const { out.F64(factor); }
  void Load(Reader& in) { factor = in.F64(); }
};

class MaxAbsScale final : public EachNumber<Learned> {
 public:
  MaxAbsScale() : EachNumber("scaled", Learned()) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] / learned.factor;
  }
};

}  // namespace

Result<void> AddMaxAbsScale(Kinds<Op>& kinds) {
  return kinds.Add("max_abs_scale",
                   {.summary = "Scale numbers so that the largest absolute value becomes 1",
                    .when = "Counts and other numbers that are mostly 0, before linear models: zeros stay zeros, signs stay. Missing stays "
                            "missing. One outlier squeezes all the rest: then use robust_scale.",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Op>> { return std::make_unique<MaxAbsScale>(); });
}

}  // namespace tenon::transform

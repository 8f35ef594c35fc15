// Numbers to 1 where they lie far from the rest of the training rows, else 0.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

enum class Method : std::uint8_t { kIqr, kZ, kMad };

struct Learned {
  Method method = Method::kIqr;
  double times = 1.5;
  Moments moments;
  Quantiles quantiles;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) {
    method == Method::kZ ? moments.Add(in, n) : quantiles.Add(in, n);
  }
  void Merge(const Learned& other) {
    moments.Merge(other.moments);
    quantiles.Merge(other.quantiles);
  }
  void Finish() {
    if (method == Method::kZ) {
      if (moments.count() == 0) return;
      const double reach = times * std::sqrt(moments.Variance());
      low = moments.Mean() - reach;
      high = moments.Mean() + reach;
    } else if (quantiles.count() > 0) {
      const std::vector<double> at = quantiles.At({0.25, 0.5, 0.75});
      const double reach = method == Method::kIqr ? times * (at[2] - at[0]) : times * MedianDistance(at[1]);
      low = (method == Method::kIqr ? at[0] : at[1]) - reach;
      high = (method == Method::kIqr ? at[2] : at[1]) + reach;
    }
  }
  // The median distance from the median, times what makes it the standard deviation of a bell curve.
  double MedianDistance(double median) const {
    auto values = quantiles.Sorted();
    for (auto& one : values) one.value = std::abs(one.value - median);
    std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
    const std::int64_t count = quantiles.count();
    const auto ranked = [&](std::int64_t rank) {
      for (const auto& one : values) {
        rank -= one.count;
        if (rank < 0) return one.value;
      }
      return values.back().value;
    };
    return 1.482602218505602 * (ranked((count - 1) / 2) + ranked(count / 2)) / 2;
  }
  std::string Words() const { return Str("outside ", FormatShort(low, 5), " to ", FormatShort(high, 5)); }
  void Save(Writer& out) const {
    out.F64(low);
    out.F64(high);
  }
  void Load(Reader& in) {
    low = in.F64();
    high = in.F64();
  }
};

class OutlierFlag final : public EachNumber<Learned> {
 public:
  explicit OutlierFlag(Learned fresh) : EachNumber("outlier", std::move(fresh)) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] < learned.low || in[i] > learned.high || std::isinf(in[i]) ? 1 : 0;
  }
};

}  // namespace

Result<void> AddOutlierFlag(Kinds<Op>& kinds) {
  return kinds.Add("outlier_flag",
                   {.summary = "Flag numbers far from the rest",
                    .when = "An odd value says something itself (fraud, failing sensors), or the model should know which values clip changed. "
                            "Infinite values are flagged, missing ones are not: use missing_flag.",
                    .example = R"({"method": "mad", "times": 3.5})",
                    .options = {{.name = "method", .type = Option::Type::kText, .fallback = "iqr",
                                 .help = "iqr: beyond the quartiles, in distances between them; z: from the mean, in standard deviations; mad: from "
                                         "the median, in median distances (times 1.4826, as deviations of a bell curve)",
                                 .choices = {"iqr", "z", "mad"}},
                                {.name = "times", .help = "How far; unset: 1.5 for iqr, 3 for z, 3.5 for mad", .least = 0}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     const std::string method = options.Text("method");
                     fresh.method = method == "iqr" ? Method::kIqr : method == "z" ? Method::kZ : Method::kMad;
                     fresh.times = options.Has("times") ? options.Number("times")
                                   : method == "iqr"    ? 1.5
                                   : method == "z"      ? 3
                                                        : 3.5;
                     return std::make_unique<OutlierFlag>(std::move(fresh));
                   });
}

}  // namespace tenon::transform

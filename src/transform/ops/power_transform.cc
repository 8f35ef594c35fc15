// Numbers bent towards a bell shape by a power, chosen by maximum likelihood: Yeo-Johnson (2000) for any numbers, Box-Cox
// (1964) for positive ones.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMost = 8;  // powers are looked for between -kMost and kMost

// (e^(power * log) - 1) / power, which tends to `log` for a power of 0.
double Bend(double log, double power) { return power == 0 ? log : std::expm1(power * log) / power; }

double Bent(double x, double power, bool positive) {
  if (positive) return x > 0 ? Bend(std::log(x), power) : kNone;
  return x < 0 ? -Bend(std::log1p(-x), 2 - power) : Bend(std::log1p(x), power);
}

struct Weighted {
  double mean = 0;
  double variance = 0;
  double count = 0;
};

struct Learned {
  bool positive = false;  // Box-Cox
  bool standardize = true;
  Quantiles quantiles;
  double power = 1;
  double shift = 0;
  double factor = 1;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { quantiles.Add(in, n); }
  void Merge(const Learned& other) { quantiles.Merge(other.quantiles); }

  Weighted Spread(const std::vector<Quantiles::Counted>& values, double at) const {
    Weighted out;
    double sum = 0;
    for (const auto& [value, count] : values) {
      sum += static_cast<double>(count) * Bent(value, at, positive);
      out.count += static_cast<double>(count);
    }
    out.mean = sum / out.count;
    for (const auto& [value, count] : values) {
      const double off = Bent(value, at, positive) - out.mean;
      out.variance += static_cast<double>(count) * off * off;
    }
    out.variance /= out.count;
    return out;
  }

  // The logarithm of the likelihood of a bell shape after bending, but for a constant. `logs`: that of the bending's slope
  // is (power - 1) times it.
  double Likelihood(const std::vector<Quantiles::Counted>& values, double at, double logs) const {
    const Weighted spread = Spread(values, at);
    // What is left of numbers squeezed together is rounding.
    const double least = std::max(std::numeric_limits<double>::min(), spread.mean * spread.mean * 1e-24);
    if (!std::isfinite(spread.variance) || spread.variance <= least) return -std::numeric_limits<double>::infinity();
    return -0.5 * spread.count * std::log(spread.variance) + (at - 1) * logs;
  }

  void Finish() {
    std::vector<Quantiles::Counted> values = quantiles.Sorted();
    if (positive) std::erase_if(values, [](const Quantiles::Counted& one) { return one.value <= 0; });
    if (values.size() < 2) {  // nothing to bend
      if (standardize && !values.empty()) shift = Bent(values[0].value, power, positive);
      return;
    }
    double logs = 0;
    for (const auto& [value, count] : values) {
      logs += static_cast<double>(count) * (positive ? std::log(value) : std::copysign(std::log1p(std::abs(value)), value));
    }
    power = Best(values, logs);
    if (!standardize) return;
    const Weighted spread = Spread(values, power);
    if (!std::isfinite(spread.variance)) return;
    shift = spread.mean;
    if (spread.variance > 0) factor = std::sqrt(spread.variance);
  }

  // A grid finds the hill, golden sections its top (Kiefer 1953).
  double Best(const std::vector<Quantiles::Counted>& values, double logs) const {
    double best = 1;
    double height = Likelihood(values, 1, logs);
    for (double at = -kMost; at <= kMost; at += 0.5) {
      const double here = Likelihood(values, at, logs);
      if (here > height) {
        best = at;
        height = here;
      }
    }
    const double golden = (std::sqrt(5.0) - 1) / 2;
    double low = best - 0.5;
    double high = best + 0.5;
    double a = high - golden * (high - low);
    double b = low + golden * (high - low);
    double at_a = Likelihood(values, a, logs);
    double at_b = Likelihood(values, b, logs);
    while (high - low > 1e-9) {
      if (at_a >= at_b) {
        high = b;
        b = a;
        at_b = at_a;
        a = high - golden * (high - low);
        at_a = Likelihood(values, a, logs);
      } else {
        low = a;
        a = b;
        at_a = at_b;
        b = low + golden * (high - low);
        at_b = Likelihood(values, b, logs);
      }
    }
    return (low + high) / 2;
  }

  std::string Words() const { return Str(positive ? "Box-Cox" : "Yeo-Johnson", " to the power ", FormatShort(power, 5), ", minus ", FormatShort(shift, 5), ", divided by ", FormatShort(factor, 5)); }
  void Save(Writer& out) const {
    out.F64(power);
    out.F64(shift);
    out.F64(factor);
  }
  void Load(Reader& in) {
    power = in.F64();
    shift = in.F64();
    factor = in.F64();
  }
};

class PowerTransform final : public EachNumber<Learned> {
 public:
  explicit PowerTransform(Learned fresh) : EachNumber("bent", std::move(fresh)) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      out[i] = std::isnan(in[i]) ? in[i] : (Bent(in[i], learned.power, learned.positive) - learned.shift) / learned.factor;
    }
  }
};

}  // namespace

Result<void> AddPowerTransform(Kinds<Op>& kinds) {
  return kinds.Add("power_transform",
                   {.summary = "Bend numbers towards a bell shape by the power that fits best",
                    .when = "Skewed numbers before linear models and networks, when log is not clearly right. The power is the most "
                            "likely one between -8 and 8. Missing stays missing. box_cox takes positive numbers only: others become "
                            "missing.",
                    .example = R"({"method": "yeo_johnson"})",
                    .options = {{.name = "method", .type = Option::Type::kText, .fallback = "yeo_johnson",
                                 .help = "yeo_johnson for any numbers, box_cox for positive ones", .choices = {"yeo_johnson", "box_cox"}},
                                {.name = "standardize", .type = Option::Type::kBool, .fallback = true,
                                 .help = "Then to mean 0 and standard deviation 1"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.positive = options.Text("method") == "box_cox";
                     fresh.standardize = options.Bool("standardize");
                     return std::make_unique<PowerTransform>(std::move(fresh));
                   });
}

}  // namespace tenon::transform

// Numbers that turn (angles, hours, months) to the sine and cosine of their place on the circle.

#include <cmath>
#include <limits>
#include <numbers>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

class Cyclic final : public Op {
 public:
  Cyclic(double period, bool zero) : period_(period), zero_(zero) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      out.push_back({.name = Str(port.name, "_circle"),
                     .kind = Port::Kind::kVector,
                     .width = 2,
                     .parts = {Str(port.name, "_sin"), Str(port.name, "_cos")}});
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const double value = in[i].numbers[row];
        float* to = out[i].vectors + row * out[i].stride;
        if (!std::isfinite(value)) {
          to[0] = to[1] = zero_ ? 0.0F : std::numeric_limits<float>::quiet_NaN();
          continue;
        }
        const double angle = 2 * std::numbers::pi * (std::fmod(value, period_) / period_);
        to[0] = static_cast<float>(std::sin(angle));
        to[1] = static_cast<float>(std::cos(angle));
      }
    }
  }

 private:
  double period_;
  bool zero_;
};

}  // namespace

Result<void> AddCyclic(Kinds<Op>& kinds) {
  return kinds.Add("cyclic",
                   {.summary = "Place numbers that turn on a circle",
                    .when = "The largest value is next to the smallest: hours (24), months (12), angles (360), before linear models, networks "
                            "and distances. date_parts does it for timestamps.",
                    .example = R"({"period": 24})",
                    .options = {{.name = "period", .help = "After how much it is the same again", .least = 1e-300, .most = 1e300, .required = true},
                                {.name = "missing", .type = Option::Type::kText, .fallback = "missing",
                                 .help = "A missing or infinite number gives missing features, or zeros (the centre)",
                                 .choices = {"missing", "zero"}}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Cyclic>(options.Number("period"), options.Text("missing") == "zero");
                   });
}

}  // namespace tenon::transform

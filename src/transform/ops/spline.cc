// Numbers to the values of overlapping bumps (a basis of B-splines; de Boor 1978), so that a linear model can draw a curve.

#include <algorithm>
#include <cmath>
#include <limits>

#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

constexpr int kMostDegree = 5;

struct Learned {
  int degree = 3;
  std::int64_t count = 5;
  bool even = false;  // knots spread evenly, else by rank
  Quantiles quantiles;
  Range range;
  std::vector<double> knots;  // ascending, two or more; `degree` further ones on both sides are equally far apart

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) {
    even ? range.Add(in, n) : quantiles.Add(in, n);
  }
  void Merge(const Learned& other) {
    range.Merge(other.range);
    quantiles.Merge(other.quantiles);
  }
  void Finish() {
    std::vector<double> made;
    const auto last = static_cast<double>(count - 1);
    if (even && !range.empty()) {
      for (std::int64_t i = 0; i < count; ++i) {
        const double share = static_cast<double>(i) / last;
        made.push_back(range.low * (1 - share) + range.high * share);
      }
    } else if (!even && quantiles.count() > 0) {
      std::vector<double> shares;
      for (std::int64_t i = 0; i < count; ++i) shares.push_back(static_cast<double>(i) / last);
      made = quantiles.At(shares);
    }
    std::sort(made.begin(), made.end());
    // Many equal values make equal knots, of which one is enough.
    made.erase(std::unique(made.begin(), made.end()), made.end());
    if (made.empty()) made.push_back(0);
    if (made.size() < 2) made.push_back(made[0] + std::max(1.0, std::abs(made[0])));
    knots = std::move(made);
  }
  std::string Words() const { return Str(knots.size(), " knots, at ", ListedNumbers(knots)); }
  void Save(Writer& out) const {
    out.Size(knots.size());
    for (const double knot : knots) out.F64(knot);
  }
  void Load(Reader& in) {
    knots.resize(in.Size(8));
    for (std::size_t i = 0; i < knots.size(); ++i) {
      knots[i] = in.F64();
      if (!std::isfinite(knots[i]) || (i > 0 && knots[i] <= knots[i - 1])) in.Fail();
    }
    if (knots.size() < 2) in.Fail();
  }

  int Width() const { return static_cast<int>(knots.size()) - 1 + degree; }
  double Knot(std::int64_t i) const {  // from -degree
    const auto last = static_cast<std::int64_t>(knots.size()) - 1;
    if (i < 0) return knots[0] + static_cast<double>(i) * (knots[1] - knots[0]);
    const auto end = static_cast<std::size_t>(last);
    if (i > last) return knots[end] + static_cast<double>(i - last) * (knots[end] - knots[end - 1]);
    return knots[static_cast<std::size_t>(i)];
  }
  // The first of the degree + 1 bumps that are not 0 at x, and their values.
  std::int64_t Bumps(double x, double* bumps) const {
    x = std::clamp(x, knots.front(), knots.back());
    const auto above = std::upper_bound(knots.begin() + 1, knots.end() - 1, x) - knots.begin();
    const std::int64_t span = above - 1;  // x is in [knot span, knot span + 1]
    bumps[0] = 1;
    double left[kMostDegree + 1];
    double right[kMostDegree + 1];
    for (int k = 1; k <= degree; ++k) {
      left[k] = x - Knot(span + 1 - k);
      right[k] = Knot(span + k) - x;
      double carried = 0;
      for (int i = 0; i < k; ++i) {
        const double part = bumps[i] / (right[i + 1] + left[k - i]);
        bumps[i] = carried + right[i + 1] * part;
        carried = left[k - i] * part;
      }
      bumps[k] = carried;
    }
    return span;
  }
};

class Spline final : public Op {
 public:
  Spline(Learned fresh, bool all, bool zero) : fresh_(std::move(fresh)), all_(all), zero_(zero) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Port> out;
    for (std::size_t i = 0; i < in.size(); ++i) {
      Port port{.name = Str(in[i].name, "_spline"), .kind = Port::Kind::kVector, .width = 0};
      if (state != nullptr) port.width = At(state, i).Width() - (all_ ? 0 : 1);
      for (int part = 0; part < port.width; ++part) port.parts.push_back(Str(in[i].name, "~spline", part + 1));
      out.push_back(std::move(port));
    }
    return out;
  }
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override {
    return std::make_unique<PerInput<Learned>>(std::vector<Learned>(in.size(), fresh_));
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    return PerInput<Learned>::Load(std::vector<Learned>(in.size(), fresh_), bytes);
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    double bumps[kMostDegree + 1];
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Learned& learned = At(state, i);
      const std::int64_t width = learned.Width() - (all_ ? 0 : 1);
      for (std::int64_t row = 0; row < n; ++row) {
        const double x = in[i].numbers[row];
        float* to = out[i].vectors + row * out[i].stride;
        if (std::isnan(x)) {
          if (!zero_) std::fill(to, to + width, std::numeric_limits<float>::quiet_NaN());
          continue;
        }
        const std::int64_t first = learned.Bumps(x, bumps);
        for (std::int64_t k = 0; k <= learned.degree && first + k < width; ++k) to[first + k] = static_cast<float>(bumps[k]);
      }
    }
  }

 private:
  static const Learned& At(const State* state, std::size_t input) {
    return static_cast<const PerInput<Learned>*>(state)->at(input);
  }
  Learned fresh_;
  bool all_;
  bool zero_;
};

}  // namespace

Result<void> AddSpline(Kinds<Op>& kinds) {
  return kinds.Add(
      "spline",
      {.summary = "Give a number as overlapping bumps, of which a linear model makes a curve",
       .when = "A linear model should follow a smooth curve (age, hour, temperature). Values outside the training range count as its "
               "ends. Trees need none; quantile_bucketize makes steps instead of curves.",
       .example = R"({"knots": 6, "missing": "zero"})",
       .options = {{.name = "knots", .type = Option::Type::kInt, .fallback = 5,
                    .help = "How many knots; with the degree they make knots + degree - 1 features", .least = 2, .most = 1000},
                   {.name = "degree", .type = Option::Type::kInt, .fallback = 3, .help = "Of the pieces: 3 is cubic", .least = 0,
                    .most = kMostDegree},
                   {.name = "place", .type = Option::Type::kText, .fallback = "uniform",
                    .help = "Knots evenly over the training range, or by rank; equal ones are kept once", .choices = {"uniform", "quantile"}},
                   {.name = "all", .type = Option::Type::kBool, .fallback = true,
                    .help = "Also the last bump, although all of them add up to 1"},
                   {.name = "missing", .type = Option::Type::kText, .fallback = "missing",
                    .help = "A missing number gives missing features, or zeros", .choices = {"missing", "zero"}}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        Learned fresh;
        fresh.degree = static_cast<int>(options.Int("degree"));
        fresh.count = options.Int("knots");
        fresh.even = options.Text("place") == "uniform";
        return std::make_unique<Spline>(std::move(fresh), options.Bool("all"), options.Text("missing") == "zero");
      });
}

}  // namespace tenon::transform

// Numbers replaced by their rank among the training rows, as a share or as the bell curve's quantile of it.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

// The standard normal quantile: Newton's method on the tail, which is convex there, from a start that is near enough.
double NormalQuantile(double share) {
  const double tail = std::min(share, 1 - share);
  const double t = std::sqrt(-2 * std::log(tail));
  double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 4; ++i) {
    const double error = 0.5 * std::erfc(x / std::numbers::sqrt2) - tail;
    const double slope = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    x += error / slope;
  }
  return share < 0.5 ? -x : x;
}

constexpr double kLeastShare = 1e-7;  // shares outside are taken for it, so that the bell's ends are finite

struct Learned {
  std::int64_t most = 1000;
  bool normal = false;
  Quantiles quantiles;
  std::vector<double> edges;  // of shares 0 .. 1, evenly

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { quantiles.Add(in, n); }
  void Merge(const Learned& other) { quantiles.Merge(other.quantiles); }
  void Finish() {
    const std::int64_t count = std::min(most, quantiles.count());
    if (count == 0) return;
    std::vector<double> shares;
    for (std::int64_t i = 0; i < count; ++i) {
      shares.push_back(count == 1 ? 0.0 : static_cast<double>(i) / static_cast<double>(count - 1));
    }
    edges = quantiles.At(shares);
    for (std::size_t i = 1; i < edges.size(); ++i) edges[i] = std::max(edges[i], edges[i - 1]);  // against rounding
  }
  std::string Words() const { return Str(edges.size(), " quantiles, at ", ListedNumbers(edges)); }
  void Save(Writer& out) const {
    out.Size(edges.size());
    for (const double edge : edges) out.F64(edge);
  }
  void Load(Reader& in) {
    edges.resize(in.Size(8));
    for (std::size_t i = 0; i < edges.size(); ++i) {
      edges[i] = in.F64();
      if (!std::isfinite(edges[i]) || (i > 0 && edges[i] < edges[i - 1])) in.Fail();
    }
  }

  double Share(double x) const {
    if (x <= edges.front()) return 0;
    if (x >= edges.back()) return 1;
    const double last = static_cast<double>(edges.size() - 1);
    const auto [low, high] = std::equal_range(edges.begin(), edges.end(), x);
    const auto below = static_cast<double>(low - edges.begin());
    // A value of many rows stands for the middle of their ranks.
    if (low != high) return (below + static_cast<double>(high - edges.begin() - 1)) / 2 / last;
    return (below - 1 + (x - *(low - 1)) / (*low - *(low - 1))) / last;
  }
  double Of(double x) const {
    if (std::isnan(x) || edges.empty()) return x;
    const double share = Share(x);
    return normal ? NormalQuantile(std::clamp(share, kLeastShare, 1 - kLeastShare)) : share;
  }
};

class QuantileTransform final : public EachNumber<Learned> {
 public:
  explicit QuantileTransform(Learned fresh) : EachNumber("rank", std::move(fresh)) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) out[i] = learned.Of(in[i]);
  }
};

}  // namespace

Result<void> AddQuantileTransform(Kinds<Op>& kinds) {
  return kinds.Add("quantile_transform",
                   {.summary = "Replace numbers by their rank among the training rows",
                    .when = "Before linear models, networks and distances, on numbers of any shape or with wild outliers: only the order "
                            "counts then. Values outside the training range become the ends; missing stays missing.",
                    .example = R"({"to": "normal", "quantiles": 100})",
                    .options = {{.name = "to", .type = Option::Type::kText, .fallback = "uniform",
                                 .help = "A share from 0 to 1, or the bell curve's quantile of it (within 5.2 of 0)",
                                 .choices = {"uniform", "normal"}},
                                {.name = "quantiles", .type = Option::Type::kInt, .fallback = 1000,
                                 .help = "How many ranks are remembered (at most one a row); between them it is linear", .least = 2,
                                 .most = 100'000}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.normal = options.Text("to") == "normal";
                     fresh.most = options.Int("quantiles");
                     return std::make_unique<QuantileTransform>(std::move(fresh));
                   });
}

}  // namespace tenon::transform

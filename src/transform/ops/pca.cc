// Numbers to their positions along the directions in which the training rows differ most (principal components; Jolliffe 2002).

#include <algorithm>
#include <cmath>

#include "transform/points_internal.h"
#include "transform/compact_sum_internal.h"
#include "transform/eigen_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostInputs = 256;

struct Settings {
  std::int64_t most = 0;  // components; 0: by share
  double share = 0;       // of the variance
  bool scale = false;
  bool whiten = false;
  bool center = true;
};

class Learned final : public State {
 public:
  Learned(Settings settings, std::size_t inputs)
      : settings_(settings), inputs_(inputs), sums_(inputs), products_(inputs * (inputs + 1) / 2) {}

  // Rows with a missing or infinite number (or one whose square is nearly so) teach nothing.
  void Add(std::span<const Lane> in, const double*, const std::uint8_t*, std::int64_t n) override {
    for (std::int64_t row = 0; row < n; ++row) {
      bool whole = true;
      for (const Lane& lane : in) whole = whole && std::isfinite(lane.numbers[row]) && std::abs(lane.numbers[row]) < 1e140;
      if (!whole) continue;
      ++count_;
      std::size_t at = 0;
      for (std::size_t i = 0; i < inputs_; ++i) {
        const double x = in[i].numbers[row];
        sums_[i].Add(x);
        for (std::size_t k = 0; k <= i; ++k) {
          const double y = in[k].numbers[row];
          const double product = x * y;
          products_[at].Add(product);
          products_[at++].Add(std::fma(x, y, -product));  // what rounding it lost
        }
      }
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr || same->inputs_ != inputs_) return Error(Code::kInternal, "states of different ops were merged");
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i].Merge(same->sums_[i]);
    for (std::size_t i = 0; i < products_.size(); ++i) products_[i].Merge(same->products_[i]);
    count_ += same->count_;
    return {};
  }
  Result<void> Finish() override {
    means.assign(inputs_, 0);
    factors.assign(inputs_, 1);
    if (count_ == 0) return {};
    std::vector<double> matrix(inputs_ * inputs_);
    Covariance(matrix);
    if (settings_.scale) Standardize(matrix);
    const Eigen eigen = SymmetricEigen(std::move(matrix), inputs_);
    const std::int64_t most = settings_.center ? count_ - 1 : count_;
    std::size_t kept = std::min<std::size_t>(inputs_, static_cast<std::size_t>(std::max<std::int64_t>(0, most)));
    if (settings_.most > 0) {
      kept = std::min(kept, static_cast<std::size_t>(settings_.most));
    } else {
      kept = std::min(kept, ByShare(eigen.values));
    }
    const double largest = eigen.values.empty() ? 0 : eigen.values[0];
    for (std::size_t c = 0; c < kept; ++c) {
      // What is nothing but rounding has no direction.
      if (!(eigen.values[c] > largest * 1e-13)) break;
      const double length = settings_.whiten ? std::sqrt(eigen.values[c]) : 1;
      for (std::size_t i = 0; i < inputs_; ++i) weights.push_back(eigen.vectors[c * inputs_ + i] / length);
    }
    sums_.clear();
    products_.clear();
    return {};
  }
  std::vector<std::string> Words() const override { return {Str(width(), " directions; mean ", ListedNumbers(means))}; }
  std::string Save() const override {
    Writer out;
    for (const double mean : means) out.F64(mean);
    for (const double factor : factors) out.F64(factor);
    out.Size(weights.size());
    for (const double weight : weights) out.F64(weight);
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    means.resize(inputs_);
    factors.resize(inputs_);
    for (double& mean : means) mean = in.F64();
    for (double& factor : factors) factor = in.F64();
    weights.resize(in.Size(8));
    if (weights.size() % inputs_ != 0) in.Fail();
    for (double& weight : weights) weight = in.F64();
    return in.Done();
  }
  std::size_t width() const { return weights.size() / inputs_; }

  std::vector<double> means, factors;  // of each input: (x - mean) / factor
  std::vector<double> weights;         // of each component, of each input

 private:
  // Of the sample (n - 1); and the means. Without centring, mean products instead, and zeros.
  void Covariance(std::vector<double>& matrix) {
    const auto n = static_cast<double>(count_);
    std::vector<double> high(inputs_);
    std::vector<double> low(inputs_);
    for (std::size_t i = 0; i < inputs_; ++i) {
      ExactSum sum;
      sums_[i].AddTo(&sum);
      sum.Value(&high[i], &low[i]);
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < inputs_; ++i) {
      for (std::size_t k = 0; k <= i; ++k) {
        ExactSum sum;
        products_[at++].AddTo(&sum);
        double q = 0;
        double q_low = 0;
        sum.Value(&q, &q_low);
        // n sum(xy) - sum(x) sum(y), both as a pair of doubles, as they nearly cancel.
        if (!settings_.center) {
          matrix[i * inputs_ + k] = matrix[k * inputs_ + i] = q / n;
          continue;
        }
        const double left = n * q;
        const double left_low = std::fma(n, q, -left) + n * q_low;
        const double right = high[i] * high[k];
        const double right_low = std::fma(high[i], high[k], -right) + high[i] * low[k] + low[i] * high[k];
        const double value = ((left - right) + (left_low - right_low)) / (n * std::max(1.0, n - 1));
        matrix[i * inputs_ + k] = matrix[k * inputs_ + i] = value;
      }
    }
    for (std::size_t i = 0; i < inputs_ && settings_.center; ++i) means[i] = high[i] / n;
  }
  void Standardize(std::vector<double>& matrix) {
    for (std::size_t i = 0; i < inputs_; ++i) {
      const double variance = matrix[i * inputs_ + i];
      if (variance > 0) factors[i] = std::sqrt(variance);
    }
    for (std::size_t i = 0; i < inputs_; ++i) {
      for (std::size_t k = 0; k < inputs_; ++k) matrix[i * inputs_ + k] /= factors[i] * factors[k];
    }
  }
  std::size_t ByShare(const std::vector<double>& values) const {
    double all = 0;
    for (const double value : values) all += std::max(0.0, value);
    double sum = 0;
    for (std::size_t c = 0; c < values.size(); ++c) {
      sum += std::max(0.0, values[c]);
      if (sum >= settings_.share * all) return c + 1;
    }
    return values.size();
  }
  Settings settings_;
  std::size_t inputs_;
  std::int64_t count_ = 0;
  std::vector<CompactSum> sums_;
  std::vector<CompactSum> products_;  // of the lower triangle
};

class Pca final : public PointOp<Learned, Settings> {
 public:
  explicit Pca(Settings settings) : PointOp(settings, "components", kMostInputs) {}

  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    const auto& learned = *static_cast<const Learned*>(state);
    double centred[kMostInputs];
    for (std::int64_t row = 0; row < n; ++row) {
      Centre(learned, in, row, centred);
      const double* weight = learned.weights.data();
      float* to = out[0].vectors + row * out[0].stride;
      for (std::size_t c = 0; c < learned.width(); ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < in.size(); ++i) sum += *weight++ * centred[i];
        to[c] = static_cast<float>(sum);
      }
    }
  }
};

}  // namespace

Result<void> AddPca(Kinds<Op>& kinds) {
  return kinds.Add(
      "pca",
      {.summary = "Replace numbers by their positions along the directions in which rows differ most",
       .when = "Many numbers that move together (sensors, measurements, survey answers), before linear models, networks and distances. "
               "Scale when their units differ. Missing and infinite numbers count as average; rows that have any are not learned from.",
       .example = R"({"share": 0.9, "scale": true})",
       .options = {{.name = "components", .type = Option::Type::kInt, .fallback = 0, .help = "How many to keep; 0: by share", .least = 0,
                    .most = kMostInputs},
                   {.name = "share", .fallback = 0.95, .help = "Keep so many that this share of the variance is kept", .least = 0, .most = 1},
                   {.name = "scale", .type = Option::Type::kBool, .fallback = false, .help = "Divide each number by its standard deviation first"},
                   {.name = "whiten", .type = Option::Type::kBool, .fallback = false, .help = "Each component to variance 1"},
                   {.name = "center", .type = Option::Type::kBool, .fallback = true,
                    .help = "Measure from the mean; false: from zero, which is the truncated singular value decomposition: for counts and weights that "
                            "are mostly 0. Missing numbers count as 0 then"}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<Pca>(Settings{options.Int("components"), options.Number("share"), options.Bool("scale"), options.Bool("whiten"), options.Bool("center")});
      });
}

}  // namespace tenon::transform

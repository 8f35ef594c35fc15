// Vectors and numbers, side by side, to their positions along the directions in which they are longest (truncated singular
// value decomposition; of TF-IDF weights: latent semantic analysis, Deerwester et al. 1990).

#include <algorithm>
#include <cmath>

#include "transform/columns_internal.h"
#include "transform/compact_sum_internal.h"
#include "transform/eigen_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostWidth = 4096;
constexpr std::size_t kMostComponents = 512;

struct Settings {
  std::int64_t components = 100;
  bool norm = false;
};

// Calls visit(place, value) for each value of the row that is neither 0 nor missing.
template <typename Visit>
void EachValue(std::span<const Lane> in, const std::vector<int>& widths, std::int64_t row, Visit visit) {
  std::size_t place = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto width = static_cast<std::size_t>(widths[i]);
    if (in[i].numbers != nullptr) {
      const double value = in[i].numbers[row];
      if (value != 0 && std::abs(value) < 1e140) visit(place, value);
    } else {
      const float* values = in[i].vectors + row * in[i].stride;
      for (std::size_t k = 0; k < width; ++k) {
        if (values[k] != 0 && std::isfinite(values[k])) visit(place + k, static_cast<double>(values[k]));
      }
    }
    place += width;
  }
}

class Learned final : public State {
 public:
  Learned(Settings settings, std::vector<int> widths_in) : widths(std::move(widths_in)), settings_(settings) {
    for (const int one : widths) all += static_cast<std::size_t>(one);
  }

  void Add(std::span<const Lane> in, const double*, const std::uint8_t*, std::int64_t n) override {
    if (all > kMostWidth) return;
    products_.resize(all * (all + 1) / 2);
    std::vector<std::pair<std::size_t, double>> values;
    for (std::int64_t row = 0; row < n; ++row) {
      values.clear();
      EachValue(in, widths, row, [&values](std::size_t place, double value) { values.emplace_back(place, value); });
      rows_ += values.empty() ? 0 : 1;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto [place, x] = values[i];
        CompactSum* cells = products_.data() + place * (place + 1) / 2;
        for (std::size_t k = 0; k <= i; ++k) {
          const double y = values[k].second;
          const double product = x * y;
          const double lost = std::fma(x, y, -product);
          cells[values[k].first].Add(product);
          if (lost != 0) cells[values[k].first].Add(lost);
        }
      }
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr || same->widths != widths) return Error(Code::kInternal, "states of different ops were merged");
    products_.resize(std::max(products_.size(), same->products_.size()));
    for (std::size_t i = 0; i < same->products_.size(); ++i) products_[i].Merge(same->products_[i]);
    rows_ += same->rows_;
    return {};
  }
  Result<void> Finish() override {
    if (all > kMostWidth) {
      return Error(Code::kInvalidArgument, Str("its inputs are ", all, " numbers wide, and it takes up to ", kMostWidth,
                                               "; keep fewer terms, such as {text_tfidf: {most: 2000}}"));
    }
    if (products_.empty()) return {};
    std::vector<double> matrix(all * all);
    for (std::size_t i = 0; i < all; ++i) {
      for (std::size_t k = 0; k <= i; ++k) {
        ExactSum sum;
        products_[i * (i + 1) / 2 + k].AddTo(&sum);
        matrix[i * all + k] = matrix[k * all + i] = sum.Value();
      }
    }
    products_ = std::vector<CompactSum>();
    const std::size_t most = std::min(static_cast<std::size_t>(settings_.components), static_cast<std::size_t>(rows_));
    const Eigen eigen = LargestEigen(std::move(matrix), all, most);
    // What is nothing but rounding has no direction.
    while (width < eigen.values.size() && eigen.values[width] > eigen.values[0] * 1e-13 && eigen.values[width] > 0) ++width;
    weights.resize(all * width);
    for (std::size_t c = 0; c < width; ++c) {
      for (std::size_t i = 0; i < all; ++i) weights[i * width + c] = eigen.vectors[c * all + i];
    }
    return {};
  }
  std::vector<std::string> Words() const override { return {Str(width, " directions in ", all, " numbers")}; }
  std::string Save() const override {
    Writer out;
    out.I64(static_cast<std::int64_t>(width));
    out.Size(weights.size());
    for (const double weight : weights) out.F64(weight);
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    const std::int64_t saved = in.I64();
    weights.resize(in.Size(8));
    if (saved < 0 || saved > static_cast<std::int64_t>(kMostComponents)) in.Fail();
    if (in.failed()) return in.Done();
    width = static_cast<std::size_t>(saved);
    if (weights.size() != all * width) in.Fail();
    for (double& weight : weights) weight = in.F64();
    return in.Done();
  }

  std::vector<int> widths;      // of each input
  std::size_t all = 0;          // their sum
  std::size_t width = 0;        // components
  std::vector<double> weights;  // of each place, of each component

 private:
  Settings settings_;
  std::int64_t rows_ = 0;             // that are not all zeros
  std::vector<CompactSum> products_;  // of the lower triangle
};

class TruncatedSvd final : public Op {
 public:
  explicit TruncatedSvd(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    if (in.empty()) return Error(Code::kInvalidArgument, "truncated_svd needs an input");
    for (const Port& port : in) {
      if (port.kind != Port::Kind::kText) continue;
      return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a text; weigh its words first: text_tfidf gives a vector"));
    }
    Port port{.name = in.size() == 1 ? Str(in[0].name, "_svd") : "svd", .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) port.width = static_cast<int>(static_cast<const Learned*>(state)->width);
    for (int part = 0; part < port.width; ++part) port.parts.push_back(Str(port.name, "~", part + 1));
    return std::vector<Port>{std::move(port)};
  }
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override { return Fresh(in); }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    auto state = Fresh(in);
    TENON_TRY(state->Load(bytes));
    return state;
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    const auto& learned = *static_cast<const Learned*>(state);
    const std::size_t width = learned.width;
    double sums[kMostComponents];
    for (std::int64_t row = 0; row < n; ++row) {
      std::fill(sums, sums + width, 0.0);
      EachValue(in, learned.widths, row, [&](std::size_t place, double value) {
        const double* weight = learned.weights.data() + place * width;
        for (std::size_t c = 0; c < width; ++c) sums[c] += weight[c] * value;
      });
      double squares = 0;
      for (std::size_t c = 0; c < width; ++c) squares += sums[c] * sums[c];
      const double length = settings_.norm && squares > 0 ? std::sqrt(squares) : 1;
      float* to = out[0].vectors + row * out[0].stride;
      for (std::size_t c = 0; c < width; ++c) to[c] = static_cast<float>(sums[c] / length);
    }
  }

 private:
  std::unique_ptr<Learned> Fresh(std::span<const Port> in) const {
    std::vector<int> widths;
    for (const Port& port : in) widths.push_back(port.kind == Port::Kind::kVector ? port.width : 1);
    return std::make_unique<Learned>(settings_, std::move(widths));
  }
  Settings settings_;
};

}  // namespace

Result<void> AddTruncatedSvd(Kinds<Op>& kinds) {
  return kinds.Add(
      "truncated_svd",
      {.summary = "Replace wide vectors by their positions along the directions in which they are longest",
       .when = "Word weights of one or several texts (text_tfidf and then this is latent semantic analysis), hashed crosses, embeddings, with "
               "or without numbers beside them: a hundred numbers that trees and networks can use instead of thousands that are mostly 0. "
               "Measured from zero, not from the mean; for numbers that are mostly there use pca. Takes inputs up to 4096 wide together; "
               "missing values count as 0.",
       .example = R"({"components": 50})",
       .options = {{.name = "components", .type = Option::Type::kInt, .fallback = 100, .help = "How many to keep; fewer when there are fewer",
                    .least = 1, .most = kMostComponents},
                   {.name = "norm", .type = Option::Type::kBool, .fallback = false, .help = "Each row to length 1, so that distances compare directions"}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<TruncatedSvd>(Settings{options.Int("components"), options.Bool("norm")});
      });
}

}  // namespace tenon::transform

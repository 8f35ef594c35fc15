// Passes on those numbers that are among the best in most random halves of the rows (stability selection: Meinshausen and
// Buhlmann 2010; complementary halves: Shah and Samworth 2013).

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/compact_sum_internal.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostInputs = 1024;

struct Settings {
  std::int64_t pairs = 25;
  std::int64_t best = 0;
  double share = 0.6;
  std::int64_t most = 0;
  std::uint64_t seed = 0;
};

// Of one input in one half of the rows, where it is finite: what its score is made from.
struct Part {
  std::vector<std::int64_t> counts;  // of each class; of a regression one
  std::vector<CompactSum> sums;      // likewise, of the values
  CompactSum squares, labels, label_squares, products;

  void Add(double x, double label, int classes) {
    const std::size_t of = classes > 0 ? static_cast<std::size_t>(label) : 0;
    const auto size = static_cast<std::size_t>(std::max(1, classes));
    counts.resize(size);
    sums.resize(size);
    ++counts[of];
    sums[of].Add(x);
    AddProduct(x, x, &squares);
    if (classes > 0) return;
    labels.Add(label);
    AddProduct(label, label, &label_squares);
    AddProduct(x, label, &products);
  }
  void Merge(const Part& other) {
    counts.resize(std::max(counts.size(), other.counts.size()));
    sums.resize(counts.size());
    for (std::size_t c = 0; c < other.counts.size(); ++c) {
      counts[c] += other.counts[c];
      sums[c].Merge(other.sums[c]);
    }
    squares.Merge(other.squares);
    labels.Merge(other.labels);
    label_squares.Merge(other.label_squares);
    products.Merge(other.products);
  }
  // The share of the variance that the label explains: of classes eta squared, of numbers r squared.
  double Score(int classes) const {
    ExactSum all;
    double n = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      n += static_cast<double>(counts[c]);
      sums[c].AddTo(&all);
    }
    if (n < 2) return 0;
    const double mean = all.Value() / n;
    const double spread = Of(squares) / n - mean * mean;
    if (!(spread > 1e-13 * mean * mean)) return 0;
    if (classes == 0) {
      const double middle = Of(labels) / n;
      const double label_spread = Of(label_squares) / n - middle * middle;
      const double together = Of(products) / n - mean * middle;
      return label_spread > 0 ? std::min(1.0, together * together / spread / label_spread) : 0;
    }
    double between = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0) continue;
      const double off = Of(sums[c]) / static_cast<double>(counts[c]) - mean;
      between += static_cast<double>(counts[c]) * off * off;
    }
    return std::min(1.0, between / n / spread);
  }

 private:
  static void AddProduct(double x, double y, CompactSum* to) {
    const double product = x * y;
    to->Add(product);
    to->Add(std::fma(x, y, -product));  // what rounding it lost
  }
  static double Of(const CompactSum& of) {
    ExactSum sum;
    of.AddTo(&sum);
    return sum.Value();
  }
};

class Learned final : public State {
 public:
  Learned(Settings settings, std::size_t inputs, int classes) : settings_(settings), inputs_(inputs), classes_(classes) {}

  void Add(std::span<const Lane> in, const double* label, const std::uint8_t*, std::int64_t n) override {
    if (label == nullptr) return;
    const auto pairs = static_cast<std::size_t>(settings_.pairs);
    parts_.resize(2 * pairs * inputs_);
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      const double y = label[row];
      const bool teaches = classes_ > 0 ? y >= 0 && y < classes_ && y == std::floor(y) : std::isfinite(y) && std::abs(y) < 1e140;
      if (!teaches) continue;
      // Which half a row is in hangs on what is in it, so that the order and split of rows do not matter.
      std::uint64_t hash = Hash64(std::bit_cast<std::uint64_t>(CanonicalNumber(y)), settings_.seed);
      for (const Lane& lane : in) hash = Hash64(KeyOrMissing(lane, row, &room), hash);
      for (std::size_t pair = 0; pair < pairs; ++pair) {
        if (pair % 64 == 0 && pair > 0) hash = Hash64(hash, 1);
        const std::size_t half = 2 * pair + (hash >> pair % 64 & 1);
        for (std::size_t i = 0; i < inputs_; ++i) {
          const double x = in[i].numbers[row];
          if (std::abs(x) < 1e140) parts_[half * inputs_ + i].Add(x, y, classes_);
        }
      }
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr || same->inputs_ != inputs_) return Error(Code::kInternal, "states of different ops were merged");
    parts_.resize(std::max(parts_.size(), same->parts_.size()));
    for (std::size_t i = 0; i < same->parts_.size(); ++i) parts_[i].Merge(same->parts_[i]);
    return {};
  }
  Result<void> Finish() override {
    shares.assign(inputs_, 0);
    if (parts_.empty()) return {};
    const auto halves = static_cast<std::size_t>(2 * settings_.pairs);
    const auto best = settings_.best > 0 ? static_cast<std::size_t>(settings_.best)
                                         : static_cast<std::size_t>(std::ceil(std::sqrt(0.8 * static_cast<double>(inputs_))));
    std::vector<std::pair<double, std::size_t>> ranked(inputs_);
    for (std::size_t half = 0; half < halves; ++half) {
      for (std::size_t i = 0; i < inputs_; ++i) ranked[i] = {-parts_[half * inputs_ + i].Score(classes_), i};
      std::sort(ranked.begin(), ranked.end());
      for (std::size_t i = 0; i < std::min(best, inputs_); ++i) {
        if (ranked[i].first < 0) shares[ranked[i].second] += 1 / static_cast<double>(halves);
      }
    }
    parts_.clear();
    return {};
  }
  std::vector<std::string> Words() const override {
    std::vector<std::string> out;
    for (const double share : shares) out.push_back(Str("among the best in ", FormatShort(share * 100, 3), " % of the halves"));
    return out;
  }
  std::string Save() const override {
    Writer out;
    for (const double share : shares) out.F64(share);
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    shares.resize(inputs_);
    for (double& share : shares) {
      share = in.F64();
      if (!std::isfinite(share)) in.Fail();
    }
    return in.Done();
  }
  std::vector<double> shares;  // of the halves in which each input was among the best

 private:
  Settings settings_;
  std::size_t inputs_;
  int classes_;
  std::vector<Part> parts_;    // half by half, input by input
};

class SelectStable final : public Op {
 public:
  explicit SelectStable(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckNumbers(in, kMostInputs));
    Port port{.name = in.size() == 1 ? Str(in[0].name, "_stable") : "stable", .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) {
      std::size_t kept[kMostInputs];
      const std::size_t count = Kept(*static_cast<const Learned*>(state), kept);
      for (std::size_t k = 0; k < count; ++k) port.parts.push_back(in[kept[k]].name);
      port.width = static_cast<int>(count);
    }
    return std::vector<Port>{std::move(port)};
  }
  bool needs_label() const override { return true; }
  std::unique_ptr<State> NewState(std::span<const Port> in, int classes) const override {
    return std::make_unique<Learned>(settings_, in.size(), classes);
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    auto state = std::make_unique<Learned>(settings_, in.size(), 0);
    TENON_TRY(state->Load(bytes));
    return state;
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    std::size_t kept[kMostInputs];
    const std::size_t count = Kept(*static_cast<const Learned*>(state), kept);
    for (std::size_t k = 0; k < count; ++k) {
      float* to = out[0].vectors + k;
      for (std::int64_t row = 0; row < n; ++row) to[row * out[0].stride] = static_cast<float>(in[kept[k]].numbers[row]);
    }
  }

 private:
  // The inputs that are passed on, in their own order.
  std::size_t Kept(const Learned& learned, std::size_t* kept) const {
    const std::vector<double>& shares = learned.shares;
    std::size_t count = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (shares[i] > 0 && shares[i] + 1e-9 >= settings_.share) kept[count++] = i;
    }
    const auto most = static_cast<std::size_t>(settings_.most);
    if (most > 0 && count > most) {
      std::sort(kept, kept + count, [&](std::size_t a, std::size_t b) { return shares[a] != shares[b] ? shares[a] > shares[b] : a < b; });
      count = most;
      std::sort(kept, kept + count);
    }
    return count;
  }
  Settings settings_;
};

}  // namespace

Result<void> AddSelectStable(Kinds<Op>& kinds) {
  return kinds.Add(
      "select_stable",
      {.summary = "Pass on the numbers that are among the best in most random halves of the rows",
       .when = "Many numbers and not so many rows, where the best by one look at the data is partly luck. The rows are cut into two halves "
               "many times, by hashes of what is in them; in each half the numbers are ranked by the share of their variance that the label "
               "explains (r squared; of classes eta squared); kept is what is among the best often enough.",
       .example = R"({"best": 10, "share": 0.7})",
       .options = {{.name = "best", .type = Option::Type::kInt, .fallback = 0,
                    .help = "How many of a half count as its best; 0: the root of 0.8 times the inputs, rounded up", .least = 0},
                   {.name = "share", .fallback = 0.6, .help = "Of the halves, in which a number must be among the best", .least = 0, .most = 1},
                   {.name = "most", .type = Option::Type::kInt, .fallback = 0, .help = "Keep the most often chosen, this many; 0: all", .least = 0},
                   {.name = "pairs", .type = Option::Type::kInt, .fallback = 25, .help = "Times the rows are cut into two halves", .least = 1, .most = 256},
                   {.name = "seed", .type = Option::Type::kInt, .fallback = 0, .help = "Of the cuts", .least = 0, .most = 1e9}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<SelectStable>(Settings{options.Int("pairs"), options.Int("best"), options.Number("share"), options.Int("most"),
                                                       static_cast<std::uint64_t>(options.Int("seed"))});
      });
}

}  // namespace tenon::transform

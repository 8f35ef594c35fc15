// Passes on only those numbers that vary, or that go with the label.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/compact_sum_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

enum class Method : std::uint8_t { kVariance, kCorrelation, kInformation };
constexpr std::size_t kBins = 16;

struct Settings {
  Method method = Method::kVariance;
  double least = 0;
  std::int64_t most = 0;
};

// What is learned of one input, of the rows where it is finite.
struct Learned {
  Settings settings;
  int classes = 0;
  Moments values;
  Moments labels;
  CompactSum products;
  std::vector<Quantiles> by_class;     // of the finite values
  std::vector<std::int64_t> missing;  // the other rows of each class
  double score = 0;

  void Add(const Lane& in, const double* label, const std::uint8_t*, std::int64_t n) {
    if (settings.method == Method::kVariance) return values.Add(in, n);
    if (label == nullptr) return;
    for (std::int64_t i = 0; i < n; ++i) {
      double x = in.numbers[i];
      double y = label[i];
      Lane one;
      if (settings.method == Method::kInformation) {
        if (!(y >= 0 && y < classes)) continue;
        const auto of = static_cast<std::size_t>(y);
        by_class.resize(static_cast<std::size_t>(classes));
        missing.resize(static_cast<std::size_t>(classes));
        one.numbers = &x;
        if (std::isfinite(x)) {
          by_class[of].Add(one, 1);
        } else {
          ++missing[of];
        }
        continue;
      }
      if (!std::isfinite(y) || !(std::abs(x) < 1e140)) continue;
      one.numbers = &x;
      values.Add(one, 1);
      one.numbers = &y;
      labels.Add(one, 1);
      const double product = x * y;
      products.Add(product);
      products.Add(std::fma(x, y, -product));
    }
  }
  void Merge(const Learned& other) {
    values.Merge(other.values);
    labels.Merge(other.labels);
    products.Merge(other.products);
    if (by_class.size() < other.by_class.size()) {
      by_class.resize(other.by_class.size());
      missing.resize(other.by_class.size());
    }
    for (std::size_t c = 0; c < other.by_class.size(); ++c) {
      by_class[c].Merge(other.by_class[c]);
      missing[c] += other.missing[c];
    }
  }
  Result<void> Finish() {
    if (settings.method == Method::kInformation && classes < 2) {
      return Error(Code::kInvalidArgument, "mutual_information needs a label of classes; use correlation for numbers");
    }
    if (settings.method == Method::kVariance) score = values.count() > 0 ? values.Variance() : 0;
    if (settings.method == Method::kCorrelation) score = Correlation();
    if (settings.method == Method::kInformation) score = Information();
    if (!std::isfinite(score)) score = 0;
    return {};
  }
  double Correlation() const {
    if (values.count() == 0) return 0;
    const auto n = static_cast<double>(values.count());
    ExactSum sum;
    products.AddTo(&sum);
    const double spread = std::sqrt(values.Variance()) * std::sqrt(labels.Variance());
    return spread > 0 ? std::min(1.0, std::abs(sum.Value() / n - values.Mean() * labels.Mean()) / spread) : 0;
  }
  // Between the label and the value in kBins bins of about equally many rows (missing is one more), in nats.
  double Information() const {
    Quantiles all;
    for (const Quantiles& one : by_class) all.Merge(one);
    std::vector<double> edges;
    if (all.count() > 0) {
      std::vector<double> shares;
      for (std::size_t b = 1; b < kBins; ++b) shares.push_back(static_cast<double>(b) / kBins);
      edges = all.At(shares);
    }
    std::vector<std::vector<double>> cells(by_class.size(), std::vector<double>(kBins + 1));
    std::vector<double> bins(kBins + 1);
    double rows = 0;
    for (std::size_t c = 0; c < by_class.size(); ++c) {
      for (const auto& [value, count] : by_class[c].Sorted()) {
        cells[c][static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin())] += static_cast<double>(count);
      }
      cells[c][kBins] += static_cast<double>(missing[c]);
      for (std::size_t b = 0; b <= kBins; ++b) {
        bins[b] += cells[c][b];
        rows += cells[c][b];
      }
    }
    double information = 0;
    for (const auto& row : cells) {
      double in_class = 0;
      for (const double cell : row) in_class += cell;
      for (std::size_t b = 0; b <= kBins; ++b) {
        if (row[b] > 0) information += row[b] / rows * std::log(row[b] * rows / (in_class * bins[b]));
      }
    }
    return information;
  }
  std::string Words() const { return Str("score ", FormatShort(score, 4)); }
  void Save(Writer& out) const { out.F64(score); }
  void Load(Reader& in) {
    score = in.F64();
    if (!std::isfinite(score)) in.Fail();
  }
};

class SelectFeatures final : public Op {
 public:
  explicit SelectFeatures(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckNumbers(in));
    Port port{.name = in.size() == 1 ? Str(in[0].name, "_selected") : "selected", .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) {
      for (const std::size_t i : Kept(state, in.size())) port.parts.push_back(in[i].name);
      port.width = static_cast<int>(port.parts.size());
    }
    return std::vector<Port>{std::move(port)};
  }
  bool needs_label() const override { return settings_.method != Method::kVariance; }
  std::unique_ptr<State> NewState(std::span<const Port> in, int classes) const override {
    return std::make_unique<PerInput<Learned>>(Fresh(in.size(), classes));
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    return PerInput<Learned>::Load(Fresh(in.size(), 0), bytes);
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    std::int64_t part = 0;
    for (const std::size_t i : Kept(state, in.size())) {
      for (std::int64_t row = 0; row < n; ++row) out[0].vectors[row * out[0].stride + part] = static_cast<float>(in[i].numbers[row]);
      ++part;
    }
  }

 private:
  std::vector<Learned> Fresh(std::size_t inputs, int classes) const {
    Learned one;
    one.settings = settings_;
    one.classes = classes;
    return std::vector<Learned>(inputs, one);
  }
  // In the order of the inputs; working memory of the thread.
  const std::vector<std::size_t>& Kept(const State* state, std::size_t inputs) const {
    thread_local std::vector<std::size_t> kept;
    kept.clear();
    const auto score = [&](std::size_t i) { return static_cast<const PerInput<Learned>*>(state)->at(i).score; };
    for (std::size_t i = 0; i < inputs; ++i) {
      if (score(i) > settings_.least) kept.push_back(i);
    }
    if (settings_.most > 0 && kept.size() > static_cast<std::size_t>(settings_.most)) {
      std::sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
      kept.resize(static_cast<std::size_t>(settings_.most));
      std::sort(kept.begin(), kept.end());
    }
    return kept;
  }
  Settings settings_;
};

}  // namespace

Result<void> AddSelectFeatures(Kinds<Op>& kinds) {
  return kinds.Add(
      "select_features",
      {.summary = "Pass on the numbers that vary or go with the label, and drop the rest",
       .when = "Very many numbers of which most say nothing: the model trains faster, and requests need fewer columns to be right. Judged on "
               "the training rows, each input by itself. Boosted trees choose well themselves.",
       .example = R"({"by": "mutual_information", "most": 20})",
       .options = {{.name = "by", .type = Option::Type::kText, .fallback = "variance",
                    .help = "variance; correlation with the label (absolute, Pearson's; of several classes with their number); mutual_information "
                            "with a label of classes, in nats, over 16 bins and missing",
                    .choices = {"variance", "correlation", "mutual_information"}},
                   {.name = "above", .fallback = 0.0, .help = "Drop what scores this or less", .least = 0},
                   {.name = "most", .type = Option::Type::kInt, .fallback = 0, .help = "Keep the best, this many; 0: all above", .least = 0}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        const std::string by = options.Text("by");
        const Method method = by == "variance" ? Method::kVariance : by == "correlation" ? Method::kCorrelation : Method::kInformation;
        return std::make_unique<SelectFeatures>(Settings{method, options.Number("above"), options.Int("most")});
      });
}

}  // namespace tenon::transform

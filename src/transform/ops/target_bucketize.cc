// Numbers to the number of a bucket; the edges are where the label differs most: the leaves of a small regression or classification
// tree over the one number, grown best split first (Breiman et al. 1984; Dougherty, Kohavi and Sahami 1995 for its use).

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "transform/buckets_internal.h"
#include "transform/columns_internal.h"
#include "transform/compact_sum_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Settings {
  std::size_t buckets = 8;
  std::int64_t least_rows = 1;
};

// Rows up to each value, in ascending order: what is summed of any stretch is the difference of two.
class Ladder {
 public:
  explicit Ladder(std::size_t parts) : parts_(parts), counts_(1, 0), sums_(parts, 0) {}
  void Add(double value, double count, const std::vector<double>& sums) {
    values_.push_back(value);
    counts_.push_back(counts_.back() + count);
    for (std::size_t p = 0; p < parts_; ++p) sums_.push_back(sums_[sums_.size() - parts_] + sums[p]);
  }
  std::size_t size() const { return values_.size(); }
  double Rows(std::size_t from, std::size_t to) const { return counts_[to] - counts_[from]; }
  // The squared sums of [from, to) over its rows: the more, the purer.
  double Purity(std::size_t from, std::size_t to) const {
    double squares = 0;
    for (std::size_t p = 0; p < parts_; ++p) {
      const double sum = sums_[to * parts_ + p] - sums_[from * parts_ + p];
      squares += sum * sum;
    }
    return squares / Rows(from, to);
  }
  // Between the values before and at `at`.
  double Edge(std::size_t at) const {
    const double middle = values_[at - 1] / 2 + values_[at] / 2;
    return middle > values_[at - 1] ? middle : values_[at];
  }

 private:
  std::size_t parts_;
  std::vector<double> values_, counts_, sums_;
};

struct Leaf {
  std::size_t from = 0, to = 0, best = 0;  // best: where it is split, 0 when it is not
  double gain = 0;
};

Leaf LeafOf(const Ladder& ladder, std::size_t from, std::size_t to, double least_rows) {
  Leaf leaf{from, to};
  const double whole = ladder.Purity(from, to);
  const double noise = 1e-12 * std::abs(whole);  // what rounding makes of splits that tell nothing
  for (std::size_t at = from + 1; at < to; ++at) {
    if (ladder.Rows(from, at) < least_rows || ladder.Rows(at, to) < least_rows) continue;
    const double gain = ladder.Purity(from, at) + ladder.Purity(at, to) - whole;
    if (gain > noise && gain > leaf.gain) {
      leaf.gain = gain;
      leaf.best = at;
    }
  }
  return leaf;
}

struct Learned {
  static constexpr std::size_t kExact = 1 << 16;  // different values; beyond, those equal in sign, exponent and 10 bits are one
  Settings settings;
  int classes = 0;  // 0: regression
  bool coarse = false;
  std::unordered_map<std::uint64_t, LabelCell> cells;  // by the value's bits
  std::vector<double> edges;                      // ascending

  static std::uint64_t Coarse(std::uint64_t bits) { return bits >> 42 << 42; }
  LabelCell& At(std::uint64_t bits) { return cells[coarse ? Coarse(bits) : bits]; }
  void Coarsen() {
    if (coarse || cells.size() <= kExact) return;
    coarse = true;
    std::unordered_map<std::uint64_t, LabelCell> fine;
    fine.swap(cells);
    for (const auto& [bits, cell] : fine) cells[Coarse(bits)].Merge(cell);
  }
  void Add(const Lane& in, const double* label, const std::uint8_t*, std::int64_t n) {
    if (label == nullptr) return;
    for (std::int64_t i = 0; i < n; ++i) {
      const double y = label[i];
      if (!std::isfinite(in.numbers[i]) || !std::isfinite(y) || (classes > 0 && !(y >= 0 && y < classes))) continue;
      LabelCell& cell = At(std::bit_cast<std::uint64_t>(in.numbers[i] == 0 ? 0.0 : in.numbers[i]));
      ++cell.count;
      if (classes == 0) {
        cell.sum.Add(y);
      } else {
        cell.classes.resize(static_cast<std::size_t>(classes));
        ++cell.classes[static_cast<std::size_t>(y)];
      }
      Coarsen();
    }
  }
  void Merge(const Learned& other) {
    if (other.coarse && !coarse) {
      coarse = true;
      std::unordered_map<std::uint64_t, LabelCell> fine;
      fine.swap(cells);
      for (const auto& [bits, cell] : fine) cells[Coarse(bits)].Merge(cell);
    }
    for (const auto& [bits, cell] : other.cells) At(bits).Merge(cell);
    Coarsen();
  }
  Ladder Sorted() const {
    std::vector<std::pair<double, const LabelCell*>> order;
    for (const auto& [bits, cell] : cells) order.emplace_back(std::bit_cast<double>(bits), &cell);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    // Labels count from their mean, so that their differences are not lost beside it.
    double mean = 0;
    if (classes == 0) {
      ExactSum all;
      double rows = 0;
      for (const auto& [value, cell] : order) {
        cell->sum.AddTo(&all);
        rows += static_cast<double>(cell->count);
      }
      if (rows > 0) mean = all.Value() / rows;
    }
    const auto parts = static_cast<std::size_t>(classes == 0 ? 1 : classes);
    Ladder ladder(parts);
    std::vector<double> sums(parts);
    for (const auto& [value, cell] : order) {
      const auto count = static_cast<double>(cell->count);
      if (classes == 0) {
        ExactSum sum;
        cell->sum.AddTo(&sum);
        sums[0] = sum.Value() - mean * count;
      } else {
        for (std::size_t c = 0; c < parts; ++c) sums[c] = static_cast<double>(cell->classes[c]);
      }
      ladder.Add(value, count, sums);
    }
    return ladder;
  }
  void Finish() {
    const Ladder ladder = Sorted();
    if (ladder.size() == 0) return;
    const auto least = static_cast<double>(settings.least_rows);
    std::vector<Leaf> leaves = {LeafOf(ladder, 0, ladder.size(), least)};
    while (leaves.size() < settings.buckets) {
      const auto best = std::max_element(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) { return a.gain < b.gain; });
      if (best->best == 0) break;
      const Leaf split = *best;
      edges.push_back(ladder.Edge(split.best));
      *best = LeafOf(ladder, split.from, split.best, least);
      leaves.push_back(LeafOf(ladder, split.best, split.to, least));
    }
    std::sort(edges.begin(), edges.end());
    cells.clear();
  }
  std::string Words() const { return Str(edges.size() + 1, " buckets, cut at ", ListedNumbers(edges)); }
  void Save(Writer& out) const {
    SaveEdges(edges, out);
  }
  void Load(Reader& in) {
    LoadEdges(in, &edges);
  }
};

class TargetBucketize final : public EachNumber<Learned> {
 public:
  explicit TargetBucketize(Settings settings) : EachNumber("bucket", Learned{.settings = settings}), settings_(settings) {}
  bool needs_label() const override { return true; }
  std::unique_ptr<State> NewState(std::span<const Port> in, int classes) const override {
    return std::make_unique<PerInput<Learned>>(std::vector<Learned>(in.size(), Learned{.settings = settings_, .classes = classes}));
  }

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    MapToBuckets(learned.edges, in, out, n);
  }
  Settings settings_;
};

}  // namespace

Result<void> AddTargetBucketize(Kinds<Op>& kinds) {
  return kinds.Add("target_bucketize",
                   {.summary = "Put numbers into buckets between which the label differs most",
                    .when = "A linear model or a scorecard should follow a curve with few steps (then one_hot or weight_of_evidence). The edges are "
                            "the splits of a small tree over the number alone. Trees need none. Missing stays missing; values outside the "
                            "training range are in the outer buckets.",
                    .example = R"({"buckets": 5, "least_rows": 50})",
                    .options = {{.name = "buckets", .type = Option::Type::kInt, .fallback = 8, .help = "At most so many", .least = 2, .most = 1000},
                                {.name = "least_rows", .type = Option::Type::kInt, .fallback = 20, .help = "Training rows that a bucket has at least", .least = 1}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<TargetBucketize>(Settings{static_cast<std::size_t>(options.Int("buckets")), options.Int("least_rows")});
                   });
}

}  // namespace tenon::transform

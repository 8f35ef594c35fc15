#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "model/forest_ranks_internal.h"

namespace tenon::model {
namespace {

constexpr std::uint32_t kRanksAColumn = 255;
constexpr std::size_t kBlock = 16;
constexpr int kMostOutputs = 64;

class Prefixer {
 public:
  Prefixer(const Compiled& forest, int levels, Prefixes* out) : forest_(forest), most_levels_(levels), out_(*out) {}

  bool Run() {
    if (!Rank()) return false;
    for (std::size_t t = 0; t < forest_.roots.size(); ++t) AddTree(t);
    return true;
  }

 private:
  static bool Tests(const WalkNode& node) { return node.left >= 0 && IsPlain(node); }
  const WalkNode& At(std::int32_t node) const { return forest_.walk[static_cast<std::size_t>(node)]; }

  bool Rank() {
    // feature -> thresholds, and whether NaN goes left, right at some node
    std::map<std::int32_t, std::vector<float>> cuts;
    std::map<std::int32_t, std::array<bool, 2>> sides;
    for (const std::int32_t root : forest_.roots) Collect(root, 0, &cuts, &sides);
    for (auto& [feature, values] : cuts) {
      std::ranges::sort(values);
      values.erase(std::unique(values.begin(), values.end()), values.end());
      RankedFeature ranked;
      ranked.feature = feature;
      ranked.count = static_cast<std::uint32_t>(values.size());
      AddLevels(values, &ranked);
      ranked.columns_begin = static_cast<std::uint32_t>(out_.ranks.columns.size());
      const std::array<bool, 2> side = sides[feature];
      for (std::uint32_t base = 0; base < ranked.count; base += kRanksAColumn) {
        for (std::size_t right = 0; right < 2; ++right) {
          if (side[right]) out_.ranks.columns.push_back({base, right == 1});
        }
      }
      ranked.columns_end = static_cast<std::uint32_t>(out_.ranks.columns.size());
      position_[feature] = out_.ranks.features.size();
      out_.ranks.features.push_back(ranked);
    }
    return out_.ranks.columns.size() <= static_cast<std::size_t>(kMostColumns);
  }

  // The tests within the prefix; deeper ones are made on floats.
  void Collect(std::int32_t node, int level, std::map<std::int32_t, std::vector<float>>* cuts,
               std::map<std::int32_t, std::array<bool, 2>>* sides) const {
    const WalkNode& at = At(node);
    if (!Tests(at) || level == most_levels_) return;
    (*cuts)[at.feature].push_back(at.value);
    (*sides)[at.feature][at.missing_left ? 0 : 1] = true;
    Collect(at.left, level + 1, cuts, sides);
    Collect(at.right, level + 1, cuts, sides);
  }

  void AddLevels(std::vector<float> values, RankedFeature* ranked) {
    ranked->levels = 0;
    for (;;) {
      ranked->first[ranked->levels++] = Append(values);
      if (values.size() <= kBlock) return;
      std::vector<float> lasts;
      // Not the last of all: past it there is no block to look into.
      for (std::size_t i = kBlock - 1; i + 1 < values.size(); i += kBlock) lasts.push_back(values[i]);
      values = std::move(lasts);
    }
  }

  // In blocks filled up with NaN; returns the position of the first value.
  std::uint32_t Append(const std::vector<float>& values) {
    const std::size_t first = out_.ranks.thresholds.size() * kBlock;
    for (std::size_t i = 0; i < values.size(); i += kBlock) {
      ThresholdBlock block;
      block.values.fill(std::numeric_limits<float>::quiet_NaN());
      for (std::size_t j = i; j < std::min(values.size(), i + kBlock); ++j) block.values[j - i] = values[j];
      out_.ranks.thresholds.push_back(block);
    }
    return static_cast<std::uint32_t>(first);
  }

  // Levels of the subtree, at most most_levels_; a node that is no plain compare ends it like a leaf.
  int Depth(std::int32_t node, int level, bool* deep) const {
    const WalkNode& at = At(node);
    if (at.left < 0) return 0;
    if (!Tests(at) || level == most_levels_) {
      *deep = true;
      return 0;
    }
    return 1 + std::max(Depth(at.left, level + 1, deep), Depth(at.right, level + 1, deep));
  }

  void AddTree(std::size_t t) {
    PrefixTree tree;
    tree.output = forest_.outputs_of[t];
    tree.nodes = static_cast<std::uint32_t>(out_.column.size());
    tree.levels = static_cast<std::uint8_t>(Depth(forest_.roots[t], 0, &tree.deep));
    tree.exits = static_cast<std::uint32_t>(out_.exits.size());
    const std::size_t inner = (std::size_t{1} << tree.levels) - 1;
    out_.column.resize(out_.column.size() + inner);
    out_.cut.resize(out_.cut.size() + inner);
    out_.exits.resize(out_.exits.size() + inner + 1);
    (forest_.sum == Sum::kFloat ? out_.floats.resize(out_.exits.size()) : out_.doubles.resize(out_.exits.size()));
    Fill(tree, forest_.roots[t], 0, 0);
    out_.trees.push_back(tree);
  }

  // Under a leaf that comes early, both ways lead to that leaf, whatever is tested.
  void Fill(const PrefixTree& tree, std::int32_t node, std::size_t at, int level) {
    const WalkNode& from = At(node);
    if (level == tree.levels) {
      const std::size_t exit = tree.exits + at - ((std::size_t{1} << tree.levels) - 1);
      out_.exits[exit] = tree.deep ? forest_.step_of[static_cast<std::size_t>(node)] : from.right;
      if (tree.deep) return;
      const double value = forest_.leaves[static_cast<std::size_t>(from.right)];
      if (forest_.sum == Sum::kFloat) {
        out_.floats[exit] = static_cast<float>(value);
      } else {
        out_.doubles[exit] = value;
      }
      return;
    }
    const bool tests = Tests(from);
    if (tests) Test(from, tree.nodes + at);
    Fill(tree, tests ? from.left : node, 2 * at + 1, level + 1);
    Fill(tree, tests ? from.right : node, 2 * at + 2, level + 1);
  }

  void Test(const WalkNode& node, std::size_t at) {
    const RankedFeature& ranked = out_.ranks.features[position_.at(node.feature)];
    const float* first = out_.ranks.values() + ranked.first[0];
    const auto rank = static_cast<std::uint32_t>(std::lower_bound(first, first + ranked.count, node.value) - first);
    std::uint32_t column = ranked.columns_begin;
    while (out_.ranks.columns[column].base != rank / kRanksAColumn * kRanksAColumn ||
           out_.ranks.columns[column].missing_right == node.missing_left) {
      ++column;
    }
    out_.column[at] = column * kBlockRows;
    // x goes right when its rank, the number of thresholds <= x, is above this one's.
    out_.cut[at] = static_cast<std::int8_t>(static_cast<int>(rank % kRanksAColumn) + 1 - 128);
  }

  const Compiled& forest_;
  int most_levels_;
  Prefixes& out_;
  std::map<std::int32_t, std::size_t> position_;
};

std::uint32_t RankOf(const float* values, std::uint32_t count, float x) {
  const float* at = values;
  while (count > 0) {  // a loop without a branch on the data
    const std::uint32_t half = (count + 1) / 2;
    at += at[half - 1] <= x ? half : 0;
    count -= half;
  }
  return static_cast<std::uint32_t>(at - values);
}

}  // namespace

bool MakePrefixes(const Compiled& forest, int levels, Prefixes* out) {
  return forest.outputs <= kMostOutputs && forest.features > 0 && Prefixer(forest, levels, out).Run();
}

void CodesOfRow(const Ranks& ranks, const float* row, std::int8_t* codes, std::size_t step) {
  for (const RankedFeature& ranked : ranks.features) {
    const float x = row[ranked.feature];
    const std::uint32_t rank = RankOf(ranks.values() + ranked.first[0], ranked.count, x);
    for (std::uint32_t c = ranked.columns_begin; c < ranked.columns_end; ++c) {
      codes[c * step] = CodeOf(ranks.columns[c], rank, std::isnan(x));
    }
  }
}

template <typename Number>
void AddExits(const Compiled& forest, const Prefixes& prefixes, const PrefixTree& tree, const std::uint8_t* exits,
              const float* rows, std::int64_t n, std::int64_t stride, Number* sums) {
  constexpr std::int64_t kTogether = 8;
  std::int32_t leaves[kBlockRows];
  const std::int32_t* table = prefixes.exits.data() + tree.exits;
  for (std::int64_t i = 0; i < n; ++i) leaves[i] = table[exits[i]];
  if (tree.deep) {
    std::int64_t i = 0;
    for (; i + kTogether <= n; i += kTogether) {
      const auto row_of = [&](int j) { return rows + (i + j) * stride; };
      if (forest.odd) {
        StepTogether<kTogether, true>(forest, leaves + i, row_of);
      } else {
        StepTogether<kTogether, false>(forest, leaves + i, row_of);
      }
    }
    for (; i < n; ++i) StepTogether<1, true>(forest, leaves + i, [&](int) { return rows + i * stride; });
    for (i = 0; i < n; ++i) leaves[i] = LeafAt(forest.steps[static_cast<std::size_t>(leaves[i])]);
  }
  const bool every = tree.output == Tree::kEveryOutput;
  const int first = every ? 0 : tree.output;
  const int end = every ? forest.outputs : tree.output + 1;
  for (int k = first; k < end; ++k) {
    const double* values = forest.leaves.data() + (every ? k : 0);
    for (std::int64_t i = 0; i < n; ++i) sums[k * kBlockRows + i] += static_cast<Number>(values[leaves[i]]);
  }
}

template void AddExits<float>(const Compiled&, const Prefixes&, const PrefixTree&, const std::uint8_t*, const float*, std::int64_t,
                              std::int64_t, float*);
template void AddExits<double>(const Compiled&, const Prefixes&, const PrefixTree&, const std::uint8_t*, const float*, std::int64_t,
                               std::int64_t, double*);

namespace {

// One row, eight trees at once, on any processor.
class RankedRow final : public Kernel {
 public:
  explicit RankedRow(const Compiled& forest) : forest_(forest) {}
  bool Init() { return MakePrefixes(forest_, kMostLevels, &prefixes_); }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      const float* row = rows + i * stride;
      float* mine = out + i * forest_.outputs;
      forest_.sum == Sum::kFloat ? Row<float>(row, mine) : Row<double>(row, mine);
    }
  }

 private:
  // Several trees at once, so that their loads overlap. `codes` has one byte a column.
  template <int kTrees>
  void ExitsOf(const PrefixTree* trees, const std::int8_t* codes, std::uint32_t* exits) const {
    std::uint32_t at[kTrees] = {};
    const int levels = trees[0].levels;
    for (int level = 0; level < levels; ++level) {
      for (int t = 0; t < kTrees; ++t) {
        const std::size_t node = trees[t].nodes + at[t];
        const bool right = codes[prefixes_.column[node] / kBlockRows] >= prefixes_.cut[node];
        at[t] = 2 * at[t] + 1 + (right ? 1U : 0U);
      }
    }
    for (int t = 0; t < kTrees; ++t) exits[t] = at[t] - ((1U << levels) - 1);
  }

  template <typename Number>
  void Row(const float* row, float* out) const {
    constexpr int kTogether = 8;
    std::int8_t codes[kMostColumns];
    CodesOfRow(prefixes_.ranks, row, codes, 1);
    Number sums[kMostOutputs];
    for (std::size_t k = 0; k < forest_.base.size(); ++k) sums[k] = StartSum<Number>(forest_, k);
    std::uint32_t exits[kTogether];
    const std::size_t count = prefixes_.trees.size();
    for (std::size_t t = 0; t < count;) {
      const PrefixTree* trees = prefixes_.trees.data() + t;
      std::size_t same = 1;
      while (same < kTogether && t + same < count && trees[same].levels == trees[0].levels) ++same;
      if (same == kTogether) {
        ExitsOf<kTogether>(trees, codes, exits);
      } else {
        same = 1;
        ExitsOf<1>(trees, codes, exits);
      }
      for (std::size_t i = 0; i < same; ++i) Add(trees[i], exits[i], row, sums);
      t += same;
    }
    for (std::size_t k = 0; k < forest_.base.size(); ++k) out[k] = FinishSum(forest_, k, sums[k]);
  }

  template <typename Number>
  void Add(const PrefixTree& tree, std::uint32_t exit, const float* row, Number* sums) const {
    std::int32_t leaf = prefixes_.exits[tree.exits + exit];
    if (tree.deep) {
      StepTogether<1, true>(forest_, &leaf, [row](int) { return row; });
      leaf = LeafAt(forest_.steps[static_cast<std::size_t>(leaf)]);
    }
    const double* values = forest_.leaves.data() + leaf;
    if (tree.output != Tree::kEveryOutput) {
      sums[tree.output] += static_cast<Number>(*values);
    } else {
      for (int k = 0; k < forest_.outputs; ++k) sums[k] += static_cast<Number>(values[k]);
    }
  }

  const Compiled& forest_;
  Prefixes prefixes_;
};

}  // namespace

std::unique_ptr<Kernel> MakeRankedRow(const Compiled& forest) {
  auto made = std::make_unique<RankedRow>(forest);
  if (!made->Init()) return nullptr;
  return made;
}

}  // namespace tenon::model

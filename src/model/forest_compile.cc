#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "model/forest_internal.h"

namespace tenon::model {
namespace {

constexpr std::uint32_t kRanksAColumn = 255;
constexpr std::size_t kBlock = 16;
constexpr int kOutputsTogether = 64;

class Compiler {
 public:
  explicit Compiler(const ForestSpec& spec) : spec_(spec) {
    out_.features = spec.features;
    out_.outputs = spec.outputs;
    out_.base = spec.base;
    out_.divisor = spec.divisor;
    out_.base_last = spec.base_last;
    out_.sum = spec.sum;
    for (const Tree& tree : spec.trees) out_.vectors = out_.vectors || tree.output == Tree::kEveryOutput;
  }

  Compiled Run() && {
    for (const Tree& tree : spec_.trees) AddWalk(tree);
    Rank();
    out_.ranks = out_.columns.size() <= static_cast<std::size_t>(kMostColumns) && !out_.vectors && out_.sum == Sum::kFloat;
    std::size_t tests = 0;
    for (std::size_t t = 0; t < spec_.trees.size(); ++t) {
      AddPrefix(t);
      tests += out_.trees.back().levels;
    }
    // Ranking a feature costs about as much as one test of a walk.
    out_.rank_single = out_.ranks && out_.ranked.size() <= tests;
    return std::move(out_);
  }

 private:
  void AddWalk(const Tree& tree) {
    const auto first = static_cast<std::int32_t>(out_.walk.size());
    out_.roots.push_back(first);
    const auto vectors = static_cast<std::int32_t>(out_.leaves.size());
    out_.leaves.insert(out_.leaves.end(), tree.vectors.begin(), tree.vectors.end());
    for (const Tree::Node& node : tree.nodes) {
      WalkNode walk;
      walk.value = static_cast<float>(node.value);
      if (node.left >= 0) {
        walk.left = first + node.left;
        walk.right = first + node.right;
      } else if (node.vector >= 0) {
        walk.right = vectors + node.vector * spec_.outputs;
      } else {
        walk.right = static_cast<std::int32_t>(out_.leaves.size());
        out_.leaves.push_back(node.value);
      }
      walk.feature = node.feature;
      walk.missing_left = node.missing_left;
      walk.zero_missing = node.zero_missing;
      walk.split = node.split;
      if (node.split == Comparison::kCategory || node.split == Comparison::kCategoryCut) {
        walk.categories = static_cast<std::uint32_t>(out_.categories.size());
        const std::uint32_t most = node.categories.empty() ? 0 : *std::ranges::max_element(node.categories);
        walk.category_words = node.categories.empty() ? 0 : most / 32 + 1;
        out_.categories.resize(out_.categories.size() + walk.category_words);
        for (std::uint32_t c : node.categories) out_.categories[walk.categories + c / 32] |= 1U << (c % 32);
      }
      out_.walk.push_back(walk);
    }
  }

  static bool Tests(const WalkNode& node) { return node.left >= 0 && node.split == Comparison::kBelow && !node.zero_missing; }

  void Rank() {
    // feature -> thresholds, and whether NaN goes left, right at some node
    std::map<std::int32_t, std::vector<float>> cuts;
    std::map<std::int32_t, std::array<bool, 2>> sides;
    for (const WalkNode& node : out_.walk) {
      if (!Tests(node)) continue;
      cuts[node.feature].push_back(node.value);
      sides[node.feature][node.missing_left ? 0 : 1] = true;
    }
    for (auto& [feature, values] : cuts) {
      std::ranges::sort(values);
      values.erase(std::unique(values.begin(), values.end()), values.end());
      RankedFeature ranked;
      ranked.feature = feature;
      ranked.first = Append(values);
      ranked.count = static_cast<std::uint32_t>(values.size());
      ranked.columns_begin = static_cast<std::uint32_t>(out_.columns.size());
      const std::array<bool, 2> side = sides[feature];
      for (std::uint32_t base = 0; base < ranked.count; base += kRanksAColumn) {
        for (std::size_t right = 0; right < 2; ++right) {
          if (side[right]) out_.columns.push_back({base, right == 1});
        }
      }
      ranked.columns_end = static_cast<std::uint32_t>(out_.columns.size());
      if (ranked.count <= kRanksAColumn && ranked.count > kBlock) {
        std::vector<float> pivots;
        // Not the last of all: past it there is no block to look into.
        for (std::size_t i = kBlock - 1; i + 1 < ranked.count; i += kBlock) pivots.push_back(values[i]);
        ranked.pivots = Append(pivots);
      }
      position_[feature] = out_.ranked.size();
      out_.ranked.push_back(ranked);
    }
  }

  // In blocks filled up with NaN, which is at most nothing; returns the position of the first value.
  std::uint32_t Append(const std::vector<float>& values) {
    const std::size_t first = out_.thresholds.size() * kBlock;
    for (std::size_t i = 0; i < values.size(); i += kBlock) {
      ThresholdBlock block;
      block.values.fill(std::numeric_limits<float>::quiet_NaN());
      for (std::size_t j = i; j < std::min(values.size(), i + kBlock); ++j) block.values[j - i] = values[j];
      out_.thresholds.push_back(block);
    }
    return static_cast<std::uint32_t>(first);
  }

  // Levels of the subtree, at most kMostLevels; a node that is no compare of numbers ends it like a leaf.
  int Depth(std::int32_t node, int level, bool* deep) const {
    const WalkNode& at = out_.walk[static_cast<std::size_t>(node)];
    if (at.left < 0) return 0;
    if (!Tests(at) || level == kMostLevels) {
      *deep = true;
      return 0;
    }
    return 1 + std::max(Depth(at.left, level + 1, deep), Depth(at.right, level + 1, deep));
  }

  void AddPrefix(std::size_t t) {
    CompiledTree tree;
    tree.output = spec_.trees[t].output;
    tree.nodes = static_cast<std::uint32_t>(out_.column.size());
    if (out_.ranks) {
      tree.levels = static_cast<std::uint8_t>(Depth(out_.roots[t], 0, &tree.deep));
    } else {
      tree.deep = true;
    }
    tree.exits = static_cast<std::uint32_t>(tree.deep ? out_.exit_nodes.size() : out_.exit_values.size());
    const std::size_t inner = (std::size_t{1} << tree.levels) - 1;
    out_.column.resize(out_.column.size() + inner);
    out_.cut.resize(out_.cut.size() + inner);
    if (tree.deep) {
      out_.exit_nodes.resize(out_.exit_nodes.size() + inner + 1);
    } else {
      out_.exit_values.resize(out_.exit_values.size() + inner + 1);
    }
    FillPrefix(tree, out_.roots[t], 0, 0);
    out_.trees.push_back(tree);
  }

  // Under a leaf that comes early, both ways lead to that leaf, whatever is tested.
  void FillPrefix(const CompiledTree& tree, std::int32_t node, std::size_t at, int level) {
    const WalkNode& from = out_.walk[static_cast<std::size_t>(node)];
    if (level == tree.levels) {
      const std::size_t exit = tree.exits + at - ((std::size_t{1} << tree.levels) - 1);
      if (tree.deep) {
        out_.exit_nodes[exit] = node;
      } else {
        out_.exit_values[exit] = from.value;
      }
      return;
    }
    const bool tests = Tests(from);
    if (tests) Test(from, tree.nodes + at);
    FillPrefix(tree, tests ? from.left : node, 2 * at + 1, level + 1);
    FillPrefix(tree, tests ? from.right : node, 2 * at + 2, level + 1);
  }

  void Test(const WalkNode& node, std::size_t at) {
    const RankedFeature& ranked = out_.ranked[position_.at(node.feature)];
    const float* first = out_.aligned_thresholds() + ranked.first;
    const auto rank = static_cast<std::uint32_t>(std::lower_bound(first, first + ranked.count, node.value) - first);
    std::uint32_t column = ranked.columns_begin;
    while (out_.columns[column].base != rank / kRanksAColumn * kRanksAColumn ||
           out_.columns[column].missing_right == node.missing_left) {
      ++column;
    }
    out_.column[at] = column * kBlockRows;
    // x goes right when its rank, the number of thresholds <= x, is above this one's.
    out_.cut[at] = static_cast<std::int8_t>(static_cast<int>(rank % kRanksAColumn) + 1 - 128);
  }

  const ForestSpec& spec_;
  Compiled out_;
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

Compiled Compile(const ForestSpec& spec) { return Compiler(spec).Run(); }

bool GoesLeft(const Compiled& forest, const WalkNode& node, float x) {
  if (std::isnan(x) || (node.zero_missing && std::abs(x) <= 1e-35F)) return node.missing_left;
  switch (node.split) {
    case Comparison::kBelow: return x < node.value;
    case Comparison::kAtMost: return x <= node.value;
    case Comparison::kEqual: return x == node.value;
    case Comparison::kCategory: break;
    case Comparison::kCategoryCut:
      if (x > -1 && x < 0) x = 0;
      break;
  }
  // Negative values and those that floats cannot tell apart are in no set. 0.5 is category 0.
  if (!(x >= 0) || x >= 16777216.0F) return true;
  const auto category = static_cast<std::uint32_t>(x);
  if (category / 32 >= node.category_words) return true;
  return (forest.categories[node.categories + category / 32] >> (category % 32) & 1) == 0;
}

const WalkNode& WalkFrom(const Compiled& forest, std::int32_t node, const float* row) {
  const WalkNode* at = forest.walk.data() + node;
  while (at->left >= 0) at = forest.walk.data() + (GoesLeft(forest, *at, row[at->feature]) ? at->left : at->right);
  return *at;
}

void StartSums(const Compiled& forest, float* sums) {
  for (std::size_t k = 0; k < forest.base.size(); ++k) sums[k] = forest.base_last ? 0.0F : static_cast<float>(forest.base[k]);
}

void FinishSums(const Compiled& forest, float* sums) {
  if (forest.divisor == 1 && !forest.base_last) return;
  for (std::size_t k = 0; k < forest.base.size(); ++k) {
    sums[k] /= static_cast<float>(forest.divisor);
    if (forest.base_last) sums[k] += static_cast<float>(forest.base[k]);
  }
}

namespace {

// Outputs from `from` to `to` of one row, added as `Number`.
template <typename Number>
void WalkRow(const Compiled& forest, const float* row, int from, int to, float* out) {
  Number sums[kOutputsTogether];
  for (int k = from; k < to; ++k) {
    sums[k - from] = forest.base_last ? Number{0} : static_cast<Number>(forest.base[static_cast<std::size_t>(k)]);
  }
  for (std::size_t t = 0; t < forest.trees.size(); ++t) {
    const std::int32_t output = forest.trees[t].output;
    if (output != Tree::kEveryOutput && (output < from || output >= to)) continue;
    const WalkNode& leaf = WalkFrom(forest, forest.roots[t], row);
    const double* values = forest.leaves.data() + leaf.right;
    if (output != Tree::kEveryOutput) {
      sums[output - from] += static_cast<Number>(*values);
    } else {
      for (int k = from; k < to; ++k) sums[k - from] += static_cast<Number>(values[k]);
    }
  }
  for (int k = from; k < to; ++k) {
    Number sum = sums[k - from] / static_cast<Number>(forest.divisor);
    if (forest.base_last) sum += static_cast<Number>(forest.base[static_cast<std::size_t>(k)]);
    out[k] = static_cast<float>(sum);
  }
}

}  // namespace

void WalkRows(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, float* out) {
  const auto walk = forest.sum == Sum::kFloat ? &WalkRow<float> : &WalkRow<double>;
  for (std::int64_t i = 0; i < n; ++i) {
    for (int from = 0; from < forest.outputs; from += kOutputsTogether) {
      walk(forest, rows + i * stride, from, std::min(from + kOutputsTogether, forest.outputs), out + i * forest.outputs);
    }
  }
}

void CodesOfRow(const Compiled& forest, const float* row, std::int8_t* codes, std::size_t step) {
  for (const RankedFeature& ranked : forest.ranked) {
    const float x = row[ranked.feature];
    const bool missing = std::isnan(x);
    const std::uint32_t rank = RankOf(forest.aligned_thresholds() + ranked.first, ranked.count, x);
    for (std::uint32_t c = ranked.columns_begin; c < ranked.columns_end; ++c) {
      const CodeColumn& column = forest.columns[c];
      std::uint32_t code = rank > column.base ? std::min(rank - column.base, kRanksAColumn) : 0;
      if (missing && column.missing_right) code = kRanksAColumn;
      codes[c * step] = static_cast<std::int8_t>(static_cast<int>(code) - 128);
    }
  }
}

namespace {

// Several trees at once, so that their loads overlap. `codes` has one byte a column.
template <int kTrees>
void ExitsOf(const Compiled& forest, const CompiledTree* trees, const std::int8_t* codes, std::uint32_t* exits) {
  std::uint32_t at[kTrees] = {};
  const int levels = trees[0].levels;
  for (int level = 0; level < levels; ++level) {
    for (int t = 0; t < kTrees; ++t) {
      const std::size_t node = trees[t].nodes + at[t];
      const bool right = codes[forest.column[node] / kBlockRows] >= forest.cut[node];
      at[t] = 2 * at[t] + 1 + (right ? 1U : 0U);
    }
  }
  for (int t = 0; t < kTrees; ++t) exits[t] = at[t] - ((1U << levels) - 1);
}

float ValueAt(const Compiled& forest, const CompiledTree& tree, std::uint32_t exit, const float* row) {
  if (!tree.deep) return forest.exit_values[tree.exits + exit];
  return WalkFrom(forest, forest.exit_nodes[tree.exits + exit], row).value;
}

}  // namespace

void RankedRow(const Compiled& forest, const float* row, float* out) {
  constexpr int kTogether = 8;
  std::int8_t codes[kMostColumns];
  CodesOfRow(forest, row, codes, 1);
  StartSums(forest, out);
  std::uint32_t exits[kTogether];
  const std::size_t count = forest.trees.size();
  for (std::size_t t = 0; t < count;) {
    const CompiledTree* trees = forest.trees.data() + t;
    std::size_t same = 1;
    while (same < kTogether && t + same < count && trees[same].levels == trees[0].levels) ++same;
    if (same == kTogether) {
      ExitsOf<kTogether>(forest, trees, codes, exits);
    } else {
      same = 1;
      ExitsOf<1>(forest, trees, codes, exits);
    }
    for (std::size_t i = 0; i < same; ++i) out[trees[i].output] += ValueAt(forest, trees[i], exits[i], row);
    t += same;
  }
  FinishSums(forest, out);
}

}  // namespace tenon::model

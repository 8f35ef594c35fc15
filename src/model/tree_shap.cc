#include "model/tree_shap_internal.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <tuple>

#include "model/tree_shap_lanes_internal.h"

namespace tenon::model {

void GaussLegendre(int points, double* at, double* weight) {
  for (int i = 0; i < points; ++i) {
    // Newton's method on the Legendre polynomial from the usual first guess; it converges in a few steps.
    double x = std::cos(std::numbers::pi * (i + 0.75) / (points + 0.5));
    double slope = 1;
    for (int step = 0; step < 100; ++step) {
      double before = 1, value = x;
      for (int k = 2; k <= points; ++k) {
        const double next = ((2 * k - 1) * x * value - (k - 1) * before) / k;
        before = value;
        value = next;
      }
      slope = points * (x * value - before) / (x * x - 1);
      const double move = value / slope;
      x -= move;
      if (std::abs(move) < 1e-16) break;
    }
    at[i] = (1 + x) / 2;
    weight[i] = 1 / ((1 - x * x) * slope * slope);
  }
}

// The nodes in the order of a descent that takes both sides of each in turn.
struct TreeShap::Layout {
  struct Node {
    std::int32_t node = 0;        // of the spec
    std::int32_t parent = -1;
    std::int32_t left = -1, right = -1;  // -1: a leaf
    int level = 0;
    std::int32_t feature = -1;    // tested by the parent
    double share = 1;             // of that feature's tests up to here, of the rows
    std::int32_t before = -1;     // of a test: the node nearest above (or this) that a test of its feature led to
    double left_share = 0.5;
    double value = 0;             // of a leaf
  };
  std::vector<Node> nodes;
  std::size_t tree = 0;
  int output = 0;
  int most_features = 1;          // different ones on a path
  int levels = 0;
};

TreeShap::TreeShap(const ForestSpec& spec, const Compiled& forest, Processor most) : forest_(forest) {
  processor_ = std::min(most, HasAvx512() ? Processor::kAvx512 : HasAvx2() ? Processor::kAvx2 : Processor::kAny);
  for (const double base : spec.base) base_.push_back(spec.base_last ? base : base / spec.divisor);
  for (const WalkNode& node : forest.walk) {
    if (node.left >= 0) used_.push_back(node.feature);
  }
  std::ranges::sort(used_);
  used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
  std::vector<Layout> shorts;
  for (std::size_t t = 0; t < spec.trees.size(); ++t) {
    const int output = spec.trees[t].output;
    const bool every = output == Tree::kEveryOutput;
    for (int k = every ? 0 : output; k <= (every ? spec.outputs - 1 : output); ++k) {
      Layout layout = LayOut(spec, t, k);
      if (layout.nodes[0].left < 0) continue;  // a leaf explains nothing
      if (layout.levels <= kMostLevels && layout.most_features <= 2 * kMostPoints) {
        shorts.push_back(std::move(layout));
      } else {
        AddLong(layout);
      }
    }
  }
  AddShort(std::move(shorts));
  MakeGroups();
}

TreeShap::Layout TreeShap::LayOut(const ForestSpec& spec, std::size_t t, int output) {
  const Tree& tree = spec.trees[t];
  const auto spec_node = [&](std::int32_t i) -> const Tree::Node& { return tree.nodes[static_cast<std::size_t>(i)]; };
  struct Open {
    std::int32_t at = 0;
    double weight = 1;  // share of the whole path
    int features = 0;   // different ones on it
  };
  Layout layout;
  layout.tree = t;
  layout.output = output;
  layout.nodes.emplace_back();
  std::vector<Open> open = {{}};
  while (!open.empty()) {
    const Open from = open.back();
    open.pop_back();
    Layout::Node here = layout.nodes[static_cast<std::size_t>(from.at)];
    const Tree::Node& node = spec_node(here.node);
    if (node.left < 0) {
      const auto row = static_cast<std::size_t>(node.vector) * static_cast<std::size_t>(spec.outputs);
      here.value = (node.vector < 0 ? node.value : tree.vectors[row + static_cast<std::size_t>(output)]) / spec.divisor;
      base_[static_cast<std::size_t>(output)] += from.weight * here.value;
      layout.nodes[static_cast<std::size_t>(from.at)] = here;
      layout.most_features = std::max(layout.most_features, from.features);
      layout.levels = std::max(layout.levels, here.level);
      continue;
    }
    std::int32_t before = from.at;
    while (before >= 0 && layout.nodes[static_cast<std::size_t>(before)].feature != node.feature) {
      before = layout.nodes[static_cast<std::size_t>(before)].parent;
    }
    const double before_share = before >= 0 ? layout.nodes[static_cast<std::size_t>(before)].share : 1;
    const double left = static_cast<double>(spec_node(node.left).cover);
    const double right = static_cast<double>(spec_node(node.right).cover);
    here.before = before;
    here.left_share = left + right > 0 ? left / (left + right) : 0.5;
    here.left = static_cast<std::int32_t>(layout.nodes.size());
    here.right = here.left + 1;
    layout.nodes[static_cast<std::size_t>(from.at)] = here;
    const int features = from.features + (before >= 0 ? 0 : 1);
    for (const bool to_right : {false, true}) {
      const double share = to_right ? 1 - here.left_share : here.left_share;
      Layout::Node child;
      child.node = to_right ? node.right : node.left;
      child.parent = from.at;
      child.level = here.level + 1;
      child.feature = node.feature;
      child.share = before_share * share;
      layout.nodes.push_back(child);
      open.push_back({to_right ? here.right : here.left, from.weight * share, features});
    }
  }
  return layout;
}

void TreeShap::AddShort(std::vector<Layout> layouts) {
  const auto points = [](const Layout& layout) { return (layout.most_features + 1) / 2; };
  const auto order = [&](const Layout& layout) { return std::tuple(points(layout), layout.levels, layout.nodes.size()); };
  std::ranges::stable_sort(layouts, {}, order);
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    ShapTree tree;
    tree.first_step = steps_.size();
    tree.first_test = tests_.size();
    tree.output = layouts[i].output;
    tree.points = points(layouts[std::min(i | (kTogether - 1), layouts.size() - 1)]);
    AddTests(layouts[i], 0, 1, false, tree.points);
    tree.tests = tests_.size() - tree.first_test;
    const std::vector<ShapStep> steps = StepsThrough(tests_.data() + tree.first_test, tree.tests, kTreeBottom);
    steps_.insert(steps_.end(), steps.begin(), steps.end());
    tree.steps = steps.size();
    trees_.push_back(tree);
  }
}

// At most kMostLevels deep.
void TreeShap::AddTests(const Layout& layout, std::int32_t at, std::uint8_t level, bool right, int points) {
  const auto node_at = [&](std::int32_t i) -> const Layout::Node& { return layout.nodes[static_cast<std::size_t>(i)]; };
  const Layout::Node& here = node_at(at);
  ShapTest test;
  test.walk = forest_.roots[layout.tree] + here.node;
  const WalkNode& walk = forest_.walk[static_cast<std::size_t>(test.walk)];
  test.slot = static_cast<std::int32_t>(std::ranges::lower_bound(used_, walk.feature) - used_.begin());
  test.level = level;
  test.right = right;
  test.plain = IsPlain(walk);
  test.missing_left = walk.missing_left;
  test.value = walk.value;
  test.share = here.left_share;
  if (here.before >= 0) {
    test.before = static_cast<std::uint8_t>(node_at(here.before).level);  // the test that led there
    test.again = AddAgain(node_at(here.before).share, points);
  }
  test.left_leaf = node_at(here.left).left < 0;
  test.right_leaf = node_at(here.right).left < 0;
  if (test.left_leaf) test.left_value = node_at(here.left).value;
  if (test.right_leaf) test.right_value = node_at(here.right).value;
  tests_.push_back(test);
  const auto below = static_cast<std::uint8_t>(level + 1);
  if (!test.left_leaf) AddTests(layout, here.left, below, false, points);
  if (!test.right_leaf) AddTests(layout, here.right, below, true, points);
}

std::int32_t TreeShap::AddAgain(double before, int points) {
  double at[kMostPoints], unused[kMostPoints];
  GaussLegendre(points, at, unused);
  const auto first = again_.size();
  again_.resize(first + 2 * static_cast<std::size_t>(kMostPoints));
  for (int q = 0; q < points; ++q) {
    const double w = 1 / (before + at[q] * (1 - before));
    again_[first + static_cast<std::size_t>(q)] = at[q] * w;
    again_[first + static_cast<std::size_t>(kMostPoints + q)] = before * w * w;
  }
  return static_cast<std::int32_t>(first);
}

void TreeShap::AddLong(const Layout& layout) {
  LongTree tree;
  tree.output = layout.output;
  const auto points = static_cast<std::size_t>((layout.most_features + 1) / 2);
  tree.points.resize(points);
  tree.weights.resize(points);
  GaussLegendre(static_cast<int>(points), tree.points.data(), tree.weights.data());
  std::vector<std::int32_t> number(layout.nodes.size());
  std::int32_t tests = 0, leaves = 0;
  for (const Layout::Node& node : layout.nodes) tests += node.left >= 0 ? 1 : 0;
  std::int32_t next = 0;
  for (std::size_t i = 0; i < layout.nodes.size(); ++i) number[i] = layout.nodes[i].left >= 0 ? next++ : tests + leaves++;
  for (const Layout::Node& node : layout.nodes) {
    if (node.left < 0) {
      tree.leaves.push_back(node.value);
      continue;
    }
    LongTest test;
    test.walk = forest_.roots[layout.tree] + node.node;
    const std::int32_t feature = forest_.walk[static_cast<std::size_t>(test.walk)].feature;
    test.slot = static_cast<std::int32_t>(std::ranges::lower_bound(used_, feature) - used_.begin());
    test.left = number[static_cast<std::size_t>(node.left)];
    test.right = number[static_cast<std::size_t>(node.right)];
    if (node.before >= 0) {
      test.before = number[static_cast<std::size_t>(node.before)];
      test.before_share = layout.nodes[static_cast<std::size_t>(node.before)].share;
    }
    test.left_share = node.left_share;
    tree.tests.push_back(test);
  }
  longest_ = std::max(longest_, layout.nodes.size() * points);
  longest_nodes_ = std::max(longest_nodes_, layout.nodes.size());
  long_trees_.push_back(std::move(tree));
}

void TreeShap::ExplainLong(const LongTree& tree, const float* row, Memory& memory, double* phi) const {
  const std::size_t width = tree.points.size();
  memory.product.resize(std::max(memory.product.size(), longest_));
  memory.sum.resize(std::max(memory.sum.size(), longest_));
  memory.follows.resize(std::max(memory.follows.size(), 2 * longest_nodes_));
  double* product = memory.product.data();
  double* sum = memory.sum.data();
  std::uint8_t* follows = memory.follows.data();
  std::uint8_t* lefts = follows + longest_nodes_;
  // How e changes for the rows that go where this row goes.
  const auto ratio = [](const LongTest& test, bool on, double share, double t) {
    if (!on) return share;
    const double before = test.before_share;
    return (before * share + t * (1 - before * share)) / (before + t * (1 - before));
  };
  std::fill_n(product, width, 1.0);
  for (std::size_t i = 0; i < tree.tests.size(); ++i) {
    const LongTest& test = tree.tests[i];
    const WalkNode& node = forest_.walk[static_cast<std::size_t>(test.walk)];
    const bool left = GoesLeft(forest_, node, row[node.feature]);
    lefts[i] = left ? 1 : 0;
    const bool on = test.before < 0 || follows[test.before] != 0;
    const auto hot = static_cast<std::size_t>(left ? test.left : test.right);
    const auto cold = static_cast<std::size_t>(left ? test.right : test.left);
    const double share = left ? test.left_share : 1 - test.left_share;
    follows[hot] = on ? 1 : 0;
    follows[cold] = 0;
    for (std::size_t q = 0; q < width; ++q) {
      const double here = product[i * width + q];
      const double below = here * ratio(test, on, share, tree.points[q]);
      product[hot * width + q] = below;
      product[cold * width + q] = here - below;
    }
  }
  for (std::size_t i = 0; i < tree.leaves.size(); ++i) std::fill_n(sum + (tree.tests.size() + i) * width, width, tree.leaves[i]);
  for (std::size_t i = tree.tests.size(); i-- > 0;) {
    const LongTest& test = tree.tests[i];
    const bool left = lefts[i] != 0;
    const bool on = test.before < 0 || follows[test.before] != 0;
    const auto hot = static_cast<std::size_t>(left ? test.left : test.right);
    const auto cold = static_cast<std::size_t>(left ? test.right : test.left);
    const double share = left ? test.left_share : 1 - test.left_share;
    const double before = test.before_share;
    for (std::size_t q = 0; q < width; ++q) {
      const double r = ratio(test, on, share, tree.points[q]);
      const double gap = sum[hot * width + q] - sum[cold * width + q];
      sum[i * width + q] = sum[cold * width + q] + r * gap;
      if (!on) continue;
      const double k = ((1 - before * share) - (1 - before) * r) / (before + tree.points[q] * (1 - before));
      phi[test.slot] += tree.weights[q] * product[i * width + q] * k * gap;
    }
  }
}

}  // namespace tenon::model

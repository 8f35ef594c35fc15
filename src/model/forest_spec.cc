#include <algorithm>
#include <cmath>
#include <limits>

#include "model/forest_internal.h"

namespace tenon::model {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kMost = std::numeric_limits<float>::max();
constexpr float kZero = 1e-35F;  // of Tree::Node::zero_missing
constexpr std::uint32_t kMostCategory = 1U << 24;
constexpr std::size_t kMostCategoryWords = std::size_t{1} << 27;

// Attributions cost memory and time with the length of the paths.
constexpr int kMostDepth = 2000;

Error Wrong(std::size_t tree, std::int32_t node, std::string_view what) {
  return Error(Code::kInvalidArgument, Str("node ", node, " of tree ", tree, " ", what));
}

bool OfCategories(Comparison split) { return split == Comparison::kCategory || split == Comparison::kCategoryCut; }

bool IsFloat(double value) { return std::isfinite(value) && static_cast<double>(static_cast<float>(value)) == value; }

Result<void> CheckNumber(const ForestSpec& spec, double value, std::string_view what) {
  if (!std::isfinite(value) || std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
    return Error(Code::kInvalidArgument, Str(what, " of the forest is ", value, ", which is not a finite float"));
  }
  if (spec.sum == Sum::kFloat && !IsFloat(value)) {
    return Error(Code::kInvalidArgument, Str(what, " of the forest is ", value, ", not a float; such are added as doubles"));
  }
  return {};
}

Result<void> CheckLeaf(const ForestSpec& spec, std::size_t t, std::int32_t at) {
  const Tree& tree = spec.trees[t];
  const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
  if (tree.output != Tree::kEveryOutput) {
    TENON_TRY(CheckNumber(spec, node.value, Str("the leaf ", at, " of tree ", t)));
    return {};
  }
  const auto vectors = tree.vectors.size() / static_cast<std::size_t>(spec.outputs);
  if (node.vector < 0 || static_cast<std::size_t>(node.vector) >= vectors) {
    return Wrong(t, at, Str("is a leaf with vector ", node.vector, "; there are ", vectors));
  }
  return {};
}

Result<void> CheckNode(const ForestSpec& spec, std::size_t t, std::int32_t at) {
  const Tree& tree = spec.trees[t];
  const auto count = static_cast<std::int32_t>(tree.nodes.size());
  const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
  if (!(node.cover >= 0) || std::isinf(node.cover)) return Wrong(t, at, "has a cover that is negative or not finite");
  if (node.left < 0) return CheckLeaf(spec, t, at);
  if (node.left >= count || node.right < 0 || node.right >= count) {
    return Wrong(t, at, Str("has children ", node.left, " and ", node.right, "; the tree has ", count, " nodes"));
  }
  if (node.feature < 0 || node.feature >= spec.features) {
    return Wrong(t, at, Str("tests feature ", node.feature, "; there are ", spec.features));
  }
  if (node.split > Comparison::kCategoryCut) return Wrong(t, at, "splits in a way that there is not");
  if (!OfCategories(node.split) && std::isnan(node.value)) return Wrong(t, at, "has the threshold NaN");
  for (std::uint32_t category : node.categories) {
    if (category >= kMostCategory) return Wrong(t, at, Str("has category ", category, "; the largest is ", kMostCategory - 1));
  }
  return {};
}

Result<void> CheckTree(const ForestSpec& spec, std::size_t t) {
  const Tree& tree = spec.trees[t];
  if (tree.nodes.empty()) return Error(Code::kInvalidArgument, Str("tree ", t, " has no nodes; a constant is a tree of one leaf"));
  if (tree.output < Tree::kEveryOutput || tree.output >= spec.outputs) {
    return Error(Code::kInvalidArgument, Str("tree ", t, " adds to output ", tree.output, "; there are ", spec.outputs));
  }
  const std::size_t outputs = tree.output == Tree::kEveryOutput ? static_cast<std::size_t>(spec.outputs) : 0;
  if (outputs == 0 ? !tree.vectors.empty() : tree.vectors.size() % outputs != 0) {
    return Error(Code::kInvalidArgument, Str("tree ", t, " has vectors of ", tree.vectors.size(), " numbers in all for ", outputs,
                                             " outputs; only trees that add to every output have any, and whole ones"));
  }
  for (double value : tree.vectors) TENON_TRY(CheckNumber(spec, value, Str("a leaf of tree ", t)));
  std::vector<int> depth(tree.nodes.size(), -1);
  std::vector<std::int32_t> open = {0};
  depth[0] = 0;
  while (!open.empty()) {
    const std::int32_t at = open.back();
    open.pop_back();
    TENON_TRY(CheckNode(spec, t, at));
    const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
    if (node.left < 0) continue;
    for (const std::int32_t child : {node.left, node.right}) {
      int& reached = depth[static_cast<std::size_t>(child)];
      if (reached >= 0) return Wrong(t, child, "has two parents or is its own ancestor");
      reached = depth[static_cast<std::size_t>(at)] + 1;
      if (reached > kMostDepth) return Wrong(t, child, Str("is deeper than ", kMostDepth, " tests"));
      open.push_back(child);
    }
  }
  return {};
}

// Sets are kept as bits up to their largest category: a few bytes of a file must not become gigabytes.
Result<void> CheckCategories(const ForestSpec& spec) {
  std::size_t words = 0;
  for (const Tree& tree : spec.trees) {
    for (const Tree::Node& node : tree.nodes) {
      if (!node.categories.empty()) words += *std::ranges::max_element(node.categories) / 32 + 1;
      if (words > kMostCategoryWords) {
        return Error(Code::kInvalidArgument, Str("the sets of categories of the forest take more than ", kMostCategoryWords * 4 >> 20, " MB; number them from 0"));
      }
    }
  }
  return {};
}

}  // namespace

Result<void> CheckForest(const ForestSpec& spec) {
  const bool many = spec.task == Task::kMulticlass;
  if (spec.features < 0 || spec.outputs < 1 || many != (spec.outputs > 1)) {
    return Error(Code::kInvalidArgument, Str("a ", NameOf(spec.task), " forest with ", spec.features, " features and ",
                                             spec.outputs, " outputs cannot be; multiclass has 2 or more outputs, others 1"));
  }
  if (spec.base.size() != static_cast<std::size_t>(spec.outputs)) {
    return Error(Code::kInvalidArgument, Str("a forest of ", spec.outputs, " outputs needs as many base margins; it has ",
                                             spec.base.size()));
  }
  if (spec.sum > Sum::kDouble || spec.link > Link::kExp) {
    return Error(Code::kInvalidArgument, "the forest has a way of adding or a link that there is not");
  }
  for (double base : spec.base) TENON_TRY(CheckNumber(spec, base, "a base margin"));
  TENON_TRY(CheckNumber(spec, spec.divisor, "the divisor"));
  if (!(std::abs(spec.divisor) >= 1e-30)) return Error(Code::kInvalidArgument, Str("the divisor of the forest is ", spec.divisor));
  for (std::size_t t = 0; t < spec.trees.size(); ++t) TENON_TRY(CheckTree(spec, t));
  return CheckCategories(spec);
}

namespace {

// The least float f >= t: for every float x, x < t exactly when x < f.
float LeastFrom(double t) {
  if (t > static_cast<double>(kMost)) return kInf;
  if (t < -static_cast<double>(kMost)) return std::isinf(t) ? -kInf : -kMost;
  const auto near = static_cast<float>(t);
  return static_cast<double>(near) < t ? std::nextafter(near, kInf) : near;
}

// The greatest float f <= t.
float GreatestTo(double t) {
  if (t > static_cast<double>(kMost)) return std::isinf(t) ? kInf : kMost;
  if (t < -static_cast<double>(kMost)) return -kInf;
  const auto near = static_cast<float>(t);
  return static_cast<double>(near) > t ? std::nextafter(near, -kInf) : near;
}

void NormaliseTest(Tree::Node* node) {
  if (OfCategories(node->split)) {
    node->value = 0;
    std::ranges::sort(node->categories);  // equal sets are to give equal bytes
    node->categories.erase(std::unique(node->categories.begin(), node->categories.end()), node->categories.end());
    return;
  }
  node->categories.clear();
  if (node->split == Comparison::kEqual && IsFloat(node->value)) return;
  if (node->split == Comparison::kEqual && !std::isinf(node->value)) {  // no float equals it
    node->split = Comparison::kBelow;
    node->value = -static_cast<double>(kInf);
  }
  if (node->split == Comparison::kBelow) node->value = static_cast<double>(LeastFrom(node->value));
  if (node->split == Comparison::kAtMost) {
    const float most = GreatestTo(node->value);
    node->split = Comparison::kBelow;
    if (most == kInf) {  // all numbers go left: none is below, with the sides exchanged
      std::swap(node->left, node->right);
      node->missing_left = !node->missing_left;
      node->value = -static_cast<double>(kInf);
    } else {
      node->value = static_cast<double>(std::nextafter(most, kInf));
    }
  }
  if (node->zero_missing && node->split == Comparison::kBelow) {
    const bool low = -static_cast<double>(kZero) < node->value;
    const bool high = static_cast<double>(kZero) < node->value;
    node->zero_missing = low != node->missing_left || high != node->missing_left;
  }
}

// Nodes that no row can come to (pruned ones stay in XGBoost's files) are not checked, so nothing may be left in them.
void ClearUnreached(Tree* tree) {
  std::vector<bool> reached(tree->nodes.size());
  std::vector<std::int32_t> open = {0};
  while (!open.empty()) {
    const auto at = static_cast<std::size_t>(open.back());
    open.pop_back();
    reached[at] = true;
    if (tree->nodes[at].left < 0) continue;
    open.push_back(tree->nodes[at].left);
    open.push_back(tree->nodes[at].right);
  }
  for (std::size_t i = 0; i < reached.size(); ++i) {
    if (!reached[i]) tree->nodes[i] = {};
  }
}

}  // namespace

void Normalise(ForestSpec* spec) {
  for (Tree& tree : spec->trees) {
    ClearUnreached(&tree);
    for (Tree::Node& node : tree.nodes) {
      if (node.left >= 0) {
        node.vector = -1;
        NormaliseTest(&node);
        continue;
      }
      const Tree::Node leaf = std::move(node);
      node = Tree::Node{.value = leaf.value, .cover = leaf.cover};
      if (tree.output == Tree::kEveryOutput) {
        node.value = 0;
        node.vector = leaf.vector;
      }
    }
  }
}

}  // namespace tenon::model

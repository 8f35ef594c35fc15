#include <algorithm>
#include <bit>
#include <cmath>

#include "model/forest_internal.h"

namespace tenon::model {
namespace {

class Compiler {
 public:
  explicit Compiler(const ForestSpec& spec) : spec_(spec) {
    out_.features = spec.features;
    out_.outputs = spec.outputs;
    out_.base = spec.base;
    out_.divisor = spec.divisor;
    out_.base_last = spec.base_last;
    out_.sum = spec.sum;
  }

  Compiled Run() && {
    for (const Tree& tree : spec_.trees) {
      out_.vectors = out_.vectors || tree.output == Tree::kEveryOutput;
      out_.outputs_of.push_back(tree.output);
      AddWalk(tree);
      AddSteps(tree);
    }
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

  std::int32_t NewStep(std::int32_t walk) {
    const auto at = static_cast<std::int32_t>(out_.steps.size());
    const WalkNode& from = out_.walk[static_cast<std::size_t>(walk)];
    StepNode step;
    if (from.left < 0) {
      step.value = std::bit_cast<float>(from.right);
      step.left = at;
    } else {
      step.value = from.value;
      step.feature = static_cast<std::uint32_t>(from.feature);
      step.inner = 1;
      step.missing_right = from.missing_left ? 0 : 1;
      step.odd = IsPlain(from) ? 0 : 1;
      out_.odd = out_.odd || step.odd != 0;
    }
    out_.steps.push_back(step);
    out_.walk_of.push_back(walk);
    out_.step_of[static_cast<std::size_t>(walk)] = at;
    return at;
  }

  // Pairs of children in the order of a descent that takes the side with more training rows first.
  void AddSteps(const Tree& tree) {
    out_.step_of.resize(out_.walk.size(), -1);
    const std::int32_t root = out_.roots.back();
    out_.step_roots.push_back(NewStep(root));
    std::vector<std::int32_t> open = {root};
    while (!open.empty()) {
      const std::int32_t walk = open.back();
      open.pop_back();
      const WalkNode from = out_.walk[static_cast<std::size_t>(walk)];
      if (from.left < 0) continue;
      const std::int32_t left = NewStep(from.left);
      NewStep(from.right);
      out_.steps[static_cast<std::size_t>(out_.step_of[static_cast<std::size_t>(walk)])].left = left;
      const float left_cover = tree.nodes[static_cast<std::size_t>(from.left - root)].cover;
      const bool left_first = left_cover >= tree.nodes[static_cast<std::size_t>(from.right - root)].cover;
      open.push_back(left_first ? from.right : from.left);
      open.push_back(left_first ? from.left : from.right);
    }
  }

  const ForestSpec& spec_;
  Compiled out_;
};

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

}  // namespace tenon::model

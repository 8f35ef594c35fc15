#include "model/tree_shap_internal.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

TreeShap::TreeShap(const ForestSpec& spec, const Compiled& forest) : forest_(forest), avx2_(HasAvx2()) {
  for (const double base : spec.base) base_.push_back(spec.base_last ? base : base / spec.divisor);
  RuleOf(1);  // the weights that Contributions applies
  for (const WalkNode& node : forest.walk) {
    if (node.left >= 0) used_.push_back(node.feature);
  }
  std::ranges::sort(used_);
  used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
  for (std::size_t t = 0; t < spec.trees.size(); ++t) {
    const int output = spec.trees[t].output;
    const bool every = output == Tree::kEveryOutput;
    for (int k = every ? 0 : output; k <= (every ? spec.outputs - 1 : output); ++k) AddShape(spec, t, k);
  }
}

namespace {

// A node of a tree while it is laid out.
struct Open {
  std::int32_t node = 0;      // of the spec
  std::int32_t at = 0;        // in the order of visits
  double weight = 1;          // share of the whole path
  int features = 0;           // different ones on the path
};

// Of a visited node: where it hangs, and what share of the rows its feature's tests let through.
struct Visited {
  std::int32_t parent = -1;
  std::int32_t feature = -1;  // tested by the parent
  double share = 1;
  std::int32_t node = 0;      // of the spec
  std::int32_t left = -1;     // in the order of visits
};

}  // namespace

void TreeShap::AddShape(const ForestSpec& spec, std::size_t t, int output) {
  const Tree& tree = spec.trees[t];
  Shape shape;
  shape.first_test = tests_.size();
  shape.first_leaf = leaves_.size();
  shape.output = output;
  std::vector<Visited> visited = {{}};
  std::vector<Open> open = {{}};
  int most_features = 1;
  const auto spec_node = [&](std::int32_t i) -> const Tree::Node& { return tree.nodes[static_cast<std::size_t>(i)]; };
  const auto leaf_value = [&](const Tree::Node& leaf) {
    if (leaf.vector < 0) return leaf.value / spec.divisor;
    return tree.vectors[static_cast<std::size_t>(leaf.vector) * static_cast<std::size_t>(spec.outputs) +
                        static_cast<std::size_t>(output)] / spec.divisor;
  };
  const auto at = [&](std::int32_t i) -> Visited& { return visited[static_cast<std::size_t>(i)]; };
  while (!open.empty()) {
    const Open from = open.back();
    open.pop_back();
    const Tree::Node& node = spec_node(from.node);
    if (node.left < 0) {
      base_[static_cast<std::size_t>(output)] += from.weight * leaf_value(node);
      most_features = std::max(most_features, from.features);
      continue;
    }
    std::int32_t before = from.at;
    while (before >= 0 && at(before).feature != node.feature) before = at(before).parent;
    const double before_share = before >= 0 ? at(before).share : 1;
    const double left = static_cast<double>(spec_node(node.left).cover);
    const double right = static_cast<double>(spec_node(node.right).cover);
    const double left_share = left + right > 0 ? left / (left + right) : 0.5;
    const auto first = static_cast<std::int32_t>(visited.size());
    at(from.at).left = first;
    visited.push_back({from.at, node.feature, before_share * left_share, node.left, -1});
    visited.push_back({from.at, node.feature, before_share * (1 - left_share), node.right, -1});
    const int features = from.features + (before >= 0 ? 0 : 1);
    open.push_back({node.left, first, from.weight * left_share, features});
    open.push_back({node.right, first + 1, from.weight * (1 - left_share), features});
    Test test;
    test.walk = forest_.roots[t] + from.node;
    test.slot = static_cast<std::int32_t>(std::ranges::lower_bound(used_, node.feature) - used_.begin());
    test.left = first;        // renumbered below
    test.right = first + 1;
    test.before = before;
    test.before_share = before_share;
    test.left_share = left_share;
    tests_.push_back(test);
  }
  shape.tests = tests_.size() - shape.first_test;
  // Tests keep the order in which they were made, leaves follow.
  std::vector<std::int32_t> number(visited.size());
  std::int32_t next_leaf = static_cast<std::int32_t>(shape.tests);
  for (std::size_t v = 0; v < visited.size(); ++v) {
    const Tree::Node& node = spec_node(visited[v].node);
    if (node.left >= 0) continue;
    number[v] = next_leaf++;
    leaves_.push_back(leaf_value(node));
  }
  for (std::size_t i = 0; i < shape.tests; ++i) {
    const std::int32_t left = tests_[shape.first_test + i].left;
    const std::int32_t parent = at(left).parent;
    number[static_cast<std::size_t>(parent)] = static_cast<std::int32_t>(i);
  }
  for (std::size_t i = 0; i < shape.tests; ++i) {
    Test& test = tests_[shape.first_test + i];
    test.left = number[static_cast<std::size_t>(test.left)];
    test.right = number[static_cast<std::size_t>(test.right)];
    if (test.before >= 0) test.before = number[static_cast<std::size_t>(test.before)];
  }
  shape.leaves = leaves_.size() - shape.first_leaf;
  shape.groups = ((most_features + 1) / 2 + kPoints - 1) / kPoints;
  shape.rule = RuleOf(static_cast<std::size_t>(shape.groups));
  const auto width = static_cast<std::size_t>(shape.groups * kPoints);
  most_ = std::max(most_, shape.nodes() * width);
  most_nodes_ = std::max(most_nodes_, shape.nodes());
  shapes_.push_back(shape);
}

std::size_t TreeShap::RuleOf(std::size_t groups) {
  constexpr auto kNone = static_cast<std::size_t>(-1);
  const std::size_t width = groups * kPoints;
  if (rules_.size() <= groups) rules_.resize(groups + 1, kNone);
  if (rules_[groups] == kNone) {
    rules_[groups] = points_.size();
    points_.resize(points_.size() + width);
    weights_.resize(weights_.size() + width);
    GaussLegendre(static_cast<int>(width), points_.data() + rules_[groups], weights_.data() + rules_[groups]);
  }
  return rules_[groups];
}

// `phi`: by slot and point, kPoints of them; with more groups, all is in the first point, weights included.
void TreeShap::AddTree(const Shape& shape, const float* row, Memory& memory, double* phi) const {
  const auto width = static_cast<std::size_t>(shape.groups * kPoints);
  const double* points = points_.data() + shape.rule;
  const double* weights = weights_.data() + shape.rule;
  const Test* tests = tests_.data() + shape.first_test;
  double* product = memory.product.data();
  double* sum = memory.sum.data();
  std::uint8_t* follows = memory.follows.data();
  const auto leads_left = [&](const Test& test) {
    const WalkNode& node = forest_.walk[static_cast<std::size_t>(test.walk)];
    return GoesLeft(forest_, node, row[node.feature]);
  };
  // r at a point: how e changes for the rows that go where this row goes.
  const auto ratio = [](const Test& test, bool on, double share, double t) {
    if (!on) return share;
    const double before = test.before_share;
    return (before * share + t * (1 - before * share)) / (before + t * (1 - before));
  };
  std::fill_n(product, width, 1.0);
  for (std::size_t i = 0; i < shape.tests; ++i) {
    const Test& test = tests[i];
    const bool left = leads_left(test);
    const bool on = test.before < 0 || follows[test.before] != 0;
    const auto hot = static_cast<std::size_t>(left ? test.left : test.right);
    const auto cold = static_cast<std::size_t>(left ? test.right : test.left);
    const double share = left ? test.left_share : 1 - test.left_share;
    follows[hot] = on ? 1 : 0;
    follows[cold] = 0;
    for (std::size_t q = 0; q < width; ++q) {
      const double here = product[i * width + q];
      const double below = here * ratio(test, on, share, points[q]);
      product[hot * width + q] = below;
      product[cold * width + q] = here - below;
    }
  }
  for (std::size_t i = 0; i < shape.leaves; ++i) {
    std::fill_n(sum + (shape.tests + i) * width, width, leaves_[shape.first_leaf + i]);
  }
  for (std::size_t i = shape.tests; i-- > 0;) {
    const Test& test = tests[i];
    const bool left = leads_left(test);
    const bool on = test.before < 0 || follows[test.before] != 0;
    const auto hot = static_cast<std::size_t>(left ? test.left : test.right);
    const auto cold = static_cast<std::size_t>(left ? test.right : test.left);
    const double share = left ? test.left_share : 1 - test.left_share;
    const double before = test.before_share;
    for (std::size_t q = 0; q < width; ++q) {
      const double r = ratio(test, on, share, points[q]);
      const double gap = sum[hot * width + q] - sum[cold * width + q];
      sum[i * width + q] = sum[cold * width + q] + r * gap;
      if (!on) continue;
      const double k = ((1 - before * share) - (1 - before) * r) / (before + points[q] * (1 - before));
      const double part = product[i * width + q] * k * gap;
      if (shape.groups == 1) {
        phi[static_cast<std::size_t>(test.slot) * kPoints + q] += part;
      } else {
        phi[static_cast<std::size_t>(test.slot) * kPoints] += part * weights[q] / weights_[rules_[1]];
      }
    }
  }
}

#if defined(__x86_64__)
// The same for one group of points, a vector at a time.
__attribute__((target("avx2"))) void TreeShap::AddTreeAvx2(const Shape& shape, const float* row, Memory& memory,
                                                           double* phi) const {
  const __m256d points = _mm256_loadu_pd(points_.data() + shape.rule);
  const __m256d one = _mm256_set1_pd(1);
  const Test* tests = tests_.data() + shape.first_test;
  double* product = memory.product.data();
  double* sum = memory.sum.data();
  std::uint8_t* follows = memory.follows.data();
  std::uint8_t* lefts = follows + shape.nodes();
  _mm256_storeu_pd(product, one);
  for (std::size_t i = 0; i < shape.tests; ++i) {
    const Test& test = tests[i];
    const WalkNode& node = forest_.walk[static_cast<std::size_t>(test.walk)];
    const float x = row[node.feature];
    const bool plain = node.split == Comparison::kBelow && !node.zero_missing;
    const bool left = plain ? x < node.value || (x != x && node.missing_left) : GoesLeft(forest_, node, x);
    lefts[i] = left ? 1 : 0;
    const auto hot = static_cast<std::size_t>(left ? test.left : test.right);
    const auto cold = static_cast<std::size_t>(left ? test.right : test.left);
    const double share = left ? test.left_share : 1 - test.left_share;
    const bool on = test.before < 0 || follows[test.before] != 0;
    follows[hot] = on ? 1 : 0;
    follows[cold] = 0;
    __m256d r = _mm256_set1_pd(share);
    if (test.before < 0) {
      r = _mm256_add_pd(r, _mm256_mul_pd(points, _mm256_set1_pd(1 - share)));
    } else if (on) {
      const double z = test.before_share * share;
      const __m256d now = _mm256_add_pd(_mm256_set1_pd(z), _mm256_mul_pd(points, _mm256_set1_pd(1 - z)));
      const __m256d then = _mm256_add_pd(_mm256_set1_pd(test.before_share),
                                         _mm256_mul_pd(points, _mm256_set1_pd(1 - test.before_share)));
      r = _mm256_div_pd(now, then);
    }
    const __m256d here = _mm256_loadu_pd(product + i * kPoints);
    const __m256d below = _mm256_mul_pd(here, r);
    _mm256_storeu_pd(product + hot * kPoints, below);
    _mm256_storeu_pd(product + cold * kPoints, _mm256_sub_pd(here, below));
    _mm256_storeu_pd(sum + i * kPoints, r);  // kept until the way up puts the sum there
  }
  for (std::size_t i = 0; i < shape.leaves; ++i) {
    _mm256_storeu_pd(sum + (shape.tests + i) * kPoints, _mm256_set1_pd(leaves_[shape.first_leaf + i]));
  }
  for (std::size_t i = shape.tests; i-- > 0;) {
    const Test& test = tests[i];
    const bool left = lefts[i] != 0;
    const __m256d hot = _mm256_loadu_pd(sum + (left ? test.left : test.right) * kPoints);
    const __m256d cold = _mm256_loadu_pd(sum + (left ? test.right : test.left) * kPoints);
    const double share = left ? test.left_share : 1 - test.left_share;
    const __m256d r = _mm256_loadu_pd(sum + i * kPoints);
    const __m256d gap = _mm256_sub_pd(hot, cold);
    _mm256_storeu_pd(sum + i * kPoints, _mm256_add_pd(cold, _mm256_mul_pd(r, gap)));
    __m256d k = _mm256_set1_pd(1 - share);
    if (test.before >= 0) {
      if (follows[test.before] == 0) continue;
      const double before = test.before_share;
      const __m256d then = _mm256_add_pd(_mm256_set1_pd(before), _mm256_mul_pd(points, _mm256_set1_pd(1 - before)));
      k = _mm256_sub_pd(_mm256_set1_pd(1 - before * share), _mm256_mul_pd(_mm256_set1_pd(1 - before), r));
      k = _mm256_div_pd(k, then);
    }
    double* mine = phi + static_cast<std::size_t>(test.slot) * kPoints;
    const __m256d part = _mm256_mul_pd(_mm256_mul_pd(_mm256_loadu_pd(product + i * kPoints), k), gap);
    _mm256_storeu_pd(mine, _mm256_add_pd(_mm256_loadu_pd(mine), part));
  }
}
#else
void TreeShap::AddTreeAvx2(const Shape& shape, const float* row, Memory& memory, double* phi) const {
  AddTree(shape, row, memory, phi);
}
#endif

void TreeShap::Contributions(const float* row, double* out) const {
  static thread_local Memory memory;
  const std::size_t slots = used_.size() * kPoints;
  if (memory.product.size() < most_) {
    memory.product.resize(most_);
    memory.sum.resize(most_);
  }
  if (memory.follows.size() < 2 * most_nodes_) memory.follows.resize(2 * most_nodes_);
  if (memory.by_point.size() < slots * base_.size()) memory.by_point.resize(slots * base_.size());
  std::fill_n(memory.by_point.data(), slots * base_.size(), 0.0);
  for (const Shape& shape : shapes_) {
    double* phi = memory.by_point.data() + static_cast<std::size_t>(shape.output) * slots;
    if (avx2_ && shape.groups == 1) {
      AddTreeAvx2(shape, row, memory, phi);
    } else {
      AddTree(shape, row, memory, phi);
    }
  }
  const auto width = static_cast<std::size_t>(forest_.features) + 1;
  std::fill_n(out, width * base_.size(), 0.0);
  for (std::size_t k = 0; k < base_.size(); ++k) {
    double* mine = out + k * width;
    mine[width - 1] = base_[k];
    if (used_.empty()) continue;
    const double* weights = weights_.data() + rules_[1];
    for (std::size_t s = 0; s < used_.size(); ++s) {
      const double* parts = memory.by_point.data() + k * slots + s * kPoints;
      double total = 0;
      for (std::size_t q = 0; q < kPoints; ++q) total += parts[q] * weights[q];
      mine[used_[s]] = total;
    }
  }
}

}  // namespace tenon::model

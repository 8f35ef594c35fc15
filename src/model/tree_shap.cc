#include "model/tree_shap_internal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>

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

TreeShap::TreeShap(const ForestSpec& spec, const Compiled& forest) : forest_(forest) {
  std::map<int, std::size_t> rules;  // groups -> first point
  base_.assign(spec.base.begin(), spec.base.end());
  for (std::size_t t = 0; t < spec.trees.size(); ++t) {
    const Tree& tree = spec.trees[t];
    Shape shape;
    shape.first = nodes_.size();
    shape.output = tree.output;
    struct Open {
      std::int32_t node;        // of the spec
      std::int32_t at;          // of this tree's nodes here
      double weight;            // share of the whole path
      int features;             // different ones on the path
    };
    nodes_.push_back({.test = forest.roots[t]});
    std::vector<Open> open = {{0, 0, 1, 0}};
    int most_features = 1;
    while (!open.empty()) {
      const Open from = open.back();
      open.pop_back();
      const Tree::Node& node = tree.nodes[static_cast<std::size_t>(from.node)];
      if (node.left < 0) {
        nodes_[shape.first + static_cast<std::size_t>(from.at)].leaf = static_cast<double>(node.value);
        base_[static_cast<std::size_t>(tree.output)] += from.weight * static_cast<double>(node.value);
        most_features = std::max(most_features, from.features);
        continue;
      }
      // The nearest node above (or at) `from` that a test of this feature led to.
      std::int32_t before = from.at;
      while (before > 0 && nodes_[shape.first + static_cast<std::size_t>(before)].feature != node.feature) {
        before = nodes_[shape.first + static_cast<std::size_t>(before)].parent;
      }
      const bool again = before > 0;
      const double left = static_cast<double>(tree.nodes[static_cast<std::size_t>(node.left)].cover);
      const double right = static_cast<double>(tree.nodes[static_cast<std::size_t>(node.right)].cover);
      const double part = left + right > 0 ? left / (left + right) : 0.5;
      for (const bool is_left : {true, false}) {
        const double share = is_left ? part : 1 - part;
        Node child;
        child.parent = from.at;
        child.feature = node.feature;
        child.before = again ? before : -1;
        child.share = share * (again ? nodes_[shape.first + static_cast<std::size_t>(before)].share : 1);
        child.is_left = is_left;
        child.test = forest.roots[t] + (is_left ? node.left : node.right);
        open.push_back({is_left ? node.left : node.right, static_cast<std::int32_t>(nodes_.size() - shape.first),
                        from.weight * share, from.features + (again ? 0 : 1)});
        nodes_.push_back(child);
      }
    }
    shape.count = nodes_.size() - shape.first;
    const int points = (most_features + 1) / 2;
    shape.groups = (points + kPoints - 1) / kPoints;
    const auto [rule, fresh] = rules.try_emplace(shape.groups, points_.size());
    if (fresh) {
      const auto size = static_cast<std::size_t>(shape.groups * kPoints);
      points_.resize(points_.size() + size);
      weights_.resize(weights_.size() + size);
      GaussLegendre(shape.groups * kPoints, points_.data() + rule->second, weights_.data() + rule->second);
    }
    shape.rule = rule->second;
    most_ = std::max(most_, shape.count * static_cast<std::size_t>(shape.groups * kPoints) * 3 + shape.count);
    shapes_.push_back(shape);
  }
}

void TreeShap::AddTree(const Shape& shape, const float* row, double* memory, double* phi) const {
  const auto width = static_cast<std::size_t>(shape.groups * kPoints);
  const double* points = points_.data() + shape.rule;
  const double* weights = weights_.data() + shape.rule;
  const Node* nodes = nodes_.data() + shape.first;
  double* product = memory;                          // over the features of the path, at each point
  double* factor = product + shape.count * width;    // of this node's feature
  double* sum = factor + shape.count * width;        // of value times product over the leaves below
  double* follows = sum + shape.count * width;       // o: 1 when the row passes all this feature's tests so far
  std::fill_n(product, width, 1.0);
  follows[0] = 1;
  for (std::size_t i = 1; i < shape.count; ++i) {
    const Node& node = nodes[i];
    const auto parent = static_cast<std::size_t>(node.parent);
    const WalkNode& test = forest_.walk[static_cast<std::size_t>(nodes[parent].test)];
    const bool here = GoesLeft(forest_, test, row[test.feature]) == node.is_left;
    follows[i] = here && (node.before < 0 || follows[node.before] != 0) ? 1 : 0;
    const double slope = follows[i] - node.share;
    for (std::size_t q = 0; q < width; ++q) {
      const double mine = node.share + points[q] * slope;
      double above = product[parent * width + q];
      if (node.before >= 0) above /= factor[static_cast<std::size_t>(node.before) * width + q];
      factor[i * width + q] = mine;
      product[i * width + q] = above * mine;
    }
  }
  for (std::size_t i = 0; i < shape.count; ++i) {
    for (std::size_t q = 0; q < width; ++q) sum[i * width + q] = nodes[i].leaf * product[i * width + q] * weights[q];
  }
  for (std::size_t i = shape.count; i-- > 1;) {
    const Node& node = nodes[i];
    double now = 0, then = 0;
    for (std::size_t q = 0; q < width; ++q) {
      now += sum[i * width + q] / factor[i * width + q];
      if (node.before >= 0) then += sum[i * width + q] / factor[static_cast<std::size_t>(node.before) * width + q];
      sum[static_cast<std::size_t>(node.parent) * width + q] += sum[i * width + q];
    }
    phi[node.feature] += now * (follows[i] - node.share);
    if (node.before >= 0) {
      const auto before = static_cast<std::size_t>(node.before);
      phi[node.feature] -= then * (follows[before] - nodes[before].share);
    }
  }
}

void TreeShap::Contributions(const float* row, double* out) const {
  const auto width = static_cast<std::size_t>(forest_.features) + 1;
  std::fill_n(out, width * base_.size(), 0.0);
  for (std::size_t k = 0; k < base_.size(); ++k) out[k * width + width - 1] = base_[k];
  static thread_local std::vector<double> memory;
  if (memory.size() < most_) memory.resize(most_);
  for (const Shape& shape : shapes_) AddTree(shape, row, memory.data(), out + static_cast<std::size_t>(shape.output) * width);
}

}  // namespace tenon::model

#pragma once

#include <cstdint>
#include <vector>

#include "model/forest_internal.h"

namespace tenon::model {

// A rule with `points` points on (0, 1); exact for polynomials up to degree 2 points - 1.
void GaussLegendre(int points, double* at, double* weight);

// Exact path-dependent TreeSHAP (Lundberg, Erion, Lee 2018) of the margins, in doubles. The Shapley weights of a path
// with m features are Beta integrals, so that the attribution of feature i at a leaf of value v is
//   v (o_i - z_i) * integral over t in (0,1) of the product over j != i of e_j,   e_j = z_j + t (o_j - z_j),
// z: the share of the training rows that follow the path, o: 1 when this row does. The product is a polynomial of
// degree m-1, which a Gauss-Legendre rule of ceil(m/2) points integrates exactly.
//
// At a node that tests f, let h be the child the row goes to. The e of both children add up to the e of f before the
// node, so with r = e_h / e_before, P the product above and T the sum over the leaves below of value times the product
// below, T = T_c + r (T_h - T_c), P_h = r P, P_c = P - P_h, and the node adds P/e_before * k * (T_h - T_c) to f, where
// k = (1 - z_h) - (1 - z_before) r. One pass down and one up: a tree costs its number of tests.
class TreeShap {
 public:
  // Keeps a reference to `forest`, which must be compiled from `spec`.
  TreeShap(const ForestSpec& spec, const Compiled& forest);
  // outputs x (features + 1) doubles, the last of each the base value. Allocates when a thread calls first.
  void Contributions(const float* row, double* out) const;

 private:
  static constexpr int kPoints = 4;  // points come in groups of four; one group is exact for 8 features on a path
  // A test. Parents come before their children.
  struct Test {
    std::int32_t walk = 0;      // in Compiled::walk
    std::int32_t slot = 0;      // of the feature among those used
    std::int32_t left = 0;      // among all nodes of the tree: tests first, then leaves
    std::int32_t right = 0;
    std::int32_t before = -1;   // the node nearest above (or this) that a test of the same feature led to
    double before_share = 1;    // z of that feature on the way to here
    double left_share = 0.5;    // of the rows that come here
  };
  struct Shape {
    std::size_t first_test = 0, tests = 0;
    std::size_t first_leaf = 0, leaves = 0;
    int output = 0;
    int groups = 1;             // of kPoints
    std::size_t rule = 0;       // first of points_/weights_
    std::size_t nodes() const { return tests + leaves; }
  };
  struct Memory;
  std::size_t RuleOf(std::size_t groups);  // first of its points
  void AddShape(const ForestSpec& spec, std::size_t tree, int output);
  void AddTree(const Shape& shape, const float* row, Memory& memory, double* phi) const;
  void AddTreeAvx2(const Shape& shape, const float* row, Memory& memory, double* phi) const;

  const Compiled& forest_;
  bool avx2_ = false;
  std::size_t most_ = 0;        // points of all nodes of the largest tree
  std::size_t most_nodes_ = 0;
  std::vector<Test> tests_;
  std::vector<double> leaves_;
  std::vector<Shape> shapes_;
  std::vector<double> points_, weights_;
  std::vector<std::size_t> rules_;    // by groups: first point, or none
  std::vector<std::int32_t> used_;    // features by slot
  std::vector<double> base_;
};

// A thread's working memory.
struct TreeShap::Memory {
  std::vector<double> product, sum;   // P and T, by node and point
  std::vector<std::uint8_t> follows;  // o, by node
  std::vector<double> by_point;       // attributions before the weights, by output, slot and point
};

}  // namespace tenon::model

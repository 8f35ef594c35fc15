#pragma once

#include <cstdint>
#include <vector>

#include "model/forest_internal.h"

namespace tenon::model {

// A rule with `points` points on (0, 1); exact for polynomials up to degree 2 points - 1.
void GaussLegendre(int points, double* at, double* weight);

// Exact path-dependent TreeSHAP (Lundberg, Erion, Lee 2018) of the margins, in doubles. The Shapley weights of a path
// with m features are Beta integrals, so that the attribution of feature i at a leaf of value v is
//   v (o_i - z_i) * integral over t in (0,1) of the product over j != i of (z_j + t (o_j - z_j)),
// z: the share of the training rows that follow the path, o: 1 when this row does. The product is a polynomial of
// degree m-1, which a Gauss-Legendre rule of ceil(m/2) points integrates exactly. One pass down a tree builds the
// products, one pass up sums them, so that a tree costs its number of nodes.
class TreeShap {
 public:
  // Keeps a reference to `forest`, which must be compiled from `spec`.
  TreeShap(const ForestSpec& spec, const Compiled& forest);
  // outputs x (features + 1) doubles, the last of each the base value.
  void Contributions(const float* row, double* out) const;

 private:
  static constexpr int kPoints = 4;  // points come in groups of four; one group is exact for 8 features on a path
  struct Node {
    std::int32_t parent = 0;
    std::int32_t feature = 0;     // that the parent tests
    std::int32_t before = -1;     // the nearest node above whose parent tests the same feature
    double share = 1;             // z, of all the tests of that feature up to here together
    double leaf = 0;              // value of a leaf, else 0
    bool is_left = false;         // the parent's left child
    std::int32_t test = 0;        // in Compiled::walk
  };
  struct Shape {
    std::size_t first = 0, count = 0;  // in nodes_, parents before children
    int output = 0;
    int groups = 1;                    // of kPoints
    std::size_t rule = 0;              // first of points_/weights_
  };
  void AddTree(const Shape& shape, const float* row, double* memory, double* phi) const;

  const Compiled& forest_;
  std::size_t most_ = 0;  // doubles of working memory for the largest tree
  std::vector<Node> nodes_;
  std::vector<Shape> shapes_;
  std::vector<double> points_, weights_;
  std::vector<double> base_;
};

}  // namespace tenon::model

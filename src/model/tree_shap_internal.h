#pragma once

#include <cstdint>
#include <vector>

#include "model/forest_internal.h"

namespace tenon::model {

// A rule with `points` points on (0, 1); exact for polynomials up to degree 2 points - 1.
void GaussLegendre(int points, double* at, double* weight);

// A test on the way of TreeShap through a tree. Levels count from the root, 1.
struct ShapTest {
  std::int32_t walk = 0;       // in Compiled::walk
  std::int32_t slot = 0;       // of the feature among those used
  std::int32_t constants = -1; // of a feature tested above too: first in TreeShap's constants
  std::uint8_t level = 0;
  std::uint8_t before = 0;     // with constants: the level of the nearest test of the feature above
  bool right = false;          // it hangs to the right of its parent
  bool left_leaf = false, right_leaf = false;
  bool plain = true;
  bool missing_left = false;
  float value = 0;             // of a plain test
  double left_share = 0.5;     // of the rows that come here
  double left_value = 0, right_value = 0;  // of leaves
};

// What to do next: to come to a test from above, or to leave it when both its sides are known.
struct ShapStep {
  std::uint32_t test = 0;
  bool leave = false;
};

struct Cell;  // sixteen doubles

struct ShapTree {
  std::size_t first_step = 0, steps = 0;
  std::size_t first_test = 0;
  int output = 0;
  int points = 1;              // of the rule
};

// Exact path-dependent TreeSHAP (Lundberg, Erion, Lee 2018) of the margins, in doubles. The Shapley weights of a path
// with m features are Beta integrals, so that the attribution of feature i at a leaf of value v is
//   v (o_i - z_i) * integral over t in (0,1) of the product over j != i of e_j,   e_j = z_j + t (o_j - z_j),
// z: the share of the training rows that follow the path, o: 1 when this row does. The product is a polynomial of
// degree m-1, which a Gauss-Legendre rule of ceil(m/2) points integrates exactly.
//
// Going down, P is the product of all e (times the rule's weight), going up T is the sum over the leaves below of value
// times the product of the e below. With s the share of the rows at a node that go left, and l = 1 when this row does, a
// feature that is tested for the first time has e = s + t (l - s) to the left and 1 - e to the right, so
//   P_left = e P, P_right = P - P_left, T = T_right + e (T_left - T_right), and adds (l - s) P (T_left - T_right).
// A feature tested before, with share b then, has e relative to what it was: (b s (1-t) + l t) / (b + t (1-b)), or just s
// once the row has left its path. None of it divides when a row is explained: what depends on the tree is laid out before.
//
// The same code runs for sixteen rows at once, one a lane, and for one row, one point a lane.
class TreeShap {
 public:
  enum class Processor : std::uint8_t { kAny, kAvx2, kAvx512 };
  // Keeps a reference to `forest`, which must be compiled from `spec`. Uses no more of the processor than `most`.
  TreeShap(const ForestSpec& spec, const Compiled& forest, Processor most = Processor::kAvx512);
  // outputs x (features + 1) doubles a row, the last of each the base value. Allocates when a thread calls first.
  void Contributions(const float* rows, std::int64_t n, std::int64_t stride, double* out) const;

  static constexpr int kMostPoints = 8;   // 16 different features on a path
  static constexpr int kMostLevels = 32;
  static constexpr std::int64_t kRows = 16;

 private:
  // Trees with longer paths: passes over all nodes, with as many points as are needed.
  struct LongTest {
    std::int32_t walk = 0;
    std::int32_t slot = 0;
    std::int32_t left = 0;      // among all nodes of the tree: tests first, then leaves
    std::int32_t right = 0;
    std::int32_t before = -1;   // the node nearest above (or this) that a test of the same feature led to
    double before_share = 1;    // z of that feature on the way to here
    double left_share = 0.5;
  };
  struct LongTree {
    std::vector<LongTest> tests;
    std::vector<double> leaves;
    std::vector<double> points, weights;
    int output = 0;
  };
  struct Memory;
  struct Layout;  // of a tree while it is laid out

  void AddTree(const ForestSpec& spec, std::size_t tree, int output);
  void AddShort(const Layout& layout);
  void AddSteps(const Layout& layout, std::int32_t node, std::uint8_t level, bool right, ShapTree* tree);
  void AddLong(const Layout& layout);
  std::int32_t AddConstants(double before_share, double left_share, int points);
  void ExplainLong(const LongTree& tree, const float* row, Memory& memory, double* phi) const;
  // Adds to `phi`, by output and slot: a lane a row, or a lane a point.
  void ExplainRows(const float* const* rows, Memory& memory) const;
  void ExplainOne(const float* row, Memory& memory) const;
  void Explain(const float* const* rows, std::size_t count, Memory& memory, double* out) const;

  template <int kPoints, typename Lanes, typename Scalar, typename Point, typename Lefts>
  void RunTree(const ShapTree& tree, const Lefts& lefts, Cell* phi) const;
  template <int kPoints>
  void RunRows(const ShapTree& tree, Memory& memory) const;
  void RunAllRows(Memory& memory) const;
  void RunAllOne(const float* row, Memory& memory) const;
  void RunAllRowsAvx2(Memory& memory) const;
  void RunAllOneAvx2(const float* row, Memory& memory) const;
  void RunAllRowsAvx512(Memory& memory) const;
  void RunAllOneAvx512(const float* row, Memory& memory) const;

  const Compiled& forest_;
  Processor processor_ = Processor::kAny;
  std::vector<ShapTest> tests_;
  std::vector<ShapStep> steps_;
  std::vector<ShapTree> trees_;
  std::vector<LongTree> long_trees_;
  std::size_t longest_ = 0;           // points of all nodes of the largest of them
  std::size_t longest_nodes_ = 0;
  std::vector<double> constants_;     // four groups of kMostPoints: a, c, and the factors k0 and k1 - k0
  std::vector<std::int32_t> used_;    // features by slot
  std::vector<double> base_;
};

}  // namespace tenon::model

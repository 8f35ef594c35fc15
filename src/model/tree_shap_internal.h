#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/forest_internal.h"

namespace tenon::model {

// A rule with `points` points on (0, 1); exact for polynomials up to degree 2 points - 1.
void GaussLegendre(int points, double* at, double* weight);

// A test on the way of TreeShap through a tree. Levels count from the root, 1.
struct ShapTest {
  std::int32_t walk = 0;       // in Compiled::walk
  std::int32_t slot = 0;       // of the feature among those used
  std::int32_t again = -1;     // of a feature tested above too: first of 2 kMostPoints in TreeShap's again_
  std::uint8_t level = 0;
  std::uint8_t before = 0;     // with again: the level of the nearest test of the feature above
  bool right = false;          // it hangs to the right of its parent
  bool left_leaf = false, right_leaf = false;
  bool plain = true;
  bool missing_left = false;
  float value = 0;             // of a plain test
  double share = 0.5;          // of the rows that come here, which goes left
  double left_value = 0, right_value = 0;  // of leaves
};

// What to do next: to come to a test from above, to leave it when both its sides are known, or to do all that is below it.
struct ShapStep {
  std::uint32_t test = 0;
  std::uint8_t bottom = 0;     // levels of tests from here to the leaves, all of them there; 0: see leave
  bool leave = false;
};

// The steps through tests that stand parents first and left before right. Bottoms of at most `most_bottom` levels.
template <typename Test>
std::vector<ShapStep> StepsThrough(const Test* tests, std::size_t count, int most_bottom) {
  std::vector<std::size_t> end(count);  // of what is below, and the test itself
  std::vector<int> whole(count);        // levels; 0: some of the tests are not there, or too many levels
  for (std::size_t i = count; i-- > 0;) {
    const std::size_t right = tests[i].left_leaf ? i + 1 : end[i + 1];
    end[i] = tests[i].right_leaf ? right : end[right];
    if (tests[i].left_leaf && tests[i].right_leaf) {
      whole[i] = 1;
    } else if (!tests[i].left_leaf && !tests[i].right_leaf && whole[i + 1] == whole[right] && whole[right] > 0 && whole[right] < most_bottom) {
      whole[i] = whole[right] + 1;
    }
  }
  std::vector<ShapStep> steps;
  std::vector<std::size_t> open;        // tests that were come to
  for (std::size_t i = 0; i < count || !open.empty();) {
    if (!open.empty() && (i == count || i == end[open.back()])) {
      steps.push_back({static_cast<std::uint32_t>(open.back()), 0, true});
      open.pop_back();
      continue;
    }
    steps.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint8_t>(whole[i]), false});
    if (whole[i] == 0) open.push_back(i);
    i = whole[i] == 0 ? i + 1 : end[i];
  }
  return steps;
}

struct Cell;       // sixteen doubles
struct ShapGroup;  // eight trees, one a lane

struct ShapTree {
  std::size_t first_step = 0, steps = 0;
  std::size_t first_test = 0, tests = 0;
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
// A feature tested before, with share b then, has e relative to what it was: (b s (1-t) + l t) / (b + t (1-b)), or just s once
// the row has left its path. With w = 1 / (b + t (1-b)) that is s + t w (l - s), and it adds (l - s) b w^2 P (T_left - T_right):
// so t w and b w^2 of each point are laid out with the tree, and l - s is 0 off the path. With b = 1 these are the formulas
// of a first test, bit by bit.
//
// The same code runs for sixteen rows at once, one a lane, for one row with eight trees of like shape at once, one a lane,
// and for one row with the points of one tree, one a lane. All give the same bits: each test's sum over the points is made
// in one order, and tests are added up to kSums sums, by trees_ in turn, in each tree from the left and from the bottom.
class TreeShap {
 public:
  enum class Processor : std::uint8_t { kAny, kAvx2, kAvx512 };
  // Keeps a reference to `forest`, which must be compiled from `spec`. Uses no more of the processor than `most`.
  TreeShap(const ForestSpec& spec, const Compiled& forest, Processor most = Processor::kAvx512);
  ~TreeShap();
  TreeShap(const TreeShap&) = delete;
  TreeShap& operator=(const TreeShap&) = delete;
  // outputs x (features + 1) doubles a row, the last of each the base value; the same bits for a row whatever it is asked
  // with. Allocates when a thread calls first.
  void Contributions(const float* rows, std::int64_t n, std::int64_t stride, double* out) const;

  static constexpr int kMostPoints = 8;   // 16 different features on a path
  static constexpr int kMostLevels = 32;
  static constexpr std::int64_t kRows = 16;
  static constexpr int kTreeBottom = 1, kGroupBottom = 2;  // levels at most of the bottoms
  static constexpr std::size_t kTogether = 8;  // trees of a group
  static constexpr std::size_t kSums = 4;      // that trees add to in turn, so that one addition need not wait for another

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

  Layout LayOut(const ForestSpec& spec, std::size_t tree, int output);
  // Trees of like shape beside each other, each eight of them with as many points.
  void AddShort(std::vector<Layout> layouts);
  void AddTests(const Layout& layout, std::int32_t node, std::uint8_t level, bool right, int points);
  void AddLong(const Layout& layout);
  std::int32_t AddAgain(double before_share, int points);
  // Puts together what of trees_ goes through as eight trees at once; of the rest nothing.
  void MakeGroups();
  std::unique_ptr<const ShapGroup> Group(std::size_t first_tree) const;  // null: not worth it
  void ExplainLong(const LongTree& tree, const float* row, Memory& memory, double* phi) const;
  // Adds to Memory::phi, or to Memory::one of a single row, by sum, output and slot.
  void ExplainRows(const float* const* rows, Memory& memory) const;
  void ExplainOne(const float* row, Memory& memory) const;
  void Explain(const float* const* rows, std::size_t count, Memory& memory, double* out) const;

  // Where a tree adds up, by slot, among the kSums x outputs x slots.
  std::size_t SumsOf(std::size_t tree) const {
    return (tree % kSums * base_.size() + static_cast<std::size_t>(trees_[tree].output)) * used_.size();
  }
  template <int kPoints>
  void RunRows(std::size_t tree, Memory& memory) const;
  template <int kPoints>
  void RunGroup(const ShapGroup& group, Memory& memory) const;
  void RunAllRows(Memory& memory) const;
  template <Processor kProcessor>
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
  std::vector<double> again_;         // of each kMostPoints t w, then as many b w^2; 0 where there is no point
  std::vector<std::int32_t> used_;    // features by slot
  std::vector<double> base_;
  std::vector<std::unique_ptr<const ShapGroup>> groups_;  // of each eight of trees_; null: one tree after the other
  std::int64_t alone_ = 1;  // so many rows cost less one by one than as some of sixteen lanes
};

}  // namespace tenon::model

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "model/forest.h"

// A forest laid out for computing. There are several ways to compute one (Kernel); all add the leaves in the trees' order in
// the type of Compiled::sum, so that they give the same bits, and which of them a forest uses is seen in its speed only.
namespace tenon::model {

// A node as the specification numbers it; root and children are positions in Compiled::walk.
struct WalkNode {
  float value = 0;         // of a leaf: what it adds, rounded to float
  std::int32_t left = -1;  // -1: a leaf
  std::int32_t right = -1; // of a leaf: its number, or its first of a vector, in Compiled::leaves
  std::int32_t feature = 0;
  std::uint32_t categories = 0;       // first word in Compiled::categories
  std::uint32_t category_words = 0;
  bool missing_left = false;
  bool zero_missing = false;
  Comparison split = Comparison::kBelow;
};

// Small, and with the children side by side, the one that more rows reach first in memory.
struct StepNode {
  float value = 0;               // of a leaf: the bits of its position in Compiled::leaves
  std::int32_t left = 0;         // the right child follows it; of a leaf: the leaf itself
  std::uint32_t feature = 0;
  std::uint16_t inner = 0;       // 1: a test, 0: a leaf
  std::uint8_t missing_right = 0;
  std::uint8_t odd = 0;          // no plain compare: decided by the WalkNode
};

struct Compiled {
  int features = 0;
  int outputs = 1;
  std::vector<double> base;
  double divisor = 1;
  bool base_last = false;
  Sum sum = Sum::kFloat;
  bool vectors = false;                // some trees add to every output
  bool odd = false;                    // some tests are no plain compares
  std::vector<double> leaves;          // what leaves add
  std::vector<WalkNode> walk;
  std::vector<std::int32_t> roots;     // in `walk`, one a tree
  std::vector<std::int32_t> outputs_of;  // of the trees; Tree::kEveryOutput
  std::vector<std::uint32_t> categories;
  std::vector<StepNode> steps;
  std::vector<std::int32_t> step_roots;
  std::vector<std::int32_t> walk_of;   // of a step: its WalkNode
  std::vector<std::int32_t> step_of;   // of a WalkNode; -1 when no row can reach it
};

// Whether a node is a plain compare of numbers.
inline bool IsPlain(const WalkNode& node) { return node.split == Comparison::kBelow && !node.zero_missing; }
// Where a row with the value `x` of the node's feature goes.
bool GoesLeft(const Compiled& forest, const WalkNode& node, float x);
// The leaf reached from `node` on.
const WalkNode& WalkFrom(const Compiled& forest, std::int32_t node, const float* row);

// invalid_argument naming tree and node: indices, no cycles, finite numbers, floats where floats are added.
Result<void> CheckForest(const ForestSpec& spec);
// Makes tests of numbers `x < a float` where they can be, and everything that has no meaning zero, of a checked spec:
// two that say the same become equal.
void Normalise(ForestSpec* spec);
// Of a normalised spec.
Compiled Compile(const ForestSpec& spec);

// The sum of one output before the first tree, and what it is after the last.
template <typename Number>
Number StartSum(const Compiled& forest, std::size_t output) {
  return forest.base_last ? Number{0} : static_cast<Number>(forest.base[output]);
}
template <typename Number>
float FinishSum(const Compiled& forest, std::size_t output, Number sum) {
  if (forest.divisor != 1) sum /= static_cast<Number>(forest.divisor);
  if (forest.base_last) sum += static_cast<Number>(forest.base[output]);
  return static_cast<float>(sum);
}

// A way to compute margins. Immutable, any number of threads, no allocation. It keeps a reference to the Compiled it is of.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const = 0;
};

struct KernelKind {
  std::string_view name;
  std::unique_ptr<Kernel> (*make)(const Compiled& forest);  // null: not for this forest or not on this processor
};
std::span<const KernelKind> KernelKinds();

std::unique_ptr<Kernel> MakePlainWalk(const Compiled& forest);   // row by row, tree by tree: the definition
std::unique_ptr<Kernel> MakeStepRows(const Compiled& forest);    // eight rows or eight trees at once
std::unique_ptr<Kernel> MakeRankedRow(const Compiled& forest);   // eight trees at once on codes
std::unique_ptr<Kernel> MakeAvx2Block(const Compiled& forest);
std::unique_ptr<Kernel> MakeAvx512Block(const Compiled& forest);
std::unique_ptr<Kernel> MakeAvx512BlockShort(const Compiled& forest);  // a shorter prefix, then steps
std::unique_ptr<Kernel> MakeAvx512Row(const Compiled& forest);

// The kernels a forest uses, by the number of rows: found by a trial of a few milliseconds.
class Chosen {
 public:
  explicit Chosen(const Compiled& forest);
  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const;

 private:
  static constexpr std::array<std::int64_t, 4> kSizes = {1, 4, 16, 64};  // rows of the trials
  const Kernel& For(std::int64_t n) const;
  std::int64_t outputs_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::array<const Kernel*, kSizes.size()> by_size_{};
};

// A forest that computes with the one kernel. failed_precondition when it cannot; for tests and benchmarks.
Result<std::unique_ptr<Model>> MakeForestWith(ForestSpec spec, std::string_view kernel);

bool HasAvx2();
bool HasAvx512();  // F, BW, DQ, VL and VBMI

}  // namespace tenon::model

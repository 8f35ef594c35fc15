#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/forest.h"

// A forest compiled for speed. Each feature is replaced by its rank among the model's own thresholds for it, so that
// every test `x < threshold` becomes a compare of small integers with the same outcome, and each tree by a prefix of
// up to kMostLevels full levels without child pointers (nodes in heap order: the children of i are 2i+1 and 2i+2). What
// does not fit a prefix, deeper nodes and categorical splits, is walked on the floats themselves.
namespace tenon::model {

inline constexpr int kMostLevels = 8;
inline constexpr int kBlockRows = 64;        // rows that the batch kernel takes at once
inline constexpr int kMostColumns = 4096;    // codes a row; wider forests are walked

// A feature's thresholds, sorted, at `first` of Compiled::thresholds, filled up with NaN to whole blocks of 16. With at
// most 255 of them, `pivots` holds the last of every block.
struct RankedFeature {
  std::int32_t feature = 0;
  std::uint32_t first = 0;
  std::uint32_t pivots = 0;
  std::uint32_t count = 0;
  std::uint32_t columns_begin = 0;
  std::uint32_t columns_end = 0;
};

// One byte a row: the rank less `base`, kept within 0..255, less 128. A feature with more than 255 thresholds has
// several, and one whose nodes send NaN to both sides has twice as many.
struct CodeColumn {
  std::uint32_t base = 0;
  bool missing_right = false;
};

struct CompiledTree {
  std::uint32_t nodes = 0;   // first of the prefix in columns/cuts
  std::uint32_t exits = 0;   // first of 2^levels exits
  std::int32_t output = 0;   // or Tree::kEveryOutput
  std::uint8_t levels = 0;
  bool deep = false;         // exits are node numbers in `walk`, else values
};

// A node for walking on floats; root and children are positions in Compiled::walk.
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

// Aligned, so that a block is compared in two loads.
struct alignas(32) ThresholdBlock {
  std::array<float, 16> values;
};

struct Compiled {
  int features = 0;
  int outputs = 1;
  std::vector<double> base;
  double divisor = 1;
  bool base_last = false;
  Sum sum = Sum::kFloat;
  bool vectors = false;                // some trees add to every output
  std::vector<double> leaves;          // what leaves add
  std::vector<RankedFeature> ranked;
  std::vector<ThresholdBlock> thresholds;
  std::vector<CodeColumn> columns;
  std::vector<CompiledTree> trees;
  std::vector<std::uint32_t> column;   // of a prefix node: column number * kBlockRows
  std::vector<std::int8_t> cut;        // of a prefix node: code >= cut goes right
  std::vector<float> exit_values;
  std::vector<std::int32_t> exit_nodes;
  std::vector<WalkNode> walk;
  std::vector<std::int32_t> roots;     // in `walk`, one a tree
  std::vector<std::uint32_t> categories;
  const float* aligned_thresholds() const { return reinterpret_cast<const float*>(thresholds.data()); }
  bool ranks = false;                  // whether the ranked kernels may be used at all: they add single floats
  bool rank_single = false;            // whether ranking pays for one row
};

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
// `sums` as they are before the first tree, and after the last. One row.
void StartSums(const Compiled& forest, float* sums);
void FinishSums(const Compiled& forest, float* sums);

// The kernels. All add the leaves in the trees' order, in the type of Compiled::sum: the same bits.
void WalkRows(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, float* out);
void RankedRow(const Compiled& forest, const float* row, float* out);
bool HasAvx2();
void Avx2Rows(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, float* out);
// The codes of one row at codes[column * step].
void CodesOfRow(const Compiled& forest, const float* row, std::int8_t* codes, std::size_t step);

}  // namespace tenon::model

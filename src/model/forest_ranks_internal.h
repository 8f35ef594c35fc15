#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/forest_steps_internal.h"

// Each feature replaced by its rank among the model's own thresholds for it, so that every test `x < threshold` becomes a
// compare of bytes with the same outcome, and each tree by a prefix of full levels without child pointers (nodes in heap
// order: the children of i are 2i+1 and 2i+2). What does not fit a prefix, deeper nodes and tests that are no plain
// compares, is walked on the floats themselves.
namespace tenon::model {

inline constexpr int kMostLevels = 8;
inline constexpr int kBlockRows = 64;        // rows that the block kernels take at once
inline constexpr int kMostColumns = 4096;    // codes a row

// A feature's thresholds, sorted, and above them levels that hold the last of every block of 16 below: a search takes one
// block a level. Positions in Ranks::thresholds.
struct RankedFeature {
  std::int32_t feature = 0;
  std::uint32_t count = 0;
  std::uint32_t levels = 1;
  std::array<std::uint32_t, 6> first = {};   // of each level, the thresholds themselves first
  std::uint32_t columns_begin = 0;
  std::uint32_t columns_end = 0;
};

// One byte a row: the rank less `base`, kept within 0..255, less 128. A feature with more than 255 thresholds has
// several, and one whose nodes send NaN to both sides has twice as many.
struct CodeColumn {
  std::uint32_t base = 0;
  bool missing_right = false;
};

// Aligned, so that a block is compared in one or two loads. Filled up with NaN, which is at most nothing.
struct alignas(64) ThresholdBlock {
  std::array<float, 16> values;
};

struct Ranks {
  std::vector<RankedFeature> features;
  std::vector<ThresholdBlock> thresholds;
  std::vector<CodeColumn> columns;
  const float* values() const { return reinterpret_cast<const float*>(thresholds.data()); }
};

struct PrefixTree {
  std::uint32_t nodes = 0;   // first of the prefix in columns/cuts
  std::uint32_t exits = 0;   // first of 2^levels exits
  std::int32_t output = 0;
  std::uint8_t levels = 0;
  bool deep = false;         // exits are positions in Compiled::steps to go on from, else in Compiled::leaves
};

struct Prefixes {
  Ranks ranks;
  std::vector<PrefixTree> trees;
  std::vector<std::uint32_t> column;   // of a node
  std::vector<std::int8_t> cut;        // code >= cut goes right
  std::vector<std::int32_t> exits;
  std::vector<float> floats;           // what exits add as floats, as doubles; of a tree without vectors that is not deep
  std::vector<double> doubles;
};

// Prefixes of at most `levels` levels (1 to kMostLevels). False when codes would be too many.
bool MakePrefixes(const Compiled& forest, int levels, Prefixes* out);

// The codes of one row at codes[column * step].
void CodesOfRow(const Ranks& ranks, const float* row, std::int8_t* codes, std::size_t step);

// The code of a rank in a column.
inline std::int8_t CodeOf(const CodeColumn& column, std::uint32_t rank, bool missing) {
  std::uint32_t code = rank > column.base ? rank - column.base : 0;
  if (code > 255 || (missing && column.missing_right)) code = 255;
  return static_cast<std::int8_t>(static_cast<std::uint8_t>(code) ^ 0x80U);
}

// Adds what one tree's exits add to the sums of a block: sums[output * kBlockRows + row].
template <typename Number>
void AddExits(const Compiled& forest, const Prefixes& prefixes, const PrefixTree& tree, const std::uint8_t* exits,
              const float* rows, std::int64_t n, std::int64_t stride, Number* sums);

}  // namespace tenon::model

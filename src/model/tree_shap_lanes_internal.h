#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/tree_shap_internal.h"

// Vectors of doubles as the compiler has them: it makes of them what the processor a function is compiled for can do.
namespace tenon::model {

using Eight = double __attribute__((vector_size(64)));
using EightLongs = std::int64_t __attribute__((vector_size(64)));
using EightFloats = float __attribute__((vector_size(32)));
using EightInts = std::int32_t __attribute__((vector_size(32)));

// Sixteen rows, as two vectors.
struct Sixteen {
  Eight low, high;
};
struct SixteenMask {
  EightLongs low, high;
};

// In vectors, where the alignment of the bare type is lost.
struct alignas(64) Cell {
  Eight low, high;
};
struct alignas(32) FloatCell {
  EightFloats low, high;
};
struct alignas(64) TreesCell {
  Eight lanes;
};

// A test at one place of eight trees. Trees whose leaf is higher up have tests there that change nothing, their sides alike.
struct GroupTest {
  std::uint32_t cells = 0;     // first in ShapGroup::cells: share; with `again` also bits, and of each point t w and b w^2
  std::uint32_t leaves = 0;    // first of the leaves, left and right
  std::uint8_t level = 0;
  bool right = false;
  bool left_leaf = false, right_leaf = false;
  bool again = false;          // in some trees the feature was tested above
};

// What a test of a tree adds.
struct GroupAdd {
  std::uint32_t from = 0;      // in the doubles of Memory::sums
  std::uint32_t to = 0;        // in Memory::one
};

// The bit of a path that every row is on; those below are of the levels at which it followed one.
inline constexpr std::int64_t kEachTree = std::int64_t{1} << 62;

struct ShapGroup {
  int points = 1;
  std::vector<GroupTest> tests;
  std::vector<ShapStep> steps;
  std::vector<TreesCell> cells;
  // By test and tree; the tests filled up to an even number.
  std::vector<std::int32_t> slots;
  std::vector<float> values;
  std::vector<std::uint8_t> missing_left;  // by test, a bit a tree
  struct Odd {
    std::uint32_t test = 0;
    int tree = 0;
    std::int32_t walk = 0;
  };
  std::vector<Odd> odd;                    // tests that are no plain compares
  std::vector<GroupAdd> adds;              // of each tree in its order; of kSums trees in turn
};

// A row's values by slot: this many at least can be read.
inline constexpr std::size_t kMostSlotsInRegisters = 64;
// Which trees' tests send the row left, a bit a tree, by test. The second for processors that Processor::kAvx512 asks for, with
// kMostSlotsInRegisters slots at most.
void GroupLefts(const ShapGroup& group, const Compiled& forest, const float* row, const float* values, std::uint8_t* lefts);
void GroupLeftsAvx512(const ShapGroup& group, const Compiled& forest, const float* row, const float* values, std::uint8_t* lefts);

// A thread's working memory.
struct TreeShap::Memory {
  std::vector<FloatCell> values;    // of the rows, by slot
  std::vector<Cell> phi;            // by sum, output and slot
  std::vector<float> row;           // of one row, by slot
  std::vector<double> one;          // of one row, by sum, output and slot
  std::vector<std::uint8_t> lefts;  // of one row, by test of a group
  std::vector<TreesCell> sums;      // of the trees of a group, by place
  std::vector<double> rest;         // what long trees add, by output and slot
  std::vector<double> product, sum; // of a long tree, by node and point
  std::vector<std::uint8_t> follows;
};

}  // namespace tenon::model

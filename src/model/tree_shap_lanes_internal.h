#pragma once

#include <array>

#include "model/tree_shap_internal.h"

// Vectors of doubles as the compiler has them: it makes of them what the processor a function is compiled for can do.
namespace tenon::model {

using Eight = double __attribute__((vector_size(64)));
using EightFloats = float __attribute__((vector_size(32)));
using EightInts = std::int32_t __attribute__((vector_size(32)));

// Sixteen rows, as two vectors.
struct Sixteen {
  Eight low, high;
};

// In vectors, where the alignment of the bare type is lost.
struct alignas(64) Cell {
  Eight low, high;
};
struct alignas(32) FloatCell {
  EightFloats low, high;
};

// A thread's working memory.
struct TreeShap::Memory {
  std::vector<FloatCell> values;  // of the rows, by slot
  std::vector<Cell> phi;           // by output and slot
  std::vector<double> rest;         // what long trees add, by lane, output and slot
  std::vector<double> product, sum; // of a long tree, by node and point
  std::vector<std::uint8_t> follows;
};

}  // namespace tenon::model

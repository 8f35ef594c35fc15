#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/forest.h"

namespace tenon::model {

// How a packed forest keeps what its leaves add.
enum class LeafBits : std::uint8_t {
  kWhole,  // as it was
  kHalf,   // rounded to half precision (IEEE 754 binary16): a relative error of at most 2^-11
  kByte,   // 256 equal steps between a tree's least and largest leaf
};

// The payload of a forest in about a quarter of the bytes: docs/formats/packed_forest.md. Tests are kept as they are, every
// pair of feature and threshold once; leaves are rounded as said; covers of leaves keep 8 bits, those of tests are the sums
// below them. What ReadPackedForest gives back is the
// rounded forest, which is the one that is served. The spec must be one that MakeForest takes.
// invalid_argument when a leaf is too large for half precision.
Result<std::string> PackForest(const ForestSpec& spec, LeafBits leaves);
// data_loss.
Result<ForestSpec> ReadPackedForest(std::string_view payload);

// Makes tests leaves, from the bottom up, whose two leaves differ by less than `within`; the new leaf adds their mean by
// cover. How many tests that were. Trees with vectors of leaves stay as they are.
std::int64_t MergeLeaves(double within, ForestSpec* spec);
// The first `trees` trees; a mean is that of the fewer.
ForestSpec FirstTrees(const ForestSpec& spec, std::int64_t trees);

}  // namespace tenon::model

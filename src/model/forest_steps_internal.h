#pragma once

#include <bit>
#include <cstdint>

#include "model/forest_internal.h"

// Walking down StepNodes, several at once so that their loads overlap, without a branch on the data.
namespace tenon::model {

// Steps kTogether times at once until all are at leaves. `row_of(i)` is the row of the i-th.
template <int kTogether, bool kOdd, typename RowOf>
inline void StepTogether(const Compiled& forest, std::int32_t* at, RowOf row_of) {
  const StepNode* steps = forest.steps.data();
  for (;;) {
    unsigned inner = 0;
    for (int i = 0; i < kTogether; ++i) {
      const StepNode& node = steps[at[i]];
      const float x = row_of(i)[node.feature];
      unsigned right = static_cast<unsigned>(!(x < node.value)) & static_cast<unsigned>(x == x);
      right |= static_cast<unsigned>(x != x) & node.missing_right;
      if constexpr (kOdd) {
        if (node.odd != 0) {
          const auto walk = static_cast<std::size_t>(forest.walk_of[static_cast<std::size_t>(at[i])]);
          right = GoesLeft(forest, forest.walk[walk], x) ? 0 : 1;
        }
      }
      inner |= node.inner;
      at[i] = node.left + static_cast<std::int32_t>(right & node.inner);
    }
    if (inner == 0) return;
  }
}

// The position in Compiled::leaves of what a leaf adds.
inline std::int32_t LeafAt(const StepNode& leaf) { return std::bit_cast<std::int32_t>(leaf.value); }

}  // namespace tenon::model

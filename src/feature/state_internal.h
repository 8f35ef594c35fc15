#pragma once

#include "feature/aggregate.h"

namespace tenon::feature {

// Decayed sums are kept a block of half-lives each, with weights reckoned to the block's landmark (its beginning).
Micros DecayBlockOf(const Slot& slot, Micros at);
Micros DecayLandmark(const Slot& slot, Micros block);
// Whether aggregates look at the value at all.
bool Counts(const Value& value, bool text);

}  // namespace tenon::feature

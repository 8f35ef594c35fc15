#pragma once

#include <span>
#include <vector>

#include "feature/as_of.h"

namespace tenon::feature {

// The features of a view that has the latest values of an entity and nothing else, for all rows that ask: what JoinAsOf gives, found
// by MatchAsOf. False, and nothing is done: the view has more to it (windows, knowledge times, corrections, no time at all).
Result<bool> JoinLatest(const Call& call, const table::Batch& asking, std::span<const Micros> times, const ViewRows& view,
                        std::vector<table::Column>* out);

}  // namespace tenon::feature

#pragma once

#include "feature/as_of.h"
#include "feature/online_store.h"

namespace tenon::feature {

struct Materialized {
  std::int64_t entities = 0;    // that had an event until then
  std::int64_t stored = 0;      // records that are new or differ from what was there
  std::int64_t unchanged = 0;
  Micros newest_event = 0;      // 0: no event
};

// Stores the values of every entity of a view as known at `until`: what JoinAsOf gives for (entity, until), so offline and
// online agree. All events are looked at each time, so that one which came late counts however old it is; records that would not
// change are not written, unless `full` or their values no longer hold. Safe to repeat, and at once with a stream. The record's time is that of the entity's
// latest event known by then.
//
// With `states`, of StateLayout(), the entities' states are stored beside: MovingValues then has windows go on after `until`, over the
// events known by then.
Result<Materialized> Materialize(const Call& call, const ViewRows& view, Micros until, bool full, OnlineTable& table, OnlineTable* states = nullptr);

}  // namespace tenon::feature

#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "store/store.h"

namespace tenon::pipeline {

// What stays beside what is needed.
struct KeepRule {
  int newest = 3;                        // snapshots of each source, and runs with all they made
  std::chrono::microseconds younger{0};  // and what is younger than that; 0: age alone keeps nothing
  bool only_live = false;                // of versions without an alias, not in a rollout and not among the newest: the bundle
                                         // alone, so that they can still answer, but not be made again
};

// One snapshot, and why it stays; `why` is "" when it goes.
struct SnapshotFate {
  std::string hash, source;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  Micros made = 0;
  std::string why;
};

// What a data folder could do without: rows, splits, graphs and models of old runs that no record that stays names. Needed is
// whatever the record of a model version (any that was registered, unless `only_live`), of an alias, a rollout, a source's state or anything else
// names, however deep; snapshots and steps alone may go.
struct ClearPlan {
  std::vector<SnapshotFate> snapshots;      // oldest first
  std::vector<std::string> steps;           // keys of those that would be done anew
  std::vector<std::string> artifacts;       // hashes
  std::int64_t bytes = 0;                   // of those artifacts
  std::int64_t bytes_kept = 0;
};
Result<ClearPlan> PlanClearing(const Call& call, const store::Store& store, const KeepRule& rule);

// Does it: the records first, all or none, then the artifacts, so that nothing names what is gone; when it is killed in
// between, the next plan has what is left. `store` is open for writing.
Result<void> ClearData(const Call& call, store::Store& store, const ClearPlan& plan);

}  // namespace tenon::pipeline

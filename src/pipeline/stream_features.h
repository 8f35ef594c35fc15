#pragma once

#include <functional>

#include "pipeline/online.h"

namespace tenon::pipeline {

struct StreamRun {
  bool to_end = false;   // stop when nothing more is there
  bool reset = false;    // forget the state: begin with the first event
  bool history = false;  // first the rows of `data:`, in the order of time, by the same code
};

struct StreamReport {
  feature::StreamCounts counts;
  std::int64_t taken = 0;      // events of this run
  double seconds = 0;
  Micros time = 0;             // of the newest event; 0: none
  std::int64_t behind = 0;     // events that are there and not yet taken
};

// Takes events from the project's stream into its online store until told to stop. `tell` is called about once a second. One at
// a time of a project, unavailable when another one is at work; where the source shares its partitions out any number, on machines that
// share the project's folder.
Result<StreamReport> StreamFeatures(const Call& call, platform::Files& files, const Project& project, const Kits& kits, const StreamRun& run,
                                    const std::function<void(const StreamReport&)>& tell);

// Appends the rows of a file, or of standard input ("-"), one JSON object a line, to the project's own log of events; how many.
Result<std::int64_t> PublishEvents(const Call& call, platform::Files& files, const Project& project, const std::string& path);
// The same of objects that are there.
Result<std::int64_t> PublishEvents(platform::Files& files, const Project& project, const std::vector<Json>& events, Micros now);

// Events that the project's streams put aside, at most so many; not_found when no stream was begun.
Result<std::vector<feature::SetAside>> EventsSetAside(const platform::Files& files, const Project& project, std::int64_t most);

}  // namespace tenon::pipeline

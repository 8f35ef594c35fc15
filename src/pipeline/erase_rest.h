#pragma once

#include <string>
#include <vector>

#include "pipeline/erase_served.h"
#include "pipeline/project.h"
#include "platform/files.h"

namespace tenon::pipeline {

// What may still hold rows that were erased from the snapshots of a source, and what to do about it.
struct StillHeld {
  std::string what;   // "the online store"
  std::string where;  // a folder, a file, a topic
  std::string advice;
};

// The places that are there: the files and places that the source is read from, views that may have counted its rows, its log of events or
// topic, and what processes at work did not let go. `source` is one of the project's, `served`: what was found to be erased.
Result<std::vector<StillHeld>> HeldElsewhere(const platform::Files& files, const Project& project, const std::string& source, const ErasedServed& served);

}  // namespace tenon::pipeline

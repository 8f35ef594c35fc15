#pragma once

#include <string>
#include <vector>

#include "pipeline/project.h"
#include "platform/files.h"

namespace tenon::pipeline {

// What may still hold rows that were erased from the snapshots of a source, and what to do about it.
struct StillHeld {
  std::string what;   // "the online store"
  std::string where;  // a folder, a file, a topic
  std::string advice;
};

// The places that are there: the files and places that the source is read from, the online store of its views, its log of events or topic,
// the inference log. They are not searched for the value. `source` is one of the project's.
Result<std::vector<StillHeld>> HeldElsewhere(const platform::Files& files, const Project& project, const std::string& source);

}  // namespace tenon::pipeline

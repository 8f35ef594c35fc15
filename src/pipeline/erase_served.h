#pragma once

#include <string>
#include <vector>

#include "pipeline/erase.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "platform/files.h"
#include "serve/log_erase.h"

namespace tenon::pipeline {

// What of a value is in places beside the data folder's records: what was made of it for requests, and what they asked.
struct ErasedServed {
  struct View {
    std::string name;
    std::int64_t records = 0;
  };
  std::vector<View> online;        // views of the source whose entity is the column: their records are of nothing else
  std::vector<std::string> counted;  // views of the source with another entity: their values may have counted such rows
  std::int64_t streamed = 0;       // rows of the states of streams
  std::vector<std::string> busy;   // states that a process works on: they are as they were
  serve::LogErased log;
  std::int64_t archived = 0;       // answers in Parquet files of the log
  std::int64_t archives = 0;       // such files
};

// Finds it and, with `apply`, erases it: the records in the online store, embedded or Redis, the state that streams keep and the events in
// it, the answers in the inference log and its Parquet files. Each file and each state is as before or without it, whatever is killed;
// the same call again does the rest. `plan`: what Erase said.
Result<ErasedServed> EraseServed(const Call& call, platform::Files& files, const Project& project, const Kits& kits, const std::string& source, const ErasePlan& plan,
                                 const std::string& value, bool apply);

}  // namespace tenon::pipeline

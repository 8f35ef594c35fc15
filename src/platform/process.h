#pragma once

#include <string>
#include <vector>

#include "base/call.h"
#include "base/result.h"

namespace tenon::platform {

struct Ran {
  int status = 0;      // its exit status; 128 + the signal that ended it
  std::string said;    // what it wrote to its output and errors, at most the last 64 KB
};

// Runs a program to its end, without input; words[0] is looked for on PATH. It is killed, with all that it started, when the call is
// cancelled or its deadline comes. not_found when there is no such program.
Result<Ran> RunProgram(const Call& call, const std::vector<std::string>& words);

}  // namespace tenon::platform

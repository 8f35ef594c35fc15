#pragma once

#include <string>

#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "pipeline/steps.h"

namespace tenon::pipeline {

struct RunOptions {
  bool force = false;    // do every step again
  bool deploy = true;    // point the champion at the new version when its gates pass
};

struct RunResult {
  std::string run;              // id
  std::string model;            // "loan-approval@1"; "" when nothing was registered
  bool gates_passed = false;
  bool deployed = false;        // the champion is this version now
  int steps_done = 0;
  int steps_cached = 0;
  std::string report;           // path of the HTML report
  Json summary;                 // the last line of --json: docs/reference/run.md
};

// Goes the whole way of a project file: frame, ingest, snapshot, split, validate, transform, train, evaluate, gates,
// register, deploy with its replay check. Needs the store open for writing. Killed at any moment, the next call goes on
// after the last finished step. Errors carry the step's name; gates that fail are no error but gates_passed == false,
// and nothing is deployed then. Validation findings at or above `fail_on` are a failed_precondition.
Result<RunResult> Run(const Call& call, const Project& project, store::Store& store, const Kits& kits,
                      const RunOptions& options, const Observer& observer);

// What this program is: its version, its compiler, the machine's kind. The libraries that a step loaded are in the
// step's outputs, so that a step found again names what it was really made with.
Json Environment();

}  // namespace tenon::pipeline

#pragma once

#include <string>

#include "monitor/watch.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "registry/registry.h"
#include "store/store.h"

namespace tenon::app {

// One look: the champion's answers of the last `reach` (zero: as the project file says) against what it was trained on.
// Writes the page to <data folder>/reports/drift.html. failed_precondition when no version is champion.
Result<monitor::WatchReport> LookForDrift(const Call& call, const pipeline::Project& project, store::Store& store,
                                          const pipeline::Kits& kits, std::chrono::microseconds reach, std::string* page);

// The same for rows of a file instead of the log.
Result<monitor::WatchReport> LookForDriftInFile(const Call& call, const pipeline::Project& project, store::Store& store,
                                                const pipeline::Kits& kits, const std::string& file, std::string* page);

}  // namespace tenon::app

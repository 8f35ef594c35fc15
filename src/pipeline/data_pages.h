#pragma once

#include <string>

#include "dataset/snapshot.h"
#include "table/profile.h"
#include "validate/check.h"

namespace tenon::pipeline {

// Pages about data: whole documents of HTML with inline SVG, in the style of the evaluation report. All text is escaped;
// columns that are masked show no value.

struct DataPage {
  std::string project, source, snapshot;  // names for people
  std::string command;                    // how to make the page again
};

// What validation found, first what stops a run, and each column's distribution beside that of the rows before (when given).
std::string ValidationPage(const DataPage& page, const validate::ValidationReport& report, const table::Profile* previous);

// What there is to know before learning: columns with distributions and suggested transforms, how they go together and with
// the label, what is missing together, and how all of it goes with time. `label` may be empty.
Result<std::string> ExplorePage(const Call& call, const DataPage& page, const dataset::DatasetSnapshot& snapshot, const validate::ValidationReport& report,
                                const std::string& label);

// What changed from one snapshot, named `before`, to another: columns, rows with the first of each sort, and distributions beside each other.
std::string DiffPage(const DataPage& page, const std::string& before, const dataset::Difference& difference);

}  // namespace tenon::pipeline

#pragma once

#include <string>

#include "ingest/read.h"
#include "validate/check.h"

namespace tenon::pipeline {

// Reads the columns that validate.references point at into the spec, paths below `folder`. Returns a hash of all their values, "" when
// there are none: what was found is made again when it changes.
Result<std::string> ReadReferences(const Call& call, const Kinds<ingest::Reader>& readers, const std::string& folder, validate::ValidateSpec* spec);

}  // namespace tenon::pipeline

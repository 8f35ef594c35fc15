#pragma once

#include <memory>
#include <string>

#include "base/call.h"
#include "table/batch.h"

namespace tenon::ingest {

// The rows of a SELECT over `rows`, which it knows as the table `data`; it reaches neither files nor the network.
// Errors: invalid_argument with the engine's words.
Result<std::unique_ptr<table::BatchReader>> QueryOver(const Call& call, table::BatchReader& rows, const std::string& sql);

}  // namespace tenon::ingest

#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "pipeline/predict_rows_internal.h"
#include "platform/files.h"

namespace tenon::pipeline {

// A copy of rows that cannot be had a second time as they are (a server's, those of a query that looks at more than one row): who is
// interrupted goes on with the same. docs/formats/partial.md.
//
// Copies `rows` to `path`; whole or not at all. `what` says what they are of.
Result<void> KeepRows(const Call& call, platform::Files& files, const std::string& path, const Json& what, table::BatchReader& rows);
// The rows of `what` that are kept there; null when none are. Any thread loads them. `shown` is what messages call them.
Result<std::unique_ptr<RowSource>> OpenKeptRows(const platform::Files& files, const std::string& path, const Json& what, std::string shown);

}  // namespace tenon::pipeline

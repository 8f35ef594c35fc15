#pragma once

#include "store/store.h"
#include "validate/check.h"

namespace tenon::pipeline {

// What a snapshot that was validated left for the next one: `validated` has its "snapshot", "profile" and "schema"; an object without
// them gives nothing. Its rows come when the spec needs them and they are still there. not_found, data_loss.
Result<validate::Before> ReadBefore(const Call& call, const store::Store& store, const Json& validated, const validate::ValidateSpec& spec);
Result<std::vector<validate::ColumnExpectation>> ReadSchema(const store::Store& store, const Json& validated);

}  // namespace tenon::pipeline

#pragma once

#include <memory>
#include <vector>

#include "ingest/read.h"
#include "table/batch.h"

namespace tenon::dataset {

// The schema that rows of both can be brought to. Columns may come (missing in the rows before), int64 may become float64,
// and a column may change its name when the source's `rename` says so. The order is that of `before`, then what came.
// invalid_argument, with the way out, for a column that is gone or of another type.
Result<table::Schema> Evolve(const table::Schema& before, const table::Schema& after, const ingest::SourceSpec& spec);

// The batch with the columns of such a schema.
table::Batch InSchema(const table::Batch& batch, const std::shared_ptr<const table::Schema>& to, const ingest::SourceSpec& spec);

}  // namespace tenon::dataset

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "table/batch.h"

namespace tenon::dataset {

// A hash of each row's values in the given columns: equal values give equal hashes whatever the batches, the coding of
// texts, and the order of the columns in the file (the columns' names are part of it). Zeros of both signs are equal, and
// so are all NaN; null is a value of its own.
std::vector<std::uint64_t> HashRows(const std::vector<table::Batch>& batches, const std::vector<int>& columns, std::uint64_t seed);

// SHA-256 over schema and values in row order.
Result<std::string> HashOfTable(const Call& call, const table::Schema& schema, const std::vector<table::Batch>& batches);

}  // namespace tenon::dataset

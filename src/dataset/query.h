#pragma once

#include <memory>

#include "dataset/snapshot.h"
#include "ingest/query.h"

namespace tenon::dataset {

// SELECTs over a snapshot's rows, the table `data`, and those of another one, `before`; without it `before` has no rows. One thread.
Result<std::unique_ptr<ingest::Queries>> OpenQueries(const Call& call, const DatasetSnapshot& data, const DatasetSnapshot* before);

// Whether a query has the word, in any case, by itself: a column's or a table's name. What is quoted or a comment counts as well.
bool Mentions(std::string_view query, std::string_view word);

}  // namespace tenon::dataset

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ingest/read.h"
#include "store/store.h"
#include "table/batch.h"
#include "table/columns_file.h"

namespace tenon::dataset {

// The same rows in batches that content decides (docs/decisions/0040-deduplication.md): where rows come or go, the batches before and
// after stay as they were. A coded column gets one dictionary, in the order of first appearance; one with about as many values as
// rows becomes plain texts. `anchor`: the column whose values say where to cut; "": the one with most values at the beginning.
std::vector<table::Batch> CutByContent(const std::shared_ptr<const table::Schema>& schema, const std::vector<table::Batch>& batches,
                                       const std::string& anchor);

// What is kept of rows: `artifact` is the list (docs/formats/columns.md), `packs` what it points into.
struct Kept {
  std::string artifact;
  std::vector<std::string> packs;
  std::uint64_t bytes = 0;  // of all buffers
  std::uint64_t added = 0;  // what was not there before
};

// Keeps rows that are cut already. Buffers that the snapshots of `like` hold (artifacts, the likeliest first) are not stored again.
Result<Kept> KeepRows(const Call& call, const std::shared_ptr<const table::Schema>& schema, const std::vector<table::Batch>& batches,
                      const std::vector<std::string>& like, store::Store& store);
// Of either format. not_found, data_loss.
Result<table::ColumnsFile> OpenRows(const store::Store& store, const std::string& artifact);

}  // namespace tenon::dataset

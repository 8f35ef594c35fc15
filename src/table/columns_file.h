#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/batch.h"

namespace tenon::table {

// A table in a file, made to be mapped: docs/formats/columns.md. Equal batches give equal bytes.
//
// The bytes of `batches`, all of `schema` (asserted).
std::string WriteColumns(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches);

struct ColumnsFile {
  std::shared_ptr<const Schema> schema;
  std::vector<Batch> batches;
};

// The table in `bytes`, which `owner` keeps alive and which begin at a multiple of 64 as mapped files do (copied when
// they do not): columns are views, only dictionaries are copied. All checksums, offsets, codes and lengths are checked
// first, so that nothing reads outside later. data_loss, naming what is damaged; failed_precondition for a newer version.
Result<ColumnsFile> OpenColumns(std::string_view bytes, std::shared_ptr<const void> owner);

}  // namespace tenon::table

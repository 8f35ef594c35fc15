#pragma once

#include <functional>
#include <memory>
#include <optional>
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

// The same table as a list of buffers that lie in packs, so that versions of it share what is equal ("Lists" there).
struct PlacedBuffer {
  std::string pack;  // SHA-256 of the pack
  std::uint64_t at = 0, bytes = 0, checksum = 0;
};
// Where equal bytes (of that XXH3-64) lie in a pack that is there already; whoever answers has compared them.
using FindBuffer = std::function<std::optional<PlacedBuffer>(std::string_view bytes, std::uint64_t checksum)>;
struct ColumnsList {
  std::string list;
  std::string pack;  // what was not found; empty when all was
};
ColumnsList WriteColumnsList(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches, const FindBuffer& find);

bool IsColumnsList(std::string_view bytes);
// The packs a list points into, in its order; all buffers it points at. data_loss, failed_precondition.
Result<std::vector<std::string>> PacksOf(std::string_view list);
Result<std::vector<PlacedBuffer>> BuffersOf(std::string_view list);
struct OwnedBytes {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};
// `packs` in the order of PacksOf. As OpenColumns.
Result<ColumnsFile> OpenColumnsList(std::string_view list, const std::vector<OwnedBytes>& packs);

}  // namespace tenon::table

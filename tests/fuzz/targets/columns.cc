// The columns file: what opens can be read to the last value, and written again opens as the same.

#include "base/hash.h"
#include "fuzz/tables.h"
#include "table/columns_file.h"

namespace tenon::fuzz {
namespace {

// Makes all checksums right, as far as the directory can be followed (docs/formats/columns.md).
std::string Repaired(std::string_view input) {
  std::string bytes(input);
  if (bytes.size() < 96) return bytes;
  const std::size_t tail = bytes.size() - 32;
  const auto begin = GetAt<std::uint64_t>(bytes, tail);
  if (begin > tail) return bytes;
  PutAt(&bytes, tail + 8, static_cast<std::uint64_t>(tail - begin));
  // Any three words that could be a buffer's are given its checksum.
  for (std::size_t at = static_cast<std::size_t>(begin); at + 24 <= tail; at += 8) {
    const auto from = GetAt<std::uint64_t>(bytes, at), size = GetAt<std::uint64_t>(bytes, at + 8);
    if (from < 64 || from % 64 != 0 || from > begin || size > begin - from) continue;
    PutAt(&bytes, at + 16, Hash64(std::string_view(bytes).substr(static_cast<std::size_t>(from), static_cast<std::size_t>(size))));
    at += 16;
  }
  PutAt(&bytes, tail + 16, Hash64(std::string_view(bytes).substr(static_cast<std::size_t>(begin), tail - static_cast<std::size_t>(begin)), 1));
  return bytes;
}

void Check(std::string_view bytes) {
  auto file = table::OpenColumns(bytes, nullptr);
  if (!file.ok()) return CheckError(file.error());
  const std::string shown = Shown(*file->schema, file->batches);
  const std::string written = table::WriteColumns(file->schema, file->batches);
  const auto again = Must(table::OpenColumns(written, nullptr), "what was written again");
  Same(Shown(*again.schema, again.batches), shown, "a table written again");
  Same(table::WriteColumns(again.schema, again.batches), written, "the bytes of a table");
}

void RunColumns(std::string_view input) {
  Check(input);
  Check(Repaired(input));
}

std::vector<std::string> Seeds() {
  const auto batches = SomeBatches();
  const auto schema = batches[0].shared_schema();
  const auto one = std::make_shared<const table::Schema>(std::vector<table::Field>{{"x", table::Type::kInt64}});
  return {table::WriteColumns(schema, batches), table::WriteColumns(schema, {}),
          table::WriteColumns(one, {table::Batch(one, {table::Column::Of(std::vector<std::int64_t>{1, 2, 3})})}),
          table::WriteColumns(std::make_shared<const table::Schema>(), {})};
}

}  // namespace

Target MakeColumns() { return {RunColumns, Seeds}; }

}  // namespace tenon::fuzz

// Arrow files and streams: what is read are whole values, which a columns file then keeps.

#include "fuzz/tables.h"
#include "ingest/arrow_internal.h"
#include "platform/files.h"
#include "table/columns_file.h"

namespace tenon::fuzz {
namespace {

void RunArrow(std::string_view input) {
  auto file = ingest::ArrowFile::Open(input, "a.arrow");
  if (!file.ok()) return CheckError(file.error());
  std::vector<table::Batch> batches;
  std::int64_t rows = 0;
  while (batches.size() < 64 && rows < 100000) {
    auto batch = (*file)->Next();
    if (!batch.ok()) return CheckError(batch.error());
    if (!*batch) break;
    Hold((**batch).schema() == *(*file)->schema(), "a batch has the file's columns");
    rows += (**batch).rows();
    batches.push_back(**std::move(batch));
  }
  if (rows >= 100000) return;
  const auto schema = (*file)->schema();
  const std::string bytes = table::WriteColumns(schema, batches);
  const auto kept = Must(table::OpenColumns(bytes, nullptr), "what was read, kept as columns");
  Same(Shown(*kept.schema, kept.batches), Shown(*schema, batches), "Arrow's values as columns");
}

// Files that pyarrow made (tests/parity/arrow_files.py).
std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const std::string name : {"types.arrow", "types.arrows", "nested.arrow", "types_lz4.arrow"}) {
    seeds.push_back(Must(platform::RealFiles()->Read("src/ingest/testdata/" + name), "run in the repository's folder"));
  }
  return seeds;
}

}  // namespace

Target MakeArrow() { return {RunArrow, Seeds}; }

}  // namespace tenon::fuzz

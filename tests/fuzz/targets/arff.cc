// ARFF: what was read has the declared types and values that a columns file keeps.

#include "fuzz/tables.h"
#include "table/columns_file.h"

namespace tenon::fuzz {
namespace {

void RunArff(std::string_view input) {
  static ScratchFile in(".arff");
  const auto batch = ReadFile(in.Fill(input), "arff");
  if (!batch.ok()) return CheckError(batch.error());
  const std::string bytes = table::WriteColumns(batch->shared_schema(), {*batch});
  const auto kept = Must(table::OpenColumns(bytes, nullptr), "what was read, kept as columns");
  Same(Shown(*kept.schema, kept.batches), Shown(batch->schema(), {*batch}), "ARFF's values as columns");
}

std::vector<std::string> Seeds() {
  return {"% comment\n@relation 'a b'\n@attribute x numeric\n@attribute 'the class' {yes, no, 'may be'}\n@attribute s string\n@attribute d date \"yyyy-MM-dd\"\n"
          "@attribute n INTEGER\n@data\n1.5,yes,'it\\'s',2024-02-29,3\n?,'may be',?,?,?\n",
          "@RELATION r\n@ATTRIBUTE a REAL\n@ATTRIBUTE b {0,1}\n@DATA\n{0 1.5, 1 1}\n{1 0}\n", "@relation r\n@attribute a numeric\n@data\n"};
}

}  // namespace

Target MakeArff() { return {RunArff, Seeds}; }

}  // namespace tenon::fuzz

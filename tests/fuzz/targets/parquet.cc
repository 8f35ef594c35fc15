// Parquet files, which the analytic engine reads for us: what comes out are whole columns, or an error that says so.

#include "fuzz/tables.h"
#include "ingest/read.h"
#include "platform/files.h"

namespace tenon::fuzz {
namespace {

void RunParquet(std::string_view input) {
  static ScratchFile in(".parquet");
  const auto batch = ReadFile(in.Fill(input), "parquet");
  if (!batch.ok()) return CheckError(batch.error());
  if (batch->rows() < 2000) static_cast<void>(Shown(batch->schema(), {*batch}));
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {"PAR1"};
  for (const std::vector<int>& columns : {std::vector<int>{0, 1, 2, 3, 4, 5}, {1}, {3, 5}}) {
    ScratchFile out(".parquet");
    std::vector<table::Field> fields;
    const auto batches = SomeBatches();
    for (const int column : columns) fields.push_back(batches[0].schema()[column]);
    const auto schema = std::make_shared<const table::Schema>(fields);
    const auto writer = Must(ingest::OpenWriter(out.path(), schema), "a Parquet file");
    for (const table::Batch& batch : batches) {
      std::vector<table::Column> some;
      for (const int column : columns) some.push_back(batch.column(column));
      Must(writer->Write(Call{}, table::Batch(schema, some)), "rows");
    }
    Must(writer->Finish(), "a file");
    seeds.push_back(Must(platform::RealFiles()->Read(out.path()), "a file"));
  }
  return seeds;
}

}  // namespace

Target MakeParquet() { return {RunParquet, Seeds}; }

}  // namespace tenon::fuzz

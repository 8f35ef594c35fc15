// JSON lines: what was read, written as JSON lines, is read again as the same.

#include "fuzz/tables.h"

namespace tenon::fuzz {
namespace {

void RunJsonLines(std::string_view input) {
  static ScratchFile in(".jsonl"), out(".jsonl");
  const auto batch = ReadFile(in.Fill(input), "json_lines");
  if (!batch.ok()) return CheckError(batch.error());
  std::string text;
  for (std::int64_t row = 0; row < batch->rows(); ++row) text += batch->RowAt(row).Dump() + "\n";
  std::vector<std::pair<std::string, std::string>> types;
  for (const table::Field& field : batch->schema().fields()) types.emplace_back(field.name, std::string(NameOf(field.type)));
  if (batch->rows() == 0) return;
  const auto again = Must(ReadFile(out.Fill(text), "json_lines", {}, types), Str("written again:\n", text));
  Same(Shown(again.schema(), {again}), Shown(batch->schema(), {*batch}), "a table as JSON lines");
}

std::vector<std::string> Seeds() {
  return {"{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":null,\"e\":2.5,\"at\":\"2024-02-29T12:00:00Z\"}\n{\"a\":2,\"b\":\"\",\"f\":\"NA\"}\n",
          "[{\"a\":1},{\"a\":2}]", "{\"a\":{\"b\":1,\"c\":[1,2]}}\n", "{\"a\":9223372036854775808}\n{\"a\":1e400}\n", "{\"a\":\"\\ud83d\\ude00\\u0000\"}",
          "{}\n{}\n", "{\"a\":1}{\"a\":2} {\"b\":\"007\"}", "{\"a\":1,\"a\":2}"};
}

}  // namespace

Target MakeJsonLines() { return {RunJsonLines, Seeds}; }

}  // namespace tenon::fuzz

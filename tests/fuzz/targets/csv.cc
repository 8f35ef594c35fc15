// Separated values of any dialect: what was read, written as plain CSV, is read again as the same.

#include "fuzz/tables.h"

namespace tenon::fuzz {
namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string AsCsv(const table::Batch& batch) {
  std::string out;
  for (int c = 0; c < batch.columns(); ++c) out += (c > 0 ? "," : "") + Quoted(batch.schema()[c].name);
  out += "\n";
  for (std::int64_t row = 0; row < batch.rows(); ++row) {
    for (int c = 0; c < batch.columns(); ++c) {
      const table::Column& column = batch.column(c);
      if (c > 0) out += ",";
      if (column.IsNull(row)) {
        out += batch.columns() == 1 ? "\"\"" : "";  // an empty line would be no row
      } else if (column.type() == table::Type::kString) {
        out += Quoted(column.Text(row));
      } else {
        const Json value = column.ValueAt(row);
        const std::string shown = value.is_string() ? value.String() : value.Dump();
        out += shown == "\"NaN\"" ? "NAN" : shown;  // the number: "NaN" is among the words for what is missing
      }
    }
    out += "\n";
  }
  return out;
}

void RunCsv(std::string_view input) {
  static ScratchFile in(".csv"), out(".csv");
  const auto batch = ReadFile(in.Fill(input), "csv");
  if (!batch.ok()) return CheckError(batch.error());
  Json options = Json::MakeObject();
  options["header"] = true;
  options["separator"] = ",";
  options["encoding"] = "utf-8";
  options["escape"] = "";
  options["decimal"] = ".";
  options["thousands"] = "";
  std::vector<std::pair<std::string, std::string>> types;
  for (const table::Field& field : batch->schema().fields()) types.emplace_back(field.name, std::string(NameOf(field.type)));
  const std::string text = AsCsv(*batch);
  const auto again = Must(ReadFile(out.Fill(text), "csv", options, types), Str("plain CSV:\n", text));
  Same(Shown(again.schema(), {again}), Shown(batch->schema(), {*batch}), "a table as plain CSV");
}

std::vector<std::string> Seeds() {
  return {"id,name,x,ok,at\n1,\"a, b\",0.5,true,2024-02-29\n2,\"say \"\"hi\"\"\",-1e3,false,2024-03-01T12:00:00Z\n3,NA,,,\n",
          "a;b;c\r\n1;2;3\r\n4;5;6\r\n", "a\tb\n1\t\"x\ny\"\n", "1,2,3\n4,5,6\n", "\xEF\xBB\xBFk,v\n007,1\n008,2\n", "a|b\n1|2\n# c\n3|4\n",
          "x y z\n1 2 3\n4  5 6\n", std::string("\xFF\xFE" "a\0,\0b\0\n\0" "1\0,\0" "2\0\n\0", 18), "gr\xFC" "n,b\n1,2\n", "a,a\n1,2\n", "a,b\n1\n", "\n\n,\n", "a\nNaN\nNAN\n",
          "a;b\n1.234,50;-1,5\n2;3,25\n", "a,b\n\"1,234.50\",\"x\"\n2,y\n", "a,b\n1,\"x \\\"y\\\" z\"\n2,\"\\\\\"\n"};
}

}  // namespace

Target MakeCsv() { return {RunCsv, Seeds}; }

}  // namespace tenon::fuzz

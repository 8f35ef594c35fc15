#include "dataset/query.h"

#include "base/text.h"

namespace tenon::dataset {

Result<std::unique_ptr<ingest::Queries>> OpenQueries(const Call& call, const DatasetSnapshot& data, const DatasetSnapshot* before) {
  TENON_ASSIGN(auto out, ingest::Queries::Open(call));
  TENON_TRY(out->AddTable(call, "data", data.schema(), data.batches()));
  TENON_TRY(before != nullptr ? out->AddTable(call, "before", before->schema(), before->batches()) : out->AddTable(call, "before", data.schema(), {}));
  return out;
}

bool Mentions(std::string_view query, std::string_view word) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0; };
  const std::string text = ToLower(query), wanted = ToLower(word);
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    const bool begins = at == 0 || !letter(text[at - 1]);
    const bool ends = at + wanted.size() == text.size() || !letter(text[at + wanted.size()]);
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace tenon::dataset

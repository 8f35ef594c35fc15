#include "pipeline/references.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::pipeline {

Result<std::string> ReadReferences(const Call& call, const Kinds<ingest::Reader>& readers, const std::string& folder, validate::ValidateSpec* spec) {
  ContentHash digest;
  for (validate::Reference& reference : spec->references) {
    ingest::SourceSpec source;
    source.paths = {reference.file};
    source.folder = folder;
    const std::string doing = Str("validate.references.", reference.column);
    TENON_ASSIGN(auto reader, ingest::Read(call, source, readers), doing);
    TENON_ASSIGN(const int at, reader->schema()->At(reference.key), doing);
    auto values = std::make_shared<std::unordered_set<std::uint64_t>>();
    while (true) {
      TENON_ASSIGN(auto batch, reader->Next(call), doing);
      if (!batch) break;
      const table::Column& column = batch->column(at);
      for (std::int64_t i = 0; i < column.size(); ++i) {
        if (!column.IsNull(i)) values->insert(validate::ReferenceHash(column, i));
      }
    }
    std::vector<std::uint64_t> sorted(values->begin(), values->end());
    std::sort(sorted.begin(), sorted.end());
    digest.AddSized(reference.column);
    digest.AddSized({reinterpret_cast<const char*>(sorted.data()), sorted.size() * sizeof(std::uint64_t)});
    reference.values = std::move(values);
  }
  return spec->references.empty() ? std::string() : digest.Hex();
}

}  // namespace tenon::pipeline

#pragma once

// Tables, as targets compare them.

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/target.h"
#include "ingest/read.h"
#include "table/batch.h"

namespace tenon::fuzz {

// Schema and all values as JSON lines: looks at every byte that a column stands for.
inline std::string Shown(const table::Schema& schema, const std::vector<table::Batch>& batches) {
  std::string out = schema.ToJson().Dump() + "\n";
  for (const table::Batch& batch : batches) {
    for (std::int64_t row = 0; row < batch.rows(); ++row) out += batch.RowAt(row).Dump() + "\n";
  }
  return out;
}

// Every type and nulls, in two batches, with a dictionary.
inline std::vector<table::Batch> SomeBatches() {
  using table::Type;
  const auto schema = std::make_shared<const table::Schema>(std::vector<table::Field>{
      {"flag", Type::kBool}, {"count", Type::kInt64}, {"x", Type::kFloat64}, {"word", Type::kString}, {"kind", Type::kString},
      {"at", Type::kTimestamp}, {"vector", Type::kEmbedding, 2}});
  const auto kinds = std::make_shared<const table::Dictionary>(table::Dictionary{"red", "", "gr\xC3\xBCn"});
  std::vector<table::Batch> batches;
  for (int part = 0; part < 2; ++part) {
    table::ColumnBuilder flag(Type::kBool), count(Type::kInt64), x(Type::kFloat64), word(Type::kString), at(Type::kTimestamp),
        vector(Type::kEmbedding, 2);
    auto codes = std::make_shared<std::vector<std::int32_t>>();
    for (int i = 0; i < 3 + part; ++i) {
      if (i == 1) {
        flag.AddNull(), count.AddNull(), x.AddNull(), word.AddNull(), at.AddNull(), vector.AddNull();
      } else {
        flag.AddInt(i % 2), count.AddInt(i * 1000003 - 7), x.Add(i / 3.0), word.AddText(i == 0 ? "" : Str("w", i)), at.AddInt(i * 86400000001);
        vector.AddFloats(std::vector<float>{static_cast<float>(i), 0.5F});
      }
      codes->push_back(i % 3);
    }
    batches.emplace_back(schema, std::vector<table::Column>{flag.Finish(), count.Finish(), x.Finish(), word.Finish(),
                                                            table::Column::Coded(codes->data(), kinds, static_cast<std::int64_t>(codes->size()), nullptr, codes),
                                                            at.Finish(), vector.Finish()});
  }
  return batches;
}

// A file of this process with given bytes, for readers that take paths; in memory where there is such a folder.
class ScratchFile {
 public:
  explicit ScratchFile(std::string_view ending) {
    std::string pattern = Str(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "/tenon-fuzz-XXXXXX", ending);
    const int descriptor = mkstemps(pattern.data(), static_cast<int>(ending.size()));
    Hold(descriptor >= 0, "a scratch file can be made");
    close(descriptor);
    path_ = pattern;
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }
  const std::string& Fill(std::string_view bytes) {
    std::FILE* file = std::fopen(path_.c_str(), "wb");
    Hold(file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() && std::fclose(file) == 0,
         "a scratch file can be written");
    return path_;
  }

 private:
  std::string path_;
};

// All rows of one file of a format, or the error.
inline Result<table::Batch> ReadFile(const std::string& path, const std::string& format, const Json& options = {},
                                     const std::vector<std::pair<std::string, std::string>>& types = {}) {
  static const Kinds<ingest::Reader> kinds = [] {
    Kinds<ingest::Reader> all;
    Must(ingest::AddAll(all), "the readers");
    return all;
  }();
  ingest::SourceSpec spec;
  spec.paths = {path};
  spec.format = format;
  spec.options = options;
  spec.types = types;
  TENON_ASSIGN(auto reader, ingest::Read(Call{}, spec, kinds));
  return table::ReadAll(Call{}, *reader);
}

}  // namespace tenon::fuzz

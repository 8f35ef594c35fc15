#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "table/batch.h"

namespace tenon::ingest {

// One column as an Arrow file lays it out.
struct ArrowField {
  enum class Layout { kNull, kBool, kSigned, kUnsigned, kFloat, kText, kLargeText, kDays, kTime, kEmbedding };
  std::string name;
  Layout layout = Layout::kNull;
  int bits = 0;              // of numbers
  std::int64_t factor = 1;   // of times: multiplied by it they are microseconds; negative: divided by its size
  int width = 0;             // of embeddings
  bool coded = false;        // the values are indices into a dictionary of texts
  std::int64_t dictionary = 0;
};

// The batches of one Arrow IPC file or stream (Arrow columnar format 1.0, versions 4 and 5), decoded with all offsets,
// lengths, indices and texts checked. The view outlives it. One thread.
class ArrowFile {
 public:
  // invalid_argument for types and compressions that are not read; data_loss for damage.
  static Result<std::unique_ptr<ArrowFile>> Open(std::string_view bytes, const std::string& path);
  const std::shared_ptr<const table::Schema>& schema() const { return schema_; }
  // Nothing at the end.
  Result<std::optional<table::Batch>> Next();

 private:
  struct Message {
    int kind = 0;             // 1 schema, 2 dictionary, 3 batch; 0: the end
    std::string_view header;  // the flatbuffer
    std::string_view body;
  };
  explicit ArrowFile(std::string path) : path_(std::move(path)) {}
  Error Damaged(std::string_view what) const;
  Error Unread(std::string_view what) const;
  Result<Message> Read(std::uint64_t at, std::uint64_t* end) const;
  Result<void> Footer();
  Result<void> TakeSchema(const Message& message);
  Result<void> TakeDictionary(const Message& message);
  Result<table::Batch> TakeBatch(const Message& message);

  std::string path_;
  std::string_view bytes_;
  bool file_ = false;                   // with a footer; else a stream
  std::vector<std::uint64_t> batches_;  // of a file: where they begin
  std::size_t next_ = 0;
  std::uint64_t at_ = 0;                // of a stream
  std::vector<ArrowField> fields_;
  std::shared_ptr<const table::Schema> schema_;
  std::map<std::int64_t, ArrowField> dictionary_fields_;
  std::map<std::int64_t, std::shared_ptr<const table::Dictionary>> dictionaries_;
};

}  // namespace tenon::ingest

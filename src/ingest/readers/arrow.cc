// Arrow IPC files (Feather 2) and streams.

#include <utility>

#include "base/text.h"
#include "ingest/arrow_internal.h"
#include "ingest/read.h"
#include "ingest/text_internal.h"

namespace tenon::ingest {
namespace {

constexpr std::int64_t kBatchRows = 65536;

class ArrowRows final : public table::BatchReader {
 public:
  explicit ArrowRows(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  Result<void> Load(const Call& call, std::size_t index) {
    path_ = index;
    file_.reset();
    TENON_ASSIGN(bytes_, OpenBytes(call, paths_[index]));
    TENON_ASSIGN(file_, ArrowFile::Open(bytes_->view(), paths_[index]));
    if (schema_ == nullptr) schema_ = file_->schema();
    if (*schema_ == *file_->schema()) return {};
    return Error(Code::kInvalidArgument, Str(paths_[index], ": other columns than in ", paths_[0], "; read the files as two sources"));
  }

  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }

  Result<std::optional<table::Batch>> Next(const Call& call) override {
    TENON_TRY(call.Check());
    while (file_ != nullptr && at_ == whole_.rows()) {
      auto next = file_->Next();
      if (!next.ok()) file_.reset();
      if (!next.ok()) return std::move(next).error();
      if (*next) {
        whole_ = **std::move(next);
        at_ = 0;
      } else if (path_ + 1 == paths_.size()) {
        file_.reset();
      } else if (auto loaded = Load(call, path_ + 1); !loaded.ok()) {
        file_.reset();
        return std::move(loaded).error();
      }
    }
    if (file_ == nullptr) return std::optional<table::Batch>();
    const std::int64_t count = std::min(kBatchRows, whole_.rows() - at_);
    at_ += count;
    const table::Batch part = whole_.Slice(at_ - count, count);
    std::vector<table::Column> columns;
    for (int i = 0; i < part.columns(); ++i) columns.push_back(part.column(i));
    return std::optional<table::Batch>(table::Batch(schema_, std::move(columns)));
  }

 private:
  std::vector<std::string> paths_;
  std::size_t path_ = 0;
  std::shared_ptr<const platform::Bytes> bytes_;
  std::unique_ptr<ArrowFile> file_;  // null at the end
  std::shared_ptr<const table::Schema> schema_;
  table::Batch whole_;
  std::int64_t at_ = 0;
};

class Arrow final : public Reader {
 public:
  Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                   const SourceSpec& spec) override {
    if (!spec.types.empty()) return Error(Code::kInvalidArgument, Str(spec.Where(), ".types: Arrow files bring their own; convert with `sql` instead"));
    auto rows = std::make_unique<ArrowRows>(paths);
    TENON_TRY(rows->Load(call, 0));
    return std::unique_ptr<table::BatchReader>(std::move(rows));
  }
};

}  // namespace

Result<void> AddArrow(Kinds<Reader>& kinds) {
  return kinds.Add("arrow",
                   {.summary = "Read Arrow files and streams",
                    .when = "What Arrow, Polars and pandas write as .arrow or .feather, without compression. Dictionaries stay as they are.",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Reader>> { return std::make_unique<Arrow>(); });
}

}  // namespace tenon::ingest

#include "ingest/contents.h"

#include <algorithm>
#include <optional>

#include "base/base64.h"
#include "base/text.h"
#include "ingest/records_internal.h"
#include "platform/files.h"

namespace tenon::ingest {
namespace {

constexpr std::uint64_t kMostBytes = 32 << 20;   // of a file
constexpr std::int64_t kRowsAtOnce = 64;

// Whether a name stays below the folder it is looked up in.
bool StaysBelow(std::string_view name) {
  if (name.starts_with('/')) return false;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    if (name.substr(0, end) == "..") return false;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return true;
}

Result<std::string> ContentOf(const std::string& folder, std::string_view name) {
  if (!StaysBelow(name)) return Error(Code::kInvalidArgument, Str(Quoted(name), " leads out of the folder ", folder, "; name files below it"));
  const std::string path = platform::JoinPath(folder, name);
  const auto files = platform::RealFiles();
  auto info = files->Info(path);
  if (!info) return Error(Code::kNotFound, Str("no file ", path));
  if (info->bytes > kMostBytes) return Error(Code::kInvalidArgument, Str(path, " has ", info->bytes, " bytes; at most ", kMostBytes, " are read"));
  TENON_ASSIGN(const std::string bytes, files->Read(path));
  return ToBase64(bytes);
}

class Filling final : public table::BatchReader {
 public:
  Filling(std::unique_ptr<table::BatchReader> rows, Contents contents) : rows_(std::move(rows)), contents_(std::move(contents)) {}
  const std::shared_ptr<const table::Schema>& schema() const override { return rows_->schema(); }
  Result<std::optional<table::Batch>> Next(const Call& call) override {
    constexpr std::int64_t kMostHeld = 64 << 20;
    std::vector<table::Batch> parts;
    std::int64_t held = 0;
    while (held < kMostHeld) {
      if (!batch_ || at_ == batch_->rows()) {
        if (!parts.empty()) break;
        TENON_ASSIGN(batch_, rows_->Next(call));
        at_ = 0;
        if (!batch_) return std::optional<table::Batch>();
      }
      const std::int64_t count = std::min(kRowsAtOnce, batch_->rows() - at_);
      TENON_ASSIGN(table::Batch part, contents_.Fill(call, batch_->Slice(at_, count), done_));
      for (const auto& [column, folder] : contents_.columns()) {
        const table::Column& texts = part.column(part.schema().Find(column));
        for (std::int64_t i = 0; i < texts.size(); ++i) held += texts.IsNull(i) ? 0 : static_cast<std::int64_t>(texts.Text(i).size());
      }
      parts.push_back(std::move(part));
      at_ += count;
      done_ += count;
    }
    return std::optional<table::Batch>(table::Batch::Concat(parts));
  }
  std::string library() const override { return rows_->library(); }

 private:
  std::unique_ptr<table::BatchReader> rows_;
  Contents contents_;
  std::optional<table::Batch> batch_;
  std::int64_t at_ = 0, done_ = 0;
};

}  // namespace

Result<table::Batch> Contents::Fill(const Call& call, const table::Batch& rows, std::int64_t first) const {
  std::vector<table::Column> columns;
  for (int i = 0; i < rows.columns(); ++i) columns.push_back(rows.column(i));
  for (const auto& [name, folder] : columns_) {
    const int at = rows.schema().Find(name);
    if (at < 0) continue;
    const table::Column& names = rows.column(at);
    if (names.type() != table::Type::kString) {
      return Error(Code::kInvalidArgument, Str("files: column '", name, "' is ", table::NameOf(names.type()), "; names of files are texts (`types: {", name, ": string}`)"));
    }
    table::ColumnBuilder contents(table::Type::kString);
    for (std::int64_t i = 0; i < rows.rows(); ++i) {
      TENON_TRY(call.Check());
      if (names.IsNull(i)) {
        contents.AddNull();
        continue;
      }
      TENON_ASSIGN(const std::string content, ContentOf(platform::JoinPath(folder_, folder), names.Text(i)), Str("row ", first + i + 1, ", column '", name, "'"));
      contents.AddText(content);
    }
    columns[static_cast<std::size_t>(at)] = contents.Finish();
  }
  return table::Batch(rows.shared_schema(), std::move(columns));
}

std::unique_ptr<table::BatchReader> WithContents(std::unique_ptr<table::BatchReader> rows, Contents contents) {
  return std::make_unique<Filling>(std::move(rows), std::move(contents));
}

}  // namespace tenon::ingest

#include "pipeline/kept_rows_internal.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/text.h"
#include "table/columns_file.h"

namespace tenon::pipeline {
namespace {

constexpr std::string_view kMagic = "tenon rows 1\n";
constexpr std::size_t kAlign = 64;  // of tables in files (columns_file.h)

std::string Padded(std::string text) {
  text.resize((text.size() + kAlign - 1) / kAlign * kAlign, '\0');
  return text;
}

std::string Head(const Json& what) { return Padded(Str(kMagic, what.Canonical(), "\n")); }

// The length of the table behind it, in bytes.
std::string FrameHead(std::uint64_t bytes) {
  std::string out(kAlign, '\0');
  std::memcpy(out.data(), &bytes, sizeof bytes);
  return out;
}

struct Frame {
  std::string_view table;
  std::uint64_t end = 0;  // where the next one begins
};

Result<Frame> FrameAt(const platform::Bytes& bytes, std::uint64_t from) {
  std::uint64_t length = 0;
  const std::uint64_t left = bytes.view().size() - from;
  if (left >= kAlign) std::memcpy(&length, bytes.view().data() + from, sizeof length);
  if (left < kAlign || length > left - kAlign) {
    return Error(Code::kDataLoss, Str("the copy of the rows is damaged at byte ", from, "; --fresh begins anew"));
  }
  const std::uint64_t end = from + kAlign + (length + kAlign - 1) / kAlign * kAlign;
  return Frame{bytes.view().substr(from + kAlign, length), std::min<std::uint64_t>(end, bytes.view().size())};
}

class Kept final : public RowSource {
 public:
  Kept(std::shared_ptr<const platform::Bytes> bytes, std::uint64_t begin, std::shared_ptr<const table::Schema> schema, std::string shown)
      : bytes_(std::move(bytes)), begin_(begin), next_(begin), at_(begin), schema_(std::move(schema)), shown_(std::move(shown)) {}

  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }
  Result<std::optional<Stretch>> Next(const Call&) override {
    if (next_ >= bytes_->view().size()) return std::optional<Stretch>();
    TENON_ASSIGN(const Frame frame, FrameAt(*bytes_, next_));
    Stretch stretch{.from = next_, .to = frame.end, .exact = true};
    next_ = frame.end;
    return std::optional<Stretch>(std::move(stretch));
  }
  Result<ingest::Piece> Load(const Call&, const Stretch& stretch) const override {
    TENON_ASSIGN(const Frame frame, FrameAt(*bytes_, stretch.from));
    TENON_ASSIGN(table::ColumnsFile file, table::OpenColumns(frame.table, bytes_), shown_);
    ingest::Piece piece;
    piece.begin = stretch.from;
    piece.end = stretch.to;
    if (!file.batches.empty()) piece.rows = std::move(file.batches[0]);
    piece.lines = piece.rows.rows();
    return piece;
  }
  void Accept(const ingest::Piece& piece) override {
    bytes_->Forget(bytes_->view().substr(piece.begin, piece.end - piece.begin));
    at_ = piece.end;
    done_ += piece.lines;
  }
  Json position() const override {
    Json out;
    out["byte"] = at_;
    out["lines"] = done_;
    return out;
  }
  Result<void> GoOn(const Call&, const Json& position) override {
    next_ = at_ = static_cast<std::uint64_t>(position.IntAt("byte"));
    done_ = position.IntAt("lines");
    return {};
  }
  double fraction() const override {
    const double whole = static_cast<double>(bytes_->view().size() - begin_);
    return whole == 0 ? 1 : static_cast<double>(at_ - begin_) / whole;
  }
  std::string Where(std::int64_t line) const override { return Str(shown_, ", row ", done_ + line); }
  Json WhereAsJson(std::int64_t line) const override {
    Json out;
    out["file"] = shown_;
    out["row"] = done_ + line;
    return out;
  }

 private:
  std::shared_ptr<const platform::Bytes> bytes_;
  std::uint64_t begin_, next_, at_;
  std::int64_t done_ = 0;  // rows
  std::shared_ptr<const table::Schema> schema_;
  std::string shown_;
};

}  // namespace

Result<void> KeepRows(const Call& call, platform::Files& files, const std::string& path, const Json& what, table::BatchReader& rows) {
  const std::string half = path + ".half";
  TENON_TRY(files.Remove(half));
  {
    TENON_ASSIGN(auto out, files.Append(half));
    TENON_TRY(out->Append(Head(what)));
    const auto add = [&](const std::vector<table::Batch>& batches) -> Result<void> {
      std::string table = table::WriteColumns(rows.schema(), batches);
      TENON_TRY(out->Append(FrameHead(table.size())));
      return out->Append(Padded(std::move(table)));
    };
    TENON_TRY(add({}));  // the columns, also of no rows
    std::int64_t done = 0;
    while (true) {
      TENON_ASSIGN(const std::optional<table::Batch> batch, rows.Next(call));
      if (!batch) break;
      TENON_TRY(add({*batch}));
      done += batch->rows();
      call.Report(Str(FormatCount(done), " rows are being read"), -1);
    }
    TENON_TRY(out->Sync());
  }
  return files.Rename(half, path);
}

Result<std::unique_ptr<RowSource>> OpenKeptRows(const platform::Files& files, const std::string& path, const Json& what, std::string shown) {
  if (!files.Exists(path)) return std::unique_ptr<RowSource>();
  TENON_ASSIGN(const std::shared_ptr<const platform::Bytes> bytes, files.Map(path));
  const std::string head = Head(what);
  if (!bytes->view().starts_with(head)) return std::unique_ptr<RowSource>();
  TENON_ASSIGN(const Frame first, FrameAt(*bytes, head.size()), path);
  TENON_ASSIGN(table::ColumnsFile columns, table::OpenColumns(first.table, bytes), path);
  return std::unique_ptr<RowSource>(std::make_unique<Kept>(bytes, first.end, columns.schema, std::move(shown)));
}

}  // namespace tenon::pipeline

#include "pipeline/predict_rows_internal.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

constexpr std::uint64_t kStretchBytes = 512 << 10;

class ByPieces final : public RowSource {
 public:
  ByPieces(std::unique_ptr<ingest::Pieces> pieces, std::vector<int> columns) : pieces_(std::move(pieces)), columns_(std::move(columns)) {
    std::vector<table::Field> fields;
    for (const int column : columns_) fields.push_back((*pieces_->schema())[column]);
    schema_ = columns_.empty() ? pieces_->schema() : std::make_shared<const table::Schema>(std::move(fields));
    next_ = at_ = origin_ = pieces_->begin();
    lines_ = pieces_->lines_before();
  }
  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }
  Result<std::optional<Stretch>> Next(const Call&) override {
    if (next_ >= pieces_->end()) return std::optional<Stretch>();
    // The parts are those of the whole file, wherever one begins.
    const std::uint64_t to = std::min(pieces_->end(), (next_ / kStretchBytes + 1) * kStretchBytes);
    const Stretch stretch{next_, to, next_ == origin_, {}};
    next_ = to;
    return std::optional<Stretch>(stretch);
  }
  Result<ingest::Piece> Load(const Call& call, const Stretch& stretch) const override {
    return pieces_->Read(call, stretch.exact ? stretch.from : pieces_->Start(stretch.from), stretch.to, columns_);
  }
  bool Follows(const ingest::Piece& piece) const override { return piece.begin == at_; }
  void Accept(const ingest::Piece& piece) override {
    pieces_->Forget(piece.begin, piece.end);
    at_ = piece.end;
    lines_ += piece.lines;
  }
  Stretch Again(const Stretch& stretch) const override { return {at_, std::max(at_, stretch.to), true, {}}; }
  Json position() const override {
    Json out;
    out["byte"] = at_;
    out["lines"] = lines_;
    return out;
  }
  Result<void> GoOn(const Call&, const Json& position) override {
    next_ = at_ = origin_ = static_cast<std::uint64_t>(position.IntAt("byte"));
    lines_ = position.IntAt("lines");
    return {};
  }
  double fraction() const override {
    const double whole = static_cast<double>(pieces_->end() - pieces_->begin());
    return whole == 0 ? 1 : static_cast<double>(at_ - pieces_->begin()) / whole;
  }
  bool texts() const override { return !columns_.empty(); }
  std::string Where(std::int64_t line) const override { return Str(pieces_->path(), ":", lines_ + line); }
  Json WhereAsJson(std::int64_t line) const override {
    Json out;
    out["file"] = pieces_->path();
    out["line"] = lines_ + line;
    return out;
  }

 private:
  std::unique_ptr<ingest::Pieces> pieces_;
  std::vector<int> columns_;
  std::shared_ptr<const table::Schema> schema_;
  std::uint64_t next_ = 0, at_ = 0, origin_ = 0;  // origin: where this run begins
  std::int64_t lines_ = 0;
};

class ByBatches final : public RowSource {
 public:
  ByBatches(std::unique_ptr<table::BatchReader> rows, std::string path) : rows_(std::move(rows)), path_(std::move(path)) {}
  const std::shared_ptr<const table::Schema>& schema() const override { return rows_->schema(); }
  Result<std::optional<Stretch>> Next(const Call& call) override {
    while (true) {
      TENON_ASSIGN(std::optional<table::Batch> batch, rows_->Next(call));
      if (!batch) return std::optional<Stretch>();
      const std::int64_t skipped = std::min(skip_, batch->rows());
      skip_ -= skipped;
      if (skipped == batch->rows()) continue;
      return std::optional<Stretch>(Stretch{0, 0, true, skipped == 0 ? std::move(*batch) : batch->Slice(skipped, batch->rows() - skipped)});
    }
  }
  Result<ingest::Piece> Load(const Call&, const Stretch& stretch) const override {
    ingest::Piece piece;
    piece.rows = *stretch.rows;
    piece.lines = piece.rows.rows();
    return piece;
  }
  void Accept(const ingest::Piece& piece) override { done_ += piece.lines; }
  Json position() const override {
    Json out;
    out["rows"] = done_;
    return out;
  }
  // They are read again, but not predicted.
  Result<void> GoOn(const Call&, const Json& position) override {
    skip_ = done_ = position.IntAt("rows");
    return {};
  }
  double fraction() const override { return -1; }
  std::string Where(std::int64_t line) const override { return Str(path_, ", row ", done_ + line); }
  Json WhereAsJson(std::int64_t line) const override {
    Json out;
    out["file"] = path_;
    out["row"] = done_ + line;
    return out;
  }

 private:
  std::unique_ptr<table::BatchReader> rows_;
  std::string path_;
  std::int64_t skip_ = 0, done_ = 0;
};

}  // namespace

std::unique_ptr<RowSource> SourceOver(std::unique_ptr<ingest::Pieces> pieces, std::vector<int> columns) {
  return std::make_unique<ByPieces>(std::move(pieces), std::move(columns));
}
std::unique_ptr<RowSource> SourceOver(std::unique_ptr<table::BatchReader> rows, std::string path) {
  return std::make_unique<ByBatches>(std::move(rows), std::move(path));
}

}  // namespace tenon::pipeline

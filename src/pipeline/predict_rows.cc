#include "pipeline/predict_rows_internal.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

constexpr std::uint64_t kStretchBytes = 512 << 10;

class ByFiles final : public RowSource {
 public:
  ByFiles(RowFiles files, std::shared_ptr<const ingest::Pieces> first, std::vector<int> columns)
      : files_(std::move(files)), columns_(std::move(columns)), reading_(std::move(first)), accepting_(reading_) {
    std::vector<table::Field> fields;
    for (const int column : columns_) fields.push_back((*reading_->schema())[column]);
    schema_ = columns_.empty() ? reading_->schema() : std::make_shared<const table::Schema>(std::move(fields));
    next_ = at_ = origin_ = reading_->begin();
    lines_ = reading_->lines_before();
  }
  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }
  Result<std::optional<Stretch>> Next(const Call& call) override {
    while (next_ >= reading_->end()) {
      if (file_ + 1 == files_.names.size()) return std::optional<Stretch>();
      TENON_ASSIGN(reading_, files_.open(call, file_ + 1));
      ++file_;
      next_ = origin_ = reading_->begin();
    }
    // The parts are those of the whole file, wherever one begins.
    const std::uint64_t to = std::min(reading_->end(), (next_ / kStretchBytes + 1) * kStretchBytes);
    Stretch stretch{.from = next_, .to = to, .exact = next_ == origin_, .file = file_, .pieces = reading_};
    next_ = to;
    return std::optional<Stretch>(std::move(stretch));
  }
  Result<ingest::Piece> Load(const Call& call, const Stretch& stretch) const override {
    return stretch.pieces->Read(call, stretch.exact ? stretch.from : stretch.pieces->Start(stretch.from), stretch.to, columns_);
  }
  void Enter(const Stretch& stretch) override {
    if (stretch.file == accepted_) return;
    accepted_ = stretch.file;
    accepting_ = stretch.pieces;
    at_ = accepting_->begin();
    lines_ = accepting_->lines_before();
  }
  bool Follows(const ingest::Piece& piece) const override { return piece.begin == at_; }
  void Accept(const ingest::Piece& piece) override {
    accepting_->Forget(piece.begin, piece.end);
    at_ = piece.end;
    lines_ += piece.lines;
  }
  Stretch Again(const Stretch& stretch) const override {
    return {.from = at_, .to = std::max(at_, stretch.to), .exact = true, .file = stretch.file, .pieces = stretch.pieces};
  }
  Json position() const override {
    Json out;
    if (files_.names.size() > 1) out["file"] = accepted_;
    out["byte"] = at_;
    out["lines"] = lines_;
    return out;
  }
  Result<void> GoOn(const Call& call, const Json& position) override {
    file_ = accepted_ = static_cast<std::size_t>(position.Find("file") != nullptr ? position.IntAt("file") : 0);
    if (file_ >= files_.names.size()) return Error(Code::kDataLoss, Str("the journal speaks of file ", file_ + 1, " of ", files_.names.size(), "; --fresh begins anew"));
    if (file_ > 0) {
      TENON_ASSIGN(reading_, files_.open(call, file_));
    }
    accepting_ = reading_;
    next_ = at_ = origin_ = static_cast<std::uint64_t>(position.IntAt("byte"));
    lines_ = position.IntAt("lines");
    return {};
  }
  double fraction() const override {
    double before = 0, all = 0;
    for (std::size_t i = 0; i < files_.bytes.size(); ++i) {
      all += static_cast<double>(files_.bytes[i]);
      if (i < accepted_) before = all;
    }
    const double whole = static_cast<double>(accepting_->end() - accepting_->begin());
    const double within = whole == 0 ? 1 : static_cast<double>(at_ - accepting_->begin()) / whole;
    return all == 0 ? 1 : (before + within * static_cast<double>(files_.bytes[accepted_])) / all;
  }
  bool texts() const override { return !columns_.empty(); }
  std::string Where(std::int64_t line) const override { return Str(files_.names[accepted_], ":", lines_ + line); }
  Json WhereAsJson(std::int64_t line) const override {
    Json out;
    out["file"] = files_.names[accepted_];
    out["line"] = lines_ + line;
    return out;
  }

 private:
  RowFiles files_;
  std::vector<int> columns_;
  std::shared_ptr<const table::Schema> schema_;
  // What is given out:
  std::size_t file_ = 0;
  std::shared_ptr<const ingest::Pieces> reading_;
  std::uint64_t next_ = 0, origin_ = 0;  // origin: where this run begins in the file
  // What is accepted:
  std::size_t accepted_ = 0;
  std::shared_ptr<const ingest::Pieces> accepting_;
  std::uint64_t at_ = 0;
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
      return std::optional<Stretch>(Stretch{.exact = true, .rows = skipped == 0 ? std::move(*batch) : batch->Slice(skipped, batch->rows() - skipped)});
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

std::unique_ptr<RowSource> SourceOver(RowFiles files, std::shared_ptr<const ingest::Pieces> first, std::vector<int> columns) {
  return std::make_unique<ByFiles>(std::move(files), std::move(first), std::move(columns));
}
std::unique_ptr<RowSource> SourceOver(std::unique_ptr<table::BatchReader> rows, std::string path) {
  return std::make_unique<ByBatches>(std::move(rows), std::move(path));
}

}  // namespace tenon::pipeline

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "ingest/duckdb_internal.h"
#include "ingest/read.h"
#include "platform/temporary.h"

namespace tenon::ingest {
namespace {

using table::Batch;
using table::Column;
using table::Schema;
using table::Type;

constexpr std::size_t kFlushBytes = 1 << 20;
constexpr std::int64_t kRowsAtOnce = 4096;

void AppendScalar(const Column& column, std::int64_t row, std::string* out) {
  const auto at = static_cast<std::size_t>(row);
  switch (column.type()) {
    case Type::kBool: *out += column.bools()[at] != 0 ? "true" : "false"; break;
    case Type::kInt64: *out += std::to_string(column.ints()[at]); break;
    case Type::kFloat64: *out += FormatDouble(column.doubles()[at]); break;
    case Type::kTimestamp: *out += FormatTimestamp(column.ints()[at]); break;
    default: break;
  }
}

// RFC 4180; blanks at the ends stand in quotes too, because readers drop them elsewhere, and so does a text that is
// empty, because nothing means null.
void AppendCsvText(std::string_view text, std::string* out) {
  const bool blank_ends = text.empty() || text.front() == ' ' || text.back() == ' ' || text.front() == '\t' || text.back() == '\t';
  const auto special = [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; };
  if (!blank_ends && std::ranges::none_of(text, special)) {
    out->append(text);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"') out->push_back('"');
    out->push_back(c);
  }
  out->push_back('"');
}

void AppendCsvRow(const Batch& batch, std::int64_t row, std::string* out) {
  for (int i = 0; i < batch.columns(); ++i) {
    const Column& column = batch.column(i);
    if (i > 0) out->push_back(',');
    if (column.IsNull(row)) {
      if (batch.columns() == 1) *out += "\"\"";  // an empty line would be no row
    } else if (column.type() == Type::kString) {
      AppendCsvText(column.Text(row), out);
    } else if (column.type() == Type::kEmbedding) {
      AppendCsvText(column.ValueAt(row).Dump(), out);
    } else {
      AppendScalar(column, row, out);
    }
  }
  out->push_back('\n');
}

void AppendJsonRow(const Batch& batch, std::int64_t row, std::string* out) {
  out->push_back('{');
  for (int i = 0; i < batch.columns(); ++i) {
    const Column& column = batch.column(i);
    if (i > 0) out->push_back(',');
    AppendJsonString(batch.schema()[i].name, out);
    out->push_back(':');
    const bool number = column.type() == Type::kInt64 || column.type() == Type::kBool ||
                        (column.type() == Type::kFloat64 && std::isfinite(column.Number(row)));
    if (column.IsNull(row)) {
      *out += "null";
    } else if (column.type() == Type::kString) {
      AppendJsonString(column.Text(row), out);
    } else if (number) {
      AppendScalar(column, row, out);
    } else {
      *out += column.ValueAt(row).Dump();
    }
  }
  *out += "}\n";
}

// A file under another name until it is whole.
class Whole {
 public:
  explicit Whole(std::string path) : path_(std::move(path)), temporary_(platform::TemporaryPath(path_)), files_(platform::RealFiles()) {}
  Whole(const Whole&) = delete;
  Whole& operator=(const Whole&) = delete;
  ~Whole() {
    if (!finished_) (void)files_->Remove(temporary_);
  }
  const std::string& temporary() const { return temporary_; }
  platform::Files& files() { return *files_; }
  Result<void> Finish() {
    TENON_TRY(files_->Rename(temporary_, path_));
    finished_ = true;
    return {};
  }

 private:
  std::string path_;
  std::string temporary_;
  std::unique_ptr<platform::Files> files_;
  bool finished_ = false;
};

class TextWriter final : public TableWriter {
 public:
  TextWriter(const std::string& path, TableForm form) : whole_(path), form_(form) {}
  Result<void> Start(const Schema& schema) {
    TENON_ASSIGN(out_, whole_.files().Append(whole_.temporary()));
    AppendHead(form_, schema, &buffer_);
    return {};
  }
  Result<void> Write(const Call& call, const Batch& batch) override {
    if (out_ == nullptr) return Error(Code::kFailedPrecondition, "the file is finished");
    TENON_TRY(call.Check());
    for (std::int64_t row = 0; row < batch.rows(); row += kRowsAtOnce) {
      AppendRows(form_, batch.Slice(row, std::min(kRowsAtOnce, batch.rows() - row)), &buffer_);
      if (buffer_.size() >= kFlushBytes) TENON_TRY(Flush());
    }
    return {};
  }
  Result<void> Finish() override {
    if (out_ == nullptr) return Error(Code::kFailedPrecondition, "the file is finished");
    TENON_TRY(Flush());
    TENON_TRY(out_->Sync());
    out_.reset();
    return whole_.Finish();
  }

 private:
  Result<void> Flush() {
    TENON_TRY(out_->Append(buffer_));
    buffer_.clear();
    return {};
  }
  Whole whole_;
  TableForm form_;
  std::unique_ptr<platform::Appender> out_;
  std::string buffer_;
};

class ParquetWriter final : public TableWriter {
 public:
  explicit ParquetWriter(const std::string& path) : whole_(path) {}
  Result<void> Start(const Schema& schema) {
    TENON_ASSIGN(engine_, DuckDb::Open(Call()), "writing Parquet");
    return engine_->MakeTable(Call(), "data", schema);
  }
  Result<void> Write(const Call& call, const Batch& batch) override {
    if (engine_ == nullptr) return Error(Code::kFailedPrecondition, "the file is finished");
    return engine_->Append(call, "data", batch);
  }
  Result<void> Finish() override {
    if (engine_ == nullptr) return Error(Code::kFailedPrecondition, "the file is finished");
    TENON_TRY(engine_->Run(Call(), Str("COPY data TO ", SqlText(whole_.temporary()), " (FORMAT parquet, COMPRESSION zstd)")));
    engine_.reset();
    TENON_ASSIGN(auto file, whole_.files().Append(whole_.temporary()));
    TENON_TRY(file->Sync());
    return whole_.Finish();
  }

 private:
  Whole whole_;
  std::shared_ptr<DuckDb> engine_;
};

}  // namespace

Result<TableForm> FormOf(const std::string& path) {
  const std::string name = ToLower(path);
  if (name.ends_with(".json") || name.ends_with(".jsonl") || name.ends_with(".ndjson")) return TableForm::kJsonLines;
  if (name.ends_with(".csv")) return TableForm::kCsv;
  if (name.ends_with(".parquet")) return TableForm::kParquet;
  return Error(Code::kInvalidArgument, Str("'", path, "': a table is written as .csv, .jsonl or .parquet"));
}

void AppendHead(TableForm form, const Schema& schema, std::string* out) {
  if (form != TableForm::kCsv) return;
  for (int i = 0; i < schema.size(); ++i) {
    if (i > 0) out->push_back(',');
    AppendCsvText(schema[i].name, out);
  }
  out->push_back('\n');
}

void AppendRows(TableForm form, const Batch& batch, std::string* out) {
  for (std::int64_t row = 0; row < batch.rows(); ++row) {
    form == TableForm::kJsonLines ? AppendJsonRow(batch, row, out) : AppendCsvRow(batch, row, out);
  }
}

Result<std::unique_ptr<TableWriter>> OpenWriter(const std::string& path, std::shared_ptr<const Schema> schema) {
  TENON_ASSIGN(const TableForm form, FormOf(path));
  if (form != TableForm::kParquet) {
    auto out = std::make_unique<TextWriter>(path, form);
    TENON_TRY(out->Start(*schema));
    return std::unique_ptr<TableWriter>(std::move(out));
  }
  auto out = std::make_unique<ParquetWriter>(path);
  TENON_TRY(out->Start(*schema));
  return std::unique_ptr<TableWriter>(std::move(out));
}

Result<void> JoinParquet(const Call& call, const std::vector<std::string>& parts, const std::string& path) {
  Call alone = call;  // on one thread the same parts give the same bytes
  alone.threads = 1;
  Whole whole(path);
  TENON_ASSIGN(auto engine, DuckDb::Open(alone), "writing Parquet");
  std::string list;
  for (const std::string& part : parts) list += Str(list.empty() ? "" : ", ", SqlText(part));
  TENON_TRY(engine->Run(alone, Str("COPY (SELECT * FROM read_parquet([", list, "])) TO ", SqlText(whole.temporary()), " (FORMAT parquet, COMPRESSION zstd)")));
  engine.reset();
  TENON_ASSIGN(auto file, whole.files().Append(whole.temporary()));
  TENON_TRY(file->Sync());
  return whole.Finish();
}

}  // namespace tenon::ingest

#include "pipeline/partial_internal.h"

#include <algorithm>

#include "base/text.h"
#include "platform/temporary.h"

namespace tenon::pipeline {
namespace {

constexpr std::size_t kFlushBytes = 4 << 20;
constexpr std::int64_t kPartRows = 1 << 19;  // of a Parquet part
constexpr std::uint64_t kSettleBytes = 64 << 20;
constexpr auto kSettleEvery = std::chrono::seconds(2);      // so that a slow model's answers are kept as well
constexpr auto kPartEvery = std::chrono::seconds(30);

}  // namespace

std::string Partial::Part(std::int64_t number) const { return Str(Rows(), ".", number, ".parquet"); }

Result<std::unique_ptr<platform::FileLock>> Partial::LockOf(platform::Files& files, const std::string& out) { return files.Lock(LockPathOf(out)); }

Result<std::unique_ptr<Partial>> Partial::Open(const Call& call, platform::Files& files, Place place,
                                               std::shared_ptr<const table::Schema> schema, const Json& job, bool fresh) {
  std::unique_ptr<Partial> partial(new Partial(files, std::move(place), std::move(schema)));
  if (partial->place_.lock == nullptr) {
    TENON_ASSIGN(auto lock, LockOf(files, partial->place_.out));
    partial->place_.lock = std::move(lock);
  }
  // What another process was writing when it was killed.
  const std::string half = Str(".", platform::NameOf(partial->Rows()));
  TENON_TRY(partial->RemoveThose([&](const std::string& name) { return name.starts_with(half) && platform::IsTemporaryName(name); }));
  if (files.Exists(partial->Journal()) && !fresh) {
    TENON_ASSIGN(const std::string journal, files.Read(partial->Journal()));
    TENON_TRY(partial->TakeUp(journal, job));
  }
  if (partial->settled_.is_null()) {
    if (files.Exists(partial->Journal())) call.Say(Level::kInfo, Str(partial->Journal(), ": of other work, or nothing was settled; beginning anew"));
    TENON_TRY(partial->Clear());
    TENON_TRY(partial->Begin(*partial->schema_, job));
  }
  if (partial->place_.form != ingest::TableForm::kParquet) {
    TENON_ASSIGN(partial->rows_, files.Append(partial->Rows()));
  }
  if (!partial->place_.bad.empty()) {
    TENON_ASSIGN(partial->bad_, files.Append(partial->Bad()));
  }
  TENON_ASSIGN(partial->journal_, files.Append(partial->Journal()));
  return partial;
}

// Nothing that was settled is lost; what never will be taken up goes.
Partial::~Partial() {
  if (place_.lock == nullptr || finished_) return;
  if (!settled_once_) {
    static_cast<void>(Clear());
    static_cast<void>(files_.Remove(KeptRowsOf(place_.out)));
  }
  static_cast<void>(files_.Remove(Journal() + ".lock"));
}

// The journal's first line is the job, each further one what was settled; the last may be cut.
Result<void> Partial::TakeUp(std::string_view journal, const Json& job) {
  const std::size_t head = journal.find('\n');
  if (head == std::string_view::npos || journal.substr(0, head) != job.Canonical()) return {};
  const std::size_t end = journal.rfind('\n');
  if (end == head) return {};
  const std::size_t begin = journal.rfind('\n', end - 1) + 1;
  auto last = Json::Parse(journal.substr(begin, end - begin), Journal());
  if (!last) return {};
  if (end + 1 < journal.size()) TENON_TRY(files_.Cut(Journal(), end + 1));
  row_bytes_ = static_cast<std::uint64_t>(last->IntAt("row_bytes"));
  bad_bytes_ = static_cast<std::uint64_t>(last->IntAt("bad_bytes"));
  parts_ = last->IntAt("parts");
  const bool text = place_.form != ingest::TableForm::kParquet;
  TENON_ASSIGN(const bool rows, CutTo(Rows(), text ? row_bytes_ : 0));
  TENON_ASSIGN(const bool bad, CutTo(Bad(), bad_bytes_));
  bool all = rows && bad;
  for (std::int64_t i = 0; i < parts_; ++i) all = all && files_.Exists(Part(i));
  if (!all) {  // it died while it finished, or somebody tidied up
    row_bytes_ = bad_bytes_ = 0;
    parts_ = 0;
    return {};
  }
  settled_once_ = true;
  settled_ = *last->Find("at");
  return {};
}

// Takes away what was not settled; false when less than that is there.
Result<bool> Partial::CutTo(const std::string& path, std::uint64_t bytes) {
  if (!files_.Exists(path)) return bytes == 0;
  TENON_ASSIGN(const platform::FileInfo info, files_.Info(path));
  if (info.bytes < bytes) return false;
  TENON_TRY(files_.Cut(path, bytes));
  return true;
}

Result<void> Partial::Begin(const table::Schema& schema, const Json& job) {
  TENON_TRY(files_.Write(Journal(), job.Canonical() + "\n"));
  if (place_.form != ingest::TableForm::kParquet) ingest::AppendHead(place_.form, schema, &buffer_);
  return {};
}

Result<void> Partial::Clear() {
  TENON_TRY(files_.Remove(Rows()));
  TENON_TRY(files_.Remove(Bad()));
  TENON_TRY(files_.Remove(KeptRowsOf(place_.out) + ".half"));
  const std::string head = Str(platform::NameOf(Rows()), ".");
  TENON_TRY(RemoveThose([&](const std::string& name) { return name.starts_with(head) && name.ends_with(".parquet"); }));
  return files_.Remove(Journal());
}

Result<void> Partial::RemoveThose(const std::function<bool(const std::string&)>& which) {
  const std::string folder(platform::FolderOf(place_.out));
  TENON_ASSIGN(const std::vector<std::string> names, files_.List(folder));
  for (const std::string& name : names) {
    if (which(name)) TENON_TRY(files_.Remove(platform::JoinPath(folder, name)));
  }
  return {};
}

Result<void> Partial::Flush() {
  if (buffer_.empty()) return {};
  TENON_TRY(rows_->Append(buffer_));
  row_bytes_ += buffer_.size();
  unsettled_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> Partial::AddText(std::string_view rows) {
  buffer_ += rows;
  return buffer_.size() >= kFlushBytes ? Flush() : Result<void>();
}

void Partial::AddBatch(const table::Batch& rows) {
  if (rows.rows() == 0) return;
  batches_.push_back(rows);
  batch_rows_ += rows.rows();
}

bool Partial::due() const {
  const auto passed = std::chrono::steady_clock::now() - last_;
  if (place_.form == ingest::TableForm::kParquet) return batch_rows_ >= kPartRows || (batch_rows_ > 0 && passed >= kPartEvery);
  const std::uint64_t bytes = unsettled_ + buffer_.size();
  return bytes >= kSettleBytes || (bytes > 0 && passed >= kSettleEvery);
}

Result<void> Partial::WritePart(const Call& call) {
  TENON_ASSIGN(auto writer, ingest::OpenWriter(Part(parts_), schema_));
  for (const table::Batch& batch : batches_) TENON_TRY(writer->Write(call, batch));
  TENON_TRY(writer->Finish());
  ++parts_;
  batches_.clear();
  batch_rows_ = 0;
  return {};
}

Result<void> Partial::AddBad(std::string_view lines) {
  bad_bytes_ += lines.size();
  return bad_->Append(lines);
}

Result<void> Partial::Settle(const Call& call, const Json& position) {
  if (rows_ != nullptr) {
    TENON_TRY(Flush());
    TENON_TRY(rows_->Sync());
  } else if (!batches_.empty()) {
    TENON_TRY(WritePart(call));
  }
  if (bad_ != nullptr) TENON_TRY(bad_->Sync());
  Json line;
  line["row_bytes"] = row_bytes_;
  line["bad_bytes"] = bad_bytes_;
  line["parts"] = parts_;
  line["at"] = position;
  TENON_TRY(journal_->Append(line.Canonical() + "\n"));
  TENON_TRY(journal_->Sync());
  settled_once_ = true;
  unsettled_ = 0;
  last_ = std::chrono::steady_clock::now();
  return {};
}

Result<void> Partial::Finish(const Call& call) {
  if (rows_ != nullptr) {
    TENON_TRY(Flush());
    TENON_TRY(rows_->Sync());
  } else {
    if (!batches_.empty() || parts_ == 0) TENON_TRY(WritePart(call));
    std::vector<std::string> parts;
    for (std::int64_t i = 0; i < parts_; ++i) parts.push_back(Part(i));
    TENON_TRY(ingest::JoinParquet(call, parts, Rows()));
  }
  if (bad_ != nullptr) {
    TENON_TRY(bad_->Sync());
    bad_.reset();
    TENON_TRY(files_.Rename(Bad(), place_.bad));
  } else {
    TENON_TRY(files_.Remove(Bad()));
  }
  rows_.reset();
  journal_.reset();
  TENON_TRY(files_.Rename(Rows(), place_.out));
  finished_ = true;
  for (std::int64_t i = 0; i < parts_; ++i) TENON_TRY(files_.Remove(Part(i)));
  TENON_TRY(files_.Remove(KeptRowsOf(place_.out)));
  TENON_TRY(files_.Remove(Journal()));
  return files_.Remove(Journal() + ".lock");
}

}  // namespace tenon::pipeline

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "ingest/read.h"
#include "platform/files.h"

namespace tenon::pipeline {

// Where the rows of a table go, one after another. One thread.
class Output {
 public:
  virtual ~Output() = default;
  // What was given to the last Settle of whoever was here before; null: nobody.
  virtual const Json& settled() const = 0;
  virtual Result<void> AddText(std::string_view rows) = 0;  // of text forms
  virtual void AddBatch(const table::Batch& rows) = 0;      // of Parquet
  virtual Result<void> AddBad(std::string_view lines) = 0;
  // Whether enough has come since the last time to settle it.
  virtual bool due() const = 0;
  // All that was added survives from now on, together with where the work is.
  virtual Result<void> Settle(const Call& call, const Json& position) = 0;
  // The output appears; nothing else is left.
  virtual Result<void> Finish(const Call& call) = 0;
};

// Rows as text to standard output as they come, and those that are left out to the file `bad` (may be empty).
// unavailable when nobody reads them any more.
Result<std::unique_ptr<Output>> OpenStandardOutput(platform::Files& files, ingest::TableForm form, const table::Schema& schema, const std::string& bad);

// A table that is being written beside its place: rows, rows that were left out, and a journal of what is settled, so
// that whoever dies is followed by one who goes on. docs/formats/partial.md. One thread; `files` outlives it.
class Partial final : public Output {
 public:
  struct Place {
    std::string out;
    ingest::TableForm form = ingest::TableForm::kCsv;
    std::string bad;  // "": rows that are left out are not kept
    std::shared_ptr<const platform::FileLock> lock;  // of LockOf; null: Open takes it
  };
  // unavailable when another process is at it.
  static Result<std::unique_ptr<platform::FileLock>> LockOf(platform::Files& files, const std::string& out);
  static std::string LockPathOf(const std::string& out) { return out + ".partial.job.lock"; }
  static std::string KeptRowsOf(const std::string& out) { return out + ".partial.in"; }
  // What is there of the same `job` is taken up, unless `fresh`; anything else is removed. unavailable when another process is at it.
  static Result<std::unique_ptr<Partial>> Open(const Call& call, platform::Files& files, Place place,
                                               std::shared_ptr<const table::Schema> schema, const Json& job, bool fresh);
  ~Partial() override;
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  const Json& settled() const override { return settled_; }
  Result<void> AddText(std::string_view rows) override;
  void AddBatch(const table::Batch& rows) override;
  Result<void> AddBad(std::string_view lines) override;
  bool due() const override;
  Result<void> Settle(const Call& call, const Json& position) override;
  Result<void> Finish(const Call& call) override;

 private:
  Partial(platform::Files& files, Place place, std::shared_ptr<const table::Schema> schema)
      : files_(files), place_(std::move(place)), schema_(std::move(schema)) {}
  std::string Rows() const { return place_.out + ".partial"; }
  std::string Journal() const { return place_.out + ".partial.job"; }
  std::string Bad() const { return Rows() + ".bad"; }
  Result<bool> CutTo(const std::string& path, std::uint64_t bytes);
  std::string Part(std::int64_t number) const;
  Result<void> TakeUp(std::string_view journal, const Json& job);
  Result<void> Begin(const table::Schema& schema, const Json& job);
  Result<void> Clear();
  Result<void> RemoveThose(const std::function<bool(const std::string&)>& which);
  Result<void> WritePart(const Call& call);
  Result<void> Flush();

  platform::Files& files_;
  Place place_;
  std::shared_ptr<const table::Schema> schema_;
  std::unique_ptr<platform::Appender> rows_, bad_, journal_;
  std::string buffer_;
  std::vector<table::Batch> batches_;  // of the next Parquet part
  std::int64_t batch_rows_ = 0;
  std::uint64_t row_bytes_ = 0, bad_bytes_ = 0, unsettled_ = 0;
  std::int64_t parts_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();  // when something was settled
  bool settled_once_ = false, finished_ = false;
  Json settled_;
};

}  // namespace tenon::pipeline

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

// A table that is being written beside its place: rows, rows that were left out, and a journal of what is settled, so
// that whoever dies is followed by one who goes on. docs/formats/partial.md. One thread; `files` outlives it.
class Partial {
 public:
  struct Place {
    std::string out;
    ingest::TableForm form = ingest::TableForm::kCsv;
    std::string bad;  // "": rows that are left out are not kept
  };
  // What is there of the same `job` is taken up, unless `fresh`; anything else is removed. unavailable when another process is at it.
  static Result<std::unique_ptr<Partial>> Open(const Call& call, platform::Files& files, Place place,
                                               std::shared_ptr<const table::Schema> schema, const Json& job, bool fresh);
  ~Partial();
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  // What was given to the last Settle of whoever was here before; null: nobody.
  const Json& settled() const { return settled_; }
  Result<void> AddText(std::string_view rows);            // of text forms
  void AddBatch(const table::Batch& rows);                // of Parquet
  Result<void> AddBad(std::string_view lines);
  // Whether enough has come since the last time to settle it.
  bool due() const;
  // All that was added survives from now on, together with where the work is.
  Result<void> Settle(const Call& call, const Json& position);
  // The output appears; nothing else is left.
  Result<void> Finish(const Call& call);

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
  std::unique_ptr<platform::FileLock> lock_;
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

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/call.h"
#include "platform/files.h"

namespace tenon::pipeline {

// Which part of an inference log is kept as Parquet, in files that other tools read as one table partitioned by date:
// <folder>/parquet/<endpoint>/date=2024-02-29/1300.parquet, by the hour and minute (UTC) at which its time begins.
struct ArchivePlan {
  std::string folder;    // of the inference log
  std::string endpoint;
  std::chrono::microseconds every{0};  // a part of a day
  std::chrono::microseconds keep{0};   // files of days that are wholly older are removed; 0: never
};

// Writes the files of all times that are over and have none yet, oldest first, each whole or not at all, and removes those
// that are too old. What a killed one left is gone on with. How many were written. Errors: those of ExportLog and Files; the
// next call goes on there.
Result<int> ArchiveLog(const Call& call, platform::Files& files, const ArchivePlan& plan);

// Does so again and again in a thread of its own, of the lowest priority, as long as it lives. `settle` is called before each
// turn and returns when all that was answered before it is in the log.
class LogArchivist {
 public:
  virtual ~LogArchivist() = default;
  virtual std::int64_t written() const = 0;             // files
  virtual std::optional<Error> Problem() const = 0;     // why the last turn failed
};
// `files` outlives it.
std::unique_ptr<LogArchivist> StartLogArchivist(platform::Files& files, ArchivePlan plan, std::function<Result<void>()> settle);

}  // namespace tenon::pipeline

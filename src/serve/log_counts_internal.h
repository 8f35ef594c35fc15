#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "platform/files.h"
#include "platform/shared_file.h"
#include "serve/log_counts.h"

namespace tenon::serve {

// Counts what a log is given and what it has written, in memory that outlives the process: whoever comes after a killed one knows how much
// it did not write any more. Beside the segments stands what was known once a second, for when that memory is gone as well.
class LiveCounts {
 public:
  // One thread's answers of one endpoint: that thread's alone to write.
  struct alignas(64) Cell {
    std::atomic<std::uint32_t> endpoint;  // its number + 1; 0: nobody's
    std::atomic<std::int64_t> given, until;

    void Given(Micros at) {
      given.store(given.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      if (at > until.load(std::memory_order_relaxed)) until.store(at, std::memory_order_relaxed);
    }
  };

  // For a log in `folder`. Errors: resource_exhausted when there is no memory.
  static Result<std::unique_ptr<LiveCounts>> Open(platform::Files& files, const std::string& folder);
  // An orderly end: everything is written. What is missing all the same is noted.
  ~LiveCounts();
  LiveCounts(const LiveCounts&) = delete;
  LiveCounts& operator=(const LiveCounts&) = delete;

  // For the calling thread, until Leave. Never null: with no room left the answers are not counted, and it is said so.
  Cell* Join(const std::string& endpoint);
  void Leave(Cell* cell);

  // The log's writer: a segment is about to be made (0: none is written any more); so many answers more stand in its first `bytes`, the newest one of `until`.
  void Begun(const std::string& endpoint, Micros segment);
  void Written(const std::string& endpoint, std::uint64_t bytes, std::int64_t answers, Micros until);
  // Whether somebody wants the segments that are open to be closed, to write them anew; told once, and answered by Closed.
  bool WantedClosed() const;
  void Closed();
  // Keeps what is known now beside the segments, where something changed. All that was told as written is synced.
  Result<void> Keep();

 private:
  LiveCounts(platform::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  Result<void> Start();
  struct Known {
    Micros segment;
    std::int64_t written;
    Micros until;
    std::uint64_t bytes;
  };
  void Change(const std::string& endpoint, const std::function<void(Known&)>& change);
  std::optional<std::uint32_t> NumberOf(const std::string& endpoint) TENON_REQUIRES(mutex_);

  platform::Files& files_;
  const std::string folder_;
  std::string id_, live_;  // of the files beside the segments, and where the memory is; "": it does not outlive the process
  std::unique_ptr<platform::FileLock> lock_;
  std::unique_ptr<platform::SharedFile> memory_;
  std::string kept_;
  Mutex mutex_;
  std::map<std::string, std::uint32_t> numbers_ TENON_GUARDED_BY(mutex_);
  std::map<std::uint32_t, std::vector<Cell*>> free_ TENON_GUARDED_BY(mutex_);  // by endpoint
  Cell uncounted_{};  // shared: its number means nothing
};

// Writes down what processes that died left uncounted, and removes their counts. Gives what was found by that.
Result<std::vector<MissingAnswers>> SettleLog(platform::Files& files, const std::string& folder);
// The segments that processes at work are writing, closed where they do so within `patience`.
Result<std::vector<std::string>> CloseSegments(platform::Files& files, const std::string& folder, std::chrono::milliseconds patience);
// Removes what was written down of answers given before that.
void ForgetMissing(platform::Files& files, const std::string& folder, Micros before);

}  // namespace tenon::serve

#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "platform/files.h"

namespace tenon::feature {

// One record of a log of events, as it was appended. Borrowed from whoever gave it.
struct Message {
  int partition = 0;
  std::int64_t offset = 0;     // counted from 0
  Micros appended = 0;         // when
  std::string_view key, value;
};

// An append-only log of events in a folder: segments named by their first offset, each record with its checksum
// (docs/formats/event-log.md). Several processes may append, one at a time by a file lock, while others read.
class EventLogWriter {
 public:
  enum class Sync : std::uint8_t { kBatch, kSecond, kWhenever };  // when a batch is safe from a power cut
  // `files` outlives it.
  // `patience`: how long another writer is waited for.
  EventLogWriter(platform::Files& files, std::string folder, Sync sync, std::uint64_t segment_bytes = 64 << 20,
                 std::chrono::milliseconds patience = std::chrono::seconds(30));
  // Appends all or none; the offset of the first. A record that a killed writer left half written is cut off first.
  Result<std::int64_t> Append(std::span<const Message> messages, Micros now);
  // Removes whole segments whose records are all before that offset; how many.
  Result<int> Trim(std::int64_t before);

 private:
  Result<void> Adopt();
  Result<void> Begin(std::int64_t offset);
  platform::Files& files_;
  const std::string folder_;
  const Sync sync_;
  const std::uint64_t segment_bytes_;
  const std::chrono::milliseconds patience_;
  std::unique_ptr<platform::Appender> appender_;
  std::string segment_;         // path of the one appended to
  std::int64_t next_ = 0;       // offset
  std::uint64_t size_ = 0;      // of the segment, in bytes
  std::chrono::steady_clock::time_point synced_;
};

// Reads a log from any offset on, while it grows. One thread.
class EventLogReader {
 public:
  EventLogReader(const platform::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  // The next records, at most `most`; none at the end. They live until the next call. data_loss when a record in the midst is
  // damaged, not_found when the offset was trimmed away, naming the first there is.
  Result<std::span<const Message>> Read(std::int64_t from, std::size_t most);
  // The offset that the next appended record will have, as far as whole records have come.
  Result<std::int64_t> End();
  Result<std::int64_t> First() const;  // the first offset that is still there

 private:
  Result<bool> Open(std::int64_t offset);
  const platform::Files& files_;
  const std::string folder_;
  std::vector<Message> messages_;
  std::shared_ptr<const platform::Bytes> bytes_;
  std::string segment_;
  std::size_t at_ = 0;      // in bytes_, of the record next_
  std::int64_t next_ = -1;
};

}  // namespace tenon::feature

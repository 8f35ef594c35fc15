#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call.h"
#include "base/result.h"

namespace tenon::platform {

// One record of a topic. Borrowed from the reader.
struct KafkaRecord {
  int partition = 0;
  std::int64_t offset = 0;
  std::int64_t appended = 0;      // microseconds since 1970, as producer or broker dated it
  std::string_view key, value;    // data() is null when there is none
};

struct KafkaPlace {
  int partition = 0;
  std::int64_t offset = 0;
};

// Who keeps what is made of a partition. Told within Poll, on its thread, when the group gives or takes partitions.
class KafkaOwner {
 public:
  virtual ~KafkaOwner() = default;
  virtual Result<std::int64_t> Gained(int partition) = 0;  // from which offset it is read; negative: from the first there is
  virtual void Lost(int partition) = 0;
};

struct KafkaSettings {
  std::string brokers, topic;
  std::string group;                                              // "": no group, Assign says which partitions are read
  std::vector<std::pair<std::string, std::string>> properties;    // further settings of librdkafka
};

// Reads a topic of Apache Kafka by librdkafka, which is loaded when first used: committed records alone, in order within a
// partition. Positions are the caller's, to be kept with what was made of the records. In a group the broker shares partitions
// out among the group's processes; what the group has committed there is told for tools that show lag and never read. One thread.
class KafkaReader {
 public:
  virtual ~KafkaReader() = default;
  // `owner` is null exactly when there is no group; it outlives the reader. Errors: unavailable when the library is missing or no
  // broker answers, not_found when there is no such topic, invalid_argument naming a property that is wrong.
  static Result<std::unique_ptr<KafkaReader>> Open(const Call& call, const KafkaSettings& settings, KafkaOwner* owner);
  virtual int partitions() const = 0;  // of the topic
  // Reads these partitions from there on, negative: from the first record. Not in a group.
  virtual Result<void> Assign(std::span<const KafkaPlace> places) = 0;
  // The next records, at most `most`; waits up to `wait` for the first. They live until the next call. unavailable when the broker
  // cannot be reached for good, not_found when a position is no longer there.
  virtual Result<std::span<const KafkaRecord>> Poll(const Call& call, std::size_t most, std::chrono::milliseconds wait) = 0;
  // First offset of a partition that is there, and the one that the next record will have.
  virtual Result<std::pair<std::int64_t, std::int64_t>> Bounds(int partition) = 0;
  // Records of the partitions read here that are there and were not given yet. 0 once the end of each was seen; at least 1 until the group has said which.
  virtual Result<std::int64_t> Lag() = 0;
  // Where reading of the partition is: every committed record before that offset was given. Negative: not begun.
  virtual std::int64_t Next(int partition) const = 0;
  virtual bool AtEnd(int partition) const = 0;
};

}  // namespace tenon::platform

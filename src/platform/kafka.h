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
  bool tells = true;                                              // tells the group what was read; false where a KafkaWriter keeps positions there
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
  // Records of the partitions read here that are there and were not given yet. 0 once the end of each was seen; at least 1 until the group has
  // said which, and while partitions that it gave to others may be those of a process that was killed (a session's time).
  virtual Result<std::int64_t> Lag() = 0;
  // The same by what came with the records that were fetched last: asks nobody and does not wait, and may be old.
  virtual std::int64_t LagSeen() const = 0;
  // Where reading of the partition is: every committed record before that offset was given. Negative: not begun.
  virtual std::int64_t Next(int partition) const = 0;
  virtual bool AtEnd(int partition) const = 0;
  // Who this process is in its group now, for a KafkaWriter: the broker refuses a transaction of one that the group has left out.
  virtual Result<std::string> Membership() const = 0;
};

// One record to write. Borrowed for the call; the key's data() may be null.
struct KafkaOut {
  std::string_view topic, key, value;
};

// Writes records and positions of a group in one transaction: readers of committed records see all of it or nothing. By librdkafka,
// loaded when first used. One thread.
class KafkaWriter {
 public:
  virtual ~KafkaWriter() = default;
  // `id`: of the writer; an earlier writer of the same id, of a process that died or was thought dead, is shut out and what it left open
  // is given up. `settings.topic` must exist. Errors: as KafkaReader::Open; permission_denied when the broker lets nobody write transactions.
  static Result<std::unique_ptr<KafkaWriter>> Open(const Call& call, const KafkaSettings& settings, const std::string& id);
  // What the group keeps for a partition, once no transaction on it is open; negative: nothing.
  virtual Result<std::int64_t> Kept(const Call& call, const std::string& topic, int partition) = 0;
  // `places` of `topic` are what the group keeps from then on; `membership` is a reader's, or "" where no reader is in the group. After an
  // error nothing is known of this writer any more: open another, and go on from what is kept. unavailable: try that; failed_precondition:
  // another writer of the same id took over.
  virtual Result<void> Write(const Call& call, std::span<const KafkaOut> records, const std::string& topic, std::span<const KafkaPlace> places,
                             std::string_view membership) = 0;
  // not_found when there is no such topic.
  virtual Result<void> CheckTopic(const std::string& topic) = 0;
};

}  // namespace tenon::platform

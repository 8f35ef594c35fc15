#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/call.h"
#include "base/kinds.h"
#include "feature/event_log.h"

namespace tenon::feature {

// From which record of a partition to go on.
struct Position {
  int partition = 0;
  std::int64_t offset = 0;
};

// Who keeps what is made of a partition's events. Told within Poll when processes that share a source get or lose partitions.
class PartitionOwner {
 public:
  virtual ~PartitionOwner() = default;
  virtual Result<std::int64_t> Gained(int partition) = 0;  // from which record it is read; negative: the first there is
  virtual void Lost(int partition) = 0;                    // what was given of it since the last Poll has been processed
  // Whether the owner keeps positions where the source's processes meet: then the source itself tells nothing there.
  virtual bool keeps_there() const { return false; }
};

// Where events come from, in order within a partition. It keeps no positions of its own: whoever reads keeps them with
// what was made of the events, so that both are kept or neither. One thread.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // Goes on from there; partitions that are not named begin with their first record.
  virtual Result<void> Seek(std::span<const Position> positions) = 0;
  // The next records, at most `most`; waits up to `wait` for the first. They live until the next call. Errors: unavailable when the
  // source cannot be reached for now, data_loss for damaged records, not_found when a position is no longer there.
  virtual Result<std::span<const Message>> Poll(const Call& call, std::size_t most, std::chrono::milliseconds wait) = 0;
  // Records that are there and were not yet given.
  virtual Result<std::int64_t> Lag() = 0;
  // The same for a gauge: may be as old as what was read last where asking anew would wait for others.
  virtual Result<std::int64_t> LagSeen() { return Lag(); }
  // Who this process is among those that share the source now, for a sink that keeps positions where they meet; "": it is alone.
  virtual Result<std::string> Membership() { return std::string(); }
};

class EventSourceKind {
 public:
  virtual ~EventSourceKind() = default;
  // Relative paths are below `folder`; `files` outlives the source.
  virtual Result<std::unique_ptr<EventSource>> Start(const Call& call, platform::Files& files, const std::string& folder) = 0;
  // Whether processes share its partitions out among themselves. Then StartShared begins it, and positions come from `owner`,
  // which outlives the source; Seek is not for it.
  virtual bool shared() const { return false; }
  virtual Result<std::unique_ptr<EventSource>> StartShared(const Call&, PartitionOwner&) {
    return Error(Code::kFailedPrecondition, "this source is read by one process");
  }
};

Result<void> AddAll(Kinds<EventSourceKind>& kinds);

}  // namespace tenon::feature

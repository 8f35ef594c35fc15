#pragma once

#include <functional>
#include <map>
#include <memory>

#include "feature/event_source.h"
#include "feature/stream.h"

namespace tenon::pipeline {

// The partitions that this process has of a stream that several share. Each partition has a state of its own beside a lock that is
// held while it is worked on, so that the state goes where the partition goes and two processes never count one event,
// not even when the group took a process for dead that was not. One thread.
class StreamShares final : public feature::PartitionOwner {
 public:
  struct Share {
    std::unique_ptr<platform::FileLock> lock;
    std::unique_ptr<platform::Database> database;
    std::unique_ptr<feature::StreamProcessor> processor;
  };
  using Maker = std::function<Result<Share>(int partition)>;
  explicit StreamShares(Maker make) : make_(std::move(make)) {}

  Result<std::int64_t> Gained(int partition) override;
  void Lost(int partition) override;
  // Each message into the state of its partition.
  Result<void> Process(const Call& call, std::span<const feature::Message> messages);
  Result<std::int64_t> Refresh(const Call& call);
  feature::StreamCounts counts() const;  // of the partitions it has now, since their states were made
  Micros time() const;                   // of the newest event of them; the least Micros: none yet
  std::vector<int> partitions() const;

 private:
  Maker make_;
  std::map<int, Share> shares_;
};

}  // namespace tenon::pipeline

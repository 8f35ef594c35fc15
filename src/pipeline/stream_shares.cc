#include "pipeline/stream_shares.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace tenon::pipeline {

Result<std::int64_t> StreamShares::Gained(int partition) {
  shares_.erase(partition);
  TENON_ASSIGN(Share share, make_(partition), Str("partition ", partition));
  TENON_ASSIGN(const auto positions, share.processor->Positions());
  const auto found = std::ranges::find(positions, partition, &feature::Position::partition);
  const std::int64_t from = found == positions.end() ? -1 : found->offset;
  shares_.emplace(partition, std::move(share));
  return from;
}

void StreamShares::Lost(int partition) { shares_.erase(partition); }

Result<void> StreamShares::Process(const Call& call, std::span<const feature::Message> messages) {
  std::map<int, std::vector<feature::Message>> parts;
  for (const feature::Message& message : messages) parts[message.partition].push_back(message);
  for (const auto& [partition, part] : parts) {
    const auto found = shares_.find(partition);
    if (found == shares_.end()) return Error(Code::kInternal, Str("an event of partition ", partition, ", which this process does not have"));
    TENON_TRY(found->second.processor->Process(call, part), Str("partition ", partition));
  }
  return {};
}

Result<std::int64_t> StreamShares::Refresh(const Call& call) {
  std::int64_t changed = 0;
  for (const auto& [partition, share] : shares_) {
    TENON_ASSIGN(const std::int64_t one, share.processor->Refresh(call));
    changed += one;
  }
  return changed;
}

feature::StreamCounts StreamShares::counts() const {
  feature::StreamCounts out;
  for (const auto& [partition, share] : shares_) out += share.processor->counts();
  return out;
}

Micros StreamShares::time() const {
  Micros out = std::numeric_limits<Micros>::min();
  for (const auto& [partition, share] : shares_) out = std::max(out, share.processor->time());
  return out;
}

std::vector<int> StreamShares::partitions() const {
  std::vector<int> out;
  for (const auto& [partition, share] : shares_) out.push_back(partition);
  return out;
}

}  // namespace tenon::pipeline

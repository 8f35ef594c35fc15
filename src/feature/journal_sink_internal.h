#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "feature/event_sink.h"

namespace tenon::feature {

// A place that values are appended to. Where it ends is a number that never goes back.
class SinkTrack {
 public:
  virtual ~SinkTrack() = default;
  // Takes away half a value at the end, and shows what stands behind `mark`: what a killed process had written last.
  virtual Result<void> TakeUp(std::int64_t mark, const std::function<Result<void>(std::string_view value)>& show) = 0;
  virtual Result<void> Append(std::span<const SinkRecord* const> records, Micros now) = 0;
  virtual Result<void> Sync() = 0;             // what was appended survives a power cut
  virtual Result<std::int64_t> End() = 0;
};

// A sink of two such places, for answers and what is put aside, and a journal beside them that says up to where what is there is settled
// (docs/formats/stream-journal.md). What stands behind that was written by a process that was killed before it settled: those records are
// known by their `from` and are not written a second time. So nothing that a reader may have seen is ever taken back.
Result<std::unique_ptr<EventSink>> OpenJournalSink(const SinkFor& whom, std::unique_ptr<SinkTrack> answers, std::unique_ptr<SinkTrack> aside);

}  // namespace tenon::feature

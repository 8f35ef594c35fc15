#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/json.h"
#include "base/kinds.h"
#include "feature/event_source.h"
#include "platform/files.h"

namespace tenon::feature {

// What was made of one record of a source. `value` is a JSON object with the record's place in the source among its members:
// "from":{"partition":0,"offset":17}. Borrowed for the call.
struct SinkRecord {
  bool aside = false;  // put aside with a reason, not answered
  int partition = 0;   // of the source, as the next
  std::int64_t offset = 0;
  std::string_view key, value;
};

// For whom a sink keeps records.
struct SinkFor {
  platform::Files* files = nullptr;  // outlives the sink
  std::string stream;                // its name, one in the project
  std::string folder;                // relative paths are below it
  std::string state;                 // a folder for what a sink must remember itself
  std::string source;                // the kind of source that the records are made of, and its settings
  Json settings;
};

// Where what was made of a source's records goes, exactly once: records and the position behind them are kept together or not at all,
// so that whoever comes after a killed process goes on from Position and nothing is there twice or missing. One thread.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // From which record of a partition to go on; negative: the first there is.
  virtual Result<std::int64_t> Next(const Call& call, int partition) = 0;
  // Of all partitions that something is known of.
  virtual Result<std::vector<Position>> Positions(const Call& call) = 0;
  // Keeps them, and `next` as the positions. `membership`: of the source. After an error the sink is of no more use: open another one and go
  // on from its positions. unavailable: that may help; anything else: it will not.
  virtual Result<void> Deliver(const Call& call, std::span<const SinkRecord> records, std::span<const Position> next, std::string_view membership) = 0;
};

// Kinds: kafka, log, json_lines.
class EventSinkKind {
 public:
  virtual ~EventSinkKind() = default;
  // Errors: unavailable when another process is at it or it cannot be reached for now.
  virtual Result<std::unique_ptr<EventSink>> Open(const Call& call, const SinkFor& whom) = 0;
  // Whether positions are kept where processes that share a source meet, so that any number may take part.
  virtual bool shared() const { return false; }
};

Result<void> AddAll(Kinds<EventSinkKind>& kinds);

}  // namespace tenon::feature

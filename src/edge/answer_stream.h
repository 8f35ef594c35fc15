#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "feature/event_sink.h"
#include "feature/event_source.h"

namespace tenon::edge {

// A source whose records, JSON objects, are answered by an endpoint as requests are: features are looked up, the route chooses the version
// (by the record's key), the ladder answers when the model does not, and all is counted and logged. Each record is answered exactly once, or
// put aside with the reason.
struct AnswerStreamOptions {
  std::string name;                                    // "orders", for people and metrics
  std::string endpoint;
  std::shared_ptr<feature::EventSourceKind> from;
  std::shared_ptr<feature::EventSinkKind> to;
  feature::SinkFor whom;
  std::string id, time;                                // fields that identify and date a record: they stand in its answer; "": none
  int threads = 1;
  std::size_t batch = 5000;                            // records that are kept at once, at most
  bool to_end = false;                                 // stop where nothing more is there
};

struct AnswerStreamState {
  enum class Phase : std::uint8_t { kRunning, kWaiting, kEnded, kFailed };  // waiting: for a broker, or for another process to end
  std::string name;
  Phase phase = Phase::kWaiting;
  std::string problem;          // why it waits or failed; "": no reason
  Code code = Code::kInternal;  // of the problem
  std::int64_t answered = 0, aside = 0;  // records, since the start
  std::int64_t commits = 0, restarts = 0;
  std::int64_t behind = 0;      // records that are there and not answered; -1: not known
  double newest = 0;            // when the latest record that was answered was written to the source, seconds since 1970; 0: none
};

int ThreadsOf(const std::vector<AnswerStreamOptions>& streams);

}  // namespace tenon::edge

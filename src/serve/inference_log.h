#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "platform/files.h"
#include "serve/endpoint.h"
#include "serve/ladder.h"
#include "serve/log_counts.h"

namespace tenon::serve {

// One logged answer.
struct LogEntry {
  Micros at = 0;
  std::string model;                 // "fraud@7"
  std::string request_id;
  std::vector<double> numbers;       // slots, NaN missing or a text's
  std::vector<std::string> texts;    // slots, of texts
  std::vector<bool> text_missing;
  std::vector<float> values;
  int decision = -1;
  std::string stage;                 // of a cascade: which model answered ("linear"); else ""
  Rung rung = Rung::kModel;          // what answered
};

// What of the answers is kept, and for how long.
struct LogOptions {
  double sample = 1;                        // share of the requests, by their ids
  std::chrono::microseconds keep{0};        // segments whose last answer is older are removed; 0: never
  std::int64_t keep_bytes = 0;              // the oldest segments beyond that many bytes are removed; 0: never
  std::vector<std::string> drop;            // fields that are never written
  std::vector<std::string> hash;            // texts that are written as a keyed hash: equal stays equal, nothing more
  std::string hash_key;
};

// Keeps what was asked and answered, off the request path: Add copies into a ring of the calling thread and never
// waits; one background thread writes segments (<folder>/<endpoint>-<start>.log; docs/formats/inference_log.md), each
// record with its checksum, synced every second, a new segment every 64 MB. When the ring is full the entry is dropped
// and counted. How much a process that is killed had not written is known afterwards (log_counts.h). Thread-safe.
class InferenceLog {
 public:
  virtual ~InferenceLog() = default;
  // `served` was asked; `rung` answered. `staged`: whether, of a cascade, one of its two models gave the prediction.
  virtual void Add(const Served& served, std::string_view request_id, Micros at, const Row& row,
                   const model::Prediction& prediction, Rung rung = Rung::kModel, bool staged = true) = 0;
  virtual std::int64_t dropped() const = 0;
  virtual std::int64_t written() const = 0;
  virtual std::int64_t removed_bytes() const = 0;  // by age or size
  virtual std::vector<MissingAnswers> missing() const { return {}; }  // of processes before, as it was found when the log was opened
  virtual Result<void> Flush() = 0;  // returns when all that was added is synced
};
// `options` must fit the fields that will be logged: CheckLogOptions.
Result<std::unique_ptr<InferenceLog>> OpenInferenceLog(platform::Files& files, const std::string& folder, LogOptions options = {});

// invalid_argument for a field that there is not, or is to be hashed and no text.
Result<void> CheckLogOptions(const LogOptions& options, const std::vector<Served::Field>& fields);

// A name as part of a file's name: what is not a letter, digit, '_' or '.' as %hh. No '-', which ends it.
std::string FileWord(std::string_view name);

// Reads the entries of an endpoint between two times, oldest first; `each` says whether to go on. A torn tail of a
// segment (a crash) is skipped and its size reported; a damaged middle is data_loss naming file and offset.
// The schema of each segment's model comes with the entry's position: slot names and types in `fields`.
struct LogReport {
  std::int64_t entries = 0;
  std::int64_t torn_bytes = 0;
};
Result<LogReport> ReadInferenceLog(const Call& call, platform::Files& files, const std::string& folder,
                                   std::string_view endpoint, Micros from, Micros until,
                                   const std::function<bool(const std::vector<Served::Field>&, const LogEntry&)>& each);

}  // namespace tenon::serve

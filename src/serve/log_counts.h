#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "platform/files.h"

namespace tenon::serve {

// Answers that were given and are not in the inference log.
struct MissingAnswers {
  enum class Why : std::uint8_t {
    kKilled,   // the process was killed before it had written them: exactly so many
    kNoRoom,   // they came faster than they could be written, or the disk was full: exactly so many
    kUnknown,  // the machine or container was started anew: so many at least, and what came within a second after `until` besides
  };
  std::string endpoint;
  std::int64_t answers = 0;
  Why why = Why::kKilled;
  Micros from = 0, until = 0;  // when they were given, about: the newest answer that is there, and the last one that is known
  Micros started = 0;          // the process that gave them
  bool fresh = false;          // found by the log that was opened now
};
std::string_view NameOf(MissingAnswers::Why why);

// What is missing of the log in `folder`, oldest first, also of processes that died and after which nobody has opened the log. Changes
// nothing; processes that are at work are passed over. docs/formats/inference_log.md
Result<std::vector<MissingAnswers>> FindMissing(platform::Files& files, const std::string& folder);

// Of one endpoint ("": of all), given at least in part between two times.
std::vector<MissingAnswers> MissingOf(const std::vector<MissingAnswers>& all, std::string_view endpoint, Micros from, Micros until);
std::int64_t SumOf(const std::vector<MissingAnswers>& some);
// "the inference log lacks 37 answers of fraud, given 2030-01-01T00:00:00Z to ...: the process was killed"; "" for none.
std::string Describe(const std::vector<MissingAnswers>& some);

}  // namespace tenon::serve

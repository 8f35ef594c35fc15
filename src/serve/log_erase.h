#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "platform/files.h"

namespace tenon::serve {

// Answers that are to be forgotten: those whose request is of this id, and those in which a field has the value, as people write it.
struct LogEraseWish {
  std::string column;              // the field; a model's inputs alone are in the log
  std::vector<std::string> texts;  // the value as it may stand there
  std::string hash_key;            // of LogOptions: finds texts that are written as hashes; "": these are not looked for
};
struct LogErased {
  std::int64_t answers = 0;        // that were found
  std::int64_t segments = 0;       // that have some
  std::vector<std::string> held;   // segments with such answers that a process did not let go: they are as they were
  std::int64_t hashed = 0;         // answers whose field is a hash, and no key was given
};
// Looks through the segments of a log, all endpoints, and with `apply` writes those anew that have such answers, each whole or not at all;
// one without an answer left goes. A process that writes the log goes on in new segments. The same call again finishes what was killed.
// data_loss for a damaged segment, which is left as it is.
Result<LogErased> EraseFromLog(const Call& call, platform::Files& files, const std::string& folder, const LogEraseWish& wish, bool apply);

}  // namespace tenon::serve

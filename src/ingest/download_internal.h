#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/call.h"
#include "platform/fetch.h"

namespace tenon::ingest {

// A folder of copies, which goes away with its last user.
class Copies {
 public:
  static Result<std::shared_ptr<Copies>> Make();
  explicit Copies(std::string folder) : folder_(std::move(folder)) {}
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies();
  // A new path in it whose name ends as `name` does.
  std::string Path(std::string_view name);

 private:
  std::string folder_;
  std::vector<std::string> paths_;
};

struct Download {
  std::string url;    // for the request
  std::string shown;  // for messages
  std::vector<std::string> headers;
  std::string ca;
  std::string sha256;  // in hex; "": not checked
  std::string path;    // of the copy
};

// The error of a status that is no success: 404 is not_found, 401 unauthenticated, 403 permission_denied, 429 and 5xx
// unavailable, others failed_precondition.
Error StatusError(int status, std::string_view shown, std::string_view why);

// A file in full. A broken answer is gone on with from where it broke, when the server gives ranges and the file is still
// the same (by its ETag); five attempts, waiting 0.2 s, then twice as long each time. data_loss for another checksum.
Result<void> Fetch(const Call& call, platform::Fetcher& fetcher, const Download& download);

}  // namespace tenon::ingest

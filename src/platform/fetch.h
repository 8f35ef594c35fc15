#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call.h"

namespace tenon::platform {

struct FetchAnswer {
  int status = 0;
  std::string body;    // of a small answer, and the first 4 kB of one that is no success
  std::string etag;    // as the server wrote it, or ""
  std::int64_t bytes = 0;  // of the body that came
};

struct FetchRequest {
  std::string url;
  std::vector<std::string> headers;  // whole lines
  std::string ca;                    // PEM file of who is trusted; "": whom the system trusts
  std::int64_t from = 0;             // the first byte wanted; above 0 the server must answer 206 with that range
  std::string* etag = nullptr;       // set as soon as it is known, also when the answer breaks later
  // Bodies of successes go here, piece by piece, and not into the answer; false stops with an error.
  std::function<Result<void>(std::string_view)> take;
};

// GETs over HTTP and HTTPS. The connection is kept. libcurl is loaded when first made. One thread.
class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // Any status is an answer. Redirections are not followed. Errors: unavailable (nobody answers, the body ends before
  // its length, 30 s without a byte), invalid_argument (no URL), those of `take` and of Call.
  virtual Result<FetchAnswer> Get(const Call& call, const FetchRequest& request) = 0;
};
Result<std::unique_ptr<Fetcher>> MakeFetcher();

}  // namespace tenon::platform

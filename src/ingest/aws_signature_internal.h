#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace tenon::ingest {

struct AwsKeys {
  std::string access, secret, session;  // session: "" unless the keys are temporary
};

struct AwsRequest {
  std::string host;   // with its port, when it is not the scheme's
  std::string path;   // not encoded, begins with "/"
  std::vector<std::pair<std::string, std::string>> query;    // not encoded
  std::vector<std::pair<std::string, std::string>> headers;  // also signed; lower case names
};

// Signature version 4 of a GET without a body to `service` at a moment: the headers to send, whole lines.
std::vector<std::string> SignAws(const AwsRequest& request, const AwsKeys& keys, std::string_view region, std::string_view service, Micros at);

// As the signature wants it: all but letters, digits and -._~ as %XX; slashes too, unless `path`.
std::string AwsEncoded(std::string_view text, bool path);
// "a=1&b=2", sorted and encoded.
std::string AwsQuery(std::vector<std::pair<std::string, std::string>> query);

}  // namespace tenon::ingest

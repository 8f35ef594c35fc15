#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/files.h"

namespace tenon::platform {

struct PostAnswer {
  int status = 0;
  std::string retry_after;  // the header's value, or ""
  std::string body;         // at most 64 kB of it
};

// Sends bodies to other programs over HTTP/1.1, plain or with TLS. One thread; waits, so not for the request path. The
// connection is kept and used again.
class Poster {
 public:
  virtual ~Poster() = default;
  // `headers` are whole lines without their ends: "Content-Type: application/json". Errors: unavailable (nobody answers,
  // the connection broke, no trust), deadline_exceeded, data_loss (it does not speak HTTP).
  virtual Result<PostAnswer> Post(const std::vector<std::string>& headers, std::string_view body, std::chrono::milliseconds limit) = 0;
};

struct Url {
  bool tls = false;
  std::string host;  // without brackets
  int port = 0;
  std::string path;  // with its query; at least "/"
};
// "http://host:4318/v1/traces". invalid_argument for other schemes, user names in it, and what is none.
Result<Url> ParseUrl(std::string_view text);
std::string AddressOf(const Url& url);  // "host:port", an IPv6 address in brackets

// `ca`: a PEM file of who is trusted, "": whom the system trusts. `files` outlives it.
std::unique_ptr<Poster> MakePoster(Files& files, Url url, std::string ca = "");

}  // namespace tenon::platform

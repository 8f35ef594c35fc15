#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/http_server.h"
#include "govern/access.h"

namespace tenon::edge {

// What a request must be allowed, by its method and path. Probes of health need nothing; routes that change something
// and are not known here need the most.
enum class Need : std::uint8_t { kNothing, kKnown, kPredict, kExplain, kMetrics, kAdmin };
Need NeedOf(Method method, std::string_view path);

// Who asks, as far as is known. The name lives until the guard's next Refresh.
struct Asker {
  std::string_view name;   // "" when nobody said
  std::uint64_t hash = 0;  // to count by: of the principal, else of the client's address
  double rate = 0;         // requests a second that its key allows; 0: what the service allows
  bool sensitive = false;  // may read features that are marked so
};

// One thread's view of a service's rules: says of a request who asks and whether that may be. Nothing is allocated for
// a key that was seen before.
class Guard {
 public:
  enum class Verdict : std::uint8_t { kIn, kUnknown, kForbidden };
  // `access` outlives it; null: open to everybody.
  explicit Guard(const govern::Access* access);
  // Takes rules that changed; once a request.
  void Refresh() {
    if (access_ != nullptr && access_->revision() != revision_) Take();
  }
  bool open() const { return rules_->open; }
  // `authorization` and `key` are the values of the headers (or metadata) authorization and x-api-key.
  Verdict Check(std::string_view authorization, std::string_view key, const HttpPeer& peer, Need need, Asker* asker);
  // Why the last one was not let in, for the answer.
  const std::string& problem() const { return problem_; }

 private:
  void Take();
  const govern::Principal* Recognise(std::string_view text);
  Verdict Judge(const govern::Scopes& scopes, Need need, std::string_view name);

  const govern::Access* access_;
  std::uint64_t revision_ = 0;
  std::shared_ptr<const govern::Rules> rules_;
  std::vector<std::string> texts_;  // as rules_->keys: the key itself, once it was found right
  std::string certificate_;         // name of the last one
  std::string problem_;
};

}  // namespace tenon::edge

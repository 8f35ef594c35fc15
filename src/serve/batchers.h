#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "serve/batcher.h"
#include "serve/route.h"

namespace tenon::serve {

// The batchers of the versions at one endpoint that gain from one, or would hold up others without: each version is tried when it is first
// routed to, and what was found stays while it is. One thread.
class Batchers {
 public:
  // Without a spec rows of several requests are asked together for no version.
  explicit Batchers(std::optional<BatchSpec> spec) : spec_(std::move(spec)) {}
  void AddTo(Route* route);

 private:
  struct Tried {
    std::shared_ptr<const Served> served;
    std::shared_ptr<const BatchTrial> trial;
    std::shared_ptr<Batcher> batcher;  // null: it does not gain and holds up nobody
  };
  std::optional<BatchSpec> spec_;
  std::map<int, Tried> tried_;  // by version
};

}  // namespace tenon::serve

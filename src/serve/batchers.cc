#include "serve/batchers.h"

#include <algorithm>
#include <thread>

#include "serve/ladder.h"

namespace tenon::serve {
namespace {

// As many at a time as there would be on the threads that answer; nobody is refused for time, as nobody was there.
BatchSpec SpecApart() {
  BatchSpec spec;
  spec.queue_rows = 1 << 16;
  spec.timeout = std::chrono::microseconds(0);
  spec.instances = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 64);
  return spec;
}

}  // namespace

void Batchers::AddTo(Route* route) {
  // A ladder with a deadline asks apart by itself (Apart).
  const bool waits = route->ladder != nullptr && route->ladder->spec().deadline.count() > 0;
  for (Arm& arm : route->arms) {
    Tried& one = tried_[arm.served->version];
    if (one.served == nullptr || one.served->predictor != arm.served->predictor) {
      one = {arm.served, std::make_shared<const BatchTrial>(spec_ ? TryBatching(arm.served, *spec_) : TryAlone(arm.served)), nullptr};
      if (one.trial->on) one.batcher = std::make_shared<Batcher>(arm.served, *spec_, *one.trial);
      else if (one.trial->apart) one.batcher = std::make_shared<Batcher>(arm.served, SpecApart(), *one.trial);
    }
    if (spec_ || one.trial->apart) arm.batching = one.trial;
    if (one.trial->on || !waits) arm.batcher = one.batcher;
  }
  std::erase_if(tried_, [&](const auto& one) {
    return std::ranges::none_of(route->arms, [&](const Arm& arm) { return arm.served->version == one.first; });
  });
}

}  // namespace tenon::serve

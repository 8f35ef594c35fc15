#include "serve/batchers.h"

#include <algorithm>

namespace tenon::serve {

void Batchers::AddTo(Route* route) {
  if (!spec_) return;
  for (Arm& arm : route->arms) {
    Tried& one = tried_[arm.served->version];
    if (one.served == nullptr || one.served->predictor != arm.served->predictor) {
      one = {arm.served, std::make_shared<const BatchTrial>(TryBatching(arm.served, *spec_)), nullptr};
      if (one.trial->on) one.batcher = std::make_shared<Batcher>(arm.served, *spec_, *one.trial);
    }
    arm.batching = one.trial;
    arm.batcher = one.batcher;
  }
  std::erase_if(tried_, [&](const auto& one) {
    return std::ranges::none_of(route->arms, [&](const Arm& arm) { return arm.served->version == one.first; });
  });
}

}  // namespace tenon::serve

#include "edge/later.h"

#include <unistd.h>

#include "edge/http_server.h"

namespace tenon::edge {

void HttpBell::Ring(const Call& call) {
  const MutexLock lock(mutex_);
  if (wake_ < 0) return;
  rung_.push_back(call);
  const std::uint64_t one = 1;
  if (rung_.size() == 1) (void)!::write(wake_, &one, sizeof one);
}

void HttpBell::Take(std::vector<Call>* out) {
  out->clear();
  const MutexLock lock(mutex_);
  out->swap(rung_);
}

void HttpBell::Close() {
  const MutexLock lock(mutex_);
  wake_ = -1;
  rung_.clear();
}

HttpLater::HttpLater(const HttpPeer& peer) {
  wake_.bell_ = *peer.bell;
  wake_.call_ = {peer.connection, peer.serial, wake_.bell_->NewNumber()};
}

}  // namespace tenon::edge

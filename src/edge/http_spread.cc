#include "edge/http_spread_internal.h"

#include <unistd.h>

#include <cstdint>

namespace tenon::edge {

HttpSpread::HttpSpread(const std::vector<int>& wakes) : seats_(wakes.size()) {
  for (std::size_t i = 0; i < wakes.size(); ++i) seats_[i].wake = wakes[i];
}

bool HttpSpread::Keep(std::size_t loop, const Newcomer& newcomer) {
  const MutexLock lock(mutex_);
  Seat* fewest = &seats_[loop];
  if (!fewest->closed) {  // a loop that is stopping keeps what still comes to it: others may be further than it is
    for (Seat& seat : seats_) {
      if (!seat.closed && seat.count < fewest->count) fewest = &seat;
    }
  }
  ++fewest->count;
  if (fewest == &seats_[loop]) return true;
  fewest->given.push_back(newcomer);
  const std::uint64_t one = 1;
  if (fewest->given.size() == 1) (void)!::write(fewest->wake, &one, sizeof one);
  return false;
}

void HttpSpread::Take(std::size_t loop, std::vector<Newcomer>* out) {
  out->clear();
  const MutexLock lock(mutex_);
  out->swap(seats_[loop].given);
}

void HttpSpread::Left(std::size_t loop) {
  const MutexLock lock(mutex_);
  --seats_[loop].count;
}

void HttpSpread::Close(std::size_t loop, std::vector<Newcomer>* out) {
  out->clear();
  const MutexLock lock(mutex_);
  seats_[loop].closed = true;
  out->swap(seats_[loop].given);
}

}  // namespace tenon::edge

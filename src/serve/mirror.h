#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "serve/evidence.h"
#include "serve/route.h"

namespace tenon::serve {

// Shadows: rows that were answered are predicted again by the shadow arm of their route, on one thread of its own, and
// compared. Offer copies into a ring of the calling thread and never waits; with no room the row is dropped and counted.
// Offer for `thread` only from that thread; the rest from any. `endpoints` and `tallies` outlive it.
class Mirror {
 public:
  Mirror(const Endpoints& endpoints, Tallies& tallies, int threads);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  // A row that the champion answered. `failed`: by a lower rung. False when there was no room.
  bool Offer(int thread, const Route& route, const Row& row, const model::Prediction& live, bool failed);
  void Flush();  // returns when all that was offered before is compared

 private:
  struct Pair;  // the two versions of a route that are compared
  void Run();
  void Compare(std::string_view record);
  Pair* PairOf(std::string_view endpoint, std::string_view rollout, int stage);

  const Endpoints& endpoints_;
  Tallies& tallies_;
  struct Part;  // of one thread: its ring
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<std::unique_ptr<Pair>> pairs_;  // the thread's
  std::mutex mutex_;                          // guards these:
  std::condition_variable wake_, idle_;
  bool ending_ = false;
  std::atomic<bool> resting_{false};          // nothing came for a while: who offers wakes the thread
  std::uint64_t wanted_ = 0, done_ = 0;
  std::thread thread_;  // last: it starts when all else is there
};

}  // namespace tenon::serve

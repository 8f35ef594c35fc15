#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "edge/worker_internal.h"

namespace tenon::edge {

// What a request waits for whose rows a batcher predicts, and what was known of it when it was left.
class Pending final : public HttpLater {
 public:
  Pending(const HttpPeer& peer, std::shared_ptr<Lane> its_lane, Counter& in_flight)
      : HttpLater(peer), lane(std::move(its_lane)), left(std::make_shared<std::atomic<int>>(1)), in_flight_(in_flight) {
    in_flight_.Add(1);
  }
  ~Pending() override {
    for (const auto& ask : asks) ask->Drop();
    in_flight_.Add(-1);
  }
  // Called once more than there are asks: the last call wakes the loop.
  static void Ready(std::atomic<int>& left, const Wake& wake) {
    if (left.fetch_sub(1) == 1) wake();
  }

  const std::shared_ptr<Lane> lane;  // the version it began with
  const std::shared_ptr<std::atomic<int>> left;
  std::vector<std::shared_ptr<serve::BatchAsk>> asks;  // one a PredictRows, in order
  std::size_t next = 0;
  std::chrono::steady_clock::time_point began;
  std::chrono::nanoseconds queued{};
  Asker asker;
  std::string asker_name;  // that asker.name is a view of
  // What was looked up for it, so that it is once and the answer is that of the rows that were asked.
  Completed by = Completed::kNone;
  std::string body;
  std::vector<Json> rows;

 private:
  Counter& in_flight_;
};

}  // namespace tenon::edge

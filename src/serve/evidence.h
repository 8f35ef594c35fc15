#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "serve/route.h"

namespace tenon::serve {

// Sums of what one version did in one stage of a rollout: all that the tests need, mergeable by adding.
inline constexpr int kLatencyBuckets = 200;  // bucket i ends at 1 us * 2^((i+1)/8); the last is open
inline constexpr int kScoreBuckets = 20;     // of probabilities in 0..1, or by the champion's training predictions
inline constexpr int kLossBuckets = 160;     // of absolute errors of a regression: bucket i ends at 1e-6 * 2^((i+1)/4)

struct ArmEvidence {
  std::int64_t requests = 0;  // rows it was to answer
  std::int64_t failed = 0;    // of those: answered by a lower rung, or not a number
  std::array<std::int64_t, kLatencyBuckets> latency{};
  std::array<std::int64_t, kScoreBuckets> scores{};
  std::int64_t labelled = 0;  // answers whose label came since
  std::int64_t wrong = 0;
  std::int64_t false_positive = 0, false_negative = 0;
  std::array<std::int64_t, kLossBuckets> losses{};
  std::int64_t paired = 0;     // of a shadow: rows that both versions predicted
  std::int64_t disagreed = 0;  // of those: another decision, or a value further off than 5 % of the champion's spread
  std::int64_t dropped = 0;    // of a shadow: rows that its queue had no room for

  void Add(const ArmEvidence& other);
  Json ToJson() const;  // lists of counts are sparse: {"12":5}
  static Result<ArmEvidence> FromJson(const Json& json);
};

int LatencyBucket(double seconds);
double LatencyBucketEnd(int bucket);  // seconds
int LossBucket(double loss);
double LossBucketEnd(int bucket);

// The bucket of an answer: by probability of the positive class (of the class decided for when there are more), or by
// `edges` (ascending, kScoreBuckets - 1 of them).
int ScoreBucket(const Served& served, const model::Prediction& prediction);

// What one thread counts of one version in one stage. One thread writes, any thread reads.
class Tally {
 public:
  void Answered(int rows) { Bump(requests_, rows); }
  void Failed(int rows) { Bump(failed_, rows); }
  void Took(double seconds) { Bump(latency_[static_cast<std::size_t>(LatencyBucket(seconds))], 1); }
  void Scored(int bucket) { Bump(scores_[static_cast<std::size_t>(bucket)], 1); }
  void Paired(bool disagreed) {
    Bump(paired_, 1);
    if (disagreed) Bump(disagreed_, 1);
  }
  void Dropped(std::int64_t rows) { Bump(dropped_, rows); }
  ArmEvidence Read() const;

 private:
  using Count = std::atomic<std::int64_t>;
  static void Bump(Count& count, std::int64_t n) {
    count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  Count requests_{0}, failed_{0}, paired_{0}, disagreed_{0}, dropped_{0};
  std::array<Count, kLatencyBuckets> latency_{};
  std::array<Count, kScoreBuckets> scores_{};
};

// All tallies of a process. A thread asks once for its own and then only writes that. Safe from any thread.
class Tallies {
 public:
  // Of the version in this stage of the route's rollout. Null when the route has no rollout.
  std::shared_ptr<Tally> For(const Route& route, const Served& served, int thread);
  // Forgets the tallies of all rollouts but these, which run. Whoever still has one of the others writes what nobody reads.
  void KeepOnly(std::span<const std::string> rollouts);

  struct Sum {
    std::string rollout;
    int stage = 0;
    int version = 0;
    ArmEvidence evidence;
  };
  std::vector<Sum> Sums() const;

 private:
  struct Entry {
    std::string rollout;
    int stage = 0, version = 0, thread = 0;
    std::shared_ptr<Tally> tally;
  };
  mutable Mutex mutex_;
  std::vector<Entry> entries_ TENON_GUARDED_BY(mutex_);
};

}  // namespace tenon::serve

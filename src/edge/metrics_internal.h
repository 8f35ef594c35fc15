#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "serve/endpoint.h"

namespace tenon::edge {

// A count that one thread writes and any thread reads.
class Counter {
 public:
  void Add(std::int64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void Set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

inline constexpr std::array<int, 9> kCountedStatuses = {200, 400, 404, 405, 411, 413, 415, 500, 503};
inline constexpr std::array<double, 14> kLatencyBounds = {5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4,  2.5e-4, 5e-4,
                                                          1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 1e-1,  1};

// What one thread counted of one version at one endpoint.
struct alignas(64) VersionCounters {
  std::array<Counter, kCountedStatuses.size() + 1> statuses;  // the last: all others
  std::array<Counter, kLatencyBounds.size() + 1> latency;     // not cumulative; the last: longer
  Counter latency_nanos;
  Counter failed_nanos;
  Counter predictions;
  Counter executions;     // of the model, each of a batch of rows
  Counter queue_nanos;    // from the bytes' arrival until the request was looked at
  Counter input_nanos;    // reading the rows
  Counter predict_nanos;
  Counter output_nanos;   // writing the answer
  struct Batch {
    Counter size;         // 0: not used yet
    Counter count, input_nanos, predict_nanos, output_nanos;
  };
  std::array<Batch, 16> batches;  // of the first sizes that came
  Counter out_of_range;
  Counter unseen;
  std::array<Counter, 6> rungs;  // rows, by the rung that answered (serve::Rung)
  std::array<Counter, 2> by_stage;  // rows of a cascade, by the costly and the cheap model
  Counter last_millis;  // since 1970, of the latest answer

  void AddRequest(int status, std::int64_t nanos);
  // A request that was predicted in some executions of the model.
  struct Predicted {
    std::int64_t rows, executions, input_nanos, predict_nanos, output_nanos;
  };
  void AddBatch(const Predicted& predicted);
};

// Requests of one batch size.
struct BatchSum {
  std::int64_t size = 0, count = 0, input_nanos = 0, predict_nanos = 0, output_nanos = 0;
};

// Why a request was turned away before its route was looked for.
enum class Refusal { kUnauthenticated, kForbidden, kRate, kBudget, kOverload };
inline constexpr std::array<std::string_view, 5> kRefusals = {"unauthenticated", "forbidden", "rate", "budget", "overload"};

// What one thread counted of everything.
struct alignas(64) ThreadCounters {
  Counter requests;
  Counter limited;    // by the rate limit
  std::array<Counter, kRefusals.size()> refused;
  Counter in_flight;  // 1 while a request is handled
};

// All counters of a server. Each thread asks once for its own and then only writes those; a scrape adds them up.
class Metrics {
 public:
  explicit Metrics(int threads);
  ThreadCounters& thread(int i) { return *threads_[static_cast<std::size_t>(i)]; }
  // Lives as long as the server, so that counts never go back.
  VersionCounters* For(const serve::Served& served, int thread);

  struct Sum {
    std::string endpoint, model;
    int version = 0;
    std::array<std::int64_t, kCountedStatuses.size() + 1> statuses{};
    std::array<std::int64_t, kLatencyBounds.size() + 1> latency{};
    std::int64_t latency_nanos = 0, failed_nanos = 0, predictions = 0, predict_nanos = 0;
    std::int64_t executions = 0, queue_nanos = 0, input_nanos = 0, output_nanos = 0;
    std::int64_t out_of_range = 0, unseen = 0, last_millis = 0;
    std::array<std::int64_t, 6> rungs{};
    std::array<std::int64_t, 2> by_stage{};
    std::vector<BatchSum> batches;  // by size
    std::int64_t requests() const;
    std::int64_t succeeded() const { return statuses[0]; }
  };
  std::vector<Sum> Sums() const;  // in order of first use
  std::int64_t requests() const;
  std::int64_t limited() const;
  std::int64_t refused(std::size_t reason) const;
  std::int64_t in_flight() const;

 private:
  struct Version {
    std::string endpoint, model;
    int version = 0;
    std::vector<std::unique_ptr<VersionCounters>> threads;
  };
  std::vector<std::unique_ptr<ThreadCounters>> threads_;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Version>> versions_ TENON_GUARDED_BY(mutex_);
};

}  // namespace tenon::edge

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "serve/batch_trial.h"
#include "serve/session.h"

namespace tenon::serve {

// What a batcher counted. Rows a run and seconds in the queue are not cumulative; the last of each is "more".
inline constexpr std::array<int, 9> kBatchSizeBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256};
inline constexpr std::array<double, 11> kBatchWaitBounds = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 1};
enum class BatchRefusal : std::uint8_t { kFull, kTimeout, kDeadline, kGone };
inline constexpr std::array<std::string_view, 4> kBatchRefusals = {"full", "timeout", "deadline", "gone"};
struct BatchStats {
  std::array<std::int64_t, kBatchSizeBounds.size() + 1> sizes{};
  std::int64_t rows = 0, padding = 0, runs = 0;
  std::array<std::int64_t, kBatchWaitBounds.size() + 1> waits{};
  double waited = 0, ran = 0;                                  // seconds, in all
  std::array<std::int64_t, kBatchRefusals.size()> refused{};   // requests
  std::int64_t waiting = 0;                                    // rows, now
};

// Rows that one request asks a batcher for, and their answers. Made by Batcher::Ask, on one thread; what is answered is read on that
// thread when `ready` was called.
class BatchAsk {
 public:
  // Nobody waits for it any more: what has not begun is left out.
  void Drop() { dropped_.store(true, std::memory_order_relaxed); }
  // rows x outputs() numbers; none when it was refused.
  std::span<const float> values() const { return values_; }
  const std::vector<std::pair<std::size_t, std::string>>& problems() const { return problems_; }  // by row: why the model cannot take it
  // resource_exhausted never: unavailable when the queue was full or it waited longer than the queue's timeout, deadline_exceeded.
  const Error* refusal() const { return refusal_ ? &*refusal_ : nullptr; }
  std::chrono::nanoseconds waited() const { return waited_; }
  std::chrono::nanoseconds ran() const { return ran_; }   // of the run that it was part of
  bool leads() const { return leads_; }                   // the first of its run: so that runs are counted once
  bool by_cheap(std::size_t i) const { return i < by_cheap_.size() && by_cheap_[i] != 0; }  // of a cascade: which of its two answered

 private:
  friend class Batcher;
  std::size_t rows_ = 0;
  std::vector<double> numbers_;           // row after row
  std::vector<std::string> held_;         // of the texts that are there, in order
  std::vector<std::string_view> texts_;
  std::chrono::steady_clock::time_point entered_, by_{};  // by: zero for never
  bool by_request_ = false;               // `by` is the request's own deadline, not the queue's
  std::function<void()> ready_;
  std::atomic<bool> dropped_{false};
  std::vector<float> values_;
  std::vector<std::pair<std::size_t, std::string>> problems_;
  std::optional<Error> refusal_;
  std::chrono::nanoseconds waited_{}, ran_{};
  bool leads_ = false;
  std::vector<std::uint8_t> by_cheap_;
};

// Predicts the rows of many requests together, on threads of its own: for models that take less time a row the more rows they get at once
// (BatchTrial says which). Where the trial is `apart`, each request is a run of its own, with the bits that Session::PredictRows gives. A run takes what waits, up to the largest size, as soon as an instance is free and either that many wait or the
// first of them has waited `delay`. Any thread may ask. Destroying never waits: a run under way ends by itself and is thrown away.
class Batcher {
 public:
  // `trial` must be on or apart.
  Batcher(std::shared_ptr<const Served> served, const BatchSpec& spec, const BatchTrial& trial);
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // Asks for the rows, which are copied, until `by` (the zero time: as long as the queue's timeout). `ready` is called once, when it is
  // answered or refused: from a thread of the batcher's, or before Ask returns, or when the batcher is gone: it owns what it needs. It must
  // not wait.
  std::shared_ptr<BatchAsk> Ask(const Rows& rows, std::chrono::steady_clock::time_point by, std::function<void()> ready);
  BatchStats Stats() const;
  const BatchTrial& trial() const;
  const BatchSpec& spec() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tenon::serve

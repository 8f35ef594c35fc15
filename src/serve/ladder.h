#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/endpoint.h"
#include "table/expression.h"

namespace tenon::serve {

// What answered. When the model fails (a number that is none, later than the deadline, or its breaker is open) the next
// rung is asked, and so on down.
// The numbers are those of the inference log.
enum class Rung : std::uint8_t { kModel, kLastGood, kCache, kRule, kDefault, kNone };
std::string_view NameOf(Rung rung);  // "model", "last_good", "cache", "rule", "default", "none"

// Stops asking what keeps failing: open after `failures` within `window`, then one probe each `rest` until one succeeds.
// Safe from any thread; asking one that is closed is one load, and success writes nothing then.
class Breaker {
 public:
  struct Spec {
    int failures = 5;
    std::chrono::microseconds window = std::chrono::seconds(10);
    std::chrono::microseconds rest = std::chrono::seconds(5);
  };
  using Time = std::chrono::steady_clock::time_point;
  explicit Breaker(Spec spec) : spec_(spec) {}
  bool Allow(Time now);       // whether to ask: closed, or this one is the probe
  void Succeeded();
  void Failed(Time now);
  bool open() const { return state_.load(std::memory_order_relaxed) != kClosed; }

 private:
  static constexpr std::int64_t kClosed = 0;  // else: the nanosecond from which the next probe may go
  const Spec spec_;
  std::atomic<std::int64_t> state_{kClosed};
  std::atomic<std::int64_t> window_from_{0};
  std::atomic<std::int32_t> failures_{0};     // since window_from_
};

// The latest answers by the hash of their rows: bounded, one slot a hash, the newer takes the place. Safe from any thread
// and without locks: whoever finds a slot being written leaves it.
class AnswerCache {
 public:
  AnswerCache(std::size_t entries, int outputs, std::chrono::microseconds ttl);
  void Put(std::uint64_t row, const model::Prediction& prediction, Breaker::Time now);
  // Into `values`; false when there is none or it is older than its time.
  bool Get(std::uint64_t row, Breaker::Time now, std::vector<float>* values, int* decision) const;

 private:
  std::atomic<std::uint64_t>* SlotOf(std::uint64_t row) const { return words_.get() + (row & mask_) * stride_; }
  std::size_t mask_, outputs_, stride_;  // a slot: lock and count of writes, row, time, decision and values
  std::int64_t ttl_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> words_;
};

// The chapter serve.fallback: [champion, cache 10m, rule "amount > 220", default 0], or
// {rungs: [...], deadline: 50ms, breaker: {failures: 5, window: 10s, rest: 5s}}.
struct LadderSpec {
  bool last_good = false;
  bool cache = false;
  std::chrono::microseconds ttl = std::chrono::minutes(10);
  std::int64_t cache_entries = 65536;
  std::string rule;                         // "" : none
  std::string fallback;                     // "": none; a class, a probability or a value
  std::chrono::microseconds deadline{0};    // of a model; 0: none
  Breaker::Spec breaker;
  static Result<LadderSpec> Parse(const Json& json, std::string_view file);
};

// Of a row and of the version whose slots it fills: what one version answered is never given for another one.
std::uint64_t CacheKey(const Served& served, const Row& row);

// The rungs below an endpoint's model. Shared by all threads of it; each brings its own Memory.
class Ladder {
 public:
  // The rule may read the fields of `champion`; the default must be an answer that it could give. invalid_argument.
  // `last_good`: the version before, or null. The last good version of others than the champion is the champion.
  static Result<std::shared_ptr<Ladder>> Make(const LadderSpec& spec, std::shared_ptr<const Served> champion,
                                              std::shared_ptr<const Served> last_good);
  const LadderSpec& spec() const { return spec_; }
  AnswerCache* cache() const { return cache_.get(); }

  struct Memory {
    model::Predictor::Scratch scratch;
    Row row;
    std::vector<float> values;
    std::vector<std::string> texts;
  };
  // The first rung below the model that has an answer to this row of `from`; kNone when none has. The prediction lives in
  // `memory`.
  Rung Answer(const Served& from, const Row& row, Breaker::Time now, Memory& memory, model::Prediction* out) const;
  std::string model_of_last_good() const { return last_good_ == nullptr ? "" : last_good_->model; }

 private:
  Ladder() = default;
  bool AskLastGood(const Served& from, const Row& row, Memory& memory, model::Prediction* out) const;
  bool AskGood(const Served& good, const Served& from, const Row& row, Memory& memory, model::Prediction* out) const;
  bool AskRule(const Served& from, const Row& row, Memory& memory, model::Prediction* out) const;
  bool Give(double value, Memory& memory, model::Prediction* out) const;  // a probability, value or class index
  bool GiveClass(std::string_view name, Memory& memory, model::Prediction* out) const;

  LadderSpec spec_;
  std::shared_ptr<const Served> champion_, last_good_;
  std::unique_ptr<AnswerCache> cache_;
  std::optional<table::Expression> rule_;
};

}  // namespace tenon::serve

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "feature/aggregate.h"
#include "feature/online_store.h"

namespace tenon::feature {

// What a view's values hold beyond the moment they were computed for: the table beside its records has the state of every
// entity (feature-state.md), from which they are computed for any later moment as if they had been asked offline.
Result<RecordLayout> StateLayout();

// Looks up a view's values as of a moment. Immutable; any number of threads, each with Records of its own.
class MovingValues {
 public:
  // `states` null: records are given as they were stored. The tables outlive it.
  MovingValues(std::shared_ptr<const ViewPlan> plan, OnlineTable* records, OnlineTable* states) : plan_(std::move(plan)), records_(records), states_(states) {}

  // The records of the keys, the values of each as of its moment in `at`: one look-up in one table for those that still hold, a second
  // one for those whose windows went on since. A moment before that of the record gets it as it is, as does a record that was
  // written without a state. Errors as OnlineTable::Get; data_loss for a damaged state.
  Result<void> Get(std::span<const std::string_view> keys, std::span<const Micros> at, Records* out) const;

  // The same for keys that ask with an event of the view each: row i of `own` (one that is not used is none) counts as if it had been
  // stored, unless an event of its entity that is as late is stored already: then it was published before it asked. An entity that is
  // not stored has its event alone. `counted`: a Counted a key. invalid_argument when no states are kept.
  enum class Counted : std::uint8_t { kNot, kBeside, kAlone };
  Result<void> Get(std::span<const std::string_view> keys, std::span<const Micros> at, const Events& own, Records* out, std::vector<Counted>* counted) const;

 private:
  Result<void> Move(std::span<const std::string_view> keys, std::span<const Micros> at, std::span<const std::size_t> rows, const Events* own, std::vector<Counted>* counted,
                    Records* out) const;

  std::shared_ptr<const ViewPlan> plan_;
  OnlineTable* records_;
  OnlineTable* states_;
};

// Records of a view on their way into its tables. One thread.
class ValuesBatch {
 public:
  // `states` null: none are kept. The tables outlive it.
  ValuesBatch(const ViewPlan& plan, OnlineTable& records, OnlineTable* states);
  // The values of a state at its now(). `latest`: the time of its latest event; `bytes`: what its Save gives, or "" when the one that
  // is stored already comes to the same. Copies all.
  void Add(std::string_view key, Micros latest, const WindowState& state, std::string_view bytes);
  // Of what was added last: hash of values and time, and the record.
  std::uint64_t hash() const { return hash_; }
  const RecordPacker& last() const { return *packers_.back(); }
  void TakeBack();  // what was added last
  std::size_t size() const { return packers_.size(); }
  // Stores all, states first: a record never stands before a state that lacks its events. How many records became their key's.
  Result<std::int64_t> Put();

 private:
  struct Row {
    std::string key, state;
    Micros latest, created;
  };
  const ViewPlan& plan_;
  OnlineTable& records_;
  OnlineTable* states_;
  std::vector<Value> values_;
  std::vector<Row> rows_;
  std::vector<std::unique_ptr<RecordPacker>> packers_;
  std::uint64_t hash_ = 0;
};

}  // namespace tenon::feature

#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "feature/aggregate.h"

namespace tenon::feature {

// Rows grouped by entity: for entity e the rows order[begin[e] .. begin[e + 1]).
struct Grouped {
  std::vector<std::uint32_t> order;
  std::vector<std::size_t> begin;
};

// Numbers entities from 0 as they are first seen.
class Entities {
 public:
  // invalid_argument naming the column that `whose` lack or have of another type.
  Result<std::vector<int>> ColumnsOf(const table::Batch& rows, const ViewPlan& plan, std::string_view whose) const;
  // -1 when the row names none, or one that is not known and not to be added.
  std::int32_t Number(const table::Batch& rows, std::span<const int> columns, std::span<const table::Type> types, std::int64_t row, bool add);
  std::size_t size() const { return numbers_.size(); }
  std::string_view KeyOf(std::size_t entity) const { return keys_[entity]; }

 private:
  std::unordered_map<std::string, std::int32_t> numbers_;
  std::vector<std::string_view> keys_;  // of numbers_
  std::string key_;
};

// One view's events by entity, all batches one after another, with what corrects them; and questions, when rows ask.
// Prepare, then Ask where rows ask; then any number of threads. `rows` outlive it.
class ViewEvents {
 public:
  ViewEvents(std::shared_ptr<const ViewPlan> plan, const std::vector<table::Batch>& rows) : plan_(std::move(plan)), rows_(rows) {}

  Result<void> Prepare();
  // `times`, one a row of `asking`, outlive it; kNever: the row has none.
  Result<void> Ask(const table::Batch& asking, std::span<const Micros> times);

  std::size_t entities() const { return entities_.size(); }
  std::string_view KeyOf(std::size_t entity) const { return entities_.KeyOf(entity); }
  // The values of all features for every asking row of an entity. Texts live during the call of `give`.
  void Run(std::size_t entity, const std::function<void(std::size_t row, std::span<const Value>)>& give) const;
  // Adds the entity's events known at `until` and brings the state there; what comes after is as if it were not in the rows.
  // The time of the latest of them; the least Micros: there is none.
  Micros StateAt(std::size_t entity, Micros until, WindowState* state) const;

 private:
  Result<void> Correct();
  Result<void> CheckOneEach() const;
  std::pair<std::size_t, std::int64_t> Find(std::size_t row) const;
  bool Used(std::size_t row) const;
  Micros At(std::size_t row) const;
  Micros KnownOf(std::size_t row) const;
  void Add(std::uint32_t row, Micros until, std::span<Value> values, WindowState* state) const;

  std::shared_ptr<const ViewPlan> plan_;
  const std::vector<table::Batch>& rows_;
  std::span<const Micros> times_;
  std::vector<Events> events_;
  std::vector<std::size_t> offsets_;
  std::size_t total_ = 0;
  std::vector<std::int32_t> entity_;
  std::vector<Micros> until_;  // of corrected views
  Entities entities_;
  Grouped events_of_, asking_of_;
};

}  // namespace tenon::feature

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/online.h"
#include "table/batch.h"

namespace tenon::pipeline {

// Whether a column is a feature of one of the project's views: "customer.amount_mean_7d".
bool IsOfView(const Project& project, std::string_view column);

// Adds to rows the features that a model reads, looked up online by the entity columns in them: {"customer_id": 7} gets
// "customer.amount_mean_7d". The one way of every protocol and of files. An entity that is not online, or whose latest event is older
// than the view's ttl at the row's time (its time column, else now), gets what an entity without events has. A row that is an event of
// a view itself counts in it as it did in training (pipeline/own_events.h). Any thread.
class Completion {
 public:
  // `features` outlives it. `label`: what no row that asks brings.
  Completion(const OnlineFeatures& features, bool overrides, std::string label);

  // What rows name entities and times by, and bring of themselves as events, for a model with these fields; no entities when it reads no
  // feature of a view.
  struct Columns {
    std::vector<std::string> entities, times;
    std::vector<table::Type> types;  // of the entities
    std::vector<table::Field> events;
  };
  Columns ColumnsFor(const std::vector<std::string>& fields) const;

  // Rows of a request, objects by field name. A feature that a row brings stays where `overrides`, and is an error otherwise. Columns
  // that only name entities and times, or are of the row as an event, are taken out. `sensitive`: whether the asker may read features marked so. Errors:
  // invalid_argument naming the instance; permission_denied naming the feature.
  Result<void> Complete(Json::Array& rows, const std::vector<std::string>& fields, Micros now, bool sensitive);
  // Rows of a file: columns for those of `fields` that it lacks and a view has are added behind the others.
  Result<table::Batch> Complete(const table::Batch& rows, const std::vector<std::string>& fields, Micros now);

  // What was looked up for rows until now, and how fresh it is. Times are 0 where there is none.
  struct Health {
    std::string view;
    std::int64_t found = 0, absent = 0, stale = 0;  // rows; stale: older than the view's ttl
    Micros newest_event = 0, materialized = 0;      // latest event time in the store; until when it was materialized
  };
  Result<std::vector<Health>> health() const;

 private:
  struct Tally {
    std::atomic<std::int64_t> found{0}, absent{0}, stale{0};
  };
  const OnlineFeatures& features_;
  bool overrides_;
  std::string label_;
  std::deque<Tally> tallies_;  // as the views
};

}  // namespace tenon::pipeline

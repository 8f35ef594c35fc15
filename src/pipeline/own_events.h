#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "feature/event_rows.h"
#include "pipeline/online.h"

namespace tenon::pipeline {

// Rows that ask, as the events of a view that they are themselves: a view of the rows that are learnt from counts, at `same_instant`, the
// row itself in training, so a row that asks a service has to count as well, though it is in no store yet. One thread.
class OwnEvents {
 public:
  // For these features of the view. `label`: the column that no row that asks can bring. The view outlives it.
  OwnEvents(const OnlineView& view, std::span<const std::size_t> features, std::string_view label);

  // Whether a row has a part in the features at all; when not, nothing else is called.
  bool active() const { return columns_.has_value(); }
  // What rows bring for it, beside the entity: fields of the source.
  const std::vector<table::Field>& columns() const { return fields_; }
  // failed_precondition, with the ways out, when the store keeps no states to count an event beside.
  Result<void> Check() const;
  // A row of a request or of a file. invalid_argument naming the field that is missing (null is not) or of another type.
  Result<void> Add(const Json& row, Micros at);
  void AddNone();  // a row that brings all features itself
  // An event a row, those that are none not `used`.
  Result<feature::Events> Finish();

 private:
  const OnlineView& view_;
  std::optional<std::vector<std::string>> columns_;
  std::vector<table::Field> fields_;
  std::string label_;
  std::unique_ptr<feature::RowsFromJson> rows_;
  std::vector<bool> none_;
};

// Whether rows of the project's main source are events of the view, and count at their own time in some of its features.
bool CountsOwnEvents(const Project& project, const feature::ViewPlan& plan);
// What is learnt from must be what can be served: failed_precondition, with the ways out, when a view counts the rows that ask and
// `online: {as_of: record}` keeps no states to count them beside.
Result<void> CheckOwnEventsServed(const Project& project, const table::Schema& main_source);

}  // namespace tenon::pipeline

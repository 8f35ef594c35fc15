#pragma once

#include <string>
#include <vector>

#include "model/model.h"
#include "table/batch.h"

namespace tenon::model {

// The rows of a batch as slots (ColumnRows): what requests bring row by row. The batch outlives it. One thread.
class ColumnSlots {
 public:
  // The columns by name; invalid_argument when one is missing or of a type that does not convert, as FittedGraph::Apply.
  Result<void> Fill(const table::Batch& batch, const std::vector<table::Field>& fields);
  ColumnRows rows() const { return {numbers_.data(), texts_.data(), n_}; }

 private:
  std::int64_t n_ = 0;
  std::vector<double> numbers_;
  std::vector<std::string_view> texts_;
  std::vector<std::string> made_;  // texts of values that were none
};

}  // namespace tenon::model

#pragma once

#include <cstddef>
#include <vector>

#include "serve/batch_trial.h"

namespace tenon::serve {

// How many rows a run takes, of the sizes that a trial found to pay: requests' rows and files' rows are cut alike. Immutable.
class BatchSizes {
 public:
  // `exact`: only those whose answers had the bits of rows alone.
  explicit BatchSizes(const BatchTrial& trial, bool exact = false);
  // The one that costs least for each of so many rows; it is filled up where it is larger.
  std::size_t For(std::size_t rows) const;
  std::size_t largest() const { return sizes_.empty() ? 1 : static_cast<std::size_t>(sizes_.back().rows); }

 private:
  std::vector<BatchTrial::Size> sizes_;  // ascending
};

}  // namespace tenon::serve

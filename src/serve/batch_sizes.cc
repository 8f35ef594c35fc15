#include "serve/batch_sizes.h"

#include <algorithm>

namespace tenon::serve {

BatchSizes::BatchSizes(const BatchTrial& trial, bool exact) {
  for (const BatchTrial::Size& size : trial.sizes) {
    if (size.used && (size.exact || !exact)) sizes_.push_back(size);
  }
}

std::size_t BatchSizes::For(std::size_t rows) const {
  if (sizes_.empty()) return 1;
  const BatchTrial::Size* best = &sizes_.front();
  double least = 0;
  for (const BatchTrial::Size& size : sizes_) {
    const double each = size.micros / static_cast<double>(std::min<std::size_t>(rows, static_cast<std::size_t>(size.rows)));
    if (&size != &sizes_.front() && each >= least) continue;
    least = each;
    best = &size;
  }
  return static_cast<std::size_t>(best->rows);
}

}  // namespace tenon::serve

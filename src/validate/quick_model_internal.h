#pragma once

#include <cstdint>
#include <vector>

#include "validate/evidence_internal.h"

namespace tenon::validate {

// What a simple model says of rows that it has not learnt from: an additive model of binned columns (a generalised
// additive model by cyclic boosting, as Lou, Caruana, Gehrke 2012), three folds. Enough to find labels that contradict
// all else; not what is trained. One thread; the same rows give the same numbers.
struct QuickModel {
  std::vector<std::int64_t> rows;   // of the snapshot
  std::vector<int> labels;          // class of each of the rows
  std::size_t classes = 0;
  std::vector<double> chances;      // rows x classes, each row adds up to 1
  double ChanceOf(std::size_t i, int c) const { return chances[i * classes + static_cast<std::size_t>(c)]; }
};

// Of at most `most` rows with a label, spread evenly; no rows when there is nothing to tell: no classes, too few rows.
Result<QuickModel> OutOfFold(const Call& call, const Evidence& evidence, const Target& target, std::size_t most);

// A column's values as bins: numbers by quantiles, texts by how frequent they are; bin 0 is for missing ones.
struct Binned {
  std::vector<std::uint8_t> bin;    // a row each, in the order asked for
  std::size_t bins = 1;
};
Binned BinsOf(const table::Column& column, const std::vector<std::int64_t>& rows, std::size_t most);

}  // namespace tenon::validate

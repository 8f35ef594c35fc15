#pragma once

#include <span>
#include <vector>

#include "evaluate/evaluate.h"

namespace tenon::evaluate {

// What a mistake costs on each row.
struct RowCosts {
  std::vector<double> false_positive, false_negative;
};

// Reads costs.known() costs: a number, or an expression over the columns of `rows`. Where an expression gives null, the
// mean of the other rows stands in. Errors: invalid_argument (not a number, unknown columns, no row has a value).
Result<RowCosts> CostsOf(const table::Batch& rows, const Costs& costs);

// The cost of each row under decisions (0 or 1 a row).
std::vector<double> CostOfDecisions(const RowCosts& costs, const Scored& scored, std::span<const int> decisions);

}  // namespace tenon::evaluate

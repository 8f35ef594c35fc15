#pragma once

#include <cstddef>
#include <vector>

namespace tenon::transform {

struct Eigen {
  std::vector<double> values;   // descending
  std::vector<double> vectors;  // row c belongs to values[c]: `size` numbers of length 1, the largest in size positive
};

// Of a symmetric matrix, size x size, row by row: cyclic Jacobi rotations (Golub & Van Loan, 8.5). The same matrix gives the
// same bytes. About size^3 times 40 operations.
Eigen SymmetricEigen(std::vector<double> matrix, std::size_t size);

}  // namespace tenon::transform

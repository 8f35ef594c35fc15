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

// The `count` largest of them (fewer when the matrix is smaller), for matrices of thousands: reflections to three diagonals,
// bisection, inverse iteration (Golub & Van Loan, 8.3 and 8.4). The same matrix gives the same bytes. About size^3 times 3
// operations.
Eigen LargestEigen(std::vector<double> matrix, std::size_t size, std::size_t count);

}  // namespace tenon::transform

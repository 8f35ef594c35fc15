#pragma once

#include <cstdint>

namespace tenon::transform {

// Sums of some finite numbers and of their squares, as parts that together are exactly the sum. Which parts is left open;
// what they add up to is not.
struct BlockSums {
  std::int64_t count = 0;  // numbers that were there
  double sum[3] = {};
  double squares[6] = {};  // only when asked for
};

// The sums of up to 256 numbers, NaN left out, by plain additions that lose nothing: each number is cut at the same places
// into parts short enough that sums of them stay exact (the pre-rounding of Demmel and Nguyen, 2013), eight numbers at a
// time. False, and nothing is said, when there are infinities or the numbers lie too far apart: they are added one by one
// then. Any processor gives the same sums.
bool SumBlock(const double* values, std::int64_t n, bool squared, BlockSums* out);

}  // namespace tenon::transform

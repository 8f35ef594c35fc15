#pragma once

#include <cstdint>

namespace tenon::transform {

// Loops over lanes by the widest vectors the processor has. Any processor gives the same bits.

// NaN becomes `fill`. `in` and `out` do not overlap.
void FillMissing(const double* in, std::int64_t n, double fill, double* out);
// (x - shift) / factor
void ShiftAndDivide(const double* in, std::int64_t n, double shift, double factor, double* out);
// Rounded to floats; NaN of any sign and payload becomes the one NaN.
void ToFloats(const double* in, std::int64_t n, float* out);

// Copies `rows` rows of `width` floats that lie one after the other to rows `stride` floats apart. With `past_caches` they
// go to memory without being read into caches first, which pays for a tile that is larger than these; PublishCopies must
// follow before another thread may read them.
void CopyRows(const float* from, std::int64_t rows, std::int64_t width, float* to, std::int64_t stride, bool past_caches);
void PublishCopies();

}  // namespace tenon::transform

#include "model/forest_internal.h"

namespace tenon::model {

bool HasAvx2() { return false; }

void Avx2Rows(const Compiled& forest, const float* rows, std::int64_t n, std::int64_t stride, float* out) {
  for (std::int64_t i = 0; i < n; ++i) RankedRow(forest, rows + i * stride, out + i * forest.outputs);
}

}  // namespace tenon::model

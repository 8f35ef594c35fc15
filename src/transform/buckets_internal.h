#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "transform/compact_sum_internal.h"
#include "transform/bytes_internal.h"

namespace tenon::transform {

// The labels of some rows: how many, of a regression their sum, else how often each class came.
struct LabelCell {
  std::int64_t count = 0;
  CompactSum sum;
  std::vector<std::int64_t> classes;
  void Merge(const LabelCell& other) {
    count += other.count;
    sum.Merge(other.sum);
    if (classes.size() < other.classes.size()) classes.resize(other.classes.size());
    for (std::size_t c = 0; c < other.classes.size(); ++c) classes[c] += other.classes[c];
  }
};

// Ascending edges between buckets: what an op that learns them keeps, and where a number falls.
inline void SaveEdges(const std::vector<double>& edges, Writer& out) {
  out.Size(edges.size());
  for (const double edge : edges) out.F64(edge);
}
inline void LoadEdges(Reader& in, std::vector<double>* edges) {
  edges->resize(in.Size(8));
  for (double& edge : *edges) edge = in.F64();
  if (!std::is_sorted(edges->begin(), edges->end())) in.Fail();
}
// The bucket of each of n numbers, from 0; an edge belongs to the bucket above it. NaN stays.
inline void MapToBuckets(const std::vector<double>& edges, const double* in, double* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = std::upper_bound(edges.begin(), edges.end(), in[i]);
    out[i] = std::isnan(in[i]) ? in[i] : static_cast<double>(at - edges.begin());
  }
}

}  // namespace tenon::transform

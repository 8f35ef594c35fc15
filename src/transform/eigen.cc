#include <algorithm>
#include <cmath>
#include <numeric>

#include "transform/eigen_internal.h"

namespace tenon::transform {
namespace {

// Rotates rows and columns p and q of `a` so that a[p][q] becomes 0, and rows p and q of `vectors` with them.
void Rotate(std::vector<double>& a, std::vector<double>& vectors, std::size_t n, std::size_t p, std::size_t q) {
  const double apq = a[p * n + q];
  const double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const double t = (theta >= 0 ? 1.0 : -1.0) / (std::abs(theta) + std::hypot(theta, 1.0));
  const double cosine = 1 / std::sqrt(t * t + 1);
  const double sine = t * cosine;
  for (std::size_t k = 0; k < n; ++k) {
    const double akp = a[k * n + p];
    const double akq = a[k * n + q];
    a[k * n + p] = cosine * akp - sine * akq;
    a[k * n + q] = sine * akp + cosine * akq;
  }
  for (std::size_t k = 0; k < n; ++k) {
    const double apk = a[p * n + k];
    const double aqk = a[q * n + k];
    a[p * n + k] = cosine * apk - sine * aqk;
    a[q * n + k] = sine * apk + cosine * aqk;
    const double vpk = vectors[p * n + k];
    const double vqk = vectors[q * n + k];
    vectors[p * n + k] = cosine * vpk - sine * vqk;
    vectors[q * n + k] = sine * vpk + cosine * vqk;
  }
  a[p * n + q] = a[q * n + p] = 0;
}

}  // namespace

Eigen SymmetricEigen(std::vector<double> matrix, std::size_t size) {
  std::vector<double> vectors(size * size, 0.0);
  for (std::size_t i = 0; i < size; ++i) vectors[i * size + i] = 1;
  double largest = 0;
  for (std::size_t i = 0; i < size; ++i) largest = std::max(largest, std::abs(matrix[i * size + i]));
  constexpr int kMostSweeps = 60;  // it takes some ten
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    bool turned = false;
    for (std::size_t p = 0; p < size; ++p) {
      for (std::size_t q = p + 1; q < size; ++q) {
        // What is smaller is rounding.
        if (!(std::abs(matrix[p * size + q]) > 1e-16 * largest)) continue;
        turned = true;
        Rotate(matrix, vectors, size, p, q);
      }
    }
    if (!turned) break;
  }
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return matrix[a * size + a] > matrix[b * size + b]; });
  Eigen out;
  for (const std::size_t c : order) {
    out.values.push_back(matrix[c * size + c]);
    const double* row = vectors.data() + c * size;
    std::size_t strongest = 0;
    for (std::size_t i = 1; i < size; ++i) {
      if (std::abs(row[i]) > std::abs(row[strongest])) strongest = i;
    }
    const double sign = row[strongest] < 0 ? -1 : 1;
    for (std::size_t i = 0; i < size; ++i) out.vectors.push_back(sign * row[i]);
  }
  return out;
}

}  // namespace tenon::transform

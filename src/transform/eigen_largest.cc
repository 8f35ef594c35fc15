#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "transform/eigen_internal.h"

namespace tenon::transform {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// A matrix of three diagonals, and the reflections that made it: reflector j turns rows j + 1 .. size - 1.
struct Tridiagonal {
  std::vector<double> diagonal, beside;           // size, size - 1
  std::vector<std::vector<double>> reflectors;
  std::vector<double> factors;
};

Tridiagonal Reduce(std::vector<double>& a, std::size_t n) {
  Tridiagonal out;
  std::vector<double> w(n);
  for (std::size_t j = 0; j + 2 < n; ++j) {
    const std::size_t rest = n - j - 1;
    const double* row = a.data() + j * n + j + 1;  // symmetric: the row is the column
    std::vector<double> v(row, row + rest);
    double squares = 0;
    for (std::size_t i = 1; i < rest; ++i) squares += v[i] * v[i];
    out.diagonal.push_back(a[j * n + j]);
    double factor = 0;
    if (squares == 0) {
      out.beside.push_back(v[0]);
    } else {
      const double length = std::sqrt(squares + v[0] * v[0]);
      const double to = v[0] > 0 ? -length : length;
      v[0] -= to;
      factor = 2 / (squares + v[0] * v[0]);
      out.beside.push_back(to);
      std::fill(w.begin(), w.begin() + static_cast<std::ptrdiff_t>(rest), 0.0);
      for (std::size_t i = 0; i < rest; ++i) {
        const double* from = a.data() + (j + 1 + i) * n + j + 1;
        const double times = factor * v[i];
        for (std::size_t k = 0; k < rest; ++k) w[k] += times * from[k];
      }
      double together = 0;
      for (std::size_t i = 0; i < rest; ++i) together += v[i] * w[i];
      for (std::size_t i = 0; i < rest; ++i) w[i] -= factor / 2 * together * v[i];
      for (std::size_t i = 0; i < rest; ++i) {
        double* to_row = a.data() + (j + 1 + i) * n + j + 1;
        const double vi = v[i];
        const double wi = w[i];
        for (std::size_t k = 0; k < rest; ++k) to_row[k] -= vi * w[k] + wi * v[k];
      }
    }
    out.reflectors.push_back(std::move(v));
    out.factors.push_back(factor);
  }
  for (std::size_t j = n < 2 ? 0 : n - 2; j < n; ++j) {
    out.diagonal.push_back(a[j * n + j]);
    if (j + 1 < n) out.beside.push_back(a[j * n + j + 1]);
  }
  return out;
}

// How many eigenvalues are below x (Sturm's sequence).
std::size_t Below(const Tridiagonal& t, double x, double tiny) {
  std::size_t below = 0;
  double q = 1;
  for (std::size_t i = 0; i < t.diagonal.size(); ++i) {
    q = t.diagonal[i] - x - (i == 0 ? 0 : t.beside[i - 1] * t.beside[i - 1] / q);
    if (std::abs(q) < tiny) q = -tiny;
    if (q < 0) ++below;
  }
  return below;
}

// The eigenvalue that `rank` others are above.
double ValueAt(const Tridiagonal& t, std::size_t rank, double low, double high, double tiny) {
  const std::size_t wanted = t.diagonal.size() - rank;  // so many are not above it
  while (true) {
    const double middle = low + (high - low) / 2;
    if (!(middle > low && middle < high)) return middle;
    (Below(t, middle, tiny) >= wanted ? high : low) = middle;
  }
}

// x so that (T - value) x is the old x: elimination with exchange of neighbouring rows.
void Solve(const Tridiagonal& t, double value, double tiny, std::vector<double>& x) {
  const std::size_t n = x.size();
  std::vector<double> first(n), second(n), third(n);  // of each row: on, beside and two beside the diagonal
  double on = t.diagonal[0] - value;
  double beside = n > 1 ? t.beside[0] : 0;
  for (std::size_t i = 0; i + 1 < n; ++i) {
    const double under = t.beside[i];
    double next_on = t.diagonal[i + 1] - value;
    double next_beside = i + 2 < n ? t.beside[i + 1] : 0;
    if (std::abs(under) > std::abs(on)) {
      const double times = on / under;
      first[i] = under;
      second[i] = next_on;
      third[i] = next_beside;
      std::swap(x[i], x[i + 1]);
      x[i + 1] -= times * x[i];
      next_on = beside - times * second[i];
      next_beside = -times * third[i];
    } else {
      if (std::abs(on) < tiny) on = tiny;
      const double times = under / on;
      first[i] = on;
      second[i] = beside;
      third[i] = 0;
      x[i + 1] -= times * x[i];
      next_on -= times * beside;
    }
    on = next_on;
    beside = next_beside;
  }
  first[n - 1] = std::abs(on) < tiny ? tiny : on;
  for (std::size_t i = n; i-- > 0;) {
    double value_at = x[i];
    if (i + 1 < n) value_at -= second[i] * x[i + 1];
    if (i + 2 < n) value_at -= third[i] * x[i + 2];
    x[i] = value_at / first[i];
  }
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void Normalize(std::vector<double>& x) {
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::abs(value));
  if (!(largest > 0) || !std::isfinite(largest)) return;
  for (double& value : x) value /= largest;
  const double length = std::sqrt(Dot(x, x));
  for (double& value : x) value /= length;
}

void TakeOut(const std::vector<std::vector<double>>& others, std::vector<double>& x) {
  for (const std::vector<double>& other : others) {
    const double along = Dot(other, x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= along * other[i];
  }
}

}  // namespace

Eigen LargestEigen(std::vector<double> matrix, std::size_t size, std::size_t count) {
  Eigen out;
  if (size == 0) return out;
  const Tridiagonal t = Reduce(matrix, size);
  double reach = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double left = i > 0 ? std::abs(t.beside[i - 1]) : 0;
    const double right = i + 1 < size ? std::abs(t.beside[i]) : 0;
    reach = std::max(reach, std::abs(t.diagonal[i]) + left + right);
  }
  reach = reach > 0 ? reach * (1 + 1e-9) : 1;
  const double tiny = std::max(reach * kEpsilon, std::numeric_limits<double>::min());
  std::vector<std::vector<double>> found;
  for (std::size_t rank = 0; rank < std::min(count, size); ++rank) {
    const double value = ValueAt(t, rank, -reach, reach, tiny * kEpsilon);
    std::vector<double> x(size);
    for (std::size_t i = 0; i < size; ++i) x[i] = 0.5 + static_cast<double>(Hash64(static_cast<std::uint64_t>(i), rank) >> 40) / (1 << 24);
    for (int turn = 0; turn < 4; ++turn) {
      TakeOut(found, x);
      Normalize(x);
      Solve(t, value, tiny, x);
      Normalize(x);
    }
    TakeOut(found, x);
    Normalize(x);
    found.push_back(x);
    out.values.push_back(value);
    for (std::size_t j = t.reflectors.size(); j-- > 0;) {
      const std::vector<double>& v = t.reflectors[j];
      double along = 0;
      for (std::size_t i = 0; i < v.size(); ++i) along += v[i] * x[j + 1 + i];
      along *= t.factors[j];
      for (std::size_t i = 0; i < v.size(); ++i) x[j + 1 + i] -= along * v[i];
    }
    const auto strongest = std::max_element(x.begin(), x.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    const double sign = *strongest < 0 ? -1 : 1;
    for (const double one : x) out.vectors.push_back(sign * one);
  }
  return out;
}

}  // namespace tenon::transform

#include "table/association.h"

#include <algorithm>
#include <cmath>

namespace tenon::table {
namespace {

// n * sum of products minus product of sums, in about 106 bits.
double Spread(std::int64_t n, const ExactSum& ab, const ExactSum& a, const ExactSum& b) {
  double high[3];
  double low[3];
  ab.Value(&high[0], &low[0]);
  a.Value(&high[1], &low[1]);
  b.Value(&high[2], &low[2]);
  const auto count = static_cast<double>(n);
  const double left = high[0] * count;
  const double left_rest = std::fma(high[0], count, -left) + low[0] * count;
  const double right = high[1] * high[2];
  const double right_rest = std::fma(high[1], high[2], -right) + (high[1] * low[2] + low[1] * high[2]);
  return (left - right) + (left_rest - right_rest);
}

struct Margins {
  std::map<int, double> a, b;
  double all = 0;
};
Margins MarginsOf(const std::map<std::pair<int, int>, std::int64_t>& counts) {
  Margins out;
  for (const auto& [pair, count] : counts) {
    const auto rows = static_cast<double>(count);
    out.a[pair.first] += rows;
    out.b[pair.second] += rows;
    out.all += rows;
  }
  return out;
}

}  // namespace

void PairMoments::Add(double x, double y) {
  if (!std::isfinite(x) || !std::isfinite(y)) return;
  ++count_;
  x_.Add(x);
  y_.Add(y);
  xx_.AddProduct(x, x);
  yy_.AddProduct(y, y);
  xy_.AddProduct(x, y);
}

void PairMoments::Merge(const PairMoments& other) {
  count_ += other.count_;
  x_.Merge(other.x_);
  y_.Merge(other.y_);
  xx_.Merge(other.xx_);
  yy_.Merge(other.yy_);
  xy_.Merge(other.xy_);
}

double PairMoments::Pearson() const {
  const double xx = Spread(count_, xx_, x_, x_);
  const double yy = Spread(count_, yy_, y_, y_);
  if (!(xx > 0) || !(yy > 0) || !std::isfinite(xx) || !std::isfinite(yy)) return 0;
  return std::clamp(Spread(count_, xy_, x_, y_) / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
}

void PairCounts::Merge(const PairCounts& other) {
  for (const auto& [pair, count] : other.counts_) counts_[pair] += count;
}

std::int64_t PairCounts::count() const {
  std::int64_t out = 0;
  for (const auto& [pair, count] : counts_) out += count;
  return out;
}

double PairCounts::CramersV() const {
  const Margins margins = MarginsOf(counts_);
  const auto r = static_cast<double>(margins.a.size());
  const auto k = static_cast<double>(margins.b.size());
  if (r < 2 || k < 2 || margins.all < 2) return 0;
  double phi = -1;  // chi squared over n: the sum of n_ab^2 / (n_a n_b), less one
  for (const auto& [pair, count] : counts_) {
    phi += static_cast<double>(count) * static_cast<double>(count) / (margins.a.at(pair.first) * margins.b.at(pair.second));
  }
  const double n = margins.all - 1;
  const double corrected = std::max(0.0, phi - (r - 1) * (k - 1) / n);
  const double rows = r - (r - 1) * (r - 1) / n;
  const double columns = k - (k - 1) * (k - 1) / n;
  const double most = std::min(rows, columns) - 1;
  return most > 0 ? std::min(1.0, std::sqrt(corrected / most)) : 0;
}

double PairCounts::MutualInformation() const {
  const Margins margins = MarginsOf(counts_);
  if (margins.all == 0) return 0;
  double bits = 0;
  for (const auto& [pair, count] : counts_) {
    const auto rows = static_cast<double>(count);
    if (rows > 0) bits += rows / margins.all * std::log2(rows * margins.all / (margins.a.at(pair.first) * margins.b.at(pair.second)));
  }
  const auto cells = static_cast<double>(counts_.size());
  const double bias = (cells - static_cast<double>(margins.a.size()) - static_cast<double>(margins.b.size()) + 1) / (2 * margins.all * std::log(2.0));
  return std::max(0.0, bits - std::max(0.0, bias));
}

}  // namespace tenon::table

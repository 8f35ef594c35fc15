#include <cmath>
#include <cstring>
#include <limits>

#include "table/sketch_internal.h"

namespace tenon::table {
namespace {

constexpr double kPlainLimit = 1e90;  // below, no power of a value, nor its splitting, nor its product with a count overflows

// The low half of x * x, whose high half is fl(x * x): Dekker's product. Needs |x| < 2^500; no fused multiply-add, so
// that every machine gives the same bits.
double LowOfSquare(double x, double square) {
  const double t = 134217729.0 * x;  // 2^27 + 1
  const double high = t - (t - x);
  const double low = x - high;
  return ((high * high - square) + 2 * high * low) + low * low;
}

struct DoubleDouble {
  double high, low;
};
DoubleDouble Times(DoubleDouble a, DoubleDouble b) {
  const double p = a.high * b.high;
  const double e = std::fma(a.high, b.high, -p) + (a.high * b.low + a.low * b.high);
  const double s = p + e;
  return {s, e - (s - p)};
}
DoubleDouble Minus(DoubleDouble a, DoubleDouble b) {
  const double s = a.high - b.high;
  const double v = s - a.high;
  const double e = (a.high - (s - v)) - (b.high + v) + (a.low - b.low);
  const double r = s + e;
  return {r, e - (r - s)};
}
DoubleDouble Over(DoubleDouble a, double b) {
  const double q = a.high / b;
  const double rest = std::fma(-q, b, a.high) + a.low;
  const double r = rest / b;
  const double s = q + r;
  return {s, r - (s - q)};
}
DoubleDouble ValueOf(const ExactSum& sum) {
  DoubleDouble out;
  sum.Value(&out.high, &out.low);
  return out;
}

Result<ExactSum> LoadSum(ByteReader* in) {
  TENON_ASSIGN(const std::string_view bytes, in->Text());
  // Limbs outside of their normal range could overflow in sums.
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    std::int64_t limb = 0;
    std::memcpy(&limb, bytes.data() + i, sizeof limb);
    if (limb > (1LL << 40) || limb < -(1LL << 40)) return Damaged("a sum is out of range");
  }
  return ExactSum::Load(bytes);
}

}  // namespace

void Moments::Add(double value, std::int64_t count) {
  const double square = value * value;
  const double cube = square * value;
  if (std::abs(value) < kPlainLimit) {
    const auto times = static_cast<double>(count);
    first_.AddProduct(value, times);
    second_.AddProduct(square, times);
    second_.AddProduct(LowOfSquare(value, square), times);
    third_.AddProduct(cube, times);
    return;
  }
  // Products with the count, or powers, may be infinite; an ExactSum counts infinities one by one.
  for (std::int64_t i = 0; i < count; ++i) {
    first_.Add(value);
    second_.Add(square);
    third_.Add(cube);
  }
}

void Moments::AddBlock(std::span<const double> values) {
  for (const double value : values) Add(value);
}

void Moments::Merge(const Moments& other) {
  first_.Merge(other.first_);
  second_.Merge(other.second_);
  third_.Merge(other.third_);
}

double Moments::Mean(std::int64_t n) const {
  if (n == 0) return std::numeric_limits<double>::quiet_NaN();
  return Over(ValueOf(first_), static_cast<double>(n)).high;
}

double Moments::Variance(std::int64_t n) const {
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  const DoubleDouble sum = ValueOf(first_);
  const DoubleDouble squares = ValueOf(second_);
  // (sum of squares - sum^2 / n) / (n - 1) in 106 bits
  const DoubleDouble spread = Minus(squares, Over(Times(sum, sum), static_cast<double>(n)));
  return std::max(0.0, Over(spread, static_cast<double>(n - 1)).high);
}

double Moments::Skewness(std::int64_t n) const {
  if (n == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto count = static_cast<double>(n);
  const DoubleDouble mean = Over(ValueOf(first_), count);
  const DoubleDouble second = Over(ValueOf(second_), count);
  const DoubleDouble third = Over(ValueOf(third_), count);
  const DoubleDouble square = Times(mean, mean);
  const double variance = Minus(second, square).high;
  // What is below the rounding of the powers is nothing.
  if (!(variance > 1e-24 * square.high) || variance <= 0) return 0;
  const DoubleDouble cross = Times(mean, second);
  const DoubleDouble cube = Times(square, mean);
  // third - 3 mean second + 2 mean^3
  const double central = Minus(Minus(third, Times({3, 0}, cross)), {-2 * cube.high, -2 * cube.low}).high;
  return central / (variance * std::sqrt(variance));
}

void Moments::Save(ByteWriter* out) const {
  out->Text(first_.Save());
  out->Text(second_.Save());
  out->Text(third_.Save());
}

Result<Moments> Moments::Load(ByteReader* in) {
  Moments out;
  TENON_ASSIGN(out.first_, LoadSum(in));
  TENON_ASSIGN(out.second_, LoadSum(in));
  TENON_ASSIGN(out.third_, LoadSum(in));
  return out;
}

}  // namespace tenon::table

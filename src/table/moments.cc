#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "table/sketch_internal.h"

namespace tenon::table {
namespace {

constexpr int kBias = 1075;              // of the exponent field, for values as whole numbers of 53 bits
constexpr int kCubeDrop = 42;            // bits of the square that its cube does without, so that it has 117
constexpr int kLargestField = 1023 + 300;  // powers of values from 2^300 on are rounded, as they may be infinite
constexpr int kSmallestField = 703;      // from here on nothing of a cube lies below 2^-1074

constexpr std::uint64_t kFraction = (1ULL << 52) - 1;
int FieldOf(std::uint64_t bits) { return static_cast<int>(bits >> 52 & 0x7FF); }

struct Powers {
  unsigned __int128 square, cube;
};
inline Powers PowersOf(std::uint64_t mantissa) {
  const auto square = static_cast<unsigned __int128>(mantissa) * mantissa;
  return {square, static_cast<unsigned __int128>(static_cast<std::uint64_t>(square >> kCubeDrop)) * mantissa};
}

// What one value adds, `count` times. Cut below 2^-1074 first, so that it does not matter how values are grouped.
void AddTimes(unsigned __int128 magnitude, int exponent, bool negative, std::int64_t count, ExactSum* to) {
  if (exponent < -1074) {
    magnitude = exponent > -1074 - 128 ? magnitude >> (-1074 - exponent) : 0;
    exponent = -1074;
  }
  for (; count > 0; count >>= 11, exponent += 11) {
    if ((count & 2047) != 0) to->AddScaled(magnitude * static_cast<unsigned>(count & 2047), exponent, negative);
  }
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
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const int field = FieldOf(bits);
  if (field >= kLargestField) {
    // An ExactSum counts infinities one by one.
    const double square = value * value;
    for (std::int64_t i = 0; i < count; ++i) {
      first_.Add(value);
      second_.Add(square);
      third_.Add(square * value);
    }
    return;
  }
  const std::uint64_t mantissa = (bits & kFraction) | (field > 0 ? 1ULL << 52 : 0);
  if (mantissa == 0) return;
  const int exponent = std::max(field, 1) - kBias;
  const bool negative = (bits >> 63) != 0;
  const Powers powers = PowersOf(mantissa);
  AddTimes(mantissa, exponent, negative, count, &first_);
  AddTimes(powers.square, 2 * exponent, false, count, &second_);
  AddTimes(powers.cube, 3 * exponent + kCubeDrop, negative, count, &third_);
}

void Moments::AddBlock(std::span<const double> values, double largest, Cells* cells) {
  assert(static_cast<std::int64_t>(values.size()) <= Cells::kMostValues);
  const int top = FieldOf(std::bit_cast<std::uint64_t>(largest));
  if (cells->values + static_cast<std::int64_t>(values.size()) > Cells::kMostValues || top > cells->top || top + Cells::kSpan / 2 < cells->top) {
    Drain(cells);
    cells->top = std::min(top + 1, kLargestField - 1);
  }
  const int span = std::min(Cells::kSpan, cells->top - kSmallestField + 1);
  if (top >= kLargestField || span <= 0) {
    for (const double value : values) Add(value);
    return;
  }
  cells->values += static_cast<std::int64_t>(values.size());
  const auto highest = static_cast<unsigned>(cells->top);
  std::size_t half = 0;
  for (const double value : values) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const unsigned down = highest - static_cast<unsigned>(FieldOf(bits));
    if (down >= static_cast<unsigned>(span)) [[unlikely]] {  // far smaller than others
      Add(value);
      continue;
    }
    const std::uint64_t mantissa = (bits & kFraction) | (1ULL << 52);
    const Powers powers = PowersOf(mantissa);
    Cells::Cell& cell = cells->cells[half + 2 * down + (bits >> 63)];
    cell.first += mantissa;
    cell.second += powers.square;
    cell.third += powers.cube;
    half ^= 2 * Cells::kSpan;  // neighbours do not wait for each other
  }
}

void Moments::Drain(Cells* cells) {
  if (cells->values > 0) {
    for (std::size_t i = 0; i < 2 * Cells::kSpan; ++i) {
      Cells::Cell& one = cells->cells[i];
      Cells::Cell& two = cells->cells[i + 2 * Cells::kSpan];
      if (one.first + two.first == 0) continue;
      const int exponent = cells->top - static_cast<int>(i / 2) - kBias;
      const bool negative = i % 2 != 0;
      first_.AddScaled(one.first + two.first, exponent, negative);
      second_.AddScaled(one.second + two.second, 2 * exponent, false);
      third_.AddScaled(one.third + two.third, 3 * exponent + kCubeDrop, negative);
      one = two = {};
    }
  }
  cells->values = 0;
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

#include "base/exact_sum.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace tenon {
namespace {

constexpr std::uint64_t kMantissa = (1ULL << 52) - 1;
constexpr std::int64_t kLow32 = 0xFFFFFFFFLL;

}  // namespace

void ExactSum::Add(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto exponent = static_cast<int>((bits >> 52) & 0x7FF);
  std::uint64_t mantissa = bits & kMantissa;
  if (exponent == 0x7FF) [[unlikely]] {
    if (mantissa != 0) {
      ++nans_;
    } else {
      ++((bits >> 63) != 0 ? negative_infinities_ : infinities_);
    }
    return;
  }
  int shift = 0;  // the value is mantissa * 2^(shift - 1074)
  if (exponent != 0) {
    mantissa |= 1ULL << 52;
    shift = exponent - 1;
  }
  const int limb = shift >> 5;
  const auto wide = static_cast<unsigned __int128>(mantissa) << (shift & 31);  // at most 84 bits
  const auto low = static_cast<std::int64_t>(static_cast<std::uint64_t>(wide) & kLow32);
  const auto middle = static_cast<std::int64_t>(static_cast<std::uint64_t>(wide >> 32) & kLow32);
  const auto high = static_cast<std::int64_t>(wide >> 64);
  auto* at = limbs_.data() + limb;
  if ((bits >> 63) != 0) {
    at[0] -= low;
    at[1] -= middle;
    at[2] -= high;
  } else {
    at[0] += low;
    at[1] += middle;
    at[2] += high;
  }
  if (--until_carry_ == 0) Carry();
}

void ExactSum::AddProduct(double a, double b) {
  const double product = a * b;
  Add(product);
  if (std::isfinite(product)) Add(std::fma(a, b, -product));
}

void ExactSum::AddScaled(unsigned __int128 magnitude, int exponent, bool negative) {
  int from = exponent + 1074;
  if (from < 0) {
    magnitude = from > -128 ? magnitude >> -from : 0;
    from = 0;
  }
  const int shift = from & 31;
  auto* at = limbs_.data() + (from >> 5);
  // What the shift pushes out of 128 bits on top comes last.
  const auto over = static_cast<std::int64_t>(shift == 0 ? 0 : static_cast<std::uint64_t>(magnitude >> (128 - shift)));
  magnitude <<= shift;
  const std::int64_t sign = negative ? -1 : 1;
  for (int i = 0; i < 4; ++i, magnitude >>= 32) at[i] += sign * (static_cast<std::int64_t>(magnitude) & kLow32);
  if (over != 0) at[4] += sign * over;
  if (--until_carry_ == 0) Carry();
}

// Leaves every limb but the last within 0 .. 2^32-1; the last one carries the sign.
void ExactSum::Carry() {
  for (int i = 0; i + 1 < kLimbs; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t carry = limbs_[at] >> 32;  // floor
    limbs_[at] -= carry * (kLow32 + 1);
    limbs_[at + 1] += carry;
  }
  until_carry_ = 1 << 20;
}

void ExactSum::Merge(const ExactSum& other) {
  ExactSum tidy = other;
  tidy.Carry();
  Carry();
  for (std::size_t i = 0; i < kLimbs; ++i) limbs_[i] += tidy.limbs_[i];
  Carry();
  infinities_ += other.infinities_;
  negative_infinities_ += other.negative_infinities_;
  nans_ += other.nans_;
}

double ExactSum::Value() const {
  double high = 0;
  double low = 0;
  Value(&high, &low);
  return high;
}

void ExactSum::Value(double* high, double* low) const {
  *high = 0;
  *low = 0;
  if (nans_ > 0 || (infinities_ > 0 && negative_infinities_ > 0)) {
    *high = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  if (infinities_ > 0 || negative_infinities_ > 0) {
    *high = infinities_ > 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    return;
  }
  ExactSum rest = *this;
  rest.Carry();
  // Rounds what is there, takes that away exactly, and rounds the remainder.
  for (double* out : {high, low}) {
    ExactSum positive = rest;
    const bool negative = positive.limbs_[kLimbs - 1] < 0;
    if (negative) {
      for (auto& limb : positive.limbs_) limb = -limb;
      positive.Carry();
    }
    int top = kLimbs - 1;
    while (top >= 0 && positive.limbs_[static_cast<std::size_t>(top)] == 0) --top;
    if (top < 0) return;
    // 128 bits from the top four limbs, with a sticky bit for all below.
    unsigned __int128 window = 0;
    for (int i = top; i > top - 4; --i) {
      window = (window << 32) | (i >= 0 ? static_cast<std::uint32_t>(positive.limbs_[static_cast<std::size_t>(i)]) : 0u);
    }
    int exponent = (top - 3) * 32 - 1074;
    bool sticky = false;
    for (int i = top - 4; i >= 0 && !sticky; --i) sticky = positive.limbs_[static_cast<std::size_t>(i)] != 0;
    int leading = 0;
    while ((window >> 127) == 0) {
      window <<= 1;
      ++leading;
    }
    exponent -= leading;
    // Keep 53 bits, fewer for subnormals.
    int drop = 75;
    if (exponent + drop < -1074) drop = -1074 - exponent;
    unsigned __int128 kept = 0;
    if (drop < 128) {
      kept = window >> drop;
      const unsigned __int128 below = window & ((static_cast<unsigned __int128>(1) << drop) - 1);
      const unsigned __int128 half = static_cast<unsigned __int128>(1) << (drop - 1);
      if (below > half || (below == half && (sticky || (kept & 1) != 0))) ++kept;
    }
    double value = std::ldexp(static_cast<double>(static_cast<std::uint64_t>(kept)), exponent + drop);
    if (negative) value = -value;
    *out = value;
    if (!std::isfinite(value)) return;
    rest.Add(-value);
    rest.Carry();
  }
}

std::string ExactSum::Save() const {
  ExactSum tidy = *this;
  tidy.Carry();
  std::string out(sizeof(std::int64_t) * (kLimbs + 3), '\0');
  std::memcpy(out.data(), tidy.limbs_.data(), sizeof tidy.limbs_);
  const std::array<std::int64_t, 3> rest = {infinities_, negative_infinities_, nans_};
  std::memcpy(out.data() + sizeof tidy.limbs_, rest.data(), sizeof rest);
  return out;
}

Result<ExactSum> ExactSum::Load(std::string_view bytes) {
  if (bytes.size() != sizeof(std::int64_t) * (kLimbs + 3)) {
    return Error(Code::kDataLoss, "an exact sum has " + std::to_string(bytes.size()) + " bytes, expected 584");
  }
  ExactSum out;
  std::memcpy(out.limbs_.data(), bytes.data(), sizeof out.limbs_);
  std::array<std::int64_t, 3> rest;
  std::memcpy(rest.data(), bytes.data() + sizeof out.limbs_, sizeof rest);
  out.infinities_ = rest[0];
  out.negative_infinities_ = rest[1];
  out.nans_ = rest[2];
  return out;
}

}  // namespace tenon

#include <bit>
#include <cmath>

#include "transform/compact_sum_internal.h"

namespace tenon::transform {
namespace {

constexpr std::int64_t kLow32 = 0xFFFFFFFFLL;

}  // namespace

void CompactSum::Room(int first, int last) {
  if (limbs_.empty()) first_ = static_cast<std::int16_t>(first);
  if (first < first_) {
    limbs_.insert(limbs_.begin(), static_cast<std::size_t>(first_ - first), 0);
    first_ = static_cast<std::int16_t>(first);
  }
  const auto size = static_cast<std::size_t>(last - first_ + 1);
  if (limbs_.size() < size) limbs_.resize(size);
}

void CompactSum::Add(double value) {
  if (value == 0) return;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto exponent = static_cast<int>((bits >> 52) & 0x7FF);
  std::uint64_t mantissa = bits & ((1ULL << 52) - 1);
  int shift = 0;  // the value is mantissa * 2^(shift - 1074)
  if (exponent != 0) {
    mantissa |= 1ULL << 52;
    shift = exponent - 1;
  }
  const int limb = shift >> 5;
  Room(limb, limb + 2);
  const auto wide = static_cast<unsigned __int128>(mantissa) << (shift & 31);
  const std::int64_t sign = (bits >> 63) != 0 ? -1 : 1;
  std::int64_t* at = limbs_.data() + (limb - first_);
  at[0] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(wide) & kLow32);
  at[1] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(wide >> 32) & kLow32);
  at[2] += sign * static_cast<std::int64_t>(wide >> 64);
  if (--until_carry_ == 0) Carry();
}

// Leaves every limb but the last within 0 .. 2^32 - 1.
void CompactSum::Carry() {
  if (!limbs_.empty()) Room(first_, first_ + static_cast<int>(limbs_.size()));
  for (std::size_t i = 0; i + 1 < limbs_.size(); ++i) {
    const std::int64_t carry = limbs_[i] >> 32;
    limbs_[i] -= carry * (kLow32 + 1);
    limbs_[i + 1] += carry;
  }
  until_carry_ = 1 << 20;
}

void CompactSum::Merge(const CompactSum& other) {
  if (other.limbs_.empty()) return;
  CompactSum tidy = other;
  tidy.Carry();
  Carry();
  Room(tidy.first_, tidy.first_ + static_cast<int>(tidy.limbs_.size()) - 1);
  for (std::size_t i = 0; i < tidy.limbs_.size(); ++i) {
    limbs_[i + static_cast<std::size_t>(tidy.first_ - first_)] += tidy.limbs_[i];
  }
  Carry();
}

void CompactSum::AddTo(ExactSum* sum, bool negative) const {
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    const int scale = 32 * (first_ + static_cast<int>(i)) - 1074;
    const std::int64_t limb = negative ? -limbs_[i] : limbs_[i];
    const std::int64_t high = limb >> 32;  // two halves, each exact as a double
    const std::int64_t low = limb & kLow32;
    if (low != 0) sum->Add(std::ldexp(static_cast<double>(low), scale));
    if (high != 0) sum->Add(std::ldexp(static_cast<double>(high), scale + 32));
  }
}

}  // namespace tenon::transform

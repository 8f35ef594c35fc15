#include <algorithm>
#include <bit>
#include <cmath>

#include "base/hash.h"
#include "transform/block_sums_internal.h"
#include "base/text.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

constexpr int kDropped = 42;  // mantissa bits a bin does not tell apart
constexpr std::uint64_t kBin = ~((1ULL << kDropped) - 1);

// n * squares - sum^2 without losing what nearly cancels: both are kept as a pair of doubles (about 106 bits).
double Spread(const ExactSum& sum, const ExactSum& squares, double n) {
  double s = 0;
  double s_low = 0;
  double q = 0;
  double q_low = 0;
  sum.Value(&s, &s_low);
  squares.Value(&q, &q_low);
  const double left = n * q;
  const double left_low = std::fma(n, q, -left) + n * q_low;
  const double right = s * s;
  const double right_low = std::fma(s, s, -right) + 2 * s * s_low;
  return (left - right) + (left_low - right_low);
}

}  // namespace

void ExponentSum::Grow(int exponent) {
  if (bins_.empty()) first_ = exponent;
  if (exponent < first_) {
    bins_.insert(bins_.begin(), static_cast<std::size_t>(first_ - exponent), Bin());
    first_ = exponent;
  }
  const auto size = static_cast<std::size_t>(exponent - first_ + 1);
  if (bins_.size() < size) bins_.resize(size);
}

void ExponentSum::Carry() {
  for (Bin& bin : bins_) {
    bin.high += bin.low >> 32;
    bin.low &= kLow;
  }
  until_carry_ = kUntilCarry;
}

void ExponentSum::Merge(const ExponentSum& other) {
  ExponentSum tidy = other;
  tidy.Carry();
  Carry();
  for (std::size_t i = 0; i < tidy.bins_.size(); ++i) {
    const int exponent = tidy.first_ + static_cast<int>(i);
    if (tidy.bins_[i].low == 0 && tidy.bins_[i].high == 0) continue;
    Grow(exponent);
    Bin& bin = bins_[static_cast<std::size_t>(exponent - first_)];
    bin.low += tidy.bins_[i].low;
    bin.high += tidy.bins_[i].high;
  }
  Carry();
  rest_.Merge(other.rest_);
}

ExactSum ExponentSum::Total() const {
  ExactSum total = rest_;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const std::int64_t high = bins_[i].high + (bins_[i].low >> 32);
    const int scale = std::max(first_ + static_cast<int>(i), 1) - 1075;
    // Three parts, each exact as a double.
    if (const std::int64_t part = bins_[i].low & kLow; part != 0) total.Add(std::ldexp(static_cast<double>(part), scale));
    if (const std::int64_t part = high & kLow; part != 0) total.Add(std::ldexp(static_cast<double>(part), scale + 32));
    if (const std::int64_t part = high >> 32; part != 0) total.Add(std::ldexp(static_cast<double>(part), scale + 64));
  }
  return total;
}

void Moments::Add(const Lane& in, std::int64_t n) {
  if (BlockSums block; SumBlock(in.numbers, n, squared_, &block)) {
    count_ += block.count;
    for (const double part : block.sum) sum_.AddPart(part);
    for (const double part : block.squares) squares_.AddPart(part);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = in.numbers[i];
    if (!std::isfinite(value)) continue;
    ++count_;
    sum_.Add(value);
    if (!squared_) continue;
    const double square = value * value;
    squares_.Add(square);
    if (std::isfinite(square)) squares_.Add(std::fma(value, value, -square));  // what rounding the square lost
  }
}

void Moments::Merge(const Moments& other) {
  sum_.Merge(other.sum_);
  squares_.Merge(other.squares_);
  count_ += other.count_;
}

double Moments::Mean() const { return sum_.Total().Value() / static_cast<double>(count_); }

double Moments::Variance() const {
  const auto n = static_cast<double>(count_);
  return std::max(0.0, Spread(sum_.Total(), squares_.Total(), n) / (n * n));
}

void Range::Add(const Lane& in, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = in.numbers[i] + 0.0;  // no -0, which would depend on the order
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
}

void Range::Merge(const Range& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
}

void Quantiles::Add(const Lane& in, std::int64_t n) {
  range_.Add(in, n);
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = in.numbers[i] + 0.0;
    if (!std::isfinite(value)) continue;
    const auto bits = std::bit_cast<std::uint64_t>(value);
    Count(coarse_ ? bits & kBin : bits, 1);
    ++count_;
  }
}

void Quantiles::Count(std::uint64_t bits, std::int64_t times) {
  if (used_ * 2 >= slots_.size()) Grow();
  const std::size_t mask = slots_.size() - 1;
  // Multiplicative hashing. The highest bits of the product: those of whole numbers and of bins end in zeros.
  std::size_t at = (bits * 0x9E3779B97F4A7C15ULL) >> kDropped & mask;
  while (slots_[at].count != 0 && slots_[at].bits != bits) at = (at + 1) & mask;
  if (slots_[at].count == 0) {
    slots_[at].bits = bits;
    ++used_;
  }
  slots_[at].count += times;
  if (used_ > kExact && !coarse_) Coarsen();
}

void Quantiles::Grow() {
  std::vector<Slot> old(std::max<std::size_t>(64, slots_.size() * 2));
  old.swap(slots_);
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.count != 0) Count(slot.bits, slot.count);
  }
}

void Quantiles::Coarsen() {
  std::vector<Slot> old;
  old.swap(slots_);
  used_ = 0;
  coarse_ = true;
  for (const Slot& slot : old) {
    if (slot.count != 0) Count(slot.bits & kBin, slot.count);
  }
}

void Quantiles::Merge(const Quantiles& other) {
  if (other.coarse_ && !coarse_) Coarsen();
  for (const Slot& slot : other.slots_) {
    if (slot.count != 0) Count(coarse_ ? slot.bits & kBin : slot.bits, slot.count);
  }
  count_ += other.count_;
  range_.Merge(other.range_);
}

std::vector<Quantiles::Counted> Quantiles::Sorted() const {
  std::vector<Counted> out;
  for (const Slot& slot : slots_) {
    if (slot.count == 0) continue;
    double value = std::bit_cast<double>(slot.bits);
    if (coarse_) {
      const double outer = std::bit_cast<double>(slot.bits + (1ULL << kDropped) - 1);
      value = std::clamp(value + (outer - value) / 2, range_.low, range_.high);
    }
    out.push_back({value, slot.count});
  }
  std::sort(out.begin(), out.end(), [](const Counted& a, const Counted& b) { return a.value < b.value; });
  return out;
}

std::vector<double> Quantiles::At(const std::vector<double>& shares) const {
  std::vector<double> out;
  if (count_ == 0) return std::vector<double>(shares.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<Slot> sorted;
  for (const Slot& slot : slots_) {
    if (slot.count != 0) sorted.push_back(slot);
  }
  const auto value_of = [](std::uint64_t bits) { return std::bit_cast<double>(bits); };
  std::sort(sorted.begin(), sorted.end(), [&](const Slot& a, const Slot& b) { return value_of(a.bits) < value_of(b.bits); });
  std::vector<std::int64_t> through;  // rows up to and with each slot
  std::int64_t rows = 0;
  for (const Slot& slot : sorted) through.push_back(rows += slot.count);
  // The value of rank `rank` (from 0). Within a bin, ranks are spread evenly.
  const auto ranked = [&](std::int64_t rank) {
    const auto found = static_cast<std::size_t>(std::upper_bound(through.begin(), through.end(), rank) - through.begin());
    const std::size_t at = std::min(found, sorted.size() - 1);
    const Slot& slot = sorted[at];
    const double inner = value_of(slot.bits);
    if (!coarse_) return inner;
    const double outer = value_of(slot.bits + (1ULL << kDropped) - 1);
    const auto before = static_cast<double>(rank - (through[at] - slot.count));
    const double share = (before + 0.5) / static_cast<double>(slot.count);
    const double value = inner < 0 ? outer + (inner - outer) * share : inner + (outer - inner) * share;
    return std::clamp(value, range_.low, range_.high);
  };
  for (const double share : shares) {
    const double at = share * static_cast<double>(count_ - 1);
    const auto below = static_cast<std::int64_t>(at);
    const double low = ranked(below);
    const double rest = at - static_cast<double>(below);
    if (rest == 0 || below + 1 >= count_) {
      out.push_back(low);
      continue;
    }
    const double high = ranked(below + 1);
    // The form numpy uses: from the nearer end.
    const double step = high - low;
    out.push_back(rest < 0.5 ? low + step * rest : high - step * (1 - rest));
  }
  return out;
}

std::string ListedNumbers(const std::vector<double>& numbers) {
  constexpr std::size_t kMost = 12;
  std::vector<std::string> out;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers.size() <= kMost || i < kMost - 3 || i + 2 >= numbers.size()) out.push_back(FormatShort(numbers[i], 5));
    if (numbers.size() > kMost && i == kMost - 3) out.push_back("...");
  }
  return Join(out, ", ");
}

}  // namespace tenon::transform

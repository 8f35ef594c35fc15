#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "table/sketch_internal.h"

namespace tenon::table {
namespace {

constexpr int kSubBits = 7;  // 128 buckets to the power of two
constexpr int kBucketShift = 52 - kSubBits;
constexpr std::uint32_t kMostBucket = (0x7FEU << kSubBits) | ((1U << kSubBits) - 1);
constexpr std::uint64_t kSign = 1ULL << 63;

std::uint32_t BucketOfMagnitude(std::uint64_t bits) { return static_cast<std::uint32_t>((bits & ~kSign) >> kBucketShift); }
double LowerEnd(std::uint32_t bucket) { return std::bit_cast<double>(static_cast<std::uint64_t>(bucket) << kBucketShift); }

}  // namespace

Error Damaged(std::string_view what) {
  return Error(Code::kDataLoss, Str("a saved profile is damaged: ", what, "; profile the data again"));
}

void ByteWriter::Fixed(std::uint64_t value) {
  for (int i = 0; i < 8; ++i) Byte(static_cast<std::uint8_t>(value >> (8 * i)));
}

void ByteWriter::Count(std::uint64_t value) {
  for (; value >= 128; value >>= 7) Byte(static_cast<std::uint8_t>(value | 128));
  Byte(static_cast<std::uint8_t>(value));
}

void ByteWriter::Text(std::string_view value) {
  Count(value.size());
  out_.append(value);
}

Result<std::uint8_t> ByteReader::Byte() {
  if (rest_.empty()) return Damaged("it ends early");
  const auto value = static_cast<std::uint8_t>(rest_[0]);
  rest_.remove_prefix(1);
  return value;
}

Result<std::uint64_t> ByteReader::Fixed() {
  if (rest_.size() < 8) return Damaged("it ends early");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(rest_[i])) << (8 * i);
  rest_.remove_prefix(8);
  return value;
}

Result<std::uint64_t> ByteReader::Count() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    TENON_ASSIGN(const std::uint8_t byte, Byte());
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 127) << shift;
    if (byte < 128) return value;
  }
  return Damaged("a count does not fit 64 bits");
}

Result<std::uint64_t> ByteReader::CountUpTo(std::uint64_t most) {
  TENON_ASSIGN(const std::uint64_t value, Count());
  if (value > most) return Damaged(Str("a count is ", value, ", at most ", most, " is possible"));
  return value;
}

Result<std::int64_t> ByteReader::NotNegative() {
  TENON_ASSIGN(const std::uint64_t value, CountUpTo(1ULL << 53));
  return static_cast<std::int64_t>(value);
}

Result<double> ByteReader::Number() {
  TENON_ASSIGN(const std::uint64_t bits, Fixed());
  return std::bit_cast<double>(bits);
}

Result<std::string_view> ByteReader::Text() {
  TENON_ASSIGN(const std::uint64_t size, Count());
  if (size > left()) return Damaged("a text is longer than what is left");
  const std::string_view value = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return value;
}

std::uint64_t Unmix(std::uint64_t x) {
  x = x ^ (x >> 31) ^ (x >> 62);
  x *= 0x319642B2D24D8EC3ULL;  // the inverses of the factors modulo 2^64
  x = x ^ (x >> 27) ^ (x >> 54);
  x *= 0x96DE1B173F119089ULL;
  x = x ^ (x >> 30) ^ (x >> 60);
  return x - 0x9E3779B97F4A7C15ULL;
}

// LogHistogram

void LogHistogram::Side::Reach(std::uint32_t low, std::uint32_t high) {
  constexpr std::uint32_t kRoom = 64;  // that the next one is mostly within
  if (counts.empty()) {
    first = low;
    counts.resize(high - low + 1);
    return;
  }
  if (low < first) {
    low -= std::min(low, kRoom);
    counts.insert(counts.begin(), first - low, 0);
    first = low;
  }
  if (high >= first + counts.size()) counts.resize(high - first + 1 + kRoom);
}

void LogHistogram::Side::Add(std::uint32_t bucket, std::int64_t count) {
  Reach(bucket, bucket);
  counts[bucket - first] += count;
}

void LogHistogram::Add(double value, std::int64_t count) {
  if (value == 0) {
    zeros_ += count;
  } else {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    sides_[value < 0 ? 1 : 0].Add(BucketOfMagnitude(bits), count);
  }
}

void LogHistogram::AddBlock(std::span<const double> values) {
  for (const double value : values) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const std::uint32_t bucket = BucketOfMagnitude(bits);
    Side& side = sides_[bits >> 63];
    std::uint32_t at = bucket - side.first;
    if (at >= side.counts.size()) [[unlikely]] {
      side.Reach(bucket, bucket);
      at = bucket - side.first;
    }
    ++side.counts[at];
  }
}

void LogHistogram::Merge(const LogHistogram& other) {
  zeros_ += other.zeros_;
  for (std::size_t s = 0; s < 2; ++s) {
    const Side& from = other.sides_[s];
    if (from.counts.empty()) continue;
    Side& to = sides_[s];
    to.Reach(from.first, from.first + static_cast<std::uint32_t>(from.counts.size()) - 1);
    for (std::size_t i = 0; i < from.counts.size(); ++i) to.counts[from.first - to.first + i] += from.counts[i];
  }
}

std::vector<LogHistogram::Bucket> LogHistogram::Buckets() const {
  std::vector<Bucket> out;
  const Side& negative = sides_[1];
  for (std::size_t i = negative.counts.size(); i-- > 0;) {
    if (negative.counts[i] == 0) continue;
    const auto bucket = negative.first + static_cast<std::uint32_t>(i);
    out.push_back({-LowerEnd(bucket + 1), -LowerEnd(bucket), negative.counts[i]});
  }
  if (zeros_ > 0) out.push_back({0, 0, zeros_});
  const Side& positive = sides_[0];
  for (std::size_t i = 0; i < positive.counts.size(); ++i) {
    if (positive.counts[i] == 0) continue;
    const auto bucket = positive.first + static_cast<std::uint32_t>(i);
    out.push_back({LowerEnd(bucket), LowerEnd(bucket + 1), positive.counts[i]});
  }
  for (Bucket& bucket : out) {  // the outermost bucket ends at infinity
    bucket.low = std::max(bucket.low, std::numeric_limits<double>::lowest());
    bucket.high = std::min(bucket.high, std::numeric_limits<double>::max());
  }
  return out;
}

std::int64_t LogHistogram::total() const {
  std::int64_t sum = zeros_;
  for (const Side& side : sides_) {
    for (const std::int64_t count : side.counts) sum += count;
  }
  return sum;
}

void LogHistogram::Save(ByteWriter* out) const {
  out->Count(static_cast<std::uint64_t>(zeros_));
  for (const Side& side : sides_) {  // only what is not zero: the reach depends on the order of merges
    std::uint64_t used = 0;
    for (const std::int64_t count : side.counts) used += count != 0 ? 1 : 0;
    out->Count(used);
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < side.counts.size(); ++i) {
      if (side.counts[i] == 0) continue;
      const std::uint64_t bucket = side.first + i;
      out->Count(bucket - last);
      out->Count(static_cast<std::uint64_t>(side.counts[i]));
      last = bucket;
    }
  }
}

Result<LogHistogram> LogHistogram::Load(ByteReader* in) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  LogHistogram out;
  TENON_ASSIGN(out.zeros_, in->NotNegative());
  std::int64_t sum = out.zeros_;
  for (Side& side : out.sides_) {
    TENON_ASSIGN(const std::uint64_t used, in->CountUpTo(in->left() / 2));
    std::uint64_t bucket = 0;
    for (std::uint64_t i = 0; i < used; ++i) {
      TENON_ASSIGN(const std::uint64_t step, in->CountUpTo(kMostBucket));
      bucket += step;
      if (bucket > kMostBucket || (i > 0 && step == 0)) return Damaged("a histogram's buckets are out of order");
      TENON_ASSIGN(const std::int64_t count, in->NotNegative());
      if (count == 0) return Damaged("a histogram has an empty bucket");
      side.Add(static_cast<std::uint32_t>(bucket), count);
      if (sum > kMost - count) return Damaged("a histogram holds more values than can be");
      sum += count;
    }
  }
  return out;
}

// DistinctSketch

void DistinctSketch::Merge(const DistinctSketch& other) {
  for (std::size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double DistinctSketch::Estimate() const {
  constexpr int kRanks = 52;  // 64 - 12
  constexpr double m = 4096;
  std::array<int, kRanks + 2> histogram{};
  for (const std::uint8_t rank : registers_) ++histogram[rank];
  // tau and sigma of the paper, summed until they stand still.
  const auto tau = [](double x) {
    if (x == 0 || x == 1) return 0.0;
    double y = 1;
    double z = 1 - x;
    for (double last = -1; last != z;) {
      x = std::sqrt(x);
      last = z;
      y *= 0.5;
      z -= (1 - x) * (1 - x) * y;
    }
    return z / 3;
  };
  const auto sigma = [](double x) {
    if (x == 1) return std::numeric_limits<double>::infinity();
    double y = 1;
    double z = x;
    for (double last = -1; last != z;) {
      x *= x;
      last = z;
      z += x * y;
      y += y;
    }
    return z;
  };
  double z = m * tau(1 - histogram[kRanks + 1] / m);
  for (std::size_t k = kRanks; k >= 1; --k) z = 0.5 * (z + histogram[k]);
  z += m * sigma(histogram[0] / m);
  return m * m / (2 * 0.69314718055994530942) / z;
}

void DistinctSketch::Save(ByteWriter* out) const {
  for (const std::uint8_t rank : registers_) out->Byte(rank);
}

Result<DistinctSketch> DistinctSketch::Load(ByteReader* in) {
  DistinctSketch out;
  for (std::uint8_t& rank : out.registers_) {
    TENON_ASSIGN(rank, in->Byte());
    if (rank > 53) return Damaged("a distinct sketch has an impossible register");
  }
  return out;
}

}  // namespace tenon::table

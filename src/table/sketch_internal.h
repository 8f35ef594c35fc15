#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/exact_sum.h"
#include "base/result.h"

namespace tenon::table {

// The parts of a ColumnProfile. Each is a function of the multiset of values that were added: any order and any parting
// with Merge give the same Save() bytes. One thread each.

// Writes the profile's formats: little-endian, LEB128 for counts. See docs/formats/profile.md.
class ByteWriter {
 public:
  void Byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void Fixed(std::uint64_t value);
  void Count(std::uint64_t value);
  void Signed(std::int64_t value) { Count((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63)); }
  void Number(double value) { Fixed(std::bit_cast<std::uint64_t>(value)); }
  void Text(std::string_view value);  // length first
  std::string& bytes() { return out_; }

 private:
  std::string out_;
};

// Reads them back; every read checks the bounds and says data_loss. Borrows the bytes.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  Result<std::uint8_t> Byte();
  Result<std::uint64_t> Fixed();
  Result<std::uint64_t> Count();
  // A count of things of which each takes at least `size` bytes, or a limit for those that take none.
  Result<std::uint64_t> CountUpTo(std::uint64_t most);
  Result<std::int64_t> NotNegative();  // a count of rows or bytes: at most 2^53, so that sums of some still fit
  Result<double> Number();
  Result<std::string_view> Text();
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

Error Damaged(std::string_view what);

// A bijection of 64 bits that looks random (the finaliser of SplitMix64; Steele, Lea, Flood 2014), and its inverse.
inline std::uint64_t Mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}
std::uint64_t Unmix(std::uint64_t x);

// Sums of x, x^2 and x^3 over finite values. With |x| = m 2^e, m of 53 bits, a value contributes m 2^e, m^2 2^2e and
// floor(m^2 / 2^42) m 2^(3e + 42), each a whole number (rounded from 2^300 on, cut below 2^-1074); the contributions are
// summed without rounding.
class Moments {
 public:
  // Sums of some values by their exponents, in words of the machine: what makes exact sums cheap. Belongs to one Moments,
  // which has all of it only after Drain().
  struct Cells {
    static constexpr int kSpan = 32;            // exponents below the largest one
    static constexpr int kMostValues = 2048;    // that no sum overflows
    struct alignas(64) Cell {
      std::uint64_t first = 0;
      unsigned __int128 second = 0, third = 0;
    };
    int top = 0;                                // the largest exponent field
    std::int64_t values = 0;
    std::array<Cell, 4 * kSpan> cells{};        // twice, by exponent and sign
  };
  void Add(double value, std::int64_t count = 1);
  // None is zero, no magnitude is above `largest`, and they are at most kMostValues.
  void AddBlock(std::span<const double> values, double largest, Cells* cells);
  void Drain(Cells* cells);
  void Merge(const Moments& other);
  double Mean(std::int64_t n) const;
  double Variance(std::int64_t n) const;  // sample (n - 1); NaN below two values
  double Skewness(std::int64_t n) const;  // of the population; 0 of a constant
  double Sum() const { return first_.Value(); }
  void Save(ByteWriter* out) const;
  static Result<Moments> Load(ByteReader* in);

 private:
  ExactSum first_;
  ExactSum second_;
  ExactSum third_;
};

// Counts of finite numbers in buckets of 128 to the power of two (DDSketch with linear sub-buckets): the middle of a
// bucket is within 1/256 of any value in it.
class LogHistogram {
 public:
  void Add(double value, std::int64_t count = 1);
  void AddBlock(std::span<const double> values);  // finite, none zero
  void AddZeros(std::int64_t count) { zeros_ += count; }
  void Merge(const LogHistogram& other);
  struct Bucket {
    double low, high;  // low <= value < high, or the mirror image for negatives; zero has both 0
    std::int64_t count;
  };
  std::vector<Bucket> Buckets() const;  // not empty ones, ascending
  std::int64_t total() const;
  void Save(ByteWriter* out) const;
  static Result<LogHistogram> Load(ByteReader* in);

 private:
  // Counts of one sign by the upper 18 bits of the magnitude; counts[i] is of bucket first + i.
  struct Side {
    std::uint32_t first = 0;
    std::vector<std::int64_t> counts;
    void Reach(std::uint32_t low, std::uint32_t high);
    void Add(std::uint32_t bucket, std::int64_t count);
  };
  std::int64_t zeros_ = 0;
  std::array<Side, 2> sides_;  // positive, negative
};

// HyperLogLog with 2^12 registers and the improved estimator of Ertl ("New cardinality estimation algorithms for
// HyperLogLog sketches", 2017), which needs no table of corrections. Relative error about 1.6 %.
class DistinctSketch {
 public:
  void Add(std::uint64_t hash) {
    const auto at = static_cast<std::size_t>(hash >> 52);
    const auto rank = static_cast<std::uint8_t>(std::countl_zero((hash << 12) | (1ULL << 11)) + 1);
    if (rank > registers_[at]) registers_[at] = rank;
  }
  void AddBlock(std::span<const std::uint64_t> hashes) {
    for (const std::uint64_t hash : hashes) Add(hash);
  }
  void Merge(const DistinctSketch& other);
  double Estimate() const;
  void Save(ByteWriter* out) const;
  static Result<DistinctSketch> Load(ByteReader* in);

 private:
  std::array<std::uint8_t, 4096> registers_{};
};

// Adds `count` to a small counter for each bit that is set in the code; false when the processor lacks the kernel's
// instructions. All kernels count the same: 0 plain, 1 AVX2, 2 AVX-512.
bool CountBitsWith(int kernel, std::uint8_t* counters, const std::uint64_t* code, std::size_t words, std::uint8_t count);

// Finds frequent codes without remembering candidates, so that order cannot matter: a linear sketch (combinatorial group
// testing; Cormode, Muthukrishnan 2005) of 128 buckets, each counting for every bit of the code how often it was set. The
// bits look random, so that the many rare codes of a bucket cancel and the frequent one is read off the majorities. Of n
// values spread over many rare codes, a code is found when it came more often than about 4 sqrt(n / 128) times and no
// other of about its frequency shares its bucket; the count is within about sqrt(n / 128) / 8.
class FrequentSketch {
 public:
  explicit FrequentSketch(int bytes) : bytes_(bytes) {}
  static std::size_t BucketOf(std::uint64_t hash) { return static_cast<std::size_t>(hash & (kBuckets - 1)); }
  // A code is bytes / 8 words, of which the first is its hash.
  void Add(const std::uint64_t* code, std::int64_t count = 1);
  void AddBlock(std::span<const std::uint64_t> hashes);  // of codes that are only a hash
  void Merge(const FrequentSketch& other);
  struct Found {
    std::size_t bucket;
    std::string code;
    double count;
  };
  // Codes (lowest byte first) with their estimated counts; `belongs` says whether a code can be right. Peels the most
  // frequent code of a bucket off before it looks for the next.
  std::vector<Found> Decode(bool (*belongs)(std::size_t bucket, const std::string& code)) const;
  // Moves the small counters into the wide ones; the rest of the interface but Add() wants it done.
  void Settle();
  void Save(ByteWriter* out) const;  // settled
  static Result<FrequentSketch> Load(ByteReader* in, int bytes);

  static constexpr std::size_t kBucketBits = 7;
  static constexpr std::size_t kBuckets = 1 << kBucketBits;

 private:
  void Settle(std::size_t bucket);
  void MakeRoom();
  int bytes_;
  std::vector<std::uint8_t> narrow_;   // a counter a bit of the code
  std::vector<std::int64_t> ones_;     // a counter a bit of the code
  std::array<std::int64_t, kBuckets> totals_{};
  std::array<std::uint8_t, kBuckets> waiting_{};  // how many the narrow counters of a bucket have taken
};

}  // namespace tenon::table

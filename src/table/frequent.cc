// The sketch of frequent values: counting, for which processors have instructions of their own, and reading off.

#include <cmath>
#include <cstring>
#include <limits>

#include "table/sketch_internal.h"

#include "base/x86.h"

namespace tenon::table {
namespace {

constexpr std::int64_t kNarrow = 63;  // counts up to here go to the narrow counters
constexpr std::uint8_t kFull = 255;

// kSpread[b] has byte k = bit k of b.
constexpr std::array<std::uint64_t, 256> MakeSpread() {
  std::array<std::uint64_t, 256> out{};
  for (std::size_t b = 0; b < 256; ++b) {
    for (std::size_t k = 0; k < 8; ++k) {
      if ((b >> k & 1) != 0) out[b] |= 1ULL << (8 * k);
    }
  }
  return out;
}
constexpr std::array<std::uint64_t, 256> kSpread = MakeSpread();


// Adds `count` to the 64 narrow counters whose bit is set. The same in each of the three.
void AddPlain(std::uint8_t* narrow, std::uint64_t word, std::uint8_t count) {
  for (std::size_t i = 0; i < 8; ++i) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, narrow + 8 * i, 8);
    eight += kSpread[word >> (8 * i) & 255] * count;
    std::memcpy(narrow + 8 * i, &eight, 8);
  }
}

// Counts the buckets of codes of one word; `settle` is called for a bucket that is full.
template <typename Settle>
void BlockPlain(std::uint8_t* narrow, std::uint8_t* waiting, std::span<const std::uint64_t> hashes, const Settle& settle) {
  for (const std::uint64_t hash : hashes) {
    const std::size_t bucket = FrequentSketch::BucketOf(hash);
    AddPlain(narrow + 64 * bucket, hash, 1);
    if (++waiting[bucket] == kFull) settle(bucket);
  }
}

#if defined(__x86_64__)
#define TENON_AVX2 __attribute__((target("avx2")))
#define TENON_AVX512 __attribute__((target("avx512f,avx512bw")))

TENON_AVX512 inline void AddAvx512(std::uint8_t* narrow, std::uint64_t word, std::uint8_t count) {
  const __m512i old = _mm512_loadu_si512(narrow);
  _mm512_storeu_si512(narrow, _mm512_mask_add_epi8(old, word, old, _mm512_set1_epi8(static_cast<char>(count))));
}

TENON_AVX2 inline void AddAvx2(std::uint8_t* narrow, std::uint64_t word, std::uint8_t count) {
  const __m256i bits = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
  const __m256i which = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i all = _mm256_set1_epi64x(static_cast<long long>(word));
  const __m256i one = _mm256_set1_epi8(static_cast<char>(count));
  const __m256i four = _mm256_set1_epi8(4);
  for (int i = 0; i < 2; ++i) {
    auto* at = reinterpret_cast<__m256i*>(narrow + 32 * i);
    const __m256i bytes = _mm256_shuffle_epi8(all, i == 0 ? which : _mm256_add_epi8(which, four));
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bits), bits);
    _mm256_storeu_si256(at, _mm256_add_epi8(_mm256_loadu_si256(at), _mm256_and_si256(set, one)));
  }
}

template <typename Settle>
TENON_AVX512 void BlockAvx512(std::uint8_t* narrow, std::uint8_t* waiting, std::span<const std::uint64_t> hashes, const Settle& settle) {
  for (const std::uint64_t hash : hashes) {
    const std::size_t bucket = FrequentSketch::BucketOf(hash);
    AddAvx512(narrow + 64 * bucket, hash, 1);
    if (++waiting[bucket] == kFull) settle(bucket);
  }
}

template <typename Settle>
TENON_AVX2 void BlockAvx2(std::uint8_t* narrow, std::uint8_t* waiting, std::span<const std::uint64_t> hashes, const Settle& settle) {
  for (const std::uint64_t hash : hashes) {
    const std::size_t bucket = FrequentSketch::BucketOf(hash);
    AddAvx2(narrow + 64 * bucket, hash, 1);
    if (++waiting[bucket] == kFull) settle(bucket);
  }
}

TENON_AVX512 void WordsAvx512(std::uint8_t* narrow, const std::uint64_t* code, std::size_t words, std::uint8_t count) {
  for (std::size_t i = 0; i < words; ++i) AddAvx512(narrow + 64 * i, code[i], count);
}
TENON_AVX2 void WordsAvx2(std::uint8_t* narrow, const std::uint64_t* code, std::size_t words, std::uint8_t count) {
  for (std::size_t i = 0; i < words; ++i) AddAvx2(narrow + 64 * i, code[i], count);
}

enum class Width { kPlain, kAvx2, kAvx512 };
Width BestWidth() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bw")) return Width::kAvx512;
  return __builtin_cpu_supports("avx2") ? Width::kAvx2 : Width::kPlain;
}
#endif

}  // namespace

bool CountBitsWith(int kernel, std::uint8_t* counters, const std::uint64_t* code, std::size_t words, std::uint8_t count) {
#if defined(__x86_64__)
  if (kernel > static_cast<int>(BestWidth())) return false;
  if (kernel == 2) return WordsAvx512(counters, code, words, count), true;
  if (kernel == 1) return WordsAvx2(counters, code, words, count), true;
#else
  if (kernel > 0) return false;
#endif
  for (std::size_t i = 0; i < words; ++i) AddPlain(counters + 64 * i, code[i], count);
  return true;
}

void FrequentSketch::MakeRoom() {
  narrow_.resize(kBuckets * static_cast<std::size_t>(bytes_) * 8);
  ones_.resize(kBuckets * static_cast<std::size_t>(bytes_) * 8);
}

void FrequentSketch::Add(const std::uint64_t* code, std::int64_t count) {
  if (narrow_.empty()) MakeRoom();
  const std::size_t words = static_cast<std::size_t>(bytes_) / 8;
  const std::size_t bucket = BucketOf(code[0]);
  const std::size_t first = bucket * words * 64;
  if (count > kNarrow) {
    totals_[bucket] += count;
    std::int64_t* ones = ones_.data() + first;
    for (std::size_t i = 0; i < words * 64; ++i) ones[i] += count & -static_cast<std::int64_t>(code[i / 64] >> (i % 64) & 1);
    return;
  }
  if (waiting_[bucket] + count > kFull) Settle(bucket);
  waiting_[bucket] = static_cast<std::uint8_t>(waiting_[bucket] + count);
  const auto small = static_cast<std::uint8_t>(count);
  std::uint8_t* narrow = narrow_.data() + first;
#if defined(__x86_64__)
  const Width width = BestWidth();
  if (width == Width::kAvx512) return WordsAvx512(narrow, code, words, small);
  if (width == Width::kAvx2) return WordsAvx2(narrow, code, words, small);
#endif
  for (std::size_t i = 0; i < words; ++i) AddPlain(narrow + 64 * i, code[i], small);
}

void FrequentSketch::AddBlock(std::span<const std::uint64_t> hashes) {
  if (narrow_.empty()) MakeRoom();
  const auto settle = [this](std::size_t bucket) { Settle(bucket); };
#if defined(__x86_64__)
  const Width width = BestWidth();
  if (width == Width::kAvx512) return BlockAvx512(narrow_.data(), waiting_.data(), hashes, settle);
  if (width == Width::kAvx2) return BlockAvx2(narrow_.data(), waiting_.data(), hashes, settle);
#endif
  BlockPlain(narrow_.data(), waiting_.data(), hashes, settle);
}

void FrequentSketch::Settle(std::size_t bucket) {
  const std::size_t bits = static_cast<std::size_t>(bytes_) * 8;
  std::uint8_t* narrow = narrow_.data() + bucket * bits;
  std::int64_t* ones = ones_.data() + bucket * bits;
  for (std::size_t i = 0; i < bits; ++i) ones[i] += narrow[i];
  std::memset(narrow, 0, bits);
  totals_[bucket] += waiting_[bucket];
  waiting_[bucket] = 0;
}

void FrequentSketch::Settle() {
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (waiting_[bucket] > 0) Settle(bucket);
  }
}

void FrequentSketch::Merge(const FrequentSketch& other) {
  if (other.ones_.empty()) return;
  if (ones_.empty()) {
    *this = other;
    return;
  }
  for (std::size_t i = 0; i < ones_.size(); ++i) ones_[i] += other.ones_[i];
  for (std::size_t i = 0; i < kBuckets; ++i) totals_[i] += other.totals_[i];
}

std::vector<FrequentSketch::Found> FrequentSketch::Decode(bool (*belongs)(std::size_t, const std::string&)) const {
  constexpr int kMostInBucket = 16;
  const std::size_t bits = static_cast<std::size_t>(bytes_) * 8;
  std::vector<Found> out;
  if (ones_.empty()) return out;
  std::vector<double> votes(bits);  // ones minus zeros
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    for (std::size_t i = 0; i < bits; ++i) {
      votes[i] = 2 * static_cast<double>(ones_[bucket * bits + i]) - static_cast<double>(totals_[bucket]);
    }
    for (int found = 0; found < kMostInBucket; ++found) {
      std::string code(bits / 8, '\0');
      double sum = 0;  // of the bits that tell something: the lowest ones are the bucket's number
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; i < bits; ++i) {
        if (votes[i] > 0) code[i / 8] = static_cast<char>(code[i / 8] | (1 << (i % 8)));
        if (i < kBucketBits) continue;
        sum += std::abs(votes[i]);
        least = std::min(least, std::abs(votes[i]));
      }
      const double count = std::round(sum / static_cast<double>(bits - kBucketBits));
      // Noise alone has votes near zero among its 64 or more; one frequent code has none.
      if (count < 2 || least < 0.3 * count || !belongs(bucket, code)) break;
      out.push_back({bucket, code, count});
      for (std::size_t i = 0; i < bits; ++i) votes[i] -= (code[i / 8] >> (i % 8) & 1) != 0 ? count : -count;
    }
  }
  return out;
}

void FrequentSketch::Save(ByteWriter* out) const {
  const std::size_t bits = static_cast<std::size_t>(bytes_) * 8;
  out->Byte(ones_.empty() ? 0 : 1);
  if (ones_.empty()) return;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    out->Count(static_cast<std::uint64_t>(totals_[bucket]));
    if (totals_[bucket] == 0) continue;
    // About half of the bits are set: the distance from it is small.
    for (std::size_t i = 0; i < bits; ++i) out->Signed(ones_[bucket * bits + i] - totals_[bucket] / 2);
  }
}

Result<FrequentSketch> FrequentSketch::Load(ByteReader* in, int bytes) {
  FrequentSketch out(bytes);
  TENON_ASSIGN(const std::uint8_t used, in->Byte());
  if (used > 1) return Damaged("a sketch of frequent values has an unknown form");
  if (used == 0) return out;
  const std::size_t bits = static_cast<std::size_t>(bytes) * 8;
  out.narrow_.resize(kBuckets * bits);
  out.ones_.resize(kBuckets * bits);
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    TENON_ASSIGN(out.totals_[bucket], in->NotNegative());
    if (out.totals_[bucket] == 0) continue;
    for (std::size_t i = 0; i < bits; ++i) {
      TENON_ASSIGN(const std::uint64_t coded, in->Count());
      const auto distance = static_cast<std::int64_t>((coded >> 1) ^ (0 - (coded & 1)));
      const std::int64_t half = out.totals_[bucket] / 2;
      if (distance < -half || distance > out.totals_[bucket] - half) {
        return Damaged("a sketch of frequent values counts more bits than values");
      }
      out.ones_[bucket * bits + i] = distance + half;
    }
  }
  return out;
}

}  // namespace tenon::table

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

#include "base/hash.h"
#include "evaluate/resample_internal.h"

namespace tenon::evaluate {
namespace {

constexpr std::size_t kMultinomialRows = 20000;
constexpr std::int64_t kRowVisits = 50'000'000;
constexpr int kFewestResamples = 100;

// SplitMix64 (Steele, Lea, Flood 2014): fast, and good from any seed.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

void CountMultinomial(Draws draws, std::vector<std::uint16_t>* counts) {
  std::ranges::fill(*counts, std::uint16_t{0});
  const std::uint64_t rows = counts->size();
  // The upper half of a 32 x 32 bit product: uniform within 2^-17 at these sizes, and two indices a draw.
  for (std::uint64_t i = 0; i < rows; i += 2) {
    const std::uint64_t bits = draws.Next();
    ++(*counts)[((bits & 0xffffffffULL) * rows) >> 32];
    if (i + 1 < rows) ++(*counts)[((bits >> 32) * rows) >> 32];
  }
}

void CountPoisson(Draws draws, std::vector<std::uint16_t>* counts) {
  // P(count <= k) of Poisson(1) in units of 2^-16; larger counts than 8 have less than one unit.
  static constexpr std::array<std::uint32_t, 8> kUpTo = {24109, 48219, 60273, 64292, 65296, 65497, 65531, 65535};
  for (std::size_t i = 0; i < counts->size(); i += 4) {
    std::uint64_t bits = draws.Next();
    for (std::size_t at = i; at < std::min(i + 4, counts->size()); ++at, bits >>= 16) {
      const auto u = static_cast<std::uint32_t>(bits & 0xffff);
      std::uint32_t count = 0;
      for (const std::uint32_t bound : kUpTo) count += u >= bound ? 1U : 0U;
      (*counts)[at] = static_cast<std::uint16_t>(count);
    }
  }
}

}  // namespace

int ResamplesFor(std::int64_t rows, int asked) {
  const auto affordable = static_cast<int>(std::min<std::int64_t>(asked, kRowVisits / std::max<std::int64_t>(rows, 1)));
  return std::max(affordable, std::min(asked, kFewestResamples));
}

Result<std::vector<std::vector<double>>> Resample(const Call& call, std::span<const double> weight, int resamples,
                                                  const std::vector<Metric::OfWeights>& statistics) {
  std::vector<std::vector<double>> draws(statistics.size(), std::vector<double>(static_cast<std::size_t>(resamples)));
  const std::uint64_t salted = Hash64("resamples", call.seed);
  std::atomic<int> next = 0;
  std::mutex failing;
  std::optional<Error> failed;
  const auto work = [&](bool first) {
    std::vector<std::uint16_t> counts(weight.size());
    std::vector<double> counted(weight.size());
    for (int r = next++; r < resamples; r = next++) {
      if (auto may = call.Check(); !may) {
        const std::lock_guard lock(failing);
        if (!failed) failed = std::move(may).error();
        return;
      }
      if (first) call.Report("confidence intervals", static_cast<double>(r) / resamples);
      const Draws random(Hash64(static_cast<std::uint64_t>(r), salted));
      if (weight.size() <= kMultinomialRows) {
        CountMultinomial(random, &counts);
      } else {
        CountPoisson(random, &counts);
      }
      for (std::size_t i = 0; i < counted.size(); ++i) counted[i] = weight[i] * static_cast<double>(counts[i]);
      for (std::size_t at = 0; at < statistics.size(); ++at) {
        draws[at][static_cast<std::size_t>(r)] = statistics[at](counted);
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < std::min(call.threads, resamples); ++t) others.emplace_back(work, false);
    work(true);
  }
  if (failed) return *std::move(failed);
  return draws;
}

double QuantileOf(std::span<const double> sorted, double q) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Estimate Interval(double value, std::vector<double> draws, double confidence) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  std::erase_if(draws, [](double draw) { return std::isnan(draw); });
  if (std::isnan(value) || draws.empty()) return {value, kNan, kNan};
  std::ranges::sort(draws);
  const double tail = (1 - confidence) / 2;
  return {value, QuantileOf(draws, tail), QuantileOf(draws, 1 - tail)};
}

}  // namespace tenon::evaluate

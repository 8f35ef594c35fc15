#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace tenon::app {

// A small generator of random numbers (SplitMix64; Steele, Lea, Flood 2014) with its own distributions, as those of the
// standard library differ from one implementation to the next. One thread.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL) {}
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }  // [0, 1)
  std::int64_t Below(std::int64_t n) { return static_cast<std::int64_t>(Uniform() * static_cast<double>(n)); }
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }
  int Poisson(double mean) {  // by inversion; for small means
    const double limit = std::exp(-mean);
    double product = Uniform();
    int count = 0;
    while (product > limit) {
      product *= Uniform();
      ++count;
    }
    return count;
  }

 private:
  std::uint64_t state_;
};

}  // namespace tenon::app

#pragma once

#include <cstdint>
#include <span>

namespace tenon::serve {

// Confidence sequences: intervals that hold at all times at once with probability 1 - alpha, so that one may look after
// every answer and stop when one likes. All from one martingale, the Beta(1/2, 1/2) mixture of a binomial likelihood
// against a fixed rate (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, section 3.2): by Ville's inequality it
// ever reaches 1/alpha with probability alpha at most. No state: sums in, intervals out. Exact for small counts, too.

struct Trials {
  std::int64_t n = 0;
  std::int64_t hits = 0;
};

struct Interval {
  double low = 0;
  double high = 0;
};

// The logarithm of the evidence against a rate of p: log(1/alpha) is ever reached with probability alpha when p is right.
double EvidenceAgainst(const Trials& trials, double p);

// Of a rate.
Interval RateInterval(const Trials& trials, double alpha);

// The logarithm of the evidence against b's rate being a's plus `difference`: of the least unlikely such pair of rates.
// The product of the two martingales is one, however the trials of a and b follow each other.
double EvidenceAgainstDifference(const Trials& a, const Trials& b, double difference);

// Of b's rate minus a's.
Interval RateDifference(const Trials& a, const Trials& b, double alpha);

// Between which buckets (both included) the q-quantile lies, by counts of ordered buckets: buckets whose count from below
// contradicts a rate of q are left out (the duality of Howard and Ramdas 2022, section 3, with the mixture above).
struct BucketRange {
  int low = 0;
  int high = 0;
};
BucketRange QuantileRange(std::span<const std::int64_t> counts, double q, double alpha);

// The distance of Kolmogorov and Smirnov between two histograms over the same buckets: what was seen, and what it is at
// least and at most. Each edge between buckets has its share of alpha.
struct Distance {
  double seen = 0;
  double low = 0;
  double high = 1;
};
Distance DistanceOf(std::span<const std::int64_t> a, std::span<const std::int64_t> b, double alpha);

}  // namespace tenon::serve

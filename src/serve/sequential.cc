#include "serve/sequential.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tenon::serve {
namespace {

constexpr double kPrior = 0.5;

// lgamma_r: std::lgamma writes a global.
double LogGamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

// log of the Beta-binomial mixture of one ordered sequence with these counts.
double LogMixture(const Trials& t) {
  const double hits = static_cast<double>(t.hits), n = static_cast<double>(t.n);
  static const double prior = LogGamma(kPrior) * 2 - LogGamma(2 * kPrior);
  return LogGamma(hits + kPrior) + LogGamma(n - hits + kPrior) - LogGamma(n + 2 * kPrior) - prior;
}

double LogLikelihood(const Trials& t, double p) {
  const double hits = static_cast<double>(t.hits), misses = static_cast<double>(t.n - t.hits);
  double out = 0;
  if (hits > 0) out += hits * std::log(p);
  if (misses > 0) out += misses * std::log1p(-p);
  return out;
}

double Slope(const Trials& t, double p) {
  const double hits = static_cast<double>(t.hits), misses = static_cast<double>(t.n - t.hits);
  return (hits > 0 ? hits / p : 0) - (misses > 0 ? misses / (1 - p) : 0);
}

double Bend(const Trials& t, double p) {  // the negative of the slope's slope
  const double hits = static_cast<double>(t.hits), misses = static_cast<double>(t.n - t.hits);
  return (hits > 0 ? hits / (p * p) : 0) + (misses > 0 ? misses / ((1 - p) * (1 - p)) : 0);
}

// The greatest joint likelihood of rates p and p + difference. Concave in p: the zero of its slope, by Newton's steps
// within a bracket.
double GreatestLikelihood(const Trials& a, const Trials& b, double difference) {
  double low = std::max(0.0, -difference), high = std::min(1.0, 1 - difference);
  const double pooled = (static_cast<double>(a.hits + b.hits) - static_cast<double>(b.n) * difference) / static_cast<double>(a.n + b.n);
  double p = pooled > low && pooled < high ? pooled : (low + high) / 2;
  for (int i = 0; i < 60 && high - low > 1e-14; ++i) {
    const double slope = Slope(a, p) + Slope(b, p + difference);
    (slope > 0 ? low : high) = p;
    double next = p + slope / (Bend(a, p) + Bend(b, p + difference));
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (std::abs(next - p) < 1e-12 * next) break;
    p = next;
  }
  return LogLikelihood(a, p) + LogLikelihood(b, std::clamp(p + difference, 0.0, 1.0));
}

// The point between a `inside` and an `outside` where a convex function crosses `level`.
template <typename Of>
double Crossing(double inside, double outside, double level, const Of& of) {
  for (int i = 0; i < 40; ++i) {
    const double middle = (inside + outside) / 2;
    (of(middle) < level ? inside : outside) = middle;
  }
  return outside;
}

double RateOf(const Trials& t) { return t.n == 0 ? 0.5 : static_cast<double>(t.hits) / static_cast<double>(t.n); }

}  // namespace

double EvidenceAgainst(const Trials& trials, double p) {
  if (trials.n == 0) return 0;
  return LogMixture(trials) - LogLikelihood(trials, p);
}

Interval RateInterval(const Trials& trials, double alpha) {
  if (trials.n == 0) return {0, 1};
  const double level = std::log(1 / alpha), mixture = LogMixture(trials), rate = RateOf(trials);
  const auto evidence = [&](double p) { return mixture - LogLikelihood(trials, p); };
  return {trials.hits == 0 ? 0 : Crossing(rate, 0, level, evidence),
          trials.hits == trials.n ? 1 : Crossing(rate, 1, level, evidence)};
}

double EvidenceAgainstDifference(const Trials& a, const Trials& b, double difference) {
  if (a.n == 0 && b.n == 0) return 0;
  return LogMixture(a) + LogMixture(b) - GreatestLikelihood(a, b, difference);
}

Interval RateDifference(const Trials& a, const Trials& b, double alpha) {
  if (a.n == 0 || b.n == 0) return {-1, 1};
  const double level = std::log(1 / alpha), mixture = LogMixture(a) + LogMixture(b);
  const auto evidence = [&](double d) { return mixture - GreatestLikelihood(a, b, d); };
  const double seen = RateOf(b) - RateOf(a);
  return {Crossing(seen, -1, level, evidence), Crossing(seen, 1, level, evidence)};
}

BucketRange QuantileRange(std::span<const std::int64_t> counts, double q, double alpha) {
  const int last = static_cast<int>(counts.size()) - 1;
  const std::int64_t n = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  BucketRange range{0, last};
  if (n == 0) return range;
  const double level = std::log(2 / alpha);
  std::int64_t below = 0;
  bool found = false;
  for (int i = 0; i <= last; ++i) {
    below += counts[static_cast<std::size_t>(i)];
    const bool contradicts = EvidenceAgainst({n, below}, q) >= level;
    const double rate = static_cast<double>(below) / static_cast<double>(n);
    if (rate < q && contradicts) range.low = std::min(i + 1, last);  // even with this bucket too few are below
    if (rate > q && contradicts && !found) {                        // the quantile is not above this bucket
      range.high = i;
      found = true;
    }
  }
  return range;
}

Distance DistanceOf(std::span<const std::int64_t> a, std::span<const std::int64_t> b, double alpha) {
  Distance out;
  const std::int64_t n = std::accumulate(a.begin(), a.end(), std::int64_t{0});
  const std::int64_t m = std::accumulate(b.begin(), b.end(), std::int64_t{0});
  if (n == 0 || m == 0 || a.size() < 2) return out;
  const double share = alpha / static_cast<double>(a.size() - 1);
  Trials below_a{n, 0}, below_b{m, 0};
  out.high = 0;
  const double level = std::log(1 / share);
  for (std::size_t i = 0; i + 1 < a.size(); ++i) {
    below_a.hits += a[i];
    below_b.hits += b[i];
    const double gap = RateOf(below_b) - RateOf(below_a), size = std::abs(gap), sign = gap < 0 ? -1 : 1;
    out.seen = std::max(out.seen, size);
    const auto evidence = [&](double difference) { return EvidenceAgainstDifference(below_a, below_b, difference); };
    // Only an edge that says more than those before it is worth the search for its ends.
    if (size > out.low && evidence(sign * out.low) >= level) out.low = std::abs(Crossing(gap, sign * out.low, level, evidence));
    for (const double way : {1.0, -1.0}) {
      if (out.high < 1 && (way * gap > out.high || evidence(way * out.high) < level)) {
        out.high = std::max(out.high, std::abs(Crossing(std::max(way * gap, out.high) * way, way, level, evidence)));
      }
    }
  }
  out.high = std::min(out.high, 1.0);
  return out;
}

}  // namespace tenon::serve

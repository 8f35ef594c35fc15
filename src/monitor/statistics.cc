#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/text.h"
#include "monitor/statistics_internal.h"

namespace tenon::monitor {
namespace {

// lgamma_r: std::lgamma writes a global, and columns are compared on many threads.
double LogGamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

using table::ColumnProfile;

double GammaSeries(double a, double x) {
  double term = 1 / a;
  double sum = term;
  for (int n = 1; n < 100000; ++n) {
    term *= x / (a + n);
    sum += term;
    if (term < sum * 1e-16) break;
  }
  return sum * std::exp(a * std::log(x) - x - LogGamma(a));
}

// Lentz's way of evaluating the continued fraction.
double GammaFraction(double a, double x) {
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a;
  double c = 1 / kTiny;
  double d = 1 / b;
  double h = d;
  for (int n = 1; n < 100000; ++n) {
    const double factor = -n * (n - a);
    b += 2;
    d = factor * d + b;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d);
    c = b + factor / c;
    if (std::abs(c) < kTiny) c = kTiny;
    const double change = d * c;
    h *= change;
    if (std::abs(change - 1) < 1e-15) break;
  }
  return h * std::exp(a * std::log(x) - x - LogGamma(a));
}

// The x at which a falling function is `wanted`.
template <typename Tail>
double Invert(const Tail& tail, double wanted, double high) {
  double low = 0;
  for (int i = 0; i < 200 && tail(high) > wanted; ++i) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-14 * high; ++i) {
    const double middle = (low + high) / 2;
    (tail(middle) > wanted ? low : high) = middle;
  }
  return high;
}

std::map<std::string, double> CountsOf(const ColumnProfile& profile, int most) {
  std::map<std::string, double> out;
  for (const table::Frequency& entry : profile.Top(most)) out[entry.value] = entry.count;
  return out;
}

// What is counted under a value that is not among the most frequent: nothing, as long as all are known.
double CountOf(const std::map<std::string, double>& counts, const std::string& value) {
  const auto it = counts.find(value);
  return it == counts.end() ? 0 : it->second;
}

}  // namespace

double GammaTail(double a, double x) {
  if (x <= 0) return 1;
  return x < a + 1 ? 1 - GammaSeries(a, x) : GammaFraction(a, x);
}

double ChiSquareTail(double x, double degrees) { return GammaTail(degrees / 2, x / 2); }

double ChiSquareQuantile(double tail, double degrees) {
  return Invert([degrees](double x) { return ChiSquareTail(x, degrees); }, tail, degrees + 10);
}

double KolmogorovTail(double gap, double n, double m) {
  const double root = std::sqrt(n * m / (n + m));
  const double lambda = (root + 0.12 + 0.11 / root) * gap;
  if (lambda < 0.3) return 1;  // within 1e-5 of it
  double sum = 0;
  for (int k = 1; k <= 100; ++k) {
    const double term = std::exp(-2.0 * k * k * lambda * lambda);
    sum += k % 2 == 1 ? term : -term;
    if (term < 1e-18) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

double KolmogorovQuantile(double tail, double n, double m) {
  return Invert([n, m](double gap) { return KolmogorovTail(gap, n, m); }, tail, 1);
}

double Binned::ReferenceTotal() const {
  double sum = 0;
  for (const double count : reference) sum += count;
  return sum;
}

double Binned::WindowTotal() const {
  double sum = 0;
  for (const double count : window) sum += count;
  return sum;
}

bool FewValued(const ColumnProfile& profile) { return profile.distinct_is_exact() && profile.distinct() <= kFewValues; }

double Present(const ColumnProfile& profile) {
  return static_cast<double>(profile.count() - profile.missing() - profile.infinities());
}

Binned BinByValue(const ColumnProfile& reference, const ColumnProfile& window, int most) {
  const auto before = CountsOf(reference, ColumnProfile::kExactDistinct);
  const auto after = CountsOf(window, ColumnProfile::kExactDistinct);
  std::map<std::string, bool> names;  // sorted, so that the order of the bins depends on nothing else
  for (const auto* side : {&reference, &window}) {
    for (const table::Frequency& entry : side->Top(most)) names[entry.value] = true;
  }
  Binned out;
  for (const auto& [name, unused] : names) {
    out.names.push_back(name);
    out.reference.push_back(CountOf(before, name));
    out.window.push_back(CountOf(after, name));
  }
  const double rest_before = std::max(0.0, Present(reference) - out.ReferenceTotal());
  const double rest_after = std::max(0.0, Present(window) - out.WindowTotal());
  if (rest_before > 0.5 || rest_after > 0.5) {
    out.names.emplace_back("other values");
    out.reference.push_back(rest_before);
    out.window.push_back(rest_after);
  }
  return out;
}

double SnapToBucket(double x) {
  if (x == 0 || !std::isfinite(x)) return x;
  int exponent = 0;
  const double mantissa = std::frexp(std::abs(x), &exponent);  // in [0.5, 1): 128 buckets
  return std::copysign(std::ldexp(std::round(mantissa * 256) / 256, exponent), x);
}

double Below(const ColumnProfile& profile, double x) {
  // Infinities are counted apart and belong to no bin.
  const double lowest = profile.CountAtMost(-std::numeric_limits<double>::infinity());
  return profile.CountAtMost(x > 0 ? std::nextafter(x, -1.0) : x) - lowest;
}

Binned BinByQuantile(const ColumnProfile& reference, const ColumnProfile& window, int bins, bool of_both) {
  if (!reference.numeric() || !window.numeric() || FewValued(reference) || (of_both && FewValued(window))) {
    return BinByValue(reference, window, kFewValues);
  }
  std::vector<double> edges;
  for (int i = 1; i < bins; ++i) {
    edges.push_back(SnapToBucket(reference.Quantile(static_cast<double>(i) / bins)));
    if (of_both) edges.push_back(SnapToBucket(window.Quantile(static_cast<double>(i) / bins)));
  }
  std::erase_if(edges, [](double edge) { return !std::isfinite(edge); });
  std::ranges::sort(edges);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  Binned out;
  double before = 0, after = 0;
  for (std::size_t i = 0; i <= edges.size(); ++i) {
    const bool last = i == edges.size();
    const double until_before = last ? Present(reference) : Below(reference, edges[i]);
    const double until_after = last ? Present(window) : Below(window, edges[i]);
    const double low = i == 0 ? 0 : edges[i - 1];
    if (edges.empty()) {
      out.names.emplace_back("all values");
    } else {
      out.names.push_back(i == 0 ? Str("below ", FormatShort(edges[0]))
                          : last ? Str(FormatShort(low), " and above")
                                 : Str(FormatShort(low), " to ", FormatShort(edges[i])));
    }
    out.reference.push_back(until_before - before);
    out.window.push_back(until_after - after);
    before = until_before;
    after = until_after;
  }
  return out;
}

std::string Percent(double share) { return FormatShort(100 * share, 3) + " %"; }

std::string LargestChange(const Binned& bins) {
  const double before = bins.ReferenceTotal(), after = bins.WindowTotal();
  std::size_t most = 0;
  double largest = -1;
  for (std::size_t i = 0; i < bins.names.size(); ++i) {
    const double change = std::abs(bins.window[i] / after - bins.reference[i] / before);
    if (change > largest) {
      largest = change;
      most = i;
    }
  }
  if (largest <= 0) return "no share changed";
  return Str(bins.names[most], " went from ", Percent(bins.reference[most] / before), " to ",
             Percent(bins.window[most] / after));
}

}  // namespace tenon::monitor

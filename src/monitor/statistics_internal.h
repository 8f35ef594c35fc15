#pragma once

#include <string>
#include <vector>

#include "table/profile.h"

namespace tenon::monitor {

// Regularised upper incomplete gamma function Q(a, x), a > 0, x >= 0: the series or the continued fraction, whichever
// converges (Abramowitz, Stegun 6.5). Relative error about 1e-12.
double GammaTail(double a, double x);
// The chance that a chi-square variable is above `x`, and the value that is exceeded with chance `tail`.
double ChiSquareTail(double x, double degrees);
double ChiSquareQuantile(double tail, double degrees);
// The chance that the two-sample Kolmogorov-Smirnov gap of n and m values is above `gap`: the limit law with Stephens's
// correction for finite samples (1970). And the gap that is exceeded with chance `tail`.
double KolmogorovTail(double gap, double n, double m);
double KolmogorovQuantile(double tail, double n, double m);

// How many values of either side fall into each of the same bins.
struct Binned {
  std::vector<std::string> names;  // "30 to 40", "retired", "other values"
  std::vector<double> reference;
  std::vector<double> window;
  double ReferenceTotal() const;
  double WindowTotal() const;
};

// By value where there are few values, texts or numbers: the most frequent `most` of either side, the rest together.
// Symmetric in its arguments but for their places.
Binned BinByValue(const table::ColumnProfile& reference, const table::ColumnProfile& window, int most);
// By quantiles of the reference (of both: symmetric). Falls back to BinByValue for texts and few-valued numbers.
Binned BinByQuantile(const table::ColumnProfile& reference, const table::ColumnProfile& window, int bins, bool of_both);

// At most so many different values count as few.
inline constexpr int kFewValues = 50;
bool FewValued(const table::ColumnProfile& profile);

// Places where both cumulative counts are exact. A profile with all its values knows them anywhere; a sketched one at
// the borders of its buckets (128 to each power of two, closed towards zero), which is where Below counts.
double SnapToBucket(double x);
// Values < x (x > 0) or <= x (x <= 0): what a sketch counts exactly at a border.
double Below(const table::ColumnProfile& profile, double x);

// Values that are there: neither missing nor infinite.
double Present(const table::ColumnProfile& profile);

// The bin whose share changed most, for people: "30 to 40 went from 12 % to 25 %".
std::string LargestChange(const Binned& bins);
std::string Percent(double share);

}  // namespace tenon::monitor

#pragma once

#include <optional>
#include <string_view>

#include "monitor/drift_test.h"
#include "monitor/statistics_internal.h"

namespace tenon::monitor {

// What drift tests share beyond statistics.

// The verdict when a side has no values, which is no drift and says so; else nothing.
std::optional<DriftVerdict> NothingToCompare(const table::ColumnProfile& reference, const table::ColumnProfile& window,
                                             double threshold);

// A distance of two distributions over the same bins. `between` is the distance; `by_chance` what so few rows of equal
// distributions stay below in all but one of a thousand windows.
struct Distance {
  std::string_view name;  // for people: "PSI"
  bool of_both;           // bins by quantiles of both sides, not of the reference
  double (*between)(const Binned& bins);
  double (*by_chance)(const Binned& bins, double quantile);
};

// Drift when the distance is above `threshold` and above chance. Suits every column but embeddings.
std::unique_ptr<DriftTest> MakeBinnedDistance(const Distance& distance, const Options& options);
// The options of such a test.
std::vector<Option> BinnedDistanceOptions(double threshold, double most, std::string bins_help);

// "alpha", and a change too small to matter however many rows prove it: the options of a significance test.
std::vector<Option> SignificanceOptions(std::string alpha_help, std::string least_name, double least, std::string least_help);

}  // namespace tenon::monitor

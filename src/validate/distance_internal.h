#pragma once

#include <optional>
#include <string>

#include "validate/check.h"

namespace tenon::validate {

// How far a column's values are from what they were, by tenths of before, or by its 30 most frequent values and all others.
struct Shift {
  double psi = 0;             // less what it would be on average had nothing changed
  double jensen_shannon = 0;  // bits
  double largest_change = 0;  // of a share
  double spread = 0;          // of psi had nothing changed: its standard deviation
  std::string text;           // for people: the medians, or the value whose share changed most
  double Of(Distance distance) const;
};

// Nothing where it cannot be said: another type, time, vectors, fewer rows with a value than `least_rows`, one value only.
std::optional<Shift> ShiftOf(const table::ColumnProfile& before, const table::ColumnProfile& now, std::int64_t least_rows);

// "PSI 0.31"
std::string DistanceText(Distance distance, double value);
// The threshold of a column: the one written for it, or else the rule's.
double ThresholdOf(const ValidateSpec& spec, std::string_view column, bool* written);
bool MayDrift(const ValidateSpec& spec, std::string_view column);

}  // namespace tenon::validate

#pragma once

#include <string>
#include <vector>

#include "base/kinds.h"
#include "table/profile.h"

namespace tenon::monitor {

struct DriftVerdict {
  double statistic = 0;
  double threshold = 0;
  bool drifted = false;
  std::string why;  // for people: "PSI 0.31 is above 0.2: more values between 30 and 40"
};

// Compares a window of live values with the reference the model was trained on, both as profiles, so that no row is
// touched. Immutable: any number of threads may call Compare at once.
class DriftTest {
 public:
  virtual ~DriftTest() = default;
  // Whether it can judge this column (numbers, few-valued texts, any).
  virtual bool Suits(const table::ColumnProfile& reference) const = 0;
  // An empty window or reference does not drift, and says so.
  virtual Result<DriftVerdict> Compare(const table::ColumnProfile& reference, const table::ColumnProfile& window) const = 0;
};

// Kinds: population_stability, jensen_shannon, kolmogorov_smirnov, chi_square, missing_rate, unseen_categories.
Result<void> AddAll(Kinds<DriftTest>& kinds);

}  // namespace tenon::monitor

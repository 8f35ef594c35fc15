#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "evaluate/metric.h"

namespace tenon::evaluate {

// What metrics share: weights, decisions, confusion and ranking of scored rows.

inline std::int64_t RowsOf(const Scored& scored) { return static_cast<std::int64_t>(scored.actual.size()); }
inline int ClassesOf(const Scored& scored) { return scored.task == model::Task::kBinary ? 2 : scored.outputs; }
// The weights, 1 where there are none.
std::vector<double> WeightsOf(const Scored& scored);
// Metric::Compute of a metric whose work is in Prepare.
double AtOwnWeights(const Metric& metric, const Scored& scored);

// The class decided for each row: of binary 1 when predicted >= threshold, else the (first) most probable one.
std::vector<int> Decisions(const Scored& scored);

// The weighted mean of one number a row; NaN when all weights are 0. A fixed order of additions.
double WeightedMean(std::span<const double> values, std::span<const double> weight);
double SumOf(std::span<const double> values);

// The cell (actual * classes + decided) of each row, to count a confusion matrix under many weightings.
struct Cells {
  int classes = 2;
  bool binary = true;
  std::vector<std::uint16_t> cell;
  // classes x classes sums of weights, row by actual class.
  std::vector<double> Count(std::span<const double> weight) const;
};
Cells CellsOf(const Scored& scored);

// The sums that the usual metrics of one class against the rest are made of.
struct Confused {
  double true_positive = 0, false_positive = 0, false_negative = 0, true_negative = 0;
};
// Of each class against the others, from a confusion matrix of classes x classes.
std::vector<Confused> EachAgainstRest(std::span<const double> confusion, int classes);

// Of class 1 when binary; else the mean over the classes that came or were decided, an undefined one counting as 0.
double OverClasses(const Cells& cells, std::span<const double> weight, double (*of)(const Confused&));

// Rows by descending score, ties together.
struct Ranking {
  std::vector<std::uint32_t> order;
  std::vector<std::uint8_t> positive;  // in that order: whether the row is of the class
  std::vector<std::uint8_t> last;      // in that order: whether the row is the last of its tie
};
// By the score of class `k` (of binary: 1). Empty when a score is NaN.
Ranking RankingOf(const Scored& scored, int k);
// Area under the ROC curve, ties by midranks; NaN unless both classes have weight.
double AreaUnderRoc(const Ranking& ranking, std::span<const double> weight);

// Ten bins of equal weight by predicted probability; rows that tie are never parted: a row is in bin
// floor(10 * (weight below it + half of its tie's weight) / weight of all). Bins may be empty.
struct CalibrationBin {
  double weight = 0, predicted = 0, observed = 0;  // sums: of weights, of weighted predictions, of weight of class 1
};
std::vector<CalibrationBin> CalibrationBins(const Scored& scored, const Ranking& ranking, std::span<const double> weight);

}  // namespace tenon::evaluate

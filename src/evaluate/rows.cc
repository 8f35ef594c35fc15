#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int kBins = 10;

}  // namespace

Metric::OfWeights Metric::Prepare(const Scored& scored) const {
  return [this, scored](std::span<const double> weight) {
    Scored weighted = scored;
    weighted.weight = weight;
    return Compute(weighted);
  };
}

std::vector<double> WeightsOf(const Scored& scored) {
  if (scored.weight.empty()) return std::vector<double>(scored.actual.size(), 1.0);
  return {scored.weight.begin(), scored.weight.end()};
}

double AtOwnWeights(const Metric& metric, const Scored& scored) { return metric.Prepare(scored)(WeightsOf(scored)); }

std::vector<int> Decisions(const Scored& scored) {
  const auto rows = scored.actual.size();
  std::vector<int> out(rows);
  if (scored.task == model::Task::kBinary) {
    for (std::size_t i = 0; i < rows; ++i) out[i] = static_cast<double>(scored.predicted[i]) >= scored.threshold ? 1 : 0;
    return out;
  }
  const auto classes = static_cast<std::size_t>(scored.outputs);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = scored.predicted.subspan(i * classes, classes);
    out[i] = static_cast<int>(std::ranges::max_element(row) - row.begin());
  }
  return out;
}

// Four sums side by side: the additions do not wait for each other, and less is rounded away than by one.
double WeightedMean(std::span<const double> values, std::span<const double> weight) {
  std::array<double, 4> sum{}, total{};
  std::size_t i = 0;
  for (; i + 4 <= values.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      sum[lane] += values[i + lane] * weight[i + lane];
      total[lane] += weight[i + lane];
    }
  }
  for (; i < values.size(); ++i) {
    sum[0] += values[i] * weight[i];
    total[0] += weight[i];
  }
  const double all = (total[0] + total[1]) + (total[2] + total[3]);
  return all > 0 ? ((sum[0] + sum[1]) + (sum[2] + sum[3])) / all : kNan;
}

double SumOf(std::span<const double> values) {
  std::array<double, 4> sum{};
  std::size_t i = 0;
  for (; i + 4 <= values.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) sum[lane] += values[i + lane];
  }
  for (; i < values.size(); ++i) sum[0] += values[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

Cells CellsOf(const Scored& scored) {
  Cells cells;
  cells.classes = ClassesOf(scored);
  cells.binary = scored.task == model::Task::kBinary;
  const std::vector<int> decided = Decisions(scored);
  cells.cell.resize(decided.size());
  for (std::size_t i = 0; i < decided.size(); ++i) {
    cells.cell[i] = static_cast<std::uint16_t>(static_cast<int>(scored.actual[i]) * cells.classes + decided[i]);
  }
  return cells;
}

std::vector<double> Cells::Count(std::span<const double> weight) const {
  const auto size = static_cast<std::size_t>(classes * classes);
  std::vector<double> lanes(4 * size);  // neighbouring rows often share a cell: four tables, so that none waits
  std::size_t i = 0;
  for (; i + 4 <= cell.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) lanes[lane * size + cell[i + lane]] += weight[i + lane];
  }
  for (; i < cell.size(); ++i) lanes[cell[i]] += weight[i];
  std::vector<double> out(size);
  for (std::size_t at = 0; at < size; ++at) {
    out[at] = (lanes[at] + lanes[size + at]) + (lanes[2 * size + at] + lanes[3 * size + at]);
  }
  return out;
}

std::vector<Confused> EachAgainstRest(std::span<const double> confusion, int classes) {
  std::vector<Confused> out(static_cast<std::size_t>(classes));
  double all = 0;
  for (std::size_t actual = 0, at = 0; actual < out.size(); ++actual) {
    for (std::size_t decided = 0; decided < out.size(); ++decided, ++at) {
      all += confusion[at];
      if (actual == decided) {
        out[actual].true_positive = confusion[at];
      } else {
        out[actual].false_negative += confusion[at];
        out[decided].false_positive += confusion[at];
      }
    }
  }
  if (classes == 2) {  // exactly, where it is a cell
    out[0].true_negative = confusion[3];
    out[1].true_negative = confusion[0];
    return out;
  }
  for (Confused& one : out) one.true_negative = all - one.true_positive - one.false_negative - one.false_positive;
  return out;
}

double OverClasses(const Cells& cells, std::span<const double> weight, double (*of)(const Confused&)) {
  const std::vector<Confused> confused = EachAgainstRest(cells.Count(weight), cells.classes);
  if (cells.binary) return of(confused[1]);
  double sum = 0;
  int present = 0;
  for (const Confused& one : confused) {
    if (!(one.true_positive + one.false_positive + one.false_negative > 0)) continue;
    const double value = of(one);
    sum += std::isnan(value) ? 0 : value;
    ++present;
  }
  return present > 0 ? sum / present : kNan;
}

Ranking RankingOf(const Scored& scored, int k) {
  const auto rows = scored.actual.size();
  const bool binary = scored.task == model::Task::kBinary;
  const std::size_t stride = binary ? 1 : static_cast<std::size_t>(scored.outputs);
  const std::size_t column = binary ? 0 : static_cast<std::size_t>(k);
  const int positive = binary ? 1 : k;
  std::vector<std::pair<float, std::uint32_t>> keyed(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    keyed[i] = {-scored.predicted[i * stride + column], static_cast<std::uint32_t>(i)};
    if (std::isnan(keyed[i].first)) return {};
  }
  std::ranges::sort(keyed);
  Ranking out;
  out.order.resize(rows);
  out.positive.resize(rows);
  out.last.resize(rows);
  for (std::size_t at = 0; at < rows; ++at) {
    out.order[at] = keyed[at].second;
    out.positive[at] = static_cast<int>(scored.actual[keyed[at].second]) == positive ? 1 : 0;
    out.last[at] = at + 1 == rows || keyed[at + 1].first != keyed[at].first ? 1 : 0;
  }
  return out;
}

double AreaUnderRoc(const Ranking& ranking, std::span<const double> weight) {
  double above = 0;            // weight of positives that rank higher than the tie at hand
  std::array<double, 2> tie{}; // weight of its negatives and positives
  std::array<double, 2> total{};
  double area = 0;
  for (std::size_t at = 0; at < ranking.order.size(); ++at) {
    tie[ranking.positive[at]] += weight[ranking.order[at]];
    if (ranking.last[at] == 0) continue;
    area += tie[0] * (above + 0.5 * tie[1]);
    above += tie[1];
    total[0] += tie[0];
    total[1] += tie[1];
    tie = {};
  }
  return total[0] > 0 && total[1] > 0 ? area / total[0] / total[1] : kNan;
}

std::vector<CalibrationBin> CalibrationBins(const Scored& scored, const Ranking& ranking, std::span<const double> weight) {
  std::vector<CalibrationBin> bins(kBins);
  const double total = SumOf(weight);
  double above = 0;
  CalibrationBin tie;
  for (std::size_t at = 0; at < ranking.order.size(); ++at) {
    const std::size_t row = ranking.order[at];
    tie.weight += weight[row];
    if (ranking.positive[at] != 0) tie.observed += weight[row];
    if (ranking.last[at] == 0) continue;
    if (tie.weight > 0) {
      const double below = total - above - 0.5 * tie.weight;
      const int bin = std::clamp(static_cast<int>(std::floor(kBins * below / total)), 0, kBins - 1);
      CalibrationBin& into = bins[static_cast<std::size_t>(bin)];
      into.weight += tie.weight;
      into.predicted += tie.weight * static_cast<double>(scored.predicted[row]);
      into.observed += tie.observed;
    }
    above += tie.weight;
    tie = {};
  }
  return bins;
}

}  // namespace tenon::evaluate

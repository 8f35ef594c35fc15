#include "evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "base/hash.h"
#include "base/text.h"
#include "evaluate/costs_internal.h"
#include "evaluate/curves_internal.h"
#include "evaluate/resample_internal.h"
#include "evaluate/rows_internal.h"
#include "evaluate/slices_internal.h"

namespace tenon::evaluate {
namespace {

constexpr std::size_t kShownRows = 500;
constexpr int kScoreBins = 20;
constexpr int kSliceResamples = 200;

std::size_t OutputsOf(const Scored& scored) {
  return scored.task == model::Task::kMulticlass ? static_cast<std::size_t>(scored.outputs) : 1;
}

template <typename T>
std::vector<T> TakenOf(std::span<const T> values, std::size_t each, std::span<const std::int64_t> rows) {
  std::vector<T> out;
  if (values.empty()) return out;
  out.reserve(rows.size() * each);
  for (const std::int64_t row : rows) {
    const auto of_row = values.subspan(static_cast<std::size_t>(row) * each, each);
    out.insert(out.end(), of_row.begin(), of_row.end());
  }
  return out;
}

// The scored rows at `rows`, copied together.
struct Subset {
  std::vector<float> predicted;
  std::vector<double> actual, weight;
  Scored scored;

  Subset(const Scored& all, std::span<const std::int64_t> rows)
      : predicted(TakenOf(all.predicted, OutputsOf(all), rows)),
        actual(TakenOf(all.actual, 1, rows)),
        weight(TakenOf(all.weight, 1, rows)),
        scored(all) {
    scored.predicted = predicted;
    scored.actual = actual;
    scored.weight = weight;
  }
  Subset(const Subset&) = delete;
  Subset& operator=(const Subset&) = delete;
};

// All rows, in the order in which most metrics walk through them: by score, or by size of error. A thousand walks through
// memory in a row instead of across it.
std::vector<std::int64_t> WalkingOrder(const Scored& scored) {
  std::vector<std::int64_t> order(scored.actual.size());
  std::iota(order.begin(), order.end(), 0);
  if (scored.task == model::Task::kMulticlass) return order;
  const auto key = [&](std::int64_t row) {
    const auto at = static_cast<std::size_t>(row);
    const auto predicted = static_cast<double>(scored.predicted[at]);
    return scored.task == model::Task::kBinary ? -predicted : std::abs(predicted - scored.actual[at]);
  };
  std::ranges::stable_sort(order, {}, key);
  return order;
}

struct NamedMetric {
  std::string name;
  std::unique_ptr<Metric> metric;
};

Result<void> CheckShapes(const table::Batch& rows, const Scored& scored, const std::vector<std::string>& classes,
                         const std::vector<Other>& others) {
  const auto n = scored.actual.size();
  if (n == 0) return Error(Code::kInvalidArgument, "there are no rows to judge the predictions on");
  const std::size_t predictions = n * static_cast<std::size_t>(scored.task == model::Task::kMulticlass ? scored.outputs : 1);
  if (scored.predicted.size() != predictions || static_cast<std::size_t>(rows.rows()) != n ||
      (!scored.weight.empty() && scored.weight.size() != n)) {
    return Error(Code::kInvalidArgument, Str("of ", n, " truths there are ", scored.predicted.size(), " predictions (expected ",
                                             predictions, "), ", rows.rows(), " rows and ", scored.weight.size(), " weights"));
  }
  for (const Other& other : others) {
    if (other.predicted.size() != predictions) {
      return Error(Code::kInvalidArgument, Str("'", other.name, "' has ", other.predicted.size(), " predictions; expected ", predictions));
    }
  }
  const bool regression = scored.task == model::Task::kRegression;
  const double most = static_cast<double>(ClassesOf(scored));
  if (!regression && static_cast<double>(classes.size()) != most) {
    return Error(Code::kInvalidArgument, Str("there are ", classes.size(), " class names for ", most, " classes"));
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double actual = scored.actual[i];
    if (regression ? !std::isfinite(actual) : !(actual >= 0 && actual < most && actual == std::floor(actual))) {
      return Error(Code::kInvalidArgument, Str("row ", i, " has the truth ", actual, regression
                                                   ? "; expected a finite number"
                                                   : Str("; expected a class index below ", most)));
    }
    if (!scored.weight.empty() && !(scored.weight[i] >= 0 && std::isfinite(scored.weight[i]))) {
      return Error(Code::kInvalidArgument, Str("row ", i, " has the weight ", scored.weight[i], "; expected 0 or more"));
    }
  }
  for (std::size_t i = 0; i < predictions; ++i) {
    if (!std::isfinite(scored.predicted[i])) {
      return Error(Code::kInvalidArgument, Str("prediction ", i, " is ", static_cast<double>(scored.predicted[i]), ", not a number"));
    }
  }
  if (!(SumOf(WeightsOf(scored)) > 0)) return Error(Code::kInvalidArgument, "all rows have weight 0");
  return {};
}

Result<std::vector<NamedMetric>> MetricsOf(model::Task task, const EvaluateSpec& spec, const Kinds<Metric>& kinds) {
  std::vector<std::string> names = DefaultMetrics(task);
  for (const std::string& name : spec.metrics) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  std::vector<NamedMetric> out;
  for (const std::string& name : names) {
    TENON_ASSIGN(auto metric, kinds.Create(name), "evaluate.metrics");
    if (!metric->Suits(task)) {
      return Error(Code::kInvalidArgument, Str("evaluate.metrics: '", name, "' does not suit ", NameOf(task),
                                               "; those that do are always reported: ", Join(DefaultMetrics(task), ", ")));
    }
    out.push_back({name, std::move(metric)});
  }
  return out;
}

// Per row: what our decisions cost, and what the cheaper constant decision costs.
struct Spending {
  std::vector<double> ours, constant;
};

Result<std::optional<Spending>> SpendingOf(const table::Batch& rows, const Scored& scored, const Costs& costs) {
  if (scored.task != model::Task::kBinary || !costs.known()) return std::optional<Spending>();
  TENON_ASSIGN(const RowCosts each, CostsOf(rows, costs));
  Spending out;
  out.ours = CostOfDecisions(each, scored, Decisions(scored));
  const std::vector<double> never = CostOfDecisions(each, scored, std::vector<int>(scored.actual.size(), 0));
  const std::vector<double> always = CostOfDecisions(each, scored, std::vector<int>(scored.actual.size(), 1));
  const std::vector<double> weight = WeightsOf(scored);
  out.constant = WeightedMean(never, weight) <= WeightedMean(always, weight) ? never : always;
  return std::optional<Spending>(std::move(out));
}

std::vector<double> Difference(std::span<const double> a, std::span<const double> b, double factor) {
  std::vector<double> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = factor * (a[i] - b[i]);
  return out;
}

// Metrics, costs and lifts, all under the same resamples.
Result<void> AddEstimates(const Call& call, const table::Batch& rows, const Scored& scored, const Costs& costs,
                          const EvaluateSpec& spec, const std::vector<Other>& others,
                          const std::vector<NamedMetric>& metrics, EvaluationReport* report) {
  const std::vector<std::int64_t> order = WalkingOrder(scored);
  const Subset ordered(scored, order);
  const std::vector<double> weight = WeightsOf(ordered.scored);
  std::vector<Metric::OfWeights> statistics;
  for (const NamedMetric& named : metrics) statistics.push_back(named.metric->Prepare(ordered.scored));
  std::vector<std::vector<float>> of_others;
  of_others.reserve(others.size());
  for (const Other& other : others) {
    of_others.push_back(TakenOf(std::span<const float>(other.predicted), OutputsOf(scored), order));
    Scored theirs = ordered.scored;
    theirs.predicted = of_others.back();
    theirs.threshold = other.threshold;
    for (const NamedMetric& named : metrics) statistics.push_back(named.metric->Prepare(theirs));
  }
  TENON_ASSIGN(std::optional<Spending> spending, SpendingOf(rows, scored, costs));
  if (spending) {
    spending->ours = TakenOf(std::span<const double>(spending->ours), 1, order);
    spending->constant = TakenOf(std::span<const double>(spending->constant), 1, order);
  }
  const std::size_t cost_at = statistics.size();
  if (spending) {
    const auto per_1000 = [](const std::vector<double>& each) {
      return [&each](std::span<const double> at) { return 1000 * WeightedMean(each, at); };
    };
    statistics.push_back(per_1000(spending->ours));
    statistics.push_back(per_1000(spending->constant));
  }

  std::vector<double> value;
  for (const auto& statistic : statistics) value.push_back(statistic(weight));
  TENON_ASSIGN(const auto draws, Resample(call, weight, ResamplesFor(report->rows, spec.bootstrap), statistics),
               "confidence intervals");

  const std::size_t count = metrics.size();
  for (std::size_t m = 0; m < count; ++m) {
    report->metrics.emplace_back(metrics[m].name, Interval(value[m], draws[m], spec.confidence));
  }
  for (std::size_t o = 0; o < others.size(); ++o) {
    for (std::size_t m = 0; m < count; ++m) {
      const double sign = metrics[m].metric->higher_is_better() ? 1 : -1;
      const std::size_t at = (o + 1) * count + m;
      report->lifts.push_back({metrics[m].name, others[o].name,
                               Interval(sign * (value[m] - value[at]), Difference(draws[m], draws[at], sign), spec.confidence)});
    }
  }
  if (spending) {
    report->cost_per_1000 = Interval(value[cost_at], draws[cost_at], spec.confidence);
    report->constant_cost_per_1000 = value[cost_at + 1];
    report->cost_saving_per_1000 = Interval(value[cost_at + 1] - value[cost_at],
                                            Difference(draws[cost_at + 1], draws[cost_at], 1), spec.confidence);
  }
  return {};
}

void AddClassPictures(const Scored& scored, EvaluationReport* report) {
  const std::vector<double> weight = WeightsOf(scored);
  const auto classes = static_cast<std::size_t>(ClassesOf(scored));
  report->class_counts.assign(classes, 0);
  for (const double actual : scored.actual) report->class_counts[static_cast<std::size_t>(actual)] += 1;
  const std::vector<double> confusion = CellsOf(scored).Count(weight);
  for (std::size_t k = 0; k < classes; ++k) {
    report->confusion.emplace_back(confusion.begin() + static_cast<std::ptrdiff_t>(k * classes),
                                   confusion.begin() + static_cast<std::ptrdiff_t>((k + 1) * classes));
  }
  if (scored.task != model::Task::kBinary) return;
  report->score_histogram.assign(2, std::vector<double>(kScoreBins));
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const auto bin = std::clamp(static_cast<int>(scored.predicted[i] * static_cast<float>(kScoreBins)), 0, kScoreBins - 1);
    report->score_histogram[scored.actual[i] != 0 ? 1 : 0][static_cast<std::size_t>(bin)] += weight[i];
  }
  const Ranking ranking = RankingOf(scored, 1);
  report->roc = RocCurve(scored, ranking, weight);
  report->precision_recall = PrecisionRecallCurve(scored, ranking, weight);
  for (const CalibrationBin& bin : CalibrationBins(scored, ranking, weight)) {
    if (bin.weight > 0) report->calibration.push_back({bin.predicted / bin.weight, bin.observed / bin.weight, bin.weight});
  }
}

void AddRegressionPictures(const Call& call, const Scored& scored, EvaluationReport* report) {
  std::vector<double> residuals(scored.actual.size());
  for (std::size_t i = 0; i < residuals.size(); ++i) residuals[i] = scored.actual[i] - static_cast<double>(scored.predicted[i]);
  std::ranges::sort(residuals);
  for (const double q : {0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0}) {
    report->residual_quantiles.push_back(QuantileOf(residuals, q));
  }
  for (const std::size_t row : SampleRows(scored.actual.size(), kShownRows, call.seed)) {
    report->predicted_actual.push_back({static_cast<double>(scored.predicted[row]), scored.actual[row], 0});
  }
}

// Metrics of the rows of a slice. Fewer resamples than of the whole: they say whether a slice differs, not by how much.
Result<std::vector<std::pair<std::string, Estimate>>> SliceMetrics(const Call& call, const Subset& subset, const EvaluateSpec& spec,
                                                                   const std::vector<NamedMetric>& metrics) {
  const std::vector<std::int64_t> order = WalkingOrder(subset.scored);
  const Subset ordered(subset.scored, order);
  const std::vector<double> weight = WeightsOf(ordered.scored);
  std::vector<Metric::OfWeights> statistics;
  for (const NamedMetric& named : metrics) statistics.push_back(named.metric->Prepare(ordered.scored));
  const int resamples = std::min(kSliceResamples, ResamplesFor(RowsOf(subset.scored), spec.bootstrap));
  TENON_ASSIGN(const auto draws, Resample(call, weight, resamples, statistics), "confidence intervals of slices");
  std::vector<std::pair<std::string, Estimate>> out;
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    out.emplace_back(metrics[m].name, Interval(statistics[m](weight), draws[m], spec.confidence));
  }
  return out;
}

Result<void> AddSlices(const Call& call, const table::Batch& rows, const Scored& scored, const EvaluateSpec& spec,
                       const std::vector<NamedMetric>& metrics, EvaluationReport* report) {
  for (const std::string& text : spec.slices) {
    TENON_TRY(call.Check());
    TENON_ASSIGN(const std::vector<RowGroup> groups, SlicesOf(rows, text));
    for (const RowGroup& group : groups) {
      EvaluationReport::Slice slice{group.value, static_cast<std::int64_t>(group.rows.size()), {}};
      if (slice.rows >= kFewestSliceRows) {
        TENON_ASSIGN(slice.metrics, SliceMetrics(call, Subset(scored, group.rows), spec, metrics));
      } else {
        call.Say(Level::kWarning, Str("slice '", group.value, "' has ", slice.rows, " rows, too few to judge (at least ",
                                      kFewestSliceRows, ")"));
      }
      report->slices.push_back(std::move(slice));
    }
  }
  return {};
}

// The largest difference of one rate between the groups of a column; rates that are undefined do not count.
double GapOf(const std::vector<EvaluationReport::Group>& groups, double EvaluationReport::Group::* rate) {
  double least = INFINITY, most = -INFINITY;
  for (const auto& group : groups) {
    if (std::isnan(group.*rate)) continue;
    least = std::min(least, group.*rate);
    most = std::max(most, group.*rate);
  }
  return most >= least ? most - least : std::nan("");
}

Result<void> AddFairness(const table::Batch& rows, const Scored& scored, const EvaluateSpec& spec, EvaluationReport* report) {
  using Group = EvaluationReport::Group;
  for (const std::string& column : spec.fairness_groups) {
    TENON_ASSIGN(const std::vector<RowGroup> found, GroupsOf(rows, column), "evaluate.fairness.groups");
    std::vector<Group> groups;
    for (const RowGroup& members : found) {
      const Subset subset(scored, members.rows);
      const std::vector<double> confusion = CellsOf(subset.scored).Count(WeightsOf(subset.scored));
      const Confused one = EachAgainstRest(confusion, 2)[1];
      const double positive = one.true_positive + one.false_negative, negative = one.false_positive + one.true_negative;
      const double nan = std::nan("");
      groups.push_back({column, members.value, static_cast<std::int64_t>(members.rows.size()),
                        positive + negative > 0 ? (one.true_positive + one.false_positive) / (positive + negative) : nan,
                        positive > 0 ? one.true_positive / positive : nan, negative > 0 ? one.false_positive / negative : nan});
    }
    report->groups.insert(report->groups.end(), groups.begin(), groups.end());
    if (groups.size() < 2) continue;  // nothing to compare
    const double parity = GapOf(groups, &Group::selection_rate);
    const double true_gap = GapOf(groups, &Group::true_positive_rate);
    const double false_gap = GapOf(groups, &Group::false_positive_rate);
    report->gaps.emplace_back(Str("demographic_parity:", column), parity);
    report->gaps.emplace_back(Str("equal_opportunity:", column), true_gap);
    report->gaps.emplace_back(Str("equalised_odds:", column), std::fmax(true_gap, false_gap));
  }
  return {};
}

}  // namespace

std::vector<std::size_t> SampleRows(std::size_t rows, std::size_t most, std::uint64_t seed) {
  // Salted: a split by Hash64(row, seed) must not have chosen among the same rows.
  const std::uint64_t salted = Hash64("rows to show", seed);
  std::vector<std::pair<std::uint64_t, std::size_t>> keyed(rows);
  for (std::size_t i = 0; i < rows; ++i) keyed[i] = {Hash64(static_cast<std::uint64_t>(i), salted), i};
  const std::size_t kept = std::min(rows, most);
  std::ranges::partial_sort(keyed, keyed.begin() + static_cast<std::ptrdiff_t>(kept));
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < kept; ++i) out.push_back(keyed[i].second);
  std::ranges::sort(out);
  return out;
}

Result<EvaluationReport> Evaluate(const Call& call, const table::Batch& rows, const Scored& scored,
                                  const std::vector<std::string>& classes, const Costs& costs, const EvaluateSpec& spec,
                                  const std::vector<Other>& others, const Kinds<Metric>& kinds) {
  TENON_TRY(CheckShapes(rows, scored, classes, others));
  EvaluationReport report;
  report.task = scored.task;
  report.rows = RowsOf(scored);
  report.threshold = scored.threshold;
  TENON_ASSIGN(const std::vector<NamedMetric> metrics, MetricsOf(scored.task, spec, kinds));
  TENON_TRY(AddEstimates(call, rows, scored, costs, spec, others, metrics, &report));
  if (scored.task == model::Task::kRegression) {
    AddRegressionPictures(call, scored, &report);
  } else {
    report.classes = classes;
    AddClassPictures(scored, &report);
  }
  TENON_TRY(AddSlices(call, rows, scored, spec, metrics, &report));
  if (scored.task == model::Task::kBinary) TENON_TRY(AddFairness(rows, scored, spec, &report));
  return report;
}

const Estimate* EvaluationReport::Find(std::string_view metric) const {
  for (const auto& [name, estimate] : metrics) {
    if (name == metric) return &estimate;
  }
  return nullptr;
}

}  // namespace tenon::evaluate

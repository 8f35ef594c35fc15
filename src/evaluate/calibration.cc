// How a binary model's probabilities are corrected, and where its decisions are cut: both chosen on validation rows.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "base/text.h"
#include "evaluate/costs_internal.h"
#include "evaluate/evaluate.h"
#include "evaluate/rows_internal.h"

namespace tenon::evaluate {
namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

// A row as calibration sees it.
struct Seen {
  float probability;
  bool positive;
  double weight;
};

std::vector<Seen> SeenRows(const Scored& scored) {
  const std::vector<double> weight = WeightsOf(scored);
  std::vector<Seen> out;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    if (weight[i] > 0) out.push_back({scored.predicted[i], scored.actual[i] != 0, weight[i]});
  }
  return out;
}

double LogOdds(float probability) {
  const double p = std::clamp(static_cast<double>(probability), kEpsilon, 1 - kEpsilon);
  return std::log(p / (1 - p));
}

double LogLoss(float probability, bool positive) {
  const double p = std::clamp(static_cast<double>(probability), kEpsilon, 1 - kEpsilon);
  return -std::log(positive ? p : 1 - p);
}

bool BothClasses(const std::vector<Seen>& rows) {
  bool any[2] = {false, false};
  for (const Seen& row : rows) any[row.positive ? 1 : 0] = true;
  return any[0] && any[1];
}

// Platt's sigmoid of the log-odds, p = 1 / (1 + exp(-(a * log-odds + b))), by Newton's method with halved steps (Lin, Lin,
// Weng 2007), towards his targets, which keep a and b finite.
model::Calibration FitPlatt(const std::vector<Seen>& rows) {
  double positives = 0, negatives = 0;
  for (const Seen& row : rows) (row.positive ? positives : negatives) += row.weight;
  const double high = (positives + 1) / (positives + 2), low = 1 / (negatives + 2);
  std::vector<double> odds(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) odds[i] = LogOdds(rows[i].probability);
  const auto loss = [&](double a, double b) {
    double sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double z = a * odds[i] + b, target = rows[i].positive ? high : low;
      sum += rows[i].weight * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - target * z);
    }
    return sum;
  };
  double a = 1, b = 0, now = loss(a, b);
  for (int step = 0; step < 100; ++step) {
    double ga = 0, gb = 0, haa = 1e-12, hab = 0, hbb = 1e-12;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double p = 1 / (1 + std::exp(-(a * odds[i] + b)));
      const double slope = rows[i].weight * (p - (rows[i].positive ? high : low)), bend = rows[i].weight * p * (1 - p);
      ga += slope * odds[i];
      gb += slope;
      haa += bend * odds[i] * odds[i];
      hab += bend * odds[i];
      hbb += bend;
    }
    if (std::abs(ga) + std::abs(gb) < 1e-10 * (positives + negatives)) break;
    const double determinant = haa * hbb - hab * hab;
    if (!(determinant > 0)) break;  // one distinct prediction: a alone cannot be told from b
    const double da = -(hbb * ga - hab * gb) / determinant, db = -(haa * gb - hab * ga) / determinant;
    double size = 1;
    while (size > 1e-10 && !(loss(a + size * da, b + size * db) < now)) size /= 2;
    if (size <= 1e-10) break;
    a += size * da;
    b += size * db;
    now = loss(a, b);
  }
  return model::Calibration::Platt(a, b);
}

// The non-decreasing step function nearest to the truths, by pooling neighbours that are out of order (Ayer et al. 1955).
// Its values are kept half a row away from 0 and 1: no finite sample shows certainty.
Result<model::Calibration> FitIsotonic(std::vector<Seen> rows) {
  std::ranges::sort(rows, {}, &Seen::probability);
  struct Block {
    double from, to, weight, positive;
    std::size_t rows;
  };
  std::vector<Block> blocks;
  for (const Seen& row : rows) {
    const auto x = static_cast<double>(row.probability);
    const double positive = row.positive ? row.weight : 0;
    if (!blocks.empty() && blocks.back().to == x) {  // ties are one point
      blocks.back().weight += row.weight;
      blocks.back().positive += positive;
      ++blocks.back().rows;
      continue;
    }
    while (blocks.size() >= 2) {
      const Block& last = blocks.back();
      Block& before = blocks[blocks.size() - 2];
      if (before.positive * last.weight < last.positive * before.weight) break;
      before = {before.from, last.to, before.weight + last.weight, before.positive + last.positive, before.rows + last.rows};
      blocks.pop_back();
    }
    blocks.push_back({x, x, row.weight, positive, 1});
  }
  while (blocks.size() >= 2) {
    const Block last = blocks.back();
    Block& before = blocks[blocks.size() - 2];
    if (before.positive * last.weight < last.positive * before.weight) break;
    before = {before.from, last.to, before.weight + last.weight, before.positive + last.positive, before.rows + last.rows};
    blocks.pop_back();
  }
  std::vector<double> x, y;
  double least = 0;
  for (const Block& block : blocks) {
    const double edge = 0.5 / (static_cast<double>(block.rows) + 1);
    const double value = std::max(least, std::clamp(block.positive / block.weight, edge, 1 - edge));
    least = value;
    x.push_back(block.from);
    y.push_back(value);
    if (block.to > block.from) {
      x.push_back(block.to);
      y.push_back(value);
    }
  }
  return model::Calibration::Isotonic(std::move(x), std::move(y));
}

Result<model::Calibration> FitBy(std::string_view method, const std::vector<Seen>& rows) {
  if (method == "none" || !BothClasses(rows)) return model::Calibration();
  if (method == "platt") return FitPlatt(rows);
  return FitIsotonic(rows);
}

// Each half of the rows is judged by what was fitted on the other. A correction is worth having when its log loss is lower
// by more than two standard errors of the paired differences.
Result<std::string> BetterMethod(const Call& call, const std::vector<Seen>& rows) {
  const std::uint64_t salted = Hash64("calibration halves", call.seed);
  std::vector<Seen> halves[2];
  for (std::size_t i = 0; i < rows.size(); ++i) halves[Hash64(static_cast<std::uint64_t>(i), salted) & 1].push_back(rows[i]);
  if (!BothClasses(halves[0]) || !BothClasses(halves[1])) return std::string("none");
  std::string best = "none";
  double best_gain = 0;
  for (const std::string method : {"platt", "isotonic"}) {
    std::vector<double> gains, weight;
    for (int half = 0; half < 2; ++half) {
      TENON_TRY(call.Check());
      TENON_ASSIGN(const model::Calibration fitted, FitBy(method, halves[half]));
      for (const Seen& row : halves[1 - half]) {
        gains.push_back(LogLoss(row.probability, row.positive) - LogLoss(fitted.Apply(row.probability), row.positive));
        weight.push_back(row.weight);
      }
    }
    const double gain = WeightedMean(gains, weight);
    std::vector<double> squares(gains.size());
    for (std::size_t i = 0; i < gains.size(); ++i) squares[i] = (gains[i] - gain) * (gains[i] - gain);
    const double error = std::sqrt(WeightedMean(squares, weight) / static_cast<double>(gains.size()));
    if (gain > 2 * error && gain > best_gain) {
      best = method;
      best_gain = gain;
    }
  }
  return best;
}

// A threshold and how well it does.
struct Cut {
  double threshold = 0.5;
  double score = -std::numeric_limits<double>::infinity();
};

// Tries a cut between every two neighbouring scores, and beyond both ends. add(row) takes one more row as positive;
// score() judges what was taken. Among equals the cut nearest to 0.5 wins.
template <typename AddRow, typename Score>
Cut BestCut(const Scored& scored, AddRow add, Score score) {
  const Ranking ranking = RankingOf(scored, 1);
  Cut best;
  const auto consider = [&](double threshold) {
    const double value = score();
    if (value > best.score || (value == best.score && std::abs(threshold - 0.5) < std::abs(best.threshold - 0.5))) {
      best = {threshold, value};
    }
  };
  const auto score_at = [&](std::size_t at) { return static_cast<double>(scored.predicted[ranking.order[at]]); };
  if (ranking.order.empty()) return best;
  const double top = score_at(0);
  consider(top < 1 ? (top + 1) / 2 : std::nextafter(1.0, 2.0));
  for (std::size_t at = 0; at < ranking.order.size(); ++at) {
    add(ranking.order[at]);
    if (ranking.last[at] == 0) continue;
    const double here = score_at(at);
    consider(at + 1 < ranking.order.size() ? (here + score_at(at + 1)) / 2 : here / 2);
  }
  return best;
}

}  // namespace

Result<model::Calibration> FitCalibration(const Call& call, const Scored& validation, std::string_view method) {
  if (method != "auto" && method != "none" && method != "platt" && method != "isotonic") {
    const std::vector<std::string> methods = {"auto", "none", "platt", "isotonic"};
    return Error(Code::kInvalidArgument, Str("no calibration '", method, "'", DidYouMean(method, methods)));
  }
  if (validation.task != model::Task::kBinary || method == "none") return model::Calibration();
  const std::vector<Seen> rows = SeenRows(validation);
  for (const Seen& row : rows) {
    if (!std::isfinite(row.probability)) return Error(Code::kInvalidArgument, "a prediction to calibrate is not a number");
  }
  std::string chosen(method);
  if (method == "auto") {
    TENON_ASSIGN(chosen, BetterMethod(call, rows), "choosing a calibration");
  }
  return FitBy(chosen, rows);
}

Result<double> ChooseThreshold(const Call& call, const table::Batch& rows, const Scored& validation, const Costs& costs,
                               const EvaluateSpec& spec) {
  TENON_TRY(call.Check());
  if (spec.threshold != "auto") {
    double threshold = 0;
    if (!ParseDouble(spec.threshold, &threshold) || !(threshold >= 0 && threshold <= 1)) {
      return Error(Code::kInvalidArgument,
                   Str("evaluate.threshold: expected auto or a number from 0 to 1, got '", spec.threshold, "'"));
    }
    return threshold;
  }
  if (validation.task != model::Task::kBinary || !BothClasses(SeenRows(validation))) return 0.5;
  const std::vector<double> weight = WeightsOf(validation);
  if (costs.known()) {
    TENON_ASSIGN(const RowCosts each, CostsOf(rows, costs));
    double saved = 0;  // against deciding no everywhere
    const Cut cut = BestCut(
        validation,
        [&](std::size_t row) {
          saved += weight[row] * (validation.actual[row] != 0 ? each.false_negative[row] : -each.false_positive[row]);
        },
        [&] { return saved; });
    return cut.threshold;
  }
  double positives = 0, found = 0, taken = 0;
  for (std::size_t i = 0; i < weight.size(); ++i) positives += validation.actual[i] != 0 ? weight[i] : 0;
  const Cut cut = BestCut(
      validation,
      [&](std::size_t row) {
        taken += weight[row];
        if (validation.actual[row] != 0) found += weight[row];
      },
      [&] { return 2 * found / (taken + positives); });
  return cut.threshold;
}

}  // namespace tenon::evaluate

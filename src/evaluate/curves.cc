#include "evaluate/curves_internal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <tuple>

namespace tenon::evaluate {
namespace {

using Point = EvaluationReport::Point;

// What is decided positive when the threshold stands at a tie's score.
struct Step {
  double threshold, true_positive, false_positive;
};

std::vector<Step> StepsOf(const Scored& scored, const Ranking& ranking, std::span<const double> weight) {
  std::vector<Step> steps;
  double sums[2] = {0, 0};
  for (std::size_t at = 0; at < ranking.order.size(); ++at) {
    const std::size_t row = ranking.order[at];
    sums[ranking.positive[at]] += weight[row];
    if (ranking.last[at] != 0) steps.push_back({static_cast<double>(scored.predicted[row]), sums[1], sums[0]});
  }
  return steps;
}

double DistanceFromLine(const Point& a, const Point& b, const Point& p) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double length = std::hypot(dx, dy);
  if (length == 0) return std::hypot(p.x - a.x, p.y - a.y);
  return std::abs(dx * (p.y - a.y) - dy * (p.x - a.x)) / length;
}

}  // namespace

std::vector<Point> Thin(const std::vector<Point>& points, std::size_t most) {
  if (points.size() <= most) return points;
  using Span = std::tuple<double, std::size_t, std::size_t, std::size_t>;  // distance, farthest, from, to
  std::priority_queue<Span> spans;
  const auto push = [&](std::size_t from, std::size_t to) {
    if (to - from < 2) return;
    double farthest = -1;
    std::size_t at = from + 1;
    for (std::size_t i = from + 1; i < to; ++i) {
      const double distance = DistanceFromLine(points[from], points[to], points[i]);
      if (distance > farthest) farthest = distance, at = i;
    }
    spans.emplace(farthest, at, from, to);
  };
  std::vector<std::size_t> kept = {0, points.size() - 1};
  push(0, points.size() - 1);
  while (kept.size() < most && !spans.empty()) {
    const auto [distance, at, from, to] = spans.top();
    spans.pop();
    if (distance <= 1e-12) break;  // the rest lies on the lines
    kept.push_back(at);
    push(from, at);
    push(at, to);
  }
  std::ranges::sort(kept);
  std::vector<Point> out;
  for (const std::size_t at : kept) out.push_back(points[at]);
  return out;
}

std::vector<Point> RocCurve(const Scored& scored, const Ranking& ranking, std::span<const double> weight) {
  const std::vector<Step> steps = StepsOf(scored, ranking, weight);
  if (steps.empty() || !(steps.back().true_positive > 0) || !(steps.back().false_positive > 0)) return {};
  std::vector<Point> points = {{0, 0, std::numeric_limits<double>::infinity()}};
  for (const Step& step : steps) {
    points.push_back({step.false_positive / steps.back().false_positive, step.true_positive / steps.back().true_positive,
                      step.threshold});
  }
  return Thin(points, kCurvePoints);
}

std::vector<Point> PrecisionRecallCurve(const Scored& scored, const Ranking& ranking, std::span<const double> weight) {
  const std::vector<Step> steps = StepsOf(scored, ranking, weight);
  if (steps.empty() || !(steps.back().true_positive > 0)) return {};
  std::vector<Point> points;
  for (const Step& step : steps) {
    const double decided = step.true_positive + step.false_positive;
    if (decided > 0) points.push_back({step.true_positive / steps.back().true_positive, step.true_positive / decided, step.threshold});
  }
  return Thin(points, kCurvePoints);
}

}  // namespace tenon::evaluate

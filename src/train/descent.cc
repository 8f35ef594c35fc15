#include <algorithm>
#include <cmath>
#include <deque>

#include "train/descent_internal.h"

namespace tenon::train {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kMemory = 10;
constexpr int kHalvings = 40;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double Largest(const Vector& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

double Penalty(const Vector& at, const Vector& l1) {
  double sum = 0;
  for (std::size_t i = 0; i < l1.size(); ++i) sum += l1[i] * std::abs(at[i]);
  return sum;
}

// The subgradient of least size: 0 where the penalty outweighs the slope at 0.
Vector Subgradient(const Vector& at, const Vector& gradient, const Vector& l1) {
  Vector out = gradient;
  for (std::size_t i = 0; i < l1.size(); ++i) {
    if (at[i] > 0 || (at[i] == 0 && gradient[i] < -l1[i])) {
      out[i] += l1[i];
    } else if (at[i] < 0 || gradient[i] > l1[i]) {
      out[i] -= l1[i];
    } else {
      out[i] = 0;
    }
  }
  return out;
}

// Recent steps and changes of the gradient, standing for the inverse of the second derivatives.
class Memory {
 public:
  void Add(Vector step, Vector change) {
    const double curvature = Dot(step, change);
    if (!(curvature > 1e-14 * Dot(change, change))) return;  // rounding noise: it would turn the direction round
    pairs_.push_back({std::move(step), std::move(change), 1 / curvature});
    if (pairs_.size() > kMemory) pairs_.pop_front();
  }
  bool empty() const { return pairs_.empty(); }
  void Clear() { pairs_.clear(); }

  Vector Direction(const Vector& slope) const {
    Vector out = slope;
    Vector share(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      share[i] = pairs_[i].rho * Dot(pairs_[i].step, out);
      AddTo(&out, -share[i], pairs_[i].change);
    }
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      const double scale = 1 / (last.rho * Dot(last.change, last.change));
      for (double& value : out) value *= scale;
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      AddTo(&out, share[i] - pairs_[i].rho * Dot(pairs_[i].change, out), pairs_[i].step);
    }
    for (double& value : out) value = -value;
    return out;
  }

 private:
  struct Pair {
    Vector step, change;
    double rho;
  };
  static void AddTo(Vector* to, double factor, const Vector& what) {
    for (std::size_t i = 0; i < what.size(); ++i) (*to)[i] += factor * what[i];
  }
  std::deque<Pair> pairs_;
};

// Where a step leaves the orthant (the signs) that the penalty was taken in, it stops at 0.
void KeepOrthant(const Vector& from, const Vector& slope, const Vector& l1, Vector* to) {
  for (std::size_t i = 0; i < l1.size(); ++i) {
    if (l1[i] == 0) continue;
    const double sign = from[i] != 0 ? from[i] : -slope[i];
    if ((*to)[i] * sign <= 0) (*to)[i] = 0;
  }
}

}  // namespace

Result<Descent> Minimise(const Smooth& smooth, std::vector<double> start, const DescentSettings& settings,
                         const std::function<void(int round, double value, std::span<const double> at)>& each) {
  Descent now;
  now.at = std::move(start);
  Vector gradient(now.at.size()), next_gradient(now.at.size()), next(now.at.size());
  TENON_ASSIGN(now.value, smooth(now.at, gradient));
  now.value += Penalty(now.at, settings.l1);
  Vector slope = Subgradient(now.at, gradient, settings.l1);
  Memory memory;
  while (true) {
    now.slope = Largest(slope);
    now.converged = now.slope <= settings.tolerance * std::max(1.0, Largest(now.at));
    if (now.converged || now.rounds == settings.rounds) return now;
    Vector direction = memory.Direction(slope);
    for (std::size_t i = 0; i < settings.l1.size(); ++i) {
      if (settings.l1[i] > 0 && direction[i] * slope[i] >= 0) direction[i] = 0;
    }
    double step = memory.empty() ? std::min(1.0, 1 / std::max(1e-300, std::sqrt(Dot(slope, slope)))) : 1;
    bool found = false;
    for (int half = 0; half < kHalvings && !found; ++half, step /= 2) {
      for (std::size_t i = 0; i < next.size(); ++i) next[i] = now.at[i] + step * direction[i];
      KeepOrthant(now.at, slope, settings.l1, &next);
      TENON_ASSIGN(double value, smooth(next, next_gradient));
      value += Penalty(next, settings.l1);
      double promised = 0;  // what the slope says the step brings
      for (std::size_t i = 0; i < next.size(); ++i) promised += slope[i] * (next[i] - now.at[i]);
      if (!(value <= now.value + 1e-4 * promised) || promised >= 0) continue;
      Vector moved(next.size()), change(next.size());
      for (std::size_t i = 0; i < next.size(); ++i) {
        moved[i] = next[i] - now.at[i];
        change[i] = next_gradient[i] - gradient[i];
      }
      memory.Add(std::move(moved), std::move(change));
      now.at = next;
      now.value = value;
      gradient = next_gradient;
      found = true;
    }
    if (!found) {
      if (memory.empty()) return now;  // not even steepest descent gets lower: as good as doubles can tell
      memory.Clear();
      continue;
    }
    slope = Subgradient(now.at, gradient, settings.l1);
    ++now.rounds;
    if (each) each(now.rounds, now.value, now.at);
  }
}

}  // namespace tenon::train

#include "validate/distance_internal.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

// Shares of the same bins, before and now.
struct Shares {
  std::vector<double> before, now;
  std::string largest;  // for people
};

// Bins between the deciles of before.
Shares NumericShares(const table::ColumnProfile& before, const table::ColumnProfile& now) {
  std::vector<double> edges;
  for (int i = 1; i < 10; ++i) edges.push_back(before.Quantile(i / 10.0));
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  Shares out;
  double last_before = 0;
  double last_now = 0;
  const auto m = static_cast<double>(before.count() - before.missing());
  const auto n = static_cast<double>(now.count() - now.missing());
  for (std::size_t i = 0; i <= edges.size(); ++i) {
    const double at_before = i < edges.size() ? before.CountAtMost(edges[i]) : m;
    const double at_now = i < edges.size() ? now.CountAtMost(edges[i]) : n;
    out.before.push_back((at_before - last_before) / m);
    out.now.push_back((at_now - last_now) / n);
    last_before = at_before;
    last_now = at_now;
  }
  return out;
}

// The 30 most frequent values of before, and all others together.
Shares TextShares(const table::ColumnProfile& before, const table::ColumnProfile& now) {
  constexpr int kValues = 30;
  const auto m = static_cast<double>(before.count() - before.missing());
  const auto n = static_cast<double>(now.count() - now.missing());
  std::map<std::string, double> counts;
  for (const table::Frequency& value : now.Top(table::ColumnProfile::kExactDistinct)) counts[value.value] = value.count;
  Shares out;
  double rest_before = 1;
  double rest_now = 1;
  double change = 0;
  for (const table::Frequency& value : before.Top(kValues)) {
    const auto at = counts.find(value.value);
    const double share_before = value.count / m;
    const double share_now = at == counts.end() ? 0 : at->second / n;
    out.before.push_back(share_before);
    out.now.push_back(share_now);
    rest_before -= share_before;
    rest_now -= share_now;
    if (std::abs(share_now - share_before) > change) {
      change = std::abs(share_now - share_before);
      out.largest = Str("'", value.value, "' ", Percent(share_before), " -> ", Percent(share_now));
    }
  }
  out.before.push_back(std::max(0.0, rest_before));
  out.now.push_back(std::max(0.0, rest_now));
  if (rest_now - rest_before > change) out.largest = Str("other values ", Percent(std::max(0.0, std::round(1e9 * rest_before) / 1e9)), " -> ", Percent(rest_now));
  return out;
}

double StabilityIndex(const Shares& shares) {
  constexpr double kLeast = 1e-4;  // an empty bin is not infinitely surprising
  double sum = 0;
  for (std::size_t i = 0; i < shares.before.size(); ++i) {
    const double p = std::max(shares.before[i], kLeast);
    const double q = std::max(shares.now[i], kLeast);
    sum += (q - p) * std::log(q / p);
  }
  return sum;
}

double Divergence(const Shares& shares) {
  double sum = 0;
  const auto term = [](double p, double middle) { return p > 0 ? p * std::log2(p / middle) : 0.0; };
  for (std::size_t i = 0; i < shares.before.size(); ++i) {
    const double middle = (shares.before[i] + shares.now[i]) / 2;
    sum += (term(shares.before[i], middle) + term(shares.now[i], middle)) / 2;
  }
  return sum;
}

// Of values the largest change of one's share; of numbers, whose bins have an order, of the share up to any edge.
double LargestChange(const Shares& shares, bool ordered) {
  double out = 0, sum = 0;
  for (std::size_t i = 0; i < shares.before.size(); ++i) {
    const double change = shares.now[i] - shares.before[i];
    sum += change;
    out = std::max(out, std::abs(ordered ? sum : change));
  }
  return out;
}

}  // namespace

double Shift::Of(Distance distance) const {
  return distance == Distance::kPsi ? psi : distance == Distance::kJensenShannon ? jensen_shannon : largest_change;
}

std::optional<Shift> ShiftOf(const table::ColumnProfile& before, const table::ColumnProfile& now, std::int64_t least_rows) {
  const table::Type type = now.field().type;
  if (before.field().type != type || type == table::Type::kEmbedding || type == table::Type::kTimestamp) return std::nullopt;  // time goes on
  const std::int64_t is = now.count() - now.missing(), was = before.count() - before.missing();
  if (is < least_rows || was < least_rows) return std::nullopt;
  const Shares shares = now.numeric() ? NumericShares(before, now) : TextShares(before, now);
  if (shares.before.size() < 2) return std::nullopt;
  Shift out;
  const double each = 1 / static_cast<double>(is) + 1 / static_cast<double>(was);
  const auto free = static_cast<double>(shares.before.size() - 1);
  out.psi = StabilityIndex(shares) - free * each;
  out.spread = std::sqrt(2 * free) * each;
  out.jensen_shannon = Divergence(shares);
  out.largest_change = LargestChange(shares, now.numeric());
  out.text = now.numeric() ? Str("median ", FormatShort(before.Quantile(0.5)), " -> ", FormatShort(now.Quantile(0.5))) : Str("largest change: ", shares.largest);
  return out;
}

std::string DistanceText(Distance distance, double value) {
  const std::string number = FormatShort(value, 2);
  switch (distance) {
    case Distance::kPsi: return Str("PSI ", number);
    case Distance::kJensenShannon: return Str("Jensen-Shannon ", number);
    case Distance::kLargestChange: return Str("largest change ", Percent(value));
  }
  return number;
}

double ThresholdOf(const ValidateSpec& spec, std::string_view column, bool* written) {
  *written = spec.drift.written;
  for (const auto& [name, json] : spec.columns) {
    if (name != column || json.Find("drift") == nullptr) continue;
    *written = true;
    return json.NumberAt("drift");
  }
  return spec.drift.threshold;
}

bool MayDrift(const ValidateSpec& spec, std::string_view column) { return std::ranges::find(spec.drift.ignore, column) != spec.drift.ignore.end(); }

}  // namespace tenon::validate

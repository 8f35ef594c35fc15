// Columns whose values are distributed otherwise than in the last snapshot.

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

class Distribution final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    constexpr double kShift = 0.25;   // the usual reading of the population stability index
    constexpr double kSlight = 0.1;
    constexpr double kEnough = 100;
    std::vector<Anomaly> out;
    if (evidence.previous == nullptr) return out;
    for (const table::ColumnProfile& now : evidence.profile->columns()) {
      const std::string& name = now.field().name;
      const table::ColumnProfile* before = evidence.previous->Find(name);
      if (before == nullptr || before->field().type != now.field().type || now.field().type == table::Type::kEmbedding) continue;
      const auto n = static_cast<double>(now.count() - now.missing());
      const auto m = static_cast<double>(before->count() - before->missing());
      if (n < kEnough || m < kEnough) continue;
      if (now.field().type == table::Type::kTimestamp) continue;  // time goes on
      const Shares shares = now.numeric() ? NumericShares(*before, now) : TextShares(*before, now);
      if (shares.before.size() < 2) continue;
      // What the index would be on average had nothing changed.
      const double noise = static_cast<double>(shares.before.size() - 1) * (1 / n + 1 / m);
      const double index = StabilityIndex(shares) - noise;
      if (index < kSlight) continue;
      out.push_back({"", name, index >= kShift ? Severity::kWarning : Severity::kInfo,
                     Str(index >= kShift ? "shifted" : "slightly shifted", ", PSI ", FormatShort(index, 2)),
                     Str("'", name, "' is distributed otherwise than in the last snapshot: population stability index ",
                         FormatShort(index, 3), ", Jensen-Shannon divergence ", FormatShort(Divergence(shares), 3), " bits; ",
                         now.numeric() ? Str("median ", FormatShort(before->Quantile(0.5)), " -> ", FormatShort(now.Quantile(0.5)))
                                       : Str("largest change: ", shares.largest)),
                     "find out whether the world or the source changed; if the world did, train again on recent rows"});
    }
    return out;
  }
};

}  // namespace

Result<void> AddDistribution(Kinds<Check>& kinds) {
  return kinds.Add("distribution",
                   {.summary = "Compare the distribution of each column with that of the last snapshot",
                    .when = "Data that come again and again; needs a last snapshot",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Distribution>(); });
}

}  // namespace tenon::validate

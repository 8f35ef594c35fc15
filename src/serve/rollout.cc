#include "serve/rollout.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::serve {
namespace {

double Rate(std::int64_t hits, std::int64_t n) { return n == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(n); }

std::string Percent(double part) { return Str(FormatShort(part * 100, 3), " %"); }
// Of money: whole from 1,000 on.
std::string Amount(double value) { return std::abs(value) < 1000 ? FormatShort(value, 4) : FormatCount(std::llround(value)); }
std::string Seconds(double seconds) { return FormatDuration(std::chrono::microseconds(std::llround(seconds * 1e6))); }

void Judge(Criterion& c) {
  c.verdict = c.low > c.limit ? "worse" : c.high < 0 ? "better" : c.high <= c.limit ? "no worse" : "undecided";
}

Criterion Errors(const RolloutSpec& spec, const StageEvidence& seen, double alpha) {
  const Trials a{seen.champion.requests, seen.champion.failed}, b{seen.challenger.requests, seen.challenger.failed};
  const Interval between = RateDifference(a, b, alpha);
  Criterion out{.name = "errors", .champion = Rate(a.hits, a.n), .challenger = Rate(b.hits, b.n), .low = between.low, .high = between.high, .limit = spec.error_tolerance};
  Judge(out);
  out.why = Str(Percent(out.challenger), " of ", FormatCount(b.n), " answers fail where ", Percent(out.champion), " of the champion's ", FormatCount(a.n), " do");
  return out;
}

// Counts of ordered buckets by the quantile's range: seen, and from where to where it may lie.
struct Quantile {
  double seen = 0, low = 0, high = 0;
};
template <std::size_t N>
Quantile QuantileOf(const std::array<std::int64_t, N>& counts, double q, double alpha, double (*end)(int)) {
  const std::int64_t n = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  Quantile out;
  std::int64_t below = 0;
  for (std::size_t i = 0; i < N && n > 0; ++i) {
    below += counts[i];
    if (static_cast<double>(below) < q * static_cast<double>(n)) continue;
    out.seen = end(static_cast<int>(i));
    break;
  }
  const BucketRange range = QuantileRange(counts, q, alpha);
  out.low = range.low == 0 ? 0 : end(range.low - 1);
  out.high = end(range.high);
  return out;
}

Criterion Latency(const RolloutSpec& spec, const StageEvidence& seen, double alpha) {
  const Quantile a = QuantileOf(seen.champion.latency, spec.latency_quantile, alpha / 2, LatencyBucketEnd);
  const Quantile b = QuantileOf(seen.challenger.latency, spec.latency_quantile, alpha / 2, LatencyBucketEnd);
  Criterion out{.name = "latency", .champion = a.seen, .challenger = b.seen, .low = b.low - a.high, .high = b.high - a.low};
  out.limit = std::max(a.high * spec.latency_tolerance, std::chrono::duration<double>(spec.latency_floor).count());
  Judge(out);
  out.why = Str("the slowest ", Percent(1 - spec.latency_quantile), " take ", Seconds(b.seen), " and more where the champion's take ", Seconds(a.seen));
  return out;
}

Criterion Difference(const RolloutSpec& spec, const StageEvidence& seen, double alpha) {
  const bool paired = seen.challenger.paired > 0;
  const Distance distance = DistanceOf(seen.champion.scores, seen.challenger.scores, paired ? alpha / 2 : alpha);
  Criterion out{.name = "prediction_difference", .challenger = distance.seen, .low = distance.low, .high = distance.high, .limit = spec.difference_tolerance};
  out.why = Str("the answers' distributions are ", FormatShort(distance.seen, 3), " apart");
  if (paired) {
    const Trials disagreed{seen.challenger.paired, seen.challenger.disagreed};
    const Interval rate = RateInterval(disagreed, alpha / 2);
    out.why += Str("; ", Percent(Rate(disagreed.hits, disagreed.n)), " of ", disagreed.n, " rows are answered otherwise");
    if (rate.low > out.low) {
      out.challenger = Rate(disagreed.hits, disagreed.n);
      out.low = rate.low;
      out.high = std::max(out.high, rate.high);
    }
  }
  Judge(out);
  return out;
}

Criterion Quality(const RolloutSpec& spec, const StageEvidence& seen, double alpha) {
  Criterion out{.name = "quality", .limit = spec.quality_tolerance};
  const auto losses = [](const ArmEvidence& arm) { return std::accumulate(arm.losses.begin(), arm.losses.end(), std::int64_t{0}); };
  if (losses(seen.champion) + losses(seen.challenger) > 0) {  // a regression: the median absolute error
    const Quantile a = QuantileOf(seen.champion.losses, 0.5, alpha / 2, LossBucketEnd);
    const Quantile b = QuantileOf(seen.challenger.losses, 0.5, alpha / 2, LossBucketEnd);
    out.champion = a.seen;
    out.challenger = b.seen;
    out.low = b.low - a.high;
    out.high = b.high - a.low;
    out.limit = spec.quality_tolerance * a.high;
    out.why = Str("the median absolute error is ", FormatShort(b.seen, 3), " where the champion's is ", FormatShort(a.seen, 3));
  } else {
    const Trials a{seen.champion.labelled, seen.champion.wrong}, b{seen.challenger.labelled, seen.challenger.wrong};
    const Interval between = RateDifference(a, b, alpha);
    out.champion = Rate(a.hits, a.n);
    out.challenger = Rate(b.hits, b.n);
    out.low = between.low;
    out.high = between.high;
    out.why = Str(Percent(out.challenger), " of ", FormatCount(b.n), " labelled answers are wrong where ", Percent(out.champion), " of the champion's ", FormatCount(a.n), " are");
  }
  Judge(out);
  return out;
}

Criterion Cost(const RolloutSpec& spec, const StageEvidence& seen, double alpha) {
  Criterion out{.name = "cost", .limit = spec.cost_tolerance};
  const auto cost = [&](const ArmEvidence& arm) {
    return 1000 * (spec.false_positive_cost * Rate(arm.false_positive, arm.labelled) + spec.false_negative_cost * Rate(arm.false_negative, arm.labelled));
  };
  const Interval positive = RateDifference({seen.champion.labelled, seen.champion.false_positive}, {seen.challenger.labelled, seen.challenger.false_positive}, alpha / 2);
  const Interval negative = RateDifference({seen.champion.labelled, seen.champion.false_negative}, {seen.challenger.labelled, seen.challenger.false_negative}, alpha / 2);
  out.champion = cost(seen.champion);
  out.challenger = cost(seen.challenger);
  out.low = 1000 * (spec.false_positive_cost * positive.low + spec.false_negative_cost * negative.low);
  out.high = 1000 * (spec.false_positive_cost * positive.high + spec.false_negative_cost * negative.high);
  Judge(out);
  out.why = Str("1,000 answers cost ", Amount(out.challenger), " where the champion's cost ", Amount(out.champion));
  return out;
}

bool Listed(const RolloutSpec& spec, std::string_view name) { return std::ranges::find(spec.roll_back_on, name) != spec.roll_back_on.end(); }

std::vector<Criterion> Criteria(const RolloutSpec& spec, const RolloutStage& stage, const StageEvidence& seen) {
  const double alpha = spec.AlphaOf();
  std::vector<Criterion> out;
  const auto add = [&](Criterion c) {
    c.rolls_back = Listed(spec, c.name);
    out.push_back(std::move(c));
  };
  add(Errors(spec, seen, alpha));
  add(Latency(spec, seen, alpha));
  add(Difference(spec, seen, alpha));
  if (stage.kind == RolloutStage::Kind::kShadow) return out;  // labels are of what was answered
  if (seen.challenger.labelled > 0 || Listed(spec, "quality") || spec.promote == "better") add(Quality(spec, seen, alpha));
  if (spec.false_positive_cost > 0 || spec.false_negative_cost > 0) add(Cost(spec, seen, alpha));
  return out;
}

}  // namespace

std::string_view NameOf(RolloutStage::Kind kind) {
  return kind == RolloutStage::Kind::kDark ? "dark" : kind == RolloutStage::Kind::kShadow ? "shadow" : "live";
}

std::string_view NameOf(Step step) {
  switch (step) {
    case Step::kStay: return "stay";
    case Step::kAdvance: return "advance";
    case Step::kPromote: return "promote";
    case Step::kRollBack: return "roll_back";
  }
  return "stay";
}

const std::vector<std::string>& RolloutCriteria() {
  static const std::vector<std::string> all = {"errors", "latency", "prediction_difference", "quality", "cost"};
  return all;
}

double RolloutSpec::AlphaOf() const {
  const std::size_t tests = std::max<std::size_t>(roll_back_on.size(), 1) * std::max<std::size_t>(stages.size(), 1);
  return alpha / static_cast<double>(tests);
}

Decision Decide(const RolloutSpec& spec, std::size_t stage, Micros since, Micros now, const StageEvidence& seen) {
  const RolloutStage& at = spec.stages[stage];
  Decision out;
  if (at.kind == RolloutStage::Kind::kDark) {
    out.why = "answers only when it is asked for by version";
    if (stage + 1 < spec.stages.size() && now - since >= at.time.count()) out.step = Step::kAdvance;
    return out;
  }
  out.criteria = Criteria(spec, at, seen);
  for (const Criterion& c : out.criteria) {
    if (!c.rolls_back || c.verdict != "worse") continue;
    out.step = Step::kRollBack;
    out.why = Str(c.name, ": ", c.why);
    return out;
  }
  const bool last = stage + 1 == spec.stages.size();
  if (spec.promote == "better" && at.kind == RolloutStage::Kind::kLive) {
    for (const Criterion& c : out.criteria) {
      if ((c.name != "quality" && c.name != "cost") || c.verdict != "better") continue;
      out.step = Step::kPromote;
      out.why = Str("better: ", c.why);
      return out;
    }
  }
  const std::int64_t answers = at.kind == RolloutStage::Kind::kShadow ? seen.challenger.paired : seen.challenger.requests;
  if (now - since < at.time.count()) {
    out.why = Str("this stage takes ", FormatDuration(std::chrono::microseconds(at.time.count() - (now - since))), " more");
  } else if (answers < spec.least) {
    out.why = Str(FormatCount(answers), " of at least ", FormatCount(spec.least), " answers of the challenger");
  } else if (!last) {
    out.step = Step::kAdvance;
    out.why = Str("nothing worse in ", FormatCount(answers), " answers");
  } else if (spec.promote == "auto") {
    out.step = Step::kPromote;
    out.why = Str("through all ", spec.stages.size(), " stages with nothing worse");
  } else {
    out.why = spec.promote == "better" ? "not shown to be better yet" : "waits for `tenon rollout promote`";
  }
  return out;
}

std::uint64_t Rollout::salt() const { return Hash64(id, 0x74656e6f6eULL); }

StageEvidence Rollout::Compared() const {
  StageEvidence out = stages[stage].evidence;
  const RolloutStage& now = spec.stages[stage];
  if (now.kind != RolloutStage::Kind::kLive || now.share < 1) return out;
  for (std::size_t i = stage; i > 0; --i) {
    const RolloutStage& before = spec.stages[i - 1];
    if (before.kind == RolloutStage::Kind::kLive && before.share < 1) {
      out.champion = stages[i - 1].evidence.champion;
      break;
    }
  }
  return out;
}

void Rollout::Take(const Decision& decision, Micros now) {
  Passed& current = stages[stage];
  current.criteria = decision.criteria;
  current.until = now;
  Passed::Look look{now, current.evidence.champion.requests, current.evidence.challenger.requests, {}};
  for (const Criterion& c : decision.criteria) look.intervals.push_back({c.low, c.high});
  const bool news = current.looks.empty() || look.champion + look.challenger > current.looks.back().champion + current.looks.back().challenger;
  if (news && !decision.criteria.empty()) current.looks.push_back(std::move(look));
  if (current.looks.size() > kMostLooks) {  // every second one goes, the first and the newest stay
    std::vector<Passed::Look> kept;
    for (std::size_t i = 0; i < current.looks.size(); ++i) {
      if (i % 2 == 0 || i + 1 == current.looks.size()) kept.push_back(std::move(current.looks[i]));
    }
    current.looks = std::move(kept);
  }
  why = decision.why;
  if (decision.step == Step::kAdvance) {
    ++stage;
    since = now;
    stages.push_back({.since = now, .until = now});
  } else if (decision.step != Step::kStay) {
    status = decision.step == Step::kPromote ? "promoted" : "rolled_back";
    ended = now;
  }
}

std::shared_ptr<const Route> RouteOf(const Rollout& rollout, std::shared_ptr<const Served> champion,
                                     std::shared_ptr<const Served> challenger) {
  auto route = std::make_shared<Route>();
  route->name = rollout.endpoint;
  route->sticky = rollout.spec.sticky;
  route->salt = rollout.salt();
  route->rollout = rollout.id;
  route->stage = static_cast<int>(rollout.stage);
  route->arms.push_back({std::move(champion), Role::kChampion, 1});
  if (challenger == nullptr) return route;
  const RolloutStage& stage = rollout.spec.stages[rollout.stage];
  const Role role = stage.kind == RolloutStage::Kind::kLive ? Role::kChallenger : stage.kind == RolloutStage::Kind::kShadow ? Role::kShadow : Role::kDark;
  route->arms.push_back({std::move(challenger), role, role == Role::kDark ? 0 : stage.share});
  return route;
}

}  // namespace tenon::serve

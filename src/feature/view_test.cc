#include "feature/view.h"

#include <cmath>
#include <random>

#include "base/exact_sum.h"
#include "base/testing.h"
#include "base/text.h"
#include "feature/aggregate.h"
#include "feature/running_sum.h"

namespace tenon::feature {
namespace {

using table::Type;

Result<FeatureView> Parsed(std::string_view yaml) {
  TENON_ASSIGN(Json json, Json::ParseYaml(yaml, "t.yaml"));
  return FeatureView::Parse("v", json, "t.yaml");
}

TEST(FeatureViewTest, ReadsAndWritesTheSame) {
  ASSERT_OK_AND_ASSIGN(const FeatureView view, Parsed(R"(
entity: [customer, shop]
from: payments
ttl: 45d
delay: 1h
latest: [country]
owner: risk
tags: [fraud]
aggregate:
  amount: {mean: [1d, 7d], quantile: {share: 0.999, over: 7d}, p95: [1d, {tumbling: 1d}], count: {session: 30m}, fill: 0}
  risk: {of: "fraud * 2", where: amount > 5, delay: 7d, mean: all, decayed_sum: 3d}
)"));
  std::vector<std::string> names;
  for (const FeatureSpec& feature : view.features) names.push_back(feature.name);
  EXPECT_EQ(Join(names, " "), "country amount_mean_1d amount_mean_7d amount_p99_9_7d amount_p95_1d amount_p95_tumbling_1d "
                              "amount_count_session_30m risk_mean_all risk_decayed_sum_3d");
  EXPECT_EQ(view.inputs[1].delay, std::chrono::hours(1));
  EXPECT_EQ(view.inputs[2].delay, std::chrono::hours(7 * 24));
  ASSERT_OK_AND_ASSIGN(const FeatureView again, FeatureView::Parse("v", view.ToJson(), "again"));
  EXPECT_EQ(view.ToJson().Canonical(), again.ToJson().Canonical());
  FeatureView owned = view;
  owned.owner = "somebody else";
  EXPECT_EQ(owned.Hash(), view.Hash());
  owned.ttl += std::chrono::microseconds(1);
  EXPECT_NE(owned.Hash(), view.Hash());
}

TEST(FeatureViewTest, ErrorsNameThePlaceAndTheWayOut) {
  struct Case {
    const char* yaml;
    const char* says;
  };
  for (const Case& c : {Case{"{entity: a}", "no features"},
                        {"{latest: x}", "`entity:` is missing"},
                        {"{entity: a, agregate: {x: {mean: 1d}}}", "did you mean 'aggregate'"},
                        {"{entity: a, aggregate: {x: {mena: 1d}}}", "did you mean 'mean'"},
                        {"{entity: a, aggregate: {x: {mean: 1 fortnight}}}", "is no window"},
                        {"{entity: a, aggregate: {x: {mean: 1d}}, ttl: soon}", "is not a duration"},
                        {"{entity: a, aggregate: {x y: {mean: 1d}}}", "of: 'x y'"},
                        {"{entity: a, latest: x, event: id}", "`known:`"},
                        {"{entity: a, latest: [x, x]}", "two features are named 'x'"},
                        {"{entity: a, aggregate: {x: {decayed_sum: {tumbling: 1d}}}}", "half-life"},
                        {"{entity: a, aggregate: {x: {quantile: {share: 2, over: 1d}}}}", "from 0 to 1"},
                        {"{entity: a, latest: x, sensitive: [y]}", "no feature 'y'"}}) {
    auto view = Parsed(c.yaml);
    ASSERT_FALSE(view.ok()) << c.yaml;
    const std::string message(view.error().message());
    EXPECT_NE(message.find(c.says), std::string::npos) << message;
    EXPECT_TRUE(message.starts_with("t.yaml:1:")) << message;
  }
}

TEST(RunningSumTest, IsWhatTheExactSumIs) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 50; ++round) {
    RunningSum running;
    std::vector<double> left;
    for (int i = 0; i < 60; ++i) {
      const double value = std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), static_cast<int>(random() % 200) - 150);
      running.Add(value);
      if (i % 3 == 0) {
        running.Add(-value);
      } else {
        left.push_back(value);
      }
    }
    ExactSum exact;
    for (const double value : left) exact.Add(value);
    EXPECT_EQ(running.Value(), exact.Value());
    for (const double value : left) running.Add(-value);
    EXPECT_TRUE(running.Canonical().empty());
  }
}

std::shared_ptr<const ViewPlan> PlanOf(std::string_view yaml) {
  auto view = Parsed(yaml);
  EXPECT_TRUE(view.ok()) << view.error().ToString();
  auto plan = ViewPlan::Make(*view, table::Schema({{"a", Type::kInt64}, {"t", Type::kTimestamp}, {"x", Type::kFloat64}, {"s", Type::kString}, {"k", Type::kTimestamp}, {"e", Type::kInt64}}));
  EXPECT_TRUE(plan.ok()) << plan.error().ToString();
  return *plan;
}

constexpr std::string_view kEverything = R"({entity: a, time: t, known: k, event: e, latest: [x, s], ttl: 900s, aggregate: {
  x: {count: [100s, all], sum: [100s, {tumbling: 60s}, {session: 40s, most: 300s}], std: [100s, all], min: all, max: 100s, last: 100s, median: 100s, decayed_mean: 5s, delay: 3s},
  s: {distinct: [100s, all], last: 100s, count: {session: 40s}}}})";

struct Given {
  Micros at, known;
  double x;
  std::string s;
};

std::string Shown(const WindowState& state, std::size_t features) {
  std::vector<Value> values(features);
  state.Values(values);
  std::string out;
  for (const Value& value : values) out += Str(value.number, value.text.data() == nullptr ? "-" : value.text, " ");
  return out;
}

// Any order, any parts, saved in between, things added and taken away: the same bytes, and the same as added in one go.
TEST(WindowStateTest, DependsOnTheEventsAlone) {
  const auto plan = PlanOf(kEverything);
  const std::size_t features = plan->view().features.size();
  std::mt19937_64 random(3);
  for (int round = 0; round < 40; ++round) {
    std::vector<Given> given;
    for (int i = 0; i < 40; ++i) {
      const Micros at = static_cast<Micros>(random() % 400) * 1'000'000;
      given.push_back({at, at + static_cast<Micros>(random() % 50) * 1'000'000, static_cast<double>(random() % 100) / 8, std::string(1, static_cast<char>('a' + random() % 4))});
    }
    const auto add = [&](WindowState& state, const Given& g, bool remove = false) {
      const Value values[] = {{g.x, {}}, {NAN, g.s}, {g.x, {}}, {NAN, g.s}};
      const Event event{g.at, g.known, kNever, values};
      remove ? state.Remove(event) : state.Add(event);
    };
    const Micros end = static_cast<Micros>(350 + random() % 100) * 1'000'000;
    WindowState plain(plan);
    for (const Given& g : given) add(plain, g);
    plain.Advance(end);
    std::shuffle(given.begin(), given.end(), random);
    WindowState parts[2] = {WindowState(plan), WindowState(plan)};
    const Given extra{end - 5'000'000, end - 4'000'000, 77, "z"};
    Micros now = 0;
    for (std::size_t i = 0; i < given.size(); ++i) {
      WindowState& part = parts[random() % 2];
      add(part, given[i]);
      if (i == 10) add(part, extra);
      if (i == 10) add(part, extra, true);
      if (i % 7 == 0 && now < end - 40'000'000) part.Advance(now += 20'000'000);
      if (i % 11 == 0) {
        ASSERT_OK_AND_ASSIGN(part, WindowState::Load(plan, part.Save()));
      }
    }
    parts[0].Merge(parts[1]);
    parts[0].Advance(end - 1'000'000);
    add(parts[0], extra);
    parts[0].Advance(end);
    add(parts[0], extra, true);
    EXPECT_EQ(Shown(plain, features), Shown(parts[0], features)) << "round " << round;
    EXPECT_TRUE(plain.Save() == parts[0].Save()) << "round " << round;
  }
}

TEST(WindowStateTest, RefusesOtherBytes) {
  const auto plan = PlanOf(kEverything);
  WindowState state(plan);
  const Value values[] = {{1, {}}, {NAN, "s"}, {1, {}}, {NAN, "s"}};
  state.Add({5, 5, kNever, values});
  state.Advance(100);
  const std::string bytes = state.Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(WindowState::Load(plan, bytes.substr(0, size)).ok());
  ASSERT_CODE(kDataLoss, WindowState::Load(plan, bytes + "x"));
  ASSERT_CODE(kFailedPrecondition, WindowState::Load(PlanOf("{entity: a, time: t, latest: x}"), bytes));
}

TEST(WindowStateTest, SessionsDecayAndTumblingByHand) {
  const auto plan = PlanOf("{entity: a, time: t, aggregate: {x: {sum: [{session: 10s}, {tumbling: 60s}], decayed_sum: 10s, std: all, last: all}}}");
  WindowState state(plan);
  const auto add = [&](Micros second, double x) {
    const Value value[] = {{x, {}}};
    state.Add({second * 1'000'000, std::numeric_limits<Micros>::min(), kNever, value});
  };
  const auto at = [&](Micros second) {
    state.Advance(second * 1'000'000);
    std::vector<Value> out(5);
    state.Values(out);
    return out;
  };
  add(0, 1);
  add(8, 2);
  add(30, 4);
  add(40, 8);
  EXPECT_EQ(at(8)[0].number, 3);                    // one session
  EXPECT_TRUE(std::isnan(at(19)[0].number));        // over since a second
  EXPECT_EQ(at(40)[0].number, 12);
  EXPECT_DOUBLE_EQ(at(40)[2].number, 1 / 16. + 2 * std::exp2(-3.2) + 2 + 8);
  EXPECT_TRUE(std::isnan(at(59)[1].number));        // the first minute is not over
  EXPECT_EQ(at(60)[1].number, 15);
  EXPECT_EQ(at(119)[1].number, 15);
  EXPECT_TRUE(std::isnan(at(120)[1].number));       // a minute without events
  EXPECT_NEAR(at(120)[3].number, 3.095695936834452, 1e-15);
  EXPECT_EQ(at(120)[4].number, 8);
}

}  // namespace
}  // namespace tenon::feature

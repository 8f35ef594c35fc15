#include "feature/as_of.h"

#include <algorithm>
#include <map>
#include <random>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::feature {
namespace {

using table::Batch;
using table::Column;
using table::Type;
constexpr Micros kSecond = 1'000'000;
constexpr Micros kDay = 86'400 * kSecond;

Batch Rows(std::vector<table::Field> fields, std::vector<Column> columns) {
  return Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

FeatureView ViewOf(std::string_view yaml) {
  auto json = Json::ParseYaml(yaml, "view.yaml");
  EXPECT_TRUE(json.ok()) << json.error().ToString();
  auto view = FeatureView::Parse("v", *json, "view.yaml");
  EXPECT_TRUE(view.ok()) << view.error().ToString();
  return *std::move(view);
}

// Looks at every pair of rows.
std::vector<std::int32_t> Slowly(const TimedKeys& asking, const TimedKeys& known, Micros ttl) {
  std::vector<std::int32_t> out(asking.key.size(), kNoRow);
  for (std::size_t i = 0; i < asking.key.size(); ++i) {
    for (std::size_t j = 0; j < known.key.size(); ++j) {
      if (known.key[j] != asking.key[i] || known.time[j] > asking.time[i] || (ttl > 0 && asking.time[i] - known.time[j] > ttl)) continue;
      if (out[i] == kNoRow || known.time[j] >= known.time[static_cast<std::size_t>(out[i])]) out[i] = static_cast<std::int32_t>(j);
    }
  }
  return out;
}

TEST(MatchAsOfTest, FindsWhatLookingAtEveryPairFinds) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    const bool sorted = round % 2 == 0;
    const std::int64_t spread = round % 5 == 4 ? std::numeric_limits<std::int64_t>::max() : 1 << (round % 12);
    const auto make = [&](std::vector<std::int64_t>* keys, std::vector<Micros>* times, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) {
        keys->push_back(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(spread)) - spread / 2);
        times->push_back(static_cast<Micros>(random() % 200) - 100);
      }
      if (round % 7 == 6) (*times)[0] = std::numeric_limits<Micros>::min() / 2;
      if (sorted) std::ranges::sort(*times);
    };
    std::vector<std::int64_t> a_key, b_key;
    std::vector<Micros> a_time, b_time;
    make(&a_key, &a_time, 300);
    make(&b_key, &b_time, 1 + random() % 400);
    const Micros ttl = round % 3 == 0 ? 17 : 0;
    std::vector<std::int32_t> out(a_key.size());
    Call call;
    call.threads = 1 + round % 3;
    ASSERT_OK(MatchAsOf(call, {a_key, a_time}, {b_key, b_time}, std::chrono::microseconds(ttl), out));
    EXPECT_EQ(out, Slowly({a_key, a_time}, {b_key, b_time}, ttl)) << "round " << round;
  }
}

// Large enough that a sweep goes in several stretches, and parts are many.
TEST(MatchAsOfTest, ThreadsAndPathsAgree) {
  std::mt19937_64 random(6);
  const std::size_t n = 400'000;
  std::vector<std::int64_t> a_key(n), b_key(n);
  std::vector<Micros> a_time(n), b_time(n);
  for (std::size_t i = 0; i < n; ++i) {
    a_key[i] = static_cast<std::int64_t>(random() % 5000);
    b_key[i] = static_cast<std::int64_t>(random() % 5000);
    a_time[i] = static_cast<Micros>(random() % 1'000'000'000'000);
    b_time[i] = static_cast<Micros>(random() % 1'000'000'000'000);
  }
  std::ranges::sort(a_time);
  std::ranges::sort(b_time);
  const auto match = [&](int threads, std::vector<std::int32_t>* out) {
    Call call;
    call.threads = threads;
    out->resize(n);
    ASSERT_OK(MatchAsOf(call, {a_key, a_time}, {b_key, b_time}, {}, *out));
  };
  std::vector<std::int32_t> one, many, parted;
  match(1, &one);
  match(4, &many);
  EXPECT_EQ(one, many);
  std::swap(a_time[0], a_time[n - 1]);  // no longer in order: goes by parts
  std::swap(a_key[0], a_key[n - 1]);
  match(3, &parted);
  std::swap(parted[0], parted[n - 1]);
  EXPECT_EQ(one, parted);
}

struct Told {
  std::int64_t who;
  Micros at, known;
  double amount;
  std::int64_t id;
  bool deleted;
};

Batch EventRows(const std::vector<Told>& told) {
  table::ColumnBuilder who(Type::kInt64), at(Type::kTimestamp), known(Type::kTimestamp), amount(Type::kFloat64), id(Type::kInt64), deleted(Type::kBool);
  for (const Told& event : told) {
    who.AddInt(event.who);
    at.AddInt(event.at);
    known.AddInt(event.known);
    std::isnan(event.amount) ? amount.AddNull() : amount.Add(event.amount);
    id.AddInt(event.id);
    deleted.AddInt(event.deleted);
  }
  return Rows({{"who", Type::kInt64}, {"at", Type::kTimestamp}, {"known", Type::kTimestamp}, {"amount", Type::kFloat64}, {"id", Type::kInt64}, {"deleted", Type::kBool}},
              {who.Finish(), at.Finish(), known.Finish(), amount.Finish(), id.Finish(), deleted.Finish()});
}

Batch Questions(const std::vector<std::pair<std::int64_t, Micros>>& asked) {
  std::vector<std::int64_t> who, at;
  for (const auto& [w, a] : asked) {
    who.push_back(w);
    at.push_back(a);
  }
  return Rows({{"who", Type::kInt64}, {"when", Type::kTimestamp}}, {Column::Of(who), Column::Of(at, Type::kTimestamp)});
}

Batch Joined(const FeatureView& view, const std::vector<Told>& told, const std::vector<std::pair<std::int64_t, Micros>>& asked, int threads = 1) {
  const std::vector<Batch> rows = {EventRows(told)};
  auto plan = ViewPlan::Make(view, rows[0].schema());
  EXPECT_TRUE(plan.ok()) << plan.error().ToString();
  const ViewRows of{*plan, &rows};
  Call call;
  call.threads = threads;
  auto out = JoinAsOf(call, Questions(asked), "when", {&of, 1});
  EXPECT_TRUE(out.ok()) << out.error().ToString();
  return *std::move(out);
}

constexpr std::string_view kBitemporal = R"(
entity: who
time: at
known: known
event: id
deleted: deleted
aggregate:
  amount: {count: [1d, 7d, all], sum: [7d, {tumbling: 1d}, {session: 1h}], mean: 7d, std: 7d, min: 7d, max: [7d, all], last: 7d, median: 7d, distinct: 7d, decayed_sum: 1d}
)";

// What a view says at t, from the definition: every record is asked whether it was known, stood, and lay in the window.
struct Naive {
  std::vector<double> values;
  explicit Naive(const std::vector<Told>& told, std::int64_t who, Micros t, Micros from) {
    for (std::size_t i = 0; i < told.size(); ++i) {
      const Told& e = told[i];
      if (e.who != who || e.at > t || e.known > t || e.at <= from || e.deleted || std::isnan(e.amount)) continue;
      bool stands = true;
      for (std::size_t j = 0; j < told.size(); ++j) {
        if (j == i || told[j].id != e.id || told[j].known > t) continue;
        stands = stands && (told[j].known < e.known || (told[j].known == e.known && j < i));
      }
      if (stands) values.push_back(e.amount);
    }
  }
  double sum() const {
    double out = 0;
    for (const double v : values) out += v;
    return out;
  }
};

std::vector<Told> RandomEvents(std::mt19937_64* random, int n) {
  std::vector<Told> out;
  for (int i = 0; i < n; ++i) {
    Told event;
    event.id = static_cast<std::int64_t>((*random)() % static_cast<std::uint64_t>(n));
    event.who = event.id % 3;
    event.at = static_cast<Micros>((*random)() % 40) * kDay / 4;
    event.known = event.at + static_cast<Micros>((*random)() % 5) * kDay;
    event.amount = (*random)() % 9 == 0 ? NAN : static_cast<double>((*random)() % 64) / 4;
    event.deleted = (*random)() % 8 == 0;
    out.push_back(event);
  }
  return out;
}

TEST(JoinAsOfTest, CountsWhatWasKnownThenAndStoodThen) {
  std::mt19937_64 random(7);
  const FeatureView view = ViewOf(kBitemporal);
  for (int round = 0; round < 20; ++round) {
    const std::vector<Told> told = RandomEvents(&random, 60);
    std::vector<std::pair<std::int64_t, Micros>> asked;
    for (int i = 0; i < 80; ++i) asked.emplace_back(random() % 4, static_cast<Micros>(random() % 60) * kDay / 4);
    const Batch out = Joined(view, told, asked, 1 + round % 2);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto [who, t] = asked[i];
      const auto row = static_cast<std::int64_t>(i);
      const auto number = [&](const char* name) { return out.Named(Str("v.", name))->Number(row); };
      const Naive week(told, who, t, t - 7 * kDay);
      EXPECT_EQ(number("amount_count_7d"), static_cast<double>(week.values.size()));
      EXPECT_EQ(number("amount_count_1d"), static_cast<double>(Naive(told, who, t, t - kDay).values.size()));
      EXPECT_EQ(number("amount_count_all"), static_cast<double>(Naive(told, who, t, -kDay).values.size()));
      if (week.values.empty()) {
        EXPECT_TRUE(std::isnan(number("amount_sum_7d")) && std::isnan(number("amount_median_7d")));
        continue;
      }
      std::vector<double> sorted = week.values;
      std::ranges::sort(sorted);
      EXPECT_EQ(number("amount_sum_7d"), week.sum());
      EXPECT_EQ(number("amount_min_7d"), sorted.front());
      EXPECT_EQ(number("amount_max_7d"), sorted.back());
      EXPECT_EQ(number("amount_median_7d"), (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2);
      EXPECT_EQ(number("amount_distinct_7d"), static_cast<double>(std::unique(sorted.begin(), sorted.end()) - sorted.begin()));
    }
  }
}

// Leakage is impossible: whatever comes after t, or is learnt after it, leaves the answers for t as they were, bit for bit.
TEST(JoinAsOfTest, WhatComesLaterChangesNothing) {
  std::mt19937_64 random(8);
  // Windows, latest values with corrections, and latest values alone, which are joined in another way.
  const FeatureView views[] = {ViewOf(kBitemporal), ViewOf("{entity: who, time: at, known: known, event: id, deleted: deleted, latest: [amount, id], ttl: 5d}"),
                               ViewOf("{entity: who, time: at, known: known, latest: [amount, id], same_instant: false}")};
  for (int round = 0; round < 90; ++round) {
    const FeatureView& view = views[round % 3];
    std::vector<Told> told = RandomEvents(&random, 50);
    const Micros t = static_cast<Micros>(random() % 40) * kDay / 4;
    std::vector<std::pair<std::int64_t, Micros>> asked;
    for (int who = 0; who < 3; ++who) {
      for (Micros at = t - 3 * kDay; at <= t; at += kDay) asked.emplace_back(who, at);
    }
    const Batch before = Joined(view, told, asked);
    for (Told event : RandomEvents(&random, 40)) {  // a backfill: of any event time, but learnt after t
      event.known = t + 1 + static_cast<Micros>(random() % 10) * kDay;
      told.insert(told.begin() + static_cast<std::ptrdiff_t>(random() % told.size()), event);
    }
    told.push_back({0, t + 1, t - kDay, 1e9, 999, false});  // an event of the future that claims to be known
    const Batch after = Joined(view, told, asked);
    for (std::int64_t row = 0; row < before.rows(); ++row) EXPECT_EQ(before.RowAt(row).Dump(), after.RowAt(row).Dump()) << "round " << round;
  }
}

TEST(JoinAsOfTest, OrderOfRowsDoesNotMatter) {
  std::mt19937_64 random(9);
  const FeatureView view = ViewOf("{entity: who, time: at, known: known, latest: [amount, id], ttl: 2d, aggregate: {amount: {last: 7d, sum: [3d, {session: 12h}], std: 7d}}}");
  std::vector<Told> told = RandomEvents(&random, 80);
  std::vector<std::pair<std::int64_t, Micros>> asked;
  for (int i = 0; i < 60; ++i) asked.emplace_back(random() % 3, static_cast<Micros>(random() % 60) * kDay / 4);
  const Batch first = Joined(view, told, asked);
  for (int round = 0; round < 5; ++round) {
    std::shuffle(told.begin(), told.end(), random);
    const Batch again = Joined(view, told, asked, 2);
    for (std::int64_t row = 0; row < first.rows(); ++row) EXPECT_EQ(first.RowAt(row).Dump(), again.RowAt(row).Dump());
  }
}

TEST(JoinAsOfTest, EdgesOfWindowsAndOfTtl) {
  const FeatureView view = ViewOf("{entity: who, time: at, ttl: 1d, latest: amount, aggregate: {n: {of: '1', count: [1d], delay: 1h}}}");
  const std::vector<Told> told = {{1, 10 * kDay, 0, 5, 1, false}};
  const Batch out = Joined(view, told, {{1, 10 * kDay - 1}, {1, 10 * kDay}, {1, 11 * kDay}, {1, 11 * kDay + 1}, {2, 10 * kDay}, {1, 10 * kDay + 3600 * kSecond}});
  const Column latest = *out.Named("v.amount");
  EXPECT_TRUE(latest.IsNull(0));   // a microsecond before it happened
  EXPECT_EQ(latest.Number(1), 5);  // at the same instant
  EXPECT_EQ(latest.Number(2), 5);  // just as old as may be
  EXPECT_TRUE(latest.IsNull(3));
  EXPECT_TRUE(latest.IsNull(4));   // of somebody else
  const Column count = *out.Named("v.n_count_1d");
  EXPECT_EQ(count.Number(1), 0);   // delayed by an hour
  EXPECT_EQ(count.Number(5), 1);
  FeatureView before = view;
  before.same_instant = false;
  EXPECT_TRUE(Joined(before, told, {{1, 10 * kDay}}).Named("v.amount")->IsNull(0));
  EXPECT_EQ(Joined(before, told, {{1, 10 * kDay + 1}}).Named("v.amount")->Number(0), 5);
}

// Hourly events whose amount is the hour: the row itself is not looked at, what was exactly an hour ago is.
TEST(JoinAsOfTest, LagsAreTheLastValueOfThen) {
  const FeatureView view = ViewOf("{entity: who, time: at, same_instant: false, aggregate: {amount: {lag: [1h, 3h], mean: [2h, all], last: all}}}");
  EXPECT_EQ(*FeatureView::Parse("v", view.ToJson(), ""), view);
  constexpr Micros kHour = 3600 * kSecond;
  std::vector<Told> told;
  for (int hour = 0; hour < 10; ++hour) told.push_back({1, 10 * kDay + hour * kHour, 0, static_cast<double>(hour), hour, false});
  const Batch out = Joined(view, told, {{1, 10 * kDay}, {1, 10 * kDay + kHour}, {1, 10 * kDay + 5 * kHour}, {1, 10 * kDay + 5 * kHour - 1}, {1, 11 * kDay}});
  const auto values = [&](std::string_view name) {
    std::string text;
    const Column column = *out.Named(name);
    for (std::int64_t row = 0; row < out.rows(); ++row) text += Str(row > 0 ? " " : "", column.IsNull(row) ? std::string("-") : FormatDouble(column.Number(row)));
    return text;
  };
  EXPECT_EQ(values("v.amount_lag_1h"), "- 0 4 3 9");
  EXPECT_EQ(values("v.amount_lag_3h"), "- - 2 1 9");
  EXPECT_EQ(values("v.amount_mean_2h"), "- 0 3.5 3.5 -");
  EXPECT_EQ(values("v.amount_mean_all"), "- 0 2 2 4.5");
  EXPECT_EQ(values("v.amount_last_all"), "- 0 4 4 9");
}

// A view of latest values alone is joined in another way than one that has windows as well.
TEST(JoinAsOfTest, LatestValuesAloneAreThoseBesideOthers) {
  std::mt19937_64 random(10);
  const std::vector<std::string> settings = {"", ", ttl: 2d", ", same_instant: false", ", same_instant: false, ttl: 2d", ", delay: 6h", ", delay: 6h, ttl: 1d", ", delay: 2d, ttl: 1d", ", where: 'amount > 3'"};
  for (const std::string& setting : settings) {
    const FeatureView alone = ViewOf(Str("{entity: who, time: at, latest: [amount, id, deleted]", setting, "}"));
    const FeatureView beside = ViewOf(Str("{entity: who, time: at, latest: [amount, id, deleted]", setting, ", aggregate: {amount: {count: all}}}"));
    for (int round = 0; round < 6; ++round) {
      std::vector<Told> told = RandomEvents(&random, 120);  // many of one time
      if (round == 5) told.push_back({1, kFarthest + 1, 0, 5, 1, false});
      std::vector<std::pair<std::int64_t, Micros>> asked = {{1, std::numeric_limits<Micros>::min()}, {2, kNever - 1}};
      for (int i = 0; i < 200; ++i) asked.emplace_back(random() % 4, static_cast<Micros>(random() % 60) * kDay / 4);
      const Batch one = Joined(alone, told, asked, 1 + round % 2);
      const Batch other = Joined(beside, told, asked);
      for (const char* name : {"v.amount", "v.id", "v.deleted"}) {
        EXPECT_EQ(one.Named(name)->type(), other.Named(name)->type());
        for (std::int64_t row = 0; row < one.rows(); ++row) {
          ASSERT_EQ(one.Named(name)->ValueAt(row).Dump(), other.Named(name)->ValueAt(row).Dump()) << name << setting << ", row " << row;
        }
      }
    }
  }
}

// The same where the entity is a text and a number together, in several batches, with rows that lack something.
TEST(JoinAsOfTest, LatestValuesOfEntitiesOfSeveralColumns) {
  std::mt19937_64 random(12);
  const auto make = [&](std::size_t rows, const char* time_name) {
    table::ColumnBuilder town(Type::kString), shop(Type::kInt64), at(Type::kTimestamp), word(Type::kString);
    for (std::size_t i = 0; i < rows; ++i) {
      random() % 20 == 0 ? town.AddNull() : town.AddText(random() % 2 == 0 ? "Ulm" : "Gera");
      random() % 20 == 0 ? shop.AddNull() : shop.AddInt(static_cast<std::int64_t>(random() % 3));
      random() % 20 == 0 ? at.AddNull() : at.AddInt(static_cast<Micros>(random() % 50) * kDay);
      random() % 5 == 0 ? word.AddNull() : word.AddText(Str("word ", random() % 9));
    }
    return Rows({{"town", Type::kString}, {"shop", Type::kInt64}, {time_name, Type::kTimestamp}, {"word", Type::kString}}, {town.Finish(), shop.Finish(), at.Finish(), word.Finish()});
  };
  const std::vector<Batch> rows = {make(90, "at"), make(1, "at"), make(60, "at")};
  const Batch asking = make(300, "when");
  const auto joined = [&](std::string_view yaml) {
    auto plan = ViewPlan::Make(ViewOf(yaml), rows[0].schema());
    EXPECT_TRUE(plan.ok()) << plan.error().ToString();
    const ViewRows of{*plan, &rows};
    auto out = JoinAsOf(Call(), asking, "when", {&of, 1});
    EXPECT_TRUE(out.ok()) << out.error().ToString();
    return *out->Named("v.word");
  };
  const Column alone = joined("{entity: [town, shop], time: at, latest: word, ttl: 9d}");
  const Column beside = joined("{entity: [town, shop], time: at, latest: word, ttl: 9d, aggregate: {shop: {count: all}}}");
  std::int64_t there = 0;
  for (std::int64_t row = 0; row < asking.rows(); ++row) {
    ASSERT_EQ(alone.ValueAt(row).Dump(), beside.ValueAt(row).Dump()) << "row " << row;
    there += alone.IsNull(row) ? 0 : 1;
  }
  EXPECT_GT(there, 50);
}

TEST(JoinAsOfTest, SaysWhatIsWrong) {
  const std::vector<Batch> rows = {EventRows({{1, 0, 0, 5, 1, false}})};
  const auto message = [&](std::string_view yaml) {
    auto plan = ViewPlan::Make(ViewOf(yaml), rows[0].schema());
    return plan.ok() ? std::string("fine") : std::string(plan.error().message());
  };
  EXPECT_EQ(message("{entity: whom, time: at, latest: amount}"), "features.v.entity: the source has no column 'whom'; did you mean 'who'?");
  EXPECT_NE(message("{entity: who, time: id, latest: amount}").find("column id is int64, not timestamp"), std::string::npos);
  EXPECT_NE(message("{entity: who, time: at, aggregate: {x: {of: 'amuont + 1', sum: 1d}}}").find("\n  ^"), std::string::npos);
  auto plan = ViewPlan::Make(ViewOf("{entity: who, time: at, latest: amount}"), rows[0].schema());
  ASSERT_OK(plan);
  const ViewRows of{*plan, &rows};
  ASSERT_CODE(kInvalidArgument, JoinAsOf(Call(), Questions({{1, 0}}), "wen", {&of, 1}));
}

}  // namespace
}  // namespace tenon::feature

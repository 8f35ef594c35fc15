#include "feature/moving_values.h"

#include <algorithm>
#include <map>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "feature/as_of.h"
#include "feature/event_rows.h"
#include "feature/materialize.h"
#include "feature/stream.h"

namespace tenon::feature {
namespace {

using table::Type;

constexpr Micros kMinute = 60'000'000;
constexpr Micros kStart = 1'700'000'000'000'000;

std::shared_ptr<const table::Schema> Source() {
  return std::make_shared<const table::Schema>(std::vector<table::Field>{
      {"id", Type::kString}, {"who", Type::kInt64}, {"amount", Type::kFloat64}, {"shop", Type::kString}, {"at", Type::kTimestamp}, {"known", Type::kTimestamp}, {"gone", Type::kBool}});
}

struct Case {
  const char* name;
  const char* view;
};
constexpr Case kCases[] = {
    {"sliding", "{entity: who, time: at, aggregate: {amount: {sum: [1h, 1d], mean: 1h, count: [1h, all], max: 1h, p90: 2h}, shop: {distinct: 1d, last: 3h}}}"},
    {"tumbling and sessions", "{entity: who, time: at, aggregate: {amount: {sum: [{tumbling: 1h}, {session: 20m}], count: [{session: 5m, most: 1h}, {tumbling: 10m}]}}}"},
    {"decayed", "{entity: who, time: at, aggregate: {amount: {decayed_sum: 30m, decayed_count: 2h, decayed_mean: 1d}}}"},
    {"delayed", "{entity: who, time: at, delay: 90m, aggregate: {amount: {sum: [1h, all], count: all}, shop: {last: all}}}"},
    {"not at the same instant", "{entity: who, time: at, same_instant: false, latest: [shop], aggregate: {amount: {count: all}}}"},
    {"ttl", "{entity: who, time: at, ttl: 45m, latest: [shop, amount], aggregate: {amount: {sum: all}}}"},
    {"corrected", "{entity: who, time: at, known: known, event: id, deleted: gone, aggregate: {amount: {sum: [1h, 1d], count: [1h, all]}, shop: {last: all}}}"},
};

std::shared_ptr<const ViewPlan> PlanOf(const char* yaml) {
  auto view = FeatureView::Parse("v", *Json::ParseYaml(yaml, "test"), "test");
  EXPECT_TRUE(view.ok()) << view.error().ToString();
  auto plan = ViewPlan::Make(*std::move(view), *Source());
  EXPECT_TRUE(plan.ok()) << plan.error().ToString();
  return *std::move(plan);
}

std::vector<Json> History(bool corrected) {
  std::mt19937_64 random(7);
  std::vector<Json> out;
  for (std::size_t i = 0; i < 240; ++i) {
    Json row;
    const Micros at = kStart + static_cast<Micros>(i) * kMinute / 2 - static_cast<Micros>(random() % 40) * kMinute;
    const bool again = corrected && i > 10 && random() % 4 == 0;
    row["id"] = again ? Str("e", random() % i) : Str("e", i);
    row["who"] = static_cast<std::int64_t>(random() % 7);
    if (random() % 9 != 0) row["amount"] = static_cast<double>(random() % 1000) / 7;
    row["shop"] = Str("shop ", random() % 5);
    row["at"] = FormatTimestamp(at);
    row["known"] = FormatTimestamp(at + static_cast<Micros>(random() % 3) * 10 * kMinute);
    row["gone"] = again && random() % 3 == 0;
    out.push_back(std::move(row));
  }
  return out;
}

table::Batch BatchOf(const std::vector<Json>& rows) {
  RowsFromJson out(Source());
  for (const Json& row : rows) EXPECT_TRUE(out.Add(row).ok());
  return out.Finish();
}

Micros TimeOf(const Json& row, const char* name) {
  Micros out = 0;
  EXPECT_TRUE(ParseTimestamp(row.StringAt(name), &out));
  return out;
}

// A table of the view's records and one of its states, in memory.
struct Tables {
  explicit Tables(const ViewPlan& plan) : files(platform::RealFiles()) {
    Kinds<OnlineStoreKind> kinds;
    EXPECT_TRUE(AddAll(kinds).ok());
    Json settings;
    settings["disk"] = false;
    auto made = StartOnlineStore(kinds, "embedded", settings, *files, "");
    EXPECT_TRUE(made.ok());
    store = *std::move(made);
    records = *store->Open("v", *RecordLayout::Of(plan.output(), true));
    states = *store->Open("v.states", *StateLayout());
  }
  std::unique_ptr<platform::Files> files;
  std::unique_ptr<OnlineStore> store;
  std::unique_ptr<OnlineTable> records, states;
};

// What is online as of moments from `from` on, against the join of `rows`, bit by bit.
void Compare(const std::shared_ptr<const ViewPlan>& plan, const Tables& tables, const std::vector<Json>& rows, Micros from) {
  std::mt19937_64 random(11);
  std::vector<std::int64_t> who, at;
  for (int i = 0; i < 400; ++i) {
    who.push_back(static_cast<std::int64_t>(random() % 7));
    const auto most = i % 3 == 0 ? 3000 * kMinute : i % 3 == 1 ? 100 * kMinute : 3;
    at.push_back(from + static_cast<Micros>(random() % static_cast<std::uint64_t>(most)));
  }
  std::vector<std::string> keys;
  for (const std::int64_t one : who) keys.push_back(Str("n", one, ";"));
  const std::vector<std::string_view> asked(keys.begin(), keys.end());
  Records records;
  ASSERT_OK(MovingValues(plan, tables.records.get(), tables.states.get()).Get(asked, at, &records));
  const table::Batch asking(std::make_shared<const table::Schema>(std::vector<table::Field>{{"who", Type::kInt64}, {"at", Type::kTimestamp}}),
                            {table::Column::Of(who), table::Column::Of(at, Type::kTimestamp)});
  const std::vector<table::Batch> known = {BatchOf(rows)};
  const ViewRows view{plan, &known};
  ASSERT_OK_AND_ASSIGN(const table::Batch joined, JoinAsOf(Call(), asking, "at", {&view, 1}));
  for (std::size_t f = 0; f < plan->view().features.size(); ++f) {
    const table::Column expected = joined.column(static_cast<int>(f) + 2);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const std::string where = Str(plan->view().features[f].name, " of ", asked[i], " at ", at[i] - kStart);
      ASSERT_TRUE(records.Found(i)) << where;
      ASSERT_EQ(records.IsNull(i, f), expected.IsNull(row)) << where;
      if (expected.IsNull(row)) continue;
      if (expected.type() == Type::kString) {
        ASSERT_EQ(records.Text(i, f), expected.Text(row)) << where;
      } else if (expected.type() == Type::kFloat64) {
        ASSERT_EQ(records.Number(i, f), expected.Number(row)) << where;
      } else {
        ASSERT_EQ(records.Int(i, f), expected.ints()[i]) << where;
      }
    }
  }
}

TEST(MovingValues, GoOnAfterTheyWereMaterialized) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    const auto plan = PlanOf(one.view);
    ASSERT_TRUE(plan->moves());
    const Tables tables(*plan);
    const std::vector<Json> history = History(!plan->view().event.empty());
    const std::vector<table::Batch> rows = {BatchOf(history)};
    const Micros until = kStart + 70 * kMinute;
    ASSERT_OK_AND_ASSIGN(const Materialized made, Materialize(Call(), {plan, &rows}, until, false, *tables.records, tables.states.get()));
    EXPECT_EQ(made.stored, 7);
    ASSERT_OK_AND_ASSIGN(const Materialized again, Materialize(Call(), {plan, &rows}, until, false, *tables.records, tables.states.get()));
    EXPECT_EQ(again.unchanged, 7);
    std::vector<Json> known;
    for (const Json& row : history) {
      const bool learnt = plan->view().known.empty() || TimeOf(row, "known") <= until;
      if (TimeOf(row, "at") <= until && learnt) known.push_back(row);
    }
    ASSERT_LT(known.size(), history.size());
    Compare(plan, tables, known, until);
  }
}

TEST(MovingValues, GoOnAfterTheLastEventOfAStream) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    const auto plan = PlanOf(one.view);
    const Tables tables(*plan);
    ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
    ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, tables.records.get(), tables.states.get()}}, {}, *database));
    const std::vector<Json> history = History(!plan->view().event.empty());
    std::vector<std::string> texts;
    for (const Json& row : history) texts.push_back(row.Dump());
    for (std::size_t begin = 0; begin < texts.size(); begin += 9) {
      std::vector<Message> messages;
      for (std::size_t i = begin; i < std::min(texts.size(), begin + 9); ++i) messages.push_back({.offset = static_cast<std::int64_t>(i), .value = texts[i]});
      ASSERT_OK(stream->Process(Call(), messages));
    }
    Compare(plan, tables, history, stream->time());
    ASSERT_OK(stream->Refresh(Call()));
    Compare(plan, tables, history, stream->time());
  }
}

// A stream, each event asking first with itself: what it gets is what the join says of its own time.
TEST(MovingValues, AnEventThatAsksCountsAsIfItWereStored) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.push_back({"for ever", "{entity: who, time: at, latest: [shop], aggregate: {amount: {sum: all, mean: all, max: all, count: all, median: all, std: all}}}"});
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const auto plan = PlanOf(one.view);
    if (!plan->view().event.empty()) continue;  // a row is taken for the first record of its event
    const Tables tables(*plan);
    ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
    ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, tables.records.get(), tables.states.get()}}, {}, *database));
    std::vector<Json> history = History(false);
    std::ranges::stable_sort(history, {}, [](const Json& row) { return TimeOf(row, "at"); });
    const MovingValues values(plan, tables.records.get(), tables.states.get());
    const std::vector<table::Batch> rows = {BatchOf(history)};
    const ViewRows view{plan, &rows};
    ASSERT_OK_AND_ASSIGN(const table::Batch joined, JoinAsOf(Call(), rows[0], "at", {&view, 1}));
    const WindowState nothing(plan);
    std::vector<Value> empty(plan->view().features.size());
    nothing.Values(empty);
    int beside = 0, alone = 0, again = 0;
    for (std::size_t i = 0; i < history.size(); ++i) {
      const Micros at = TimeOf(history[i], "at");
      const auto same = [&](const Json& other) { return TimeOf(other, "at") == at && other.IntAt("who") == history[i].IntAt("who"); };
      const bool tied = std::ranges::count_if(history, same) > 1;
      const std::string key = Str("n", history[i].IntAt("who"), ";");
      const std::string_view asked = key;
      ASSERT_OK_AND_ASSIGN(const Events own, plan->EventsOf(rows[0].Slice(static_cast<std::int64_t>(i), 1)));
      const std::string text = history[i].Dump();
      const Message message{.offset = static_cast<std::int64_t>(i), .value = text};
      for (const bool stored : {false, true}) {
        if (stored) ASSERT_OK(stream->Process(Call(), {&message, 1}));
        if (tied) continue;
        Records records;
        std::vector<MovingValues::Counted> counted;
        ASSERT_OK(values.Get({&asked, 1}, {&at, 1}, own, &records, &counted));
        // What is stored already is not counted a second time.
        ASSERT_TRUE(!stored || counted[0] == MovingValues::Counted::kNot);
        beside += counted[0] == MovingValues::Counted::kBeside ? 1 : 0;
        alone += counted[0] == MovingValues::Counted::kAlone ? 1 : 0;
        again += stored ? 1 : 0;
        for (std::size_t f = 0; f < plan->view().features.size(); ++f) {
          const table::Column expected = *joined.Named(ColumnOf(plan->view(), plan->view().features[f]));
          const auto row = static_cast<std::int64_t>(i);
          const std::string where = Str(plan->view().features[f].name, " of event ", i, stored ? ", stored" : ", asking");
          ASSERT_TRUE(records.Found(0)) << where;
          ASSERT_EQ(records.IsNull(0, f), expected.IsNull(row)) << where;
          if (expected.IsNull(row)) continue;
          if (expected.type() == Type::kString) {
            ASSERT_EQ(records.Text(0, f), expected.Text(row)) << where;
          } else {
            const double got = expected.type() == Type::kFloat64 ? records.Number(0, f) : static_cast<double>(records.Int(0, f));
            ASSERT_EQ(got, expected.Number(row)) << where;
          }
        }
      }
    }
    EXPECT_GT(alone, 0);
    EXPECT_GT(beside, 150);
    EXPECT_EQ(again, beside + alone);
  }
}

TEST(ViewPlan, SaysWhatAnEventIsMadeOfThatCountsAtItsOwnTime) {
  const auto read = [](const char* yaml, std::vector<std::size_t> features) { return PlanOf(yaml)->ReadAtOnce(features); };
  using Names = std::vector<std::string>;
  EXPECT_EQ(read("{entity: who, time: at, aggregate: {amount: {sum: 1h}, shop: {last: all}}}", {0}), (Names{"at", "amount"}));
  EXPECT_EQ(read("{entity: who, time: at, known: known, where: gone, aggregate: {amount: {sum: 1h}, shop: {last: all}}}", {0, 1}), (Names{"at", "known", "gone", "amount", "shop"}));
  EXPECT_EQ(read("{entity: who, time: at, same_instant: false, aggregate: {amount: {sum: 1h}}}", {0}), std::nullopt);
  EXPECT_EQ(read("{entity: who, time: at, delay: 1h, aggregate: {amount: {sum: 1h}}}", {0}), std::nullopt);
  EXPECT_EQ(read("{entity: who, time: at, aggregate: {amount: {sum: [{tumbling: 1h}, 1h], lag: 1h}}}", {0, 2}), std::nullopt);
  // Whether there is any event within the ttl: the row is one, whatever it is made of.
  EXPECT_EQ(read("{entity: who, time: at, ttl: 1d, aggregate: {amount: {lag: 1h}}}", {0}), (Names{"at"}));
}

TEST(MovingValues, ALatestValueThatNeverGrowsOldDoesNotMove) {
  EXPECT_FALSE(PlanOf("{entity: who, time: at, latest: [shop], aggregate: {amount: {sum: all, max: all}}}")->moves());
}

TEST(MovingValues, ARecordWithoutItsStateStaysAndADamagedStateIsTold) {
  const auto plan = PlanOf(kCases[0].view);
  const Tables tables(*plan);
  const std::vector<table::Batch> rows = {BatchOf(History(false))};
  const Micros until = kStart + 70 * kMinute, later = until + 5000 * kMinute;
  ASSERT_OK_AND_ASSIGN(const Materialized made, Materialize(Call(), {plan, &rows}, until, false, *tables.records, tables.states.get()));
  ASSERT_EQ(made.stored, 7);
  const std::string_view key = "n3;";
  ASSERT_OK_AND_ASSIGN(const int feature, plan->view().At("amount_count_1h"));
  const auto f = static_cast<std::size_t>(feature);
  Records stored, moved;
  ASSERT_OK(tables.records->Get({&key, 1}, &stored));
  ASSERT_GT(stored.Int(0, f), 0);
  const MovingValues values(plan, tables.records.get(), tables.states.get());
  ASSERT_OK(values.Get({&key, 1}, {&later, 1}, &moved));
  EXPECT_EQ(moved.Int(0, f), 0);
  ASSERT_OK_AND_ASSIGN(std::int64_t put, tables.states->Put({{{.key = key, .at = later, .created = later}}}, Newest::kCreated));
  ASSERT_EQ(put, 1);
  ASSERT_OK(values.Get({&key, 1}, {&later, 1}, &moved));
  EXPECT_EQ(moved.Int(0, f), stored.Int(0, f));
  RecordPacker packer(tables.states->layout());
  packer.Start();
  packer.SetText(0, "no state");
  ASSERT_OK_AND_ASSIGN(put, tables.states->Put({{{.key = key, .at = later, .created = later + 1, .words = packer.words(), .texts = packer.texts()}}}, Newest::kCreated));
  ASSERT_EQ(put, 1);
  EXPECT_FALSE(values.Get({&key, 1}, {&later, 1}, &moved).ok());
}

}  // namespace
}  // namespace tenon::feature

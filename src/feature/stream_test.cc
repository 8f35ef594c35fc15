#include "feature/stream.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "feature/as_of.h"
#include "feature/event_rows.h"
#include "feature/materialize.h"

namespace tenon::feature {
namespace {

using table::Type;

constexpr Micros kMinute = 60'000'000;
constexpr Micros kStart = 1'700'000'000'000'000;

std::shared_ptr<const table::Schema> Source() {
  return std::make_shared<const table::Schema>(std::vector<table::Field>{
      {"id", Type::kString}, {"who", Type::kInt64}, {"amount", Type::kFloat64}, {"shop", Type::kString}, {"at", Type::kTimestamp}, {"known", Type::kTimestamp}, {"gone", Type::kBool}});
}

constexpr const char* kPlain = "{entity: who, time: at, aggregate: {amount: {sum: [1h, 1d], mean: 1h, count: [1h, all], max: 1h}, shop: {distinct: 1d, last: all}}}";
constexpr const char* kCorrected =
    "{entity: who, time: at, known: known, event: id, deleted: gone, aggregate: {amount: {sum: [1h, 1d], count: [1h, all]}, shop: {last: all}}}";

std::shared_ptr<const ViewPlan> Plan(const char* yaml, const char* name = "v") {
  auto view = FeatureView::Parse(name, *Json::ParseYaml(yaml, "test"), "test");
  EXPECT_TRUE(view.ok()) << view.error().ToString();
  auto plan = ViewPlan::Make(*std::move(view), *Source());
  EXPECT_TRUE(plan.ok()) << plan.error().ToString();
  return *std::move(plan);
}

// A random history: entities, times out of order, some missing amounts.
std::vector<Json> History(std::size_t count, bool corrected, std::uint64_t seed = 3) {
  std::mt19937_64 random(seed);
  std::vector<Json> out;
  for (std::size_t i = 0; i < count; ++i) {
    Json row;
    const Micros at = kStart + static_cast<Micros>(i) * kMinute / 2 - static_cast<Micros>(random() % 40) * kMinute;
    const bool again = corrected && i > 10 && random() % 4 == 0;  // a later record of an event that was there
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

struct Log {
  explicit Log(const std::vector<Json>& rows) {
    for (const Json& row : rows) texts.push_back(row.Dump());
    for (std::size_t i = 0; i < texts.size(); ++i) messages.push_back({.offset = static_cast<std::int64_t>(i), .value = texts[i]});
  }
  std::vector<std::string> texts;
  std::vector<Message> messages;
};

table::Batch BatchOf(const std::vector<Json>& rows) {
  RowsFromJson out(Source());
  for (const Json& row : rows) EXPECT_TRUE(out.Add(row).ok());
  return out.Finish();
}

std::unique_ptr<OnlineStore> MemoryStore(platform::Files& files) {
  Kinds<OnlineStoreKind> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  return *StartOnlineStore(kinds, "embedded", *Json::Parse(R"({"disk": false})"), files, "");
}

// Every feature of every entity at `now`: offline, in the processor, in the online table; all equal to the bit.
void ExpectSame(const std::shared_ptr<const ViewPlan>& plan, const std::vector<Json>& history, StreamProcessor& stream, OnlineTable& table, Micros now) {
  const std::vector<table::Batch> rows = {BatchOf(history)};
  std::vector<Json> asked;
  for (int who = 0; who < 8; ++who) {
    Json row;
    row["who"] = who;
    row["at"] = FormatTimestamp(now);
    asked.push_back(row);
  }
  const table::Batch all = BatchOf(asked);
  const std::vector<std::string> wanted = {"who", "at"};
  const table::Batch asking = *all.Select(wanted);
  const ViewRows view{plan, &rows};
  ASSERT_OK_AND_ASSIGN(const table::Batch offline, JoinAsOf(Call(), asking, "at", {&view, 1}));
  for (std::int64_t i = 0; i < asking.rows(); ++i) {
    std::string key;
    const int column = 0;
    AppendEntityKey(asking, {&column, 1}, plan->entity_types(), i, &key);
    const std::string_view key_view = key;
    ASSERT_OK_AND_ASSIGN(const std::vector<Value> values, stream.Look(0, key));
    Records records;
    ASSERT_OK(table.Get({&key_view, 1}, &records));
    for (std::size_t f = 0; f < values.size(); ++f) {
      const table::Column expected = offline.column(static_cast<int>(2 + f));
      const std::string what = Str(plan->view().features[f].name, " of ", i, " at ", FormatTimestamp(now));
      if (expected.type() == Type::kString) {
        ASSERT_EQ(values[f].text.data() == nullptr, expected.IsNull(i)) << what;
        if (!expected.IsNull(i)) ASSERT_EQ(values[f].text, expected.Text(i)) << what;
      } else {
        ASSERT_EQ(std::isnan(values[f].number), expected.IsNull(i)) << what;
        if (!expected.IsNull(i)) ASSERT_EQ(values[f].number, expected.Number(i)) << what;
      }
      if (!records.Found(0)) continue;
      ASSERT_EQ(records.IsNull(0, f), expected.IsNull(i)) << what;
      if (expected.IsNull(i)) continue;
      if (expected.type() == Type::kString) {
        ASSERT_EQ(records.Text(0, f), expected.Text(i)) << what;
      } else {
        ASSERT_EQ(records.AsNumber(0, f, expected.type()), expected.Number(i)) << what;
      }
    }
  }
}

TEST(Stream, EqualsOfflineAfterEveryBatchOfEventsOutOfOrder) {
  const auto files = platform::RealFiles();
  for (const char* yaml : {kPlain, kCorrected}) {
    SCOPED_TRACE(yaml);
    const auto plan = Plan(yaml);
    ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
    auto store = MemoryStore(*files);
    ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", *RecordLayout::Of(plan->output())));
    ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, table.get()}}, {}, *database));
    const std::vector<Json> history = History(300, yaml == kCorrected);
    const Log log(history);
    for (std::size_t at = 0; at < history.size();) {
      const std::size_t count = std::min<std::size_t>(1 + at % 23, history.size() - at);
      ASSERT_OK(stream->Process(Call(), std::span<const Message>(log.messages).subspan(at, count)));
      at += count;
      ASSERT_OK(stream->Refresh(Call()));
      const std::vector<Json> until_now(history.begin(), history.begin() + static_cast<std::ptrdiff_t>(at));
      ExpectSame(plan, until_now, *stream, *table, stream->time());
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(stream->counts().events, 300);
    EXPECT_GT(stream->counts().late, 0);
    if (yaml == kCorrected) EXPECT_GT(stream->counts().corrections, 20);
  }
}

TEST(Stream, GoesOnFromItsStateAsIfItHadNeverStopped) {
  const auto files = platform::RealFiles();
  const auto plan = Plan(kCorrected);
  ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
  auto store = MemoryStore(*files);
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", *RecordLayout::Of(plan->output())));
  const std::vector<Json> history = History(200, true);
  const Log log(history);
  std::size_t at = 0;
  Micros time = 0;
  for (int start = 0; at < history.size(); ++start) {  // a new processor each time, as after a crash
    ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, table.get()}}, {}, *database));
    ASSERT_OK_AND_ASSIGN(const auto positions, stream->Positions());
    ASSERT_EQ(positions.empty() ? 0 : positions[0].offset, static_cast<std::int64_t>(at));
    const std::size_t count = std::min<std::size_t>(13, history.size() - at);
    ASSERT_OK(stream->Process(Call(), std::span<const Message>(log.messages).subspan(at, count)));
    at += count;
    EXPECT_EQ(stream->counts().events, static_cast<std::int64_t>(at));
    time = stream->time();
  }
  ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, table.get()}}, {}, *database));
  ASSERT_OK(stream->Refresh(Call()));
  ExpectSame(plan, history, *stream, *table, time);
  ASSERT_CODE(kFailedPrecondition, StreamProcessor::Make(Source(), {{Plan(kPlain), nullptr}}, {}, *database));
}

TEST(Stream, BadEventsAreCountedAndPutAsideWithReasons) {
  const auto plan = Plan(kPlain);
  ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
  StreamSettings settings;
  settings.id = "id";
  settings.lateness = std::chrono::hours(1);
  settings.ahead = std::chrono::hours(24);
  ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, nullptr}}, settings, *database));
  const auto event = [](const char* id, Micros at, std::string_view more = R"("amount": 1)") {
    return Str(R"({"id": ")", id, R"(", "who": 1, "at": ")", FormatTimestamp(at), "\", ", more, "}");
  };
  const std::vector<std::string> texts = {event("a", kStart), event("a", kStart), "{not json", R"(["list"])", event("b", kStart, R"("amount": "much")"),
                                          event("c", kStart - 30 * kMinute), event("d", kStart - 90 * kMinute), event("e", 4'000'000'000'000'000),
                                          R"({"id": "f", "amount": 3, "at": "2023-11-14T22:13:20Z"})", R"({"id": "g", "who": 1})", "\xff\xfe"};
  std::vector<Message> messages;
  for (std::size_t i = 0; i < texts.size(); ++i) messages.push_back({.offset = static_cast<std::int64_t>(i), .value = texts[i]});
  ASSERT_OK(stream->Process(Call(), messages));
  const StreamCounts& counts = stream->counts();
  EXPECT_EQ(counts.events, 11);
  EXPECT_EQ(counts.counted, 2);
  EXPECT_EQ(counts.duplicates, 1);
  EXPECT_EQ(counts.malformed, 4);
  EXPECT_EQ(counts.late, 1);
  EXPECT_EQ(counts.too_late, 1);
  EXPECT_EQ(counts.poisoned, 1);
  EXPECT_EQ(counts.left_out, 2);
  ASSERT_OK_AND_ASSIGN(const auto aside, EventsSetAside(*database, 100));
  ASSERT_EQ(aside.size(), 6U);
  EXPECT_EQ(aside[2].offset, 4);
  EXPECT_NE(aside[2].reason.find("column 'amount': expected a number, got \"much\""), std::string::npos) << aside[2].reason;
  EXPECT_EQ(aside[3].kind, "too_late");
  EXPECT_EQ(aside[4].kind, "poisoned");
}

// An event that was corrected to be somebody else's keeps what is theirs, and goes on being corrected.
TEST(Stream, WhoIsErasedIsGoneAndTheEventsOfOthersGoOn) {
  const auto files = platform::RealFiles();
  const auto plan = Plan(kCorrected);
  ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
  auto store = MemoryStore(*files);
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", *RecordLayout::Of(plan->output())));
  const auto event = [](const char* id, const Json& who, double amount, int at, int known) {
    Json row;
    row["id"] = id;
    row["who"] = who;
    row["amount"] = amount;
    row["at"] = FormatTimestamp(kStart + at * kMinute);
    row["known"] = FormatTimestamp(kStart + known * kMinute);
    return row;
  };
  const std::vector<Json> history = {event("e1", Json(3), 1, 0, 0),  event("e1", Json(4), 2, 0, 10),    event("e2", Json(4), 5, 12, 12),
                                     event("e3", Json(3.0), 7, 30, 30), event("e1", Json(4), 9, 0, 25)};
  Log log(history);
  log.texts.push_back("{who: 3");  // no JSON, and of the same
  log.messages.push_back({.offset = 5, .value = log.texts.back()});
  for (std::size_t i = 0; i < log.texts.size(); ++i) log.messages[i].value = log.texts[i];
  std::swap(log.messages[4].value, log.messages[5].value);  // the last correction comes when she is gone
  {
    ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, table.get()}}, {}, *database));
    ASSERT_OK(stream->Process(Call(), std::span<const Message>(log.messages).first(5)));
    EXPECT_EQ(stream->counts().malformed, 1);
  }
  ASSERT_OK_AND_ASSIGN(const std::int64_t gone, EraseFromState(*database, {{"v", "n3;"}}, "who", "3"));
  EXPECT_EQ(gone, 4);  // a state, two records, and what was put aside
  const std::string_view key = "n3;";
  ASSERT_OK(table->Erase({&key, 1}));
  ASSERT_OK_AND_ASSIGN(const auto left, database->Query("SELECT id, seq FROM records ORDER BY id, seq"));
  ASSERT_EQ(left.size(), 2U);
  ASSERT_OK_AND_ASSIGN(const auto aside, EventsSetAside(*database, 10));
  EXPECT_TRUE(aside.empty());
  ASSERT_OK_AND_ASSIGN(auto stream, StreamProcessor::Make(Source(), {{plan, table.get()}}, {}, *database));
  ASSERT_OK(stream->Process(Call(), std::span<const Message>(log.messages).subspan(5)));
  ASSERT_OK(stream->Refresh(Call()));
  ExpectSame(plan, {history[1], history[2], history[4]}, *stream, *table, stream->time());
  ASSERT_OK_AND_ASSIGN(const std::int64_t again, EraseFromState(*database, {{"v", "n3;"}}, "who", "3"));
  EXPECT_EQ(again, 0);
}

TEST(Materialize, StoresWhatOfflineSaysAndLosesNoLateRow) {
  const auto files = platform::RealFiles();
  const auto plan = Plan(kPlain);
  auto store = MemoryStore(*files);
  ASSERT_OK_AND_ASSIGN(auto table, store->Open("v", *RecordLayout::Of(plan->output())));
  ASSERT_OK_AND_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
  std::vector<Json> history = History(200, false);
  const Micros until = kStart + 90 * kMinute;
  std::vector<table::Batch> rows = {BatchOf(history)};
  ASSERT_OK_AND_ASSIGN(const Materialized first, Materialize(Call(), {plan, &rows}, until, false, *table));
  EXPECT_EQ(first.entities, 7);
  EXPECT_EQ(first.stored, 7);
  ASSERT_OK_AND_ASSIGN(const Materialized again, Materialize(Call(), {plan, &rows}, until, false, *table));
  EXPECT_EQ(again.stored, 0);
  EXPECT_EQ(again.unchanged, 7);
  Json late;  // arrives after the first materialization with a time long before it
  late["who"] = 3;
  late["amount"] = 1000.0;
  late["at"] = FormatTimestamp(kStart - 10 * kMinute);
  history.push_back(late);
  rows = {BatchOf(history)};
  ASSERT_OK_AND_ASSIGN(const Materialized after, Materialize(Call(), {plan, &rows}, until, false, *table));
  EXPECT_EQ(after.stored, 1);
  const std::string_view key = "n3;";
  Records records;
  ASSERT_OK(table->Get({&key, 1}, &records));
  double sum = 0;
  for (const Json& row : history) {
    Micros at = 0;
    ParseTimestamp(row.StringAt("at"), &at);
    if (row.IntAt("who") == 3 && at <= until && at > until - 24 * 60 * kMinute) sum += row.NumberAt("amount");
  }
  ASSERT_OK_AND_ASSIGN(const int feature, plan->view().At("amount_sum_1d"));
  EXPECT_NEAR(records.Number(0, static_cast<std::size_t>(feature)), sum, 1e-9);
}

}  // namespace
}  // namespace tenon::feature

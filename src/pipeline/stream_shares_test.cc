#include "pipeline/stream_shares.h"

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::pipeline {
namespace {

using feature::Message;
using table::Type;

std::shared_ptr<const table::Schema> Source() {
  return std::make_shared<const table::Schema>(std::vector<table::Field>{{"who", Type::kString}, {"amount", Type::kFloat64}, {"at", Type::kTimestamp}});
}

std::shared_ptr<const feature::ViewPlan> Plan() {
  auto view = feature::FeatureView::Parse("v", *Json::ParseYaml("{entity: who, time: at, aggregate: {amount: {sum: all, count: all}}}", "test"), "test");
  EXPECT_TRUE(view.ok());
  return *feature::ViewPlan::Make(*std::move(view), *Source());
}

class Lock final : public platform::FileLock {
 public:
  Lock(std::set<int>* held, int partition) : held_(held), partition_(partition) { held_->insert(partition); }
  ~Lock() override { held_->erase(partition_); }

 private:
  std::set<int>* held_;
  int partition_;
};

// What the processes of a group share: a database a partition, and the locks.
struct World {
  std::set<int> held;  // locks
  std::filesystem::path folder;
  int refuses = -1;

  World() {
    std::string name = testing::TempDir() + "stream-shares-XXXXXX";
    folder = mkdtemp(name.data());
  }
  ~World() { std::filesystem::remove_all(folder); }

  StreamShares::Maker Maker() {
    return [this](int partition) -> Result<StreamShares::Share> {
      if (partition == refuses) return Error(Code::kUnavailable, "no room for it");
      if (held.contains(partition)) return Error(Code::kUnavailable, "another process has it");
      StreamShares::Share out;
      out.lock = std::make_unique<Lock>(&held, partition);
      TENON_ASSIGN(out.database, platform::OpenSqlite((folder / Str("stream-", partition, ".db")).string()));
      feature::StreamSettings rules;
      rules.keyed = true;
      TENON_ASSIGN(out.processor, feature::StreamProcessor::Make(Source(), {{Plan()}}, rules, *out.database));
      return out;
    };
  }
};

struct Event {
  int partition;
  std::int64_t offset;
  std::string key, text;
};
Event Paid(int partition, std::int64_t offset, const std::string& who, double amount) {
  return {partition, offset, who, Str(R"({"who": ")", who, R"(", "amount": )", amount, R"(, "at": "2024-01-01T00:00:)", offset < 10 ? "0" : "", offset, R"(Z"})")};
}
Result<void> Give(StreamShares& shares, const std::vector<Event>& events) {
  std::vector<Message> messages;
  for (const Event& one : events) messages.push_back({.partition = one.partition, .offset = one.offset, .key = one.key, .value = one.text});
  return shares.Process(Call(), messages);
}

TEST(StreamShares, EachMessageIsCountedInTheStateOfItsPartition) {
  World world;
  StreamShares shares(world.Maker());
  ASSERT_OK_AND_ASSIGN(std::int64_t from, shares.Gained(0));
  EXPECT_LT(from, 0);  // nothing was read of it yet
  ASSERT_OK(shares.Gained(2));
  EXPECT_EQ(shares.partitions(), (std::vector<int>{0, 2}));
  EXPECT_EQ(shares.time(), std::numeric_limits<Micros>::min());
  ASSERT_OK(Give(shares, {Paid(0, 0, "a", 1), Paid(2, 0, "b", 2), Paid(0, 1, "a", 4), {2, 1, "b", "no json"}}));
  EXPECT_EQ(shares.counts().events, 4);
  EXPECT_EQ(shares.counts().counted, 3);
  EXPECT_EQ(shares.counts().malformed, 1);
  Micros newest = 0;
  ASSERT_TRUE(ParseTimestamp("2024-01-01T00:00:01Z", &newest));
  EXPECT_EQ(shares.time(), newest);
  ASSERT_CODE(kInternal, Give(shares, {Paid(1, 0, "c", 1)}));  // of a partition that is not here
  ASSERT_OK(shares.Refresh(Call()));
}

TEST(StreamShares, TheStateGoesWhereThePartitionGoes) {
  World world;
  StreamShares first(world.Maker()), second(world.Maker());
  ASSERT_OK(first.Gained(0));
  ASSERT_OK(first.Gained(1));
  ASSERT_OK(Give(first, {Paid(0, 0, "a", 1), Paid(0, 1, "a", 2), Paid(1, 0, "b", 8)}));
  // Who was taken for dead and is not still has the lock: nobody else can count its events.
  const auto early = second.Gained(0);
  ASSERT_CODE(kUnavailable, early);
  EXPECT_NE(early.error().ToString().find("partition 0"), std::string::npos);
  EXPECT_TRUE(second.partitions().empty());
  first.Lost(0);
  EXPECT_EQ(world.held, (std::set<int>{1}));
  ASSERT_OK_AND_ASSIGN(const std::int64_t from, second.Gained(0));
  EXPECT_EQ(from, 2);  // it goes on behind what was counted
  EXPECT_EQ(second.counts().counted, 2);
  ASSERT_OK(Give(second, {Paid(0, 2, "a", 4)}));
  EXPECT_EQ(second.counts().counted, 3);
  EXPECT_EQ(first.counts().counted, 1);
  EXPECT_EQ(first.partitions(), (std::vector<int>{1}));
}

TEST(StreamShares, GainedAgainWithoutBeingLostLetsTheOldStateGoFirst) {
  World world;
  StreamShares shares(world.Maker());
  ASSERT_OK(shares.Gained(0));
  ASSERT_OK(Give(shares, {Paid(0, 0, "a", 1)}));
  ASSERT_OK_AND_ASSIGN(const std::int64_t from, shares.Gained(0));
  EXPECT_EQ(from, 1);
  EXPECT_EQ(world.held, (std::set<int>{0}));
  shares.Lost(7);  // that it never had
  EXPECT_EQ(shares.partitions(), (std::vector<int>{0}));
}

TEST(StreamShares, APartitionThatCannotBeTakenIsAnErrorAndHoldsNothing) {
  World world;
  world.refuses = 3;
  {
    StreamShares shares(world.Maker());
    ASSERT_OK(shares.Gained(1));
    const auto refused = shares.Gained(3);
    ASSERT_CODE(kUnavailable, refused);
    EXPECT_EQ(shares.partitions(), (std::vector<int>{1}));
    EXPECT_EQ(world.held, (std::set<int>{1}));
  }
  EXPECT_TRUE(world.held.empty());
}

}  // namespace
}  // namespace tenon::pipeline

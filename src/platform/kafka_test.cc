#include "platform/kafka.h"

#include <cstdlib>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <tuple>

#include "base/testing.h"
#include "base/text.h"
#include "platform/kafka_raw_internal.h"

namespace tenon::platform {
namespace {

// What happens to a consumer, one thing after another: a record or an error comes, or the group gives and takes partitions.
struct Step {
  int error = 0;
  int partition = 0;
  std::int64_t offset = 0;
  std::string key, value;
  bool has_key = true;
  int rebalance = 0;  // kAssign, or another number: taken
  std::vector<int> partitions = {};
};

// The library's functions over such a list, and what they were called with.
struct Script {
  std::deque<Step> steps;
  std::vector<std::pair<std::string, std::string>> settings;
  std::string refused;                     // a setting that the library does not know
  std::string protocol = "EAGER";
  int topic_error = 0, partitions = 3;
  std::map<int, std::int64_t> assigned;    // partition -> from
  std::map<int, std::int64_t> committed;
  std::map<int, std::pair<std::int64_t, std::int64_t>> bounds;
  int assigns = 0, incremental = 0, open_messages = 0, open_lists = 0, clients = 0;
  bool subscribed = false;
  KafkaRebalance* rebalance = nullptr;
  void* opaque = nullptr;
};
Script* script = nullptr;  // of the test that runs

KafkaRawPlaces* NewList(int) {
  ++script->open_lists;
  return new KafkaRawPlaces{0, 0, nullptr};
}
KafkaRawPlace* AddPlace(KafkaRawPlaces* list, const char*, std::int32_t partition) {
  auto* more = new KafkaRawPlace[static_cast<std::size_t>(list->count) + 1]{};
  for (int i = 0; i < list->count; ++i) more[i] = list->at[i];
  delete[] list->at;
  list->at = more;
  more[list->count].partition = partition;
  return &more[list->count++];
}
void DropList(KafkaRawPlaces* list) {
  --script->open_lists;
  delete[] list->at;
  delete list;
}
void Keep(const KafkaRawPlaces* list) {
  for (int i = 0; list != nullptr && i < list->count; ++i) script->assigned[list->at[i].partition] = list->at[i].offset;
}

ssize_t Consume(void*, int, KafkaRawMessage** out, std::size_t most) {
  std::size_t count = 0;
  while (count < most && !script->steps.empty()) {
    const Step step = script->steps.front();
    script->steps.pop_front();
    if (!step.partitions.empty() || step.rebalance != 0) {
      KafkaRawPlaces* list = NewList(0);
      for (const int one : step.partitions) AddPlace(list, "", one);
      script->rebalance(nullptr, step.rebalance, list, script->opaque);
      DropList(list);
      continue;
    }
    auto* message = new KafkaRawMessage{};
    message->error = step.error;
    message->partition = step.partition;
    message->offset = step.offset;
    message->payload = strdup(step.value.c_str());
    message->size = step.value.size();
    message->key = step.has_key ? strdup(step.key.c_str()) : nullptr;
    message->key_size = step.has_key ? step.key.size() : 0;
    ++script->open_messages;
    out[count++] = message;
  }
  return static_cast<ssize_t>(count);
}

KafkaFunctions Functions() {
  KafkaFunctions k{};
  k.conf_new = [] { return static_cast<void*>(script); };
  k.conf_destroy = [](void*) {};
  k.conf_set = [](void*, const char* name, const char* value, char* why, std::size_t size) {
    script->settings.emplace_back(name, value);
    if (script->refused != name) return 0;
    std::snprintf(why, size, "No such configuration property: \"%s\"", name);
    return -2;
  };
  k.conf_opaque = [](void*, void* opaque) { script->opaque = opaque; };
  k.conf_rebalance = [](void*, KafkaRebalance* call) { script->rebalance = call; };
  k.create = [](int, void*, char*, std::size_t) {
    ++script->clients;
    return static_cast<void*>(script);
  };
  k.destroy = [](void*) { --script->clients; };
  k.close = [](void*) {
    if (script->rebalance != nullptr && !script->assigned.empty()) {
      KafkaRawPlaces* list = NewList(0);
      for (const auto& [partition, from] : script->assigned) AddPlace(list, "", partition);
      script->rebalance(nullptr, 0, list, script->opaque);
      DropList(list);
    }
    return 0;
  };
  k.poll_set_consumer = [](void*) { return 0; };
  k.list_new = NewList;
  k.list_add = AddPlace;
  k.list_destroy = DropList;
  k.assign = [](void*, const KafkaRawPlaces* list) {
    ++script->assigns;
    script->assigned.clear();
    Keep(list);
    return 0;
  };
  k.subscribe = [](void*, const KafkaRawPlaces*) {
    script->subscribed = true;
    return 0;
  };
  k.more = [](void*, const KafkaRawPlaces* list) {
    ++script->incremental;
    Keep(list);
    return static_cast<void*>(nullptr);
  };
  k.fewer = [](void*, const KafkaRawPlaces* list) {
    ++script->incremental;
    for (int i = 0; i < list->count; ++i) script->assigned.erase(list->at[i].partition);
    return static_cast<void*>(nullptr);
  };
  k.protocol = [](void*) { return script->protocol.c_str(); };
  k.error_destroy = [](void*) {};
  k.commit = [](void*, const KafkaRawPlaces* list, int) {
    for (int i = 0; i < list->count; ++i) script->committed[list->at[i].partition] = list->at[i].offset;
    return 0;
  };
  k.queue = [](void*) { return static_cast<void*>(script); };
  k.queue_destroy = [](void*) {};
  k.consume_batch = Consume;
  k.message_destroy = [](KafkaRawMessage* message) {
    --script->open_messages;
    std::free(message->payload);
    std::free(message->key);
    delete message;
  };
  k.timestamp = [](const KafkaRawMessage* message, int*) { return 1'700'000'000'000 + message->offset; };
  k.error_text = [](int) { return "as scripted"; };
  k.query_offsets = [](void*, const char*, std::int32_t partition, std::int64_t* low, std::int64_t* high, int) {
    std::tie(*low, *high) = script->bounds[partition];
    return 0;
  };
  k.seen_offsets = [](void*, const char*, std::int32_t partition, std::int64_t* low, std::int64_t* high) {
    std::tie(*low, *high) = script->bounds[partition];
    return 0;
  };
  k.topic_new = [](void*, const char* name, void*) { return std::string_view(name) == "no name" ? nullptr : static_cast<void*>(script); };
  k.topic_destroy = [](void*) {};
  k.metadata = [](void*, int, void*, const KafkaRawMetadata** out, int) {
    if (script->topic_error < 0) return script->topic_error;
    *out = new KafkaRawMetadata{0, nullptr, 1, new KafkaRawTopic{nullptr, script->partitions, nullptr, script->topic_error}};
    return 0;
  };
  k.metadata_destroy = [](const KafkaRawMetadata* data) {
    delete data->topic;
    delete data;
  };
  return k;
}

struct Owner final : KafkaOwner {
  std::map<int, std::int64_t> kept;  // positions
  std::vector<std::string> told;
  int refuses = -1;
  Result<std::int64_t> Gained(int partition) override {
    told.push_back(Str("+", partition));
    if (partition == refuses) return Error(Code::kUnavailable, "another process has it");
    return kept.contains(partition) ? kept[partition] : -1;
  }
  void Lost(int partition) override { told.push_back(Str("-", partition)); }
};

class Kafka : public testing::Test {
 protected:
  Kafka() { script = &script_; }
  ~Kafka() override {
    EXPECT_EQ(script_.open_messages, 0);
    EXPECT_EQ(script_.open_lists, 0);
    EXPECT_EQ(script_.clients, 0);
  }
  static KafkaSettings Settings(const std::string& group = "") { return {.brokers = "broker:9092", .topic = "events", .group = group, .properties = {}}; }
  static std::vector<std::string> TextsOf(std::span<const KafkaRecord> records) {
    std::vector<std::string> out;
    for (const KafkaRecord& one : records) out.push_back(Str(one.partition, "/", one.offset, " ", one.key.data() == nullptr ? "no key" : one.key, "=", one.value));
    return out;
  }
  static Result<std::vector<std::string>> Poll(KafkaReader& reader, std::size_t most = 100) {
    TENON_ASSIGN(const auto records, reader.Poll(Call(), most, std::chrono::milliseconds(1)));
    return TextsOf(records);
  }
  std::string Setting(std::string_view name) const {  // the last of a name holds
    for (auto at = script_.settings.rbegin(); at != script_.settings.rend(); ++at) {
      if (at->first == name) return at->second;
    }
    return "";
  }
  Script script_;
};
using Texts = std::vector<std::string>;

TEST_F(Kafka, SettingsAreTheirsWhereTheUserSaysSoAndAWrongOneIsNamed) {
  KafkaSettings settings = Settings("group");
  settings.properties = {{"session.timeout.ms", "6000"}, {"partition.assignment.strategy", "range"}};
  Owner owner;
  ASSERT_OK(OpenKafkaReader(Functions(), settings, &owner));
  EXPECT_EQ(Setting("session.timeout.ms"), "6000");
  EXPECT_EQ(Setting("partition.assignment.strategy"), "range");
  EXPECT_EQ(Setting("isolation.level"), "read_committed");
  EXPECT_EQ(Setting("enable.auto.commit"), "false");
  EXPECT_EQ(Setting("group.id"), "group");
  EXPECT_TRUE(script_.subscribed);
  script_.refused = "sesion.timeout.ms";
  settings.properties = {{"sesion.timeout.ms", "6000"}};
  const auto wrong = OpenKafkaReader(Functions(), settings, &owner);
  ASSERT_CODE(kInvalidArgument, wrong);
  EXPECT_NE(wrong.error().message().find("sesion.timeout.ms"), std::string::npos);
}

// Partitions are never moved step by step unless the user asks for it: see the reader.
TEST_F(Kafka, AGroupSharesEagerlyAndOneAloneNamesNoAssignor) {
  Owner owner;
  ASSERT_OK(OpenKafkaReader(Functions(), Settings("group"), &owner));
  EXPECT_EQ(Setting("partition.assignment.strategy"), "roundrobin");
  script_.settings.clear();
  ASSERT_OK(OpenKafkaReader(Functions(), Settings(), nullptr));
  EXPECT_EQ(Setting("partition.assignment.strategy"), "");
}

TEST_F(Kafka, SaysWhatIsWrongWithATopic) {
  script_.topic_error = kUnknownTopic;
  ASSERT_CODE(kNotFound, OpenKafkaReader(Functions(), Settings(), nullptr));
  script_.topic_error = 29;  // not allowed to look at it
  ASSERT_CODE(kUnavailable, OpenKafkaReader(Functions(), Settings(), nullptr));
  script_.topic_error = -195;  // no broker
  const auto nobody = OpenKafkaReader(Functions(), Settings(), nullptr);
  ASSERT_CODE(kUnavailable, nobody);
  EXPECT_NE(nobody.error().message().find("broker:9092"), std::string::npos);
  script_.topic_error = 0;
  KafkaSettings unnamed = Settings();
  unnamed.topic = "no name";
  ASSERT_CODE(kInvalidArgument, OpenKafkaReader(Functions(), unnamed, nullptr));
}

TEST_F(Kafka, RecordsComeInOrderWithTheirKeysAndOnceEach) {
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings(), nullptr));
  EXPECT_EQ(reader->partitions(), 3);
  ASSERT_OK(reader->Assign(std::vector<KafkaPlace>{{0, -1}, {2, 40}}));
  EXPECT_EQ(script_.assigned, (std::map<int, std::int64_t>{{0, kBeginning}, {2, 40}}));
  script_.steps = {{.partition = 0, .offset = 0, .key = "a", .value = "1"},
                   {.partition = 2, .offset = 38, .key = "b", .value = "was there before"},
                   {.partition = 2, .offset = 40, .value = "2", .has_key = false},
                   {.error = kTimedOut},
                   {.partition = 1, .offset = 7, .key = "c", .value = "of a partition that is not read"},
                   {.partition = 0, .offset = 3, .key = "", .value = ""},  // a transaction that was given up lies between
                   {.partition = 0, .offset = 3, .key = "", .value = "again"}};
  ASSERT_OK_AND_ASSIGN(const Texts first, Poll(*reader));
  EXPECT_EQ(first, (Texts{"0/0 a=1", "2/40 no key=2", "0/3 ="}));
  EXPECT_EQ(reader->Next(0), 4);
  EXPECT_EQ(reader->Next(2), 41);
  EXPECT_EQ(reader->Next(1), -1);
  ASSERT_OK_AND_ASSIGN(const auto none, reader->Poll(Call(), 10, std::chrono::milliseconds(1)));
  EXPECT_TRUE(none.empty());
  script_.steps = {{.partition = 0, .offset = 5, .key = "k", .value = "v"}};
  ASSERT_OK_AND_ASSIGN(const auto dated, reader->Poll(Call(), 10, std::chrono::milliseconds(1)));
  ASSERT_EQ(dated.size(), 1U);
  EXPECT_EQ(dated[0].appended, 1'700'000'000'005'000);
}

TEST_F(Kafka, LagIsWhatIsThereAndWasNotGiven) {
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings(), nullptr));
  script_.bounds = {{0, {10, 25}}, {1, {0, 4}}};
  ASSERT_OK(reader->Assign(std::vector<KafkaPlace>{{0, -1}, {1, 3}}));
  ASSERT_OK_AND_ASSIGN(std::int64_t lag, reader->Lag());
  EXPECT_EQ(lag, 15 + 1);
  EXPECT_EQ(reader->LagSeen(), 16);
  script_.steps = {{.partition = 0, .offset = 10, .value = "x"}, {.error = kEndOfPartition, .partition = 1, .offset = 4}};
  ASSERT_OK(Poll(*reader));
  ASSERT_OK_AND_ASSIGN(lag, reader->Lag());
  EXPECT_EQ(lag, 14);
  EXPECT_TRUE(reader->AtEnd(1));
  EXPECT_EQ(reader->Next(1), 4);
  script_.steps = {{.partition = 1, .offset = 4, .value = "more"}};
  ASSERT_OK(Poll(*reader));
  EXPECT_FALSE(reader->AtEnd(1));
}

TEST_F(Kafka, WhatIsGoneAtTheBrokerIsAnErrorAndWhatMayComeBackIsNot) {
  struct {
    int error;
    Code code;
  } const cases[] = {{kOffsetOutOfRange, Code::kNotFound}, {kAutoOffsetReset, Code::kNotFound}, {kFatal, Code::kUnavailable}, {kUnknownPartition, Code::kUnavailable}};
  for (const auto& one : cases) {
    ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings(), nullptr));
    ASSERT_OK(reader->Assign(std::vector<KafkaPlace>{{0, 5}}));
    script_.steps = {{.error = one.error}};
    const auto polled = Poll(*reader);
    ASSERT_FALSE(polled.ok()) << one.error;
    EXPECT_EQ(polled.error().code(), one.code) << one.error;
  }
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings(), nullptr));
  ASSERT_OK(reader->Assign(std::vector<KafkaPlace>{{0, 5}}));
  script_.steps = {{.error = -195}, {.partition = 0, .offset = 5, .key = "k", .value = "v"}};  // no connection for now
  ASSERT_OK_AND_ASSIGN(const Texts after, Poll(*reader));
  EXPECT_EQ(after, (Texts{"0/5 k=v"}));
}

TEST_F(Kafka, AnEagerGroupGivesAllAnewFromWhatTheOwnerKept) {
  Owner owner;
  owner.kept = {{0, 100}};
  {
    ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings("group"), &owner));
    ASSERT_OK_AND_ASSIGN(std::int64_t lag, reader->Lag());
    EXPECT_EQ(lag, 1);  // nobody has said yet
    script_.steps = {{.rebalance = kAssign, .partitions = {0, 1}}, {.partition = 0, .offset = 100, .key = "a", .value = "1"}, {.partition = 1, .offset = 0, .key = "b", .value = "2"}};
    ASSERT_OK_AND_ASSIGN(Texts got, Poll(*reader));
    EXPECT_EQ(got, (Texts{"0/100 a=1", "1/0 b=2"}));
    EXPECT_EQ(script_.assigned, (std::map<int, std::int64_t>{{0, 100}, {1, kBeginning}}));
    owner.kept = {{0, 101}, {1, 1}};
    // All is taken: until it is given again nothing is known of what is behind, so nobody may think that the end was reached.
    script_.steps = {{.partition = 0, .offset = 101, .key = "a", .value = "fetched, but no longer ours"}, {.rebalance = 1, .partitions = {0, 1}}};
    ASSERT_OK_AND_ASSIGN(got, Poll(*reader));
    EXPECT_EQ(got, Texts{});
    ASSERT_OK_AND_ASSIGN(lag, reader->Lag());
    EXPECT_EQ(lag, 1);
    script_.steps = {{.rebalance = kAssign, .partitions = {0}}, {.partition = 0, .offset = 101, .key = "a", .value = "3"}};
    ASSERT_OK_AND_ASSIGN(got, Poll(*reader));
    EXPECT_EQ(got, (Texts{"0/101 a=3"}));
    EXPECT_EQ(script_.assigned, (std::map<int, std::int64_t>{{0, 101}}));
    EXPECT_EQ(owner.told, (Texts{"+0", "+1", "-0", "-1", "+0"}));
    EXPECT_EQ(script_.incremental, 0);
    // None for us is an answer too; but who has them may have been killed, which is known when its session is over.
    script_.steps = {{.rebalance = 1, .partitions = {0}}, {.rebalance = kAssign}};
    ASSERT_OK(Poll(*reader));
    ASSERT_OK_AND_ASSIGN(lag, reader->Lag());
    EXPECT_EQ(lag, 1);
  }
  EXPECT_EQ(owner.told.back(), "-0");
}

TEST_F(Kafka, TheEndIsThereWhenTheSessionsOfOthersAreOver) {
  Owner owner;
  KafkaSettings settings = Settings("group");
  settings.properties.emplace_back("session.timeout.ms", "0");
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), settings, &owner));
  script_.steps = {{.rebalance = kAssign}};
  ASSERT_OK(Poll(*reader));
  ASSERT_OK_AND_ASSIGN(const std::int64_t lag, reader->Lag());
  EXPECT_EQ(lag, 0);
}

TEST_F(Kafka, AGroupThatMovesStepByStepKeepsTheRest) {
  Owner owner;
  script_.protocol = "COOPERATIVE";
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings("group"), &owner));
  script_.steps = {{.rebalance = kAssign, .partitions = {0, 1}}, {.rebalance = 1, .partitions = {1}}, {.partition = 1, .offset = 0, .value = "lost"}, {.partition = 0, .offset = 0, .value = "ours", .has_key = false}};
  ASSERT_OK_AND_ASSIGN(const Texts got, Poll(*reader));
  EXPECT_EQ(got, (Texts{"0/0 no key=ours"}));
  EXPECT_EQ(script_.assigns, 0);
  EXPECT_EQ(script_.incremental, 2);
}

TEST_F(Kafka, TellsTheGroupWhatWasReadAndNeverReadsIt) {
  Owner owner;
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings("group"), &owner));
  script_.steps = {{.rebalance = kAssign, .partitions = {0, 1}}, {.partition = 0, .offset = 0, .value = "x"}};
  ASSERT_OK(Poll(*reader));
  EXPECT_TRUE(script_.committed.empty());  // whoever asks for more has done what was given
  ASSERT_OK(Poll(*reader));
  EXPECT_EQ(script_.committed, (std::map<int, std::int64_t>{{0, 1}}));
  script_.committed.clear();
  Owner keeper;
  KafkaSettings settings = Settings("group");
  settings.tells = false;
  ASSERT_OK_AND_ASSIGN(auto silent, OpenKafkaReader(Functions(), settings, &keeper));
  script_.steps = {{.rebalance = kAssign, .partitions = {0}}, {.partition = 0, .offset = 0, .value = "x"}};
  ASSERT_OK(Poll(*silent));
  ASSERT_OK(Poll(*silent));
  EXPECT_TRUE(script_.committed.empty());
}

TEST_F(Kafka, AnOwnerThatCannotTakeAPartitionEndsTheReading) {
  Owner owner;
  owner.refuses = 1;
  ASSERT_OK_AND_ASSIGN(auto reader, OpenKafkaReader(Functions(), Settings("group"), &owner));
  script_.steps = {{.rebalance = kAssign, .partitions = {0, 1}}, {.partition = 0, .offset = 0, .value = "x"}};
  const auto polled = Poll(*reader);
  ASSERT_CODE(kUnavailable, polled);
  EXPECT_NE(polled.error().message().find("another process has it"), std::string::npos);
}

// The library itself, where it is installed: it is asked before any broker.
TEST(KafkaLibrary, RefusesAPropertyThatItDoesNotKnow) {
  const auto opened = KafkaReader::Open(Call(), {.brokers = "127.0.0.1:1", .topic = "events", .group = "", .properties = {{"fetch.sizes", "1"}}}, nullptr);
  ASSERT_FALSE(opened.ok());
  if (opened.error().code() == Code::kUnavailable) GTEST_SKIP() << "librdkafka1 is not installed";
  EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  EXPECT_NE(opened.error().message().find("fetch.sizes"), std::string::npos);
}

}  // namespace
}  // namespace tenon::platform

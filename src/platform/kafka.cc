#include "platform/kafka.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/text.h"
#include "platform/library.h"

namespace tenon::platform {
namespace {

// The part of librdkafka's C interface that is used; it has been stable since 1.6 (rdkafka.h, BSD-2-Clause).
struct RawMessage {
  int error;
  void* topic;
  std::int32_t partition;
  void* payload;
  std::size_t size;
  void* key;
  std::size_t key_size;
  std::int64_t offset;
  void* own;
};
struct RawTopic {
  char* name;
  int partitions;
  void* partition;
  int error;
};
struct RawMetadata {
  int brokers;
  void* broker;
  int topics;
  RawTopic* topic;
};
struct RawPlace {
  char* topic;
  std::int32_t partition;
  std::int64_t offset;
  void* metadata;
  std::size_t metadata_size;
  void* opaque;
  int error;
  void* own;
};
struct RawPlaces {
  int count;
  int size;
  RawPlace* at;
};
using Rebalance = void(void*, int, RawPlaces*, void*);

constexpr int kConsumer = 1;             // RD_KAFKA_CONSUMER
constexpr std::int64_t kBeginning = -2;  // RD_KAFKA_OFFSET_BEGINNING
constexpr int kAssign = -175;            // of a rebalance: partitions are given, else taken
constexpr int kEndOfPartition = -191, kTimedOut = -185, kOffsetOutOfRange = 1, kAutoOffsetReset = -140, kFatal = -150, kUnknownTopic = 3, kUnknownPartition = -190;
constexpr std::size_t kMostRecords = 10000;

struct Functions {
  void* (*conf_new)();
  void (*conf_destroy)(void*);
  int (*conf_set)(void*, const char*, const char*, char*, std::size_t);
  void (*conf_opaque)(void*, void*);
  void (*conf_rebalance)(void*, Rebalance*);
  void* (*create)(int, void*, char*, std::size_t);
  void (*destroy)(void*);
  int (*close)(void*);
  int (*poll_set_consumer)(void*);
  RawPlaces* (*list_new)(int);
  RawPlace* (*list_add)(RawPlaces*, const char*, std::int32_t);
  void (*list_destroy)(RawPlaces*);
  int (*assign)(void*, const RawPlaces*);
  int (*subscribe)(void*, const RawPlaces*);
  void* (*more)(void*, const RawPlaces*);
  void* (*fewer)(void*, const RawPlaces*);
  const char* (*protocol)(void*);
  void (*error_destroy)(void*);
  int (*commit)(void*, const RawPlaces*, int);
  void* (*queue)(void*);
  void (*queue_destroy)(void*);
  ssize_t (*consume_batch)(void*, int, RawMessage**, std::size_t);
  void (*message_destroy)(RawMessage*);
  std::int64_t (*timestamp)(const RawMessage*, int*);
  const char* (*error_text)(int);
  int (*query_offsets)(void*, const char*, std::int32_t, std::int64_t*, std::int64_t*, int);
  void* (*topic_new)(void*, const char*, void*);
  void (*topic_destroy)(void*);
  int (*metadata)(void*, int, void*, const RawMetadata**, int);
  void (*metadata_destroy)(const RawMetadata*);
};

Result<Functions> Load() {
  TENON_ASSIGN(const Library library, Library::Open("librdkafka.so.1"), "Kafka needs Debian's package librdkafka1");
  Functions out{};
  TENON_TRY(library.Bind("rd_kafka_conf_new", &out.conf_new));
  TENON_TRY(library.Bind("rd_kafka_conf_destroy", &out.conf_destroy));
  TENON_TRY(library.Bind("rd_kafka_conf_set", &out.conf_set));
  TENON_TRY(library.Bind("rd_kafka_conf_set_opaque", &out.conf_opaque));
  TENON_TRY(library.Bind("rd_kafka_conf_set_rebalance_cb", &out.conf_rebalance));
  TENON_TRY(library.Bind("rd_kafka_new", &out.create));
  TENON_TRY(library.Bind("rd_kafka_destroy", &out.destroy));
  TENON_TRY(library.Bind("rd_kafka_consumer_close", &out.close));
  TENON_TRY(library.Bind("rd_kafka_poll_set_consumer", &out.poll_set_consumer));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_new", &out.list_new));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_add", &out.list_add));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_destroy", &out.list_destroy));
  TENON_TRY(library.Bind("rd_kafka_assign", &out.assign));
  TENON_TRY(library.Bind("rd_kafka_subscribe", &out.subscribe));
  TENON_TRY(library.Bind("rd_kafka_incremental_assign", &out.more));
  TENON_TRY(library.Bind("rd_kafka_incremental_unassign", &out.fewer));
  TENON_TRY(library.Bind("rd_kafka_rebalance_protocol", &out.protocol));
  TENON_TRY(library.Bind("rd_kafka_error_destroy", &out.error_destroy));
  TENON_TRY(library.Bind("rd_kafka_commit", &out.commit));
  TENON_TRY(library.Bind("rd_kafka_queue_get_consumer", &out.queue));
  TENON_TRY(library.Bind("rd_kafka_queue_destroy", &out.queue_destroy));
  TENON_TRY(library.Bind("rd_kafka_consume_batch_queue", &out.consume_batch));
  TENON_TRY(library.Bind("rd_kafka_message_destroy", &out.message_destroy));
  TENON_TRY(library.Bind("rd_kafka_message_timestamp", &out.timestamp));
  TENON_TRY(library.Bind("rd_kafka_err2str", &out.error_text));
  TENON_TRY(library.Bind("rd_kafka_query_watermark_offsets", &out.query_offsets));
  TENON_TRY(library.Bind("rd_kafka_topic_new", &out.topic_new));
  TENON_TRY(library.Bind("rd_kafka_topic_destroy", &out.topic_destroy));
  TENON_TRY(library.Bind("rd_kafka_metadata", &out.metadata));
  TENON_TRY(library.Bind("rd_kafka_metadata_destroy", &out.metadata_destroy));
  return out;
}

// A partition that is read here.
struct Reading {
  std::int64_t next = -1;  // records before it were given, or are not wanted
  bool at_end = false;
};

class Reader final : public KafkaReader {
 public:
  Reader(const Functions& functions, KafkaSettings settings, KafkaOwner* owner) : k_(functions), settings_(std::move(settings)), owner_(owner) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() override {
    Free();
    if (client_ == nullptr) return;
    if (owner_ != nullptr) k_.close(client_);  // leaves the group, which takes the partitions back
    k_.queue_destroy(queue_);
    k_.destroy(client_);
  }

  Result<void> Start() {
    std::vector<std::pair<std::string, std::string>> all = {{"bootstrap.servers", settings_.brokers}, {"group.id", settings_.group.empty() ? "tenon" : settings_.group},
                                                            {"client.id", "tenon"}, {"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"},
                                                            {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"}, {"enable.partition.eof", "true"}};
    if (owner_ != nullptr) all.emplace_back("partition.assignment.strategy", "cooperative-sticky");
    all.insert(all.end(), settings_.properties.begin(), settings_.properties.end());
    void* conf = k_.conf_new();
    std::array<char, 512> why{};
    for (const auto& [name, value] : all) {
      if (k_.conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) != 0) {
        k_.conf_destroy(conf);
        return Error(Code::kInvalidArgument, Str("properties: ", why.data()));
      }
    }
    k_.conf_opaque(conf, this);
    if (owner_ != nullptr) {
      k_.conf_rebalance(conf, [](void*, int what, RawPlaces* places, void* self) { static_cast<Reader*>(self)->Rebalanced(what, places); });
    }
    client_ = k_.create(kConsumer, conf, why.data(), why.size());
    if (client_ == nullptr) {
      k_.conf_destroy(conf);
      return Error(Code::kInvalidArgument, Str("cannot begin reading from Kafka: ", why.data()));
    }
    k_.poll_set_consumer(client_);
    queue_ = k_.queue(client_);
    TENON_TRY(AskPartitions());
    if (owner_ == nullptr) return {};
    RawPlaces* list = k_.list_new(1);
    k_.list_add(list, settings_.topic.c_str(), -1);
    const int failed = k_.subscribe(client_, list);
    k_.list_destroy(list);
    if (failed != 0) return Failed("joining the group of", failed);
    return {};
  }

  int partitions() const override { return partitions_; }

  Result<void> Assign(std::span<const KafkaPlace> places) override {
    reading_.clear();
    RawPlaces* list = k_.list_new(static_cast<int>(places.size()));
    for (const KafkaPlace& place : places) {
      k_.list_add(list, settings_.topic.c_str(), place.partition)->offset = place.offset < 0 ? kBeginning : place.offset;
      reading_[place.partition].next = place.offset;
    }
    const int failed = k_.assign(client_, list);
    k_.list_destroy(list);
    if (failed != 0) return Failed("assigning partitions of", failed);
    return {};
  }

  Result<std::span<const KafkaRecord>> Poll(const Call& call, std::size_t most, std::chrono::milliseconds wait) override {
    Free();
    records_.clear();
    TENON_TRY(call.Check());
    TellGroup();
    held_.resize(std::min(most, kMostRecords));
    const ssize_t came = k_.consume_batch(queue_, static_cast<int>(wait.count()), held_.data(), held_.size());
    held_.resize(came < 0 ? 0 : static_cast<std::size_t>(came));
    if (failed_) return *std::exchange(failed_, std::nullopt);
    for (const RawMessage* one : held_) TENON_TRY(Take(*one));
    return std::span<const KafkaRecord>(records_);
  }

  Result<std::pair<std::int64_t, std::int64_t>> Bounds(int partition) override {
    std::int64_t low = 0, high = 0;
    const int failed = k_.query_offsets(client_, settings_.topic.c_str(), partition, &low, &high, 10000);
    if (failed != 0) return Failed("asking for the end of", failed);
    return std::pair(low, high);
  }

  Result<std::int64_t> Lag() override {
    if (owner_ != nullptr && !given_) return 1;
    std::int64_t behind = 0;
    for (const auto& [partition, one] : reading_) {
      if (one.at_end) continue;  // a transaction's mark may stand behind the last record
      TENON_ASSIGN(const auto bounds, Bounds(partition));
      behind += bounds.second - std::max(bounds.first, one.next);
    }
    return behind;
  }

  std::int64_t Next(int partition) const override {
    const auto found = reading_.find(partition);
    return found == reading_.end() ? -1 : found->second.next;
  }
  bool AtEnd(int partition) const override {
    const auto found = reading_.find(partition);
    return found != reading_.end() && found->second.at_end;
  }

 private:
  // One message of a batch, in which a partition may have been taken away, or given again from elsewhere, half-way.
  Result<void> Take(const RawMessage& one) {
    if (one.error == kTimedOut) return {};
    const auto found = reading_.find(one.partition);
    if (one.error == kEndOfPartition) {
      if (found == reading_.end()) return {};
      found->second.next = std::max(found->second.next, one.offset);
      found->second.at_end = true;
      return {};
    }
    if (one.error == kOffsetOutOfRange || one.error == kAutoOffsetReset) {
      return Error(Code::kNotFound, Str("the next records of partition ", one.partition, " of ", settings_.topic, " are no longer at the broker"));
    }
    if (one.error == kFatal || one.error == kUnknownTopic || one.error == kUnknownPartition) return Failed("reading", one.error);
    if (one.error != 0) {
      // The client tries again by itself; whoever waits is told when it has been too long.
      if (!broken_since_) broken_since_ = std::chrono::steady_clock::now();
      if (std::chrono::steady_clock::now() - *broken_since_ > std::chrono::minutes(1)) return Failed("reading", one.error);
      return {};
    }
    broken_since_.reset();
    if (found == reading_.end() || one.offset < found->second.next) return {};
    found->second.next = one.offset + 1;
    found->second.at_end = false;
    int kind = 0;
    records_.push_back({.partition = one.partition, .offset = one.offset, .appended = k_.timestamp(&one, &kind) * 1000,
                        .key = {static_cast<const char*>(one.key), one.key_size}, .value = {static_cast<const char*>(one.payload), one.size}});
    return {};
  }

  void Rebalanced(int what, RawPlaces* places) {
    given_ = given_ || what == kAssign;
    const bool step_by_step = std::string_view(k_.protocol(client_)) == "COOPERATIVE";
    const std::span<RawPlace> all(places->at, static_cast<std::size_t>(places->count));
    for (RawPlace& place : all) {
      reading_.erase(place.partition);
      if (what != kAssign) {
        owner_->Lost(place.partition);
        continue;
      }
      auto from = failed_ ? Result<std::int64_t>(kBeginning) : owner_->Gained(place.partition);
      if (!from.ok()) {
        failed_ = std::move(from).error();
        continue;
      }
      place.offset = *from < 0 ? kBeginning : *from;
      reading_[place.partition].next = *from;
    }
    if (step_by_step) {
      if (void* failed = what == kAssign ? k_.more(client_, places) : k_.fewer(client_, places); failed != nullptr) k_.error_destroy(failed);
    } else {
      k_.assign(client_, what == kAssign ? places : nullptr);
    }
  }

  // Once a second, where the group is: all that was given before is done by whoever asks for more.
  void TellGroup() {
    const auto now = std::chrono::steady_clock::now();
    if (owner_ == nullptr || reading_.empty() || now - told_ < std::chrono::seconds(1)) return;
    told_ = now;
    RawPlaces* list = k_.list_new(static_cast<int>(reading_.size()));
    for (const auto& [partition, one] : reading_) {
      if (one.next >= 0) k_.list_add(list, settings_.topic.c_str(), partition)->offset = one.next;
    }
    k_.commit(client_, list, 1);
    k_.list_destroy(list);
  }

  Result<void> AskPartitions() {
    void* topic = k_.topic_new(client_, settings_.topic.c_str(), nullptr);
    if (topic == nullptr) return Error(Code::kInvalidArgument, Str("'", settings_.topic, "' cannot be the name of a topic"));
    const RawMetadata* found = nullptr;
    const int failed = k_.metadata(client_, 0, topic, &found, 10000);
    k_.topic_destroy(topic);
    if (failed != 0) return Error(Code::kUnavailable, Str("no Kafka broker answers at ", settings_.brokers, ": ", k_.error_text(failed)));
    const bool known = found->topics == 1 && found->topic[0].error == 0;
    partitions_ = known ? found->topic[0].partitions : 0;
    k_.metadata_destroy(found);
    if (partitions_ == 0) return Error(Code::kNotFound, Str("no topic '", settings_.topic, "' at ", settings_.brokers));
    return {};
  }

  Error Failed(std::string_view doing, int code) const {
    return Error(Code::kUnavailable, Str(doing, " the Kafka topic ", settings_.topic, ": ", k_.error_text(code)));
  }
  void Free() {
    for (RawMessage* one : held_) k_.message_destroy(one);
    held_.clear();
  }

  Functions k_;
  KafkaSettings settings_;
  KafkaOwner* owner_;
  void* client_ = nullptr;
  void* queue_ = nullptr;
  int partitions_ = 0;
  bool given_ = false;  // the group has said which partitions are read here
  std::map<int, Reading> reading_;
  std::vector<RawMessage*> held_;
  std::vector<KafkaRecord> records_;
  std::optional<Error> failed_;  // of the owner, in the midst of a batch
  std::optional<std::chrono::steady_clock::time_point> broken_since_;
  std::chrono::steady_clock::time_point told_;
};

}  // namespace

Result<std::unique_ptr<KafkaReader>> KafkaReader::Open(const Call& call, const KafkaSettings& settings, KafkaOwner* owner) {
  TENON_TRY(call.Check());
  TENON_ASSIGN(const Functions k, Load());
  auto out = std::make_unique<Reader>(k, settings, owner);
  TENON_TRY(out->Start());
  return out;
}

}  // namespace tenon::platform

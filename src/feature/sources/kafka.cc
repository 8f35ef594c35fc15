// Events from a Kafka topic, by librdkafka, which is loaded when first used. Partitions are assigned by us and positions are kept
// by whoever reads, with the state that was made of the events: the broker's own group offsets are not used.

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "feature/event_source.h"
#include "platform/library.h"

namespace tenon::feature {
namespace {

// The part of librdkafka's C interface that is used; it has been stable since 0.9 (rdkafka.h, BSD-2-Clause).
struct KafkaMessage {
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
struct KafkaTopicMetadata {
  char* name;
  int partitions;
  void* partition;
  int error;
};
struct KafkaMetadata {
  int brokers;
  void* broker;
  int topics;
  KafkaTopicMetadata* topic;
};
constexpr int kConsumer = 1;                       // RD_KAFKA_CONSUMER
constexpr std::int64_t kBeginning = -2;            // RD_KAFKA_OFFSET_BEGINNING
constexpr int kEndOfPartition = -191, kTimedOut = -185, kOffsetOutOfRange = 1, kAutoOffsetReset = -140;

struct Functions {
  void* (*conf_new)();
  int (*conf_set)(void*, const char*, const char*, char*, std::size_t);
  void* (*create)(int, void*, char*, std::size_t);
  void (*destroy)(void*);
  int (*poll_set_consumer)(void*);
  void* (*list_new)(int);
  struct Place* (*list_add)(void*, const char*, std::int32_t);
  void (*list_destroy)(void*);
  int (*list_set_offset)(void*, const char*, std::int32_t, std::int64_t);
  int (*assign)(void*, const void*);
  void* (*queue)(void*);
  void (*queue_destroy)(void*);
  ssize_t (*consume_batch)(void*, int, KafkaMessage**, std::size_t);
  void (*message_destroy)(KafkaMessage*);
  std::int64_t (*timestamp)(const KafkaMessage*, int*);
  const char* (*error_text)(int);
  int (*query_offsets)(void*, const char*, std::int32_t, std::int64_t*, std::int64_t*, int);
  void* (*topic_new)(void*, const char*, void*);
  void (*topic_destroy)(void*);
  int (*metadata)(void*, int, void*, const KafkaMetadata**, int);
  void (*metadata_destroy)(const KafkaMetadata*);
};

Result<Functions> Load() {
  TENON_ASSIGN(const platform::Library library, platform::Library::Open("librdkafka.so.1"), "Kafka needs Debian's package librdkafka1");
  Functions out{};
  TENON_TRY(library.Bind("rd_kafka_conf_new", &out.conf_new));
  TENON_TRY(library.Bind("rd_kafka_conf_set", &out.conf_set));
  TENON_TRY(library.Bind("rd_kafka_new", &out.create));
  TENON_TRY(library.Bind("rd_kafka_destroy", &out.destroy));
  TENON_TRY(library.Bind("rd_kafka_poll_set_consumer", &out.poll_set_consumer));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_new", &out.list_new));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_add", &out.list_add));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_destroy", &out.list_destroy));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_set_offset", &out.list_set_offset));
  TENON_TRY(library.Bind("rd_kafka_assign", &out.assign));
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

class KafkaSource final : public EventSource {
 public:
  KafkaSource(const Functions& functions, void* client, std::string topic, std::vector<int> partitions)
      : k_(functions), client_(client), queue_(functions.queue(client)), topic_(std::move(topic)), partitions_(std::move(partitions)) {}
  KafkaSource(const KafkaSource&) = delete;
  KafkaSource& operator=(const KafkaSource&) = delete;
  ~KafkaSource() override {
    Free();
    k_.queue_destroy(queue_);
    k_.destroy(client_);
  }

  Result<void> Seek(std::span<const Position> positions) override {
    next_.clear();
    for (const Position& position : positions) next_[position.partition] = position.offset;
    void* list = k_.list_new(static_cast<int>(partitions_.size()));
    for (const int partition : partitions_) {
      k_.list_add(list, topic_.c_str(), partition);
      const auto found = next_.find(partition);
      k_.list_set_offset(list, topic_.c_str(), partition, found == next_.end() ? kBeginning : found->second);
    }
    const int failed = k_.assign(client_, list);
    k_.list_destroy(list);
    if (failed != 0) return Failed("assigning partitions of", failed);
    return {};
  }

  Result<std::span<const Message>> Poll(const Call& call, std::size_t most, std::chrono::milliseconds wait) override {
    Free();
    messages_.clear();
    TENON_TRY(call.Check());
    held_.resize(std::min<std::size_t>(most, 10000));
    const ssize_t came = k_.consume_batch(queue_, static_cast<int>(wait.count()), held_.data(), held_.size());
    held_.resize(came < 0 ? 0 : static_cast<std::size_t>(came));
    for (const KafkaMessage* one : held_) {
      if (one->error == kEndOfPartition || one->error == kTimedOut) continue;
      if (one->error == kOffsetOutOfRange || one->error == kAutoOffsetReset) {
        return Error(Code::kNotFound, Str("the next records of partition ", one->partition, " of ", topic_, " are no longer at the broker; start anew with --reset"));
      }
      if (one->error != 0) return Failed("reading", one->error);
      int kind = 0;
      messages_.push_back({.partition = one->partition, .offset = one->offset, .appended = k_.timestamp(one, &kind) * 1000,
                           .key = {static_cast<const char*>(one->key), one->key_size}, .value = {static_cast<const char*>(one->payload), one->size}});
      next_[one->partition] = one->offset + 1;
    }
    return std::span<const Message>(messages_);
  }

  Result<std::int64_t> Lag() override {
    std::int64_t behind = 0;
    for (const int partition : partitions_) {
      std::int64_t low = 0, high = 0;
      if (const int failed = k_.query_offsets(client_, topic_.c_str(), partition, &low, &high, 5000); failed != 0) return Failed("asking for the end of", failed);
      const auto found = next_.find(partition);
      behind += high - std::max(low, found == next_.end() ? low : found->second);
    }
    return behind;
  }

 private:
  Error Failed(std::string_view doing, int code) const {
    return Error(Code::kUnavailable, Str(doing, " the Kafka topic ", topic_, ": ", k_.error_text(code)));
  }
  void Free() {
    for (KafkaMessage* one : held_) k_.message_destroy(one);
    held_.clear();
  }

  Functions k_;
  void* client_;
  void* queue_;
  std::string topic_;
  std::vector<int> partitions_;
  std::map<int, std::int64_t> next_;
  std::vector<KafkaMessage*> held_;
  std::vector<Message> messages_;
};

class Kafka final : public EventSourceKind {
 public:
  explicit Kafka(const Options& options)
      : brokers_(options.Text("brokers")), topic_(options.Text("topic")), properties_(options.Has("properties") ? options.Any("properties") : Json::MakeObject()) {
    if (options.Has("partitions")) {
      for (const double one : options.NumberList("partitions")) wanted_.push_back(static_cast<int>(one));
    }
  }

  Result<std::unique_ptr<EventSource>> Start(const Call& call, platform::Files&, const std::string&) override {
    TENON_TRY(call.Check());
    TENON_ASSIGN(const Functions k, Load());
    void* conf = k.conf_new();
    std::vector<std::pair<std::string, std::string>> settings = {{"bootstrap.servers", brokers_}, {"group.id", "tenon"},
                                                                  {"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"},
                                                                  {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"}};
    for (const auto& [name, value] : properties_.object()) settings.emplace_back(name, value.is_string() ? value.String() : value.Dump());
    std::array<char, 512> why{};
    for (const auto& [name, value] : settings) {
      if (k.conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) != 0) {
        return Error(Code::kInvalidArgument, Str("stream.from.properties: ", why.data()));
      }
    }
    void* client = k.create(kConsumer, conf, why.data(), why.size());
    if (client == nullptr) return Error(Code::kUnavailable, Str("cannot begin reading from Kafka: ", why.data()));
    k.poll_set_consumer(client);
    auto partitions = Partitions(k, client);
    if (!partitions.ok()) {
      k.destroy(client);
      return std::move(partitions).error();
    }
    auto out = std::make_unique<KafkaSource>(k, client, topic_, *std::move(partitions));
    TENON_TRY(out->Seek({}));
    return out;
  }

 private:
  Result<std::vector<int>> Partitions(const Functions& k, void* client) const {
    void* topic = k.topic_new(client, topic_.c_str(), nullptr);
    const KafkaMetadata* found = nullptr;
    const int failed = k.metadata(client, 0, topic, &found, 10000);
    k.topic_destroy(topic);
    if (failed != 0) return Error(Code::kUnavailable, Str("no Kafka broker answers at ", brokers_, ": ", k.error_text(failed)));
    const bool known = found->topics == 1 && found->topic[0].error == 0;
    const int count = known ? found->topic[0].partitions : 0;
    k.metadata_destroy(found);
    if (count == 0) return Error(Code::kNotFound, Str("no topic '", topic_, "' at ", brokers_));
    std::vector<int> out = wanted_;
    for (int i = 0; i < count && wanted_.empty(); ++i) out.push_back(i);
    for (const int one : out) {
      if (one < 0 || one >= count) return Error(Code::kInvalidArgument, Str("stream.from.partitions: the topic ", topic_, " has partitions 0 to ", count - 1, ", not ", one));
    }
    return out;
  }

  std::string brokers_, topic_;
  Json properties_;
  std::vector<int> wanted_;
};

}  // namespace

Result<void> AddKafka(Kinds<EventSourceKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("kafka",
                   {.summary = "Read events from a Kafka topic",
                    .when = "Events come from other programs through a broker; needs Debian's librdkafka1",
                    .example = R"({"brokers": "127.0.0.1:9092", "topic": "transactions"})",
                    .options = {{"brokers", Type::kText, "127.0.0.1:9092", "host:port, several with commas between"},
                                {"topic", Type::kText, "events", "Whose records are JSON objects with the source's columns"},
                                {"partitions", Type::kNumberList, nullptr, "Which this process reads; none: all. Several processes may share a topic whose keys are entities"},
                                {"properties", Type::kAny, nullptr, "More settings of librdkafka by their names: security.protocol, sasl.mechanism ..."}}},
                   [](const Options& options) -> Result<std::unique_ptr<EventSourceKind>> {
                     if (options.Has("properties") && !options.Any("properties").is_object()) {
                       return Error(Code::kInvalidArgument, "stream.from.properties: expected names and values");
                     }
                     return std::make_unique<Kafka>(options);
                   });
}

}  // namespace tenon::feature

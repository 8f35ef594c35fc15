#include "base/text.h"
#include "platform/kafka.h"
#include "platform/kafka_raw_internal.h"

namespace tenon::platform {
namespace {

constexpr int kCopyAndWait = 2 | 4;  // RD_KAFKA_MSG_F_COPY: the bytes are copied; _F_BLOCK: waits while the queue is full
constexpr int kAnyPartition = -1;
constexpr int kPatience = 30000;     // milliseconds, for the broker
constexpr int kFenced = -144, kProducerFenced = 90, kInvalidEpoch = 47, kNotAllowed = 53, kTopicNotAllowed = 29;
constexpr int kSeveralTries = 3;

class Writer final : public KafkaWriter {
 public:
  Writer(const KafkaFunctions& functions, KafkaSettings settings) : k_(functions), settings_(std::move(settings)) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() override {
    for (auto& [name, topic] : topics_) k_.topic_destroy(topic);
    if (producer_ != nullptr) k_.destroy(producer_);
    if (asker_ != nullptr) k_.destroy(asker_);
  }

  Result<void> Start(const std::string& id) {
    std::vector<std::pair<std::string, std::string>> all = {{"bootstrap.servers", settings_.brokers}, {"client.id", "tenon"}, {"transactional.id", id},
                                                            {"transaction.timeout.ms", "30000"}, {"linger.ms", "2"}, {"partitioner", "murmur2_random"}};
    all.insert(all.end(), settings_.properties.begin(), settings_.properties.end());
    TENON_ASSIGN(producer_, MakeKafkaClient(k_, kProducer, all, [](void*) {}));
    TENON_TRY(CheckTopic(settings_.topic));
    for (int tries = 0;; ++tries) {
      void* failed = k_.begin_all(producer_, kPatience);
      if (failed == nullptr) return {};
      if (tries == kSeveralTries || k_.error_code(failed) != kTimedOut) return Failed("beginning to write to", failed);
      k_.error_destroy(failed);
    }
  }

  Result<void> CheckTopic(const std::string& name) override {
    TENON_ASSIGN(void* topic, TopicOf(name));
    const KafkaRawMetadata* found = nullptr;
    const int failed = k_.metadata(producer_, 0, topic, &found, 10000);
    if (failed != 0) return Error(Code::kUnavailable, Str("no Kafka broker answers at ", settings_.brokers, ": ", k_.error_text(failed)));
    const int wrong = found->topics == 1 ? found->topic[0].error : kUnknownTopic;
    const bool known = wrong == 0 && found->topic[0].partitions > 0;
    k_.metadata_destroy(found);
    if (wrong != 0 && wrong != kUnknownTopic) return Error(Code::kUnavailable, Str("the Kafka topic ", name, ": ", k_.error_text(wrong)));
    if (!known) return Error(Code::kNotFound, Str("no topic '", name, "' at ", settings_.brokers));
    return {};
  }

  Result<std::int64_t> Kept(const Call& call, const std::string& topic, int partition) override {
    TENON_TRY(call.Check());
    if (asker_ == nullptr) {
      std::vector<std::pair<std::string, std::string>> all = {{"bootstrap.servers", settings_.brokers}, {"group.id", settings_.group}, {"client.id", "tenon"},
                                                              {"enable.auto.commit", "false"}, {"isolation.level", "read_committed"}};
      all.insert(all.end(), settings_.properties.begin(), settings_.properties.end());
      TENON_ASSIGN(asker_, MakeKafkaClient(k_, kConsumer, all, [](void*) {}));
    }
    KafkaRawPlaces* list = k_.list_new(1);
    k_.list_add(list, topic.c_str(), partition);
    int failed = kTimedOut;
    for (int tries = 0; tries < kSeveralTries && failed == kTimedOut; ++tries) failed = k_.committed(asker_, list, kPatience);
    if (failed == 0) failed = list->at[0].error;
    const std::int64_t offset = list->at[0].offset;
    k_.list_destroy(list);
    if (failed != 0) return Error(Code::kUnavailable, Str("asking what the Kafka group ", settings_.group, " keeps: ", k_.error_text(failed)));
    return offset < 0 ? -1 : offset;
  }

  Result<void> Write(const Call& call, std::span<const KafkaOut> records, const std::string& topic, std::span<const KafkaPlace> places,
                     std::string_view membership) override {
    TENON_TRY(call.Check());
    if (void* failed = k_.begin(producer_); failed != nullptr) return Failed("writing to", failed);
    auto done = Fill(records, topic, places, membership);
    if (done.ok()) {
      void* failed = k_.commit_transaction(producer_, kPatience);
      for (int tries = 1; failed != nullptr && k_.error_code(failed) == kTimedOut && tries < kSeveralTries; ++tries) {
        k_.error_destroy(failed);
        failed = k_.commit_transaction(producer_, kPatience);
      }
      if (failed == nullptr) return {};
      done = Failed("committing to", failed);
    }
    if (void* also = k_.abort_transaction(producer_, kPatience); also != nullptr) k_.error_destroy(also);
    return done;
  }

 private:
  Result<void> Fill(std::span<const KafkaOut> records, const std::string& topic, std::span<const KafkaPlace> places, std::string_view membership) {
    void* into = nullptr;
    std::string_view name;
    std::size_t count = 0;
    for (const KafkaOut& one : records) {
      if (one.topic != name) {
        TENON_ASSIGN(into, TopicOf(std::string(one.topic)));
        name = one.topic;
      }
      // librdkafka copies the bytes and changes none of them.
      if (k_.produce(into, kAnyPartition, kCopyAndWait, const_cast<char*>(one.value.data()), one.value.size(), one.key.data(), one.key.size(), nullptr) != 0) {
        return Error(Code::kUnavailable, Str("writing to the Kafka topic ", one.topic, ": ", k_.error_text(k_.last_error())));
      }
      if (++count % 1000 == 0) k_.poll(producer_, 0);
    }
    void* who = nullptr;
    if (membership.empty()) {
      who = k_.membership_new(settings_.group.c_str());
    } else if (void* failed = k_.membership_read(&who, membership.data(), membership.size()); failed != nullptr) {
      return Failed("writing to", failed);
    }
    KafkaRawPlaces* list = k_.list_new(static_cast<int>(places.size()));
    for (const KafkaPlace& place : places) k_.list_add(list, topic.c_str(), place.partition)->offset = place.offset;
    void* failed = places.empty() ? nullptr : k_.send_offsets(producer_, list, who, kPatience);
    k_.list_destroy(list);
    k_.membership_destroy(who);
    return failed == nullptr ? Result<void>() : Result<void>(Failed("keeping positions with", failed));
  }

  Result<void*> TopicOf(const std::string& name) {
    for (const auto& [known, topic] : topics_) {
      if (known == name) return topic;
    }
    void* topic = k_.topic_new(producer_, name.c_str(), nullptr);
    if (topic == nullptr) return Error(Code::kInvalidArgument, Str("'", name, "' cannot be the name of a topic"));
    topics_.emplace_back(name, topic);
    return topic;
  }

  // Takes the error.
  Error Failed(std::string_view doing, void* error) const {
    const int code = k_.error_code(error);
    const bool fenced = code == kFenced || code == kProducerFenced || code == kInvalidEpoch;
    const bool forbidden = code == kNotAllowed || code == kTopicNotAllowed;
    Error out(fenced ? Code::kFailedPrecondition : forbidden ? Code::kPermissionDenied : Code::kUnavailable,
              Str(doing, " the Kafka topic ", settings_.topic, ": ", k_.error_string(error)));
    k_.error_destroy(error);
    return out;
  }

  KafkaFunctions k_;
  KafkaSettings settings_;
  void* producer_ = nullptr;
  void* asker_ = nullptr;  // what the group keeps
  std::vector<std::pair<std::string, void*>> topics_;
};

}  // namespace

Result<std::unique_ptr<KafkaWriter>> KafkaWriter::Open(const Call& call, const KafkaSettings& settings, const std::string& id) {
  TENON_TRY(call.Check());
  TENON_ASSIGN(const KafkaFunctions k, LoadKafka());
  auto out = std::make_unique<Writer>(k, settings);
  TENON_TRY(out->Start(id));
  return out;
}

}  // namespace tenon::platform

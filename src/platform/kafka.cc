#include "platform/kafka.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "platform/kafka_raw_internal.h"

namespace tenon::platform {
namespace {

// A partition that is read here.
struct Reading {
  std::int64_t next = -1;  // records before it were given, or are not wanted
  bool at_end = false;
};

class Reader final : public KafkaReader {
 public:
  Reader(const KafkaFunctions& functions, KafkaSettings settings, KafkaOwner* owner) : k_(functions), settings_(std::move(settings)), owner_(owner) {}
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
                                                            {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"}, {"enable.partition.eof", "true"},
                                                            // How long the broker may wait with an answer that has nothing: the end of a partition, and what is asked behind it, is known no sooner.
                                                            {"fetch.wait.max.ms", "100"}};
    // Not cooperative-sticky: that of librdkafka 2.0 ends the process by an assertion when a member leaves at the wrong moment.
    if (owner_ != nullptr) all.emplace_back("partition.assignment.strategy", "roundrobin");
    all.insert(all.end(), settings_.properties.begin(), settings_.properties.end());
    for (const auto& [name, value] : settings_.properties) {
      std::int64_t millis = 0;
      if (name == "session.timeout.ms" && ParseInt64(value, &millis)) session_ = std::chrono::milliseconds(millis);
    }
    TENON_ASSIGN(client_, MakeKafkaClient(k_, kConsumer, all, [this](void* conf) {
                   k_.conf_opaque(conf, this);
                   if (owner_ == nullptr) return;
                   k_.conf_rebalance(conf, [](void*, int what, KafkaRawPlaces* places, void* self) { static_cast<Reader*>(self)->Rebalanced(what, places); });
                 }));
    k_.poll_set_consumer(client_);
    queue_ = k_.queue(client_);
    TENON_TRY(AskPartitions());
    if (owner_ == nullptr) return {};
    KafkaRawPlaces* list = k_.list_new(1);
    k_.list_add(list, settings_.topic.c_str(), -1);
    const int failed = k_.subscribe(client_, list);
    k_.list_destroy(list);
    if (failed != 0) return Failed("joining the group of", failed);
    return {};
  }

  int partitions() const override { return partitions_; }

  Result<void> Assign(std::span<const KafkaPlace> places) override {
    reading_.clear();
    KafkaRawPlaces* list = k_.list_new(static_cast<int>(places.size()));
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
    // The library waits for as many as it is asked for: so for one alone, when none is there.
    if (Fetch(std::min(most, kMostRecords), 0) == 0 && Fetch(1, static_cast<int>(wait.count())) != 0) Fetch(std::min(most, kMostRecords) - 1, 0);
    if (failed_) return *std::exchange(failed_, std::nullopt);
    for (const KafkaRawMessage* one : held_) TENON_TRY(Take(*one));
    return std::span<const KafkaRecord>(records_);
  }

  Result<std::pair<std::int64_t, std::int64_t>> Bounds(int partition) override {
    std::int64_t low = 0, high = 0;
    const int failed = k_.query_offsets(client_, settings_.topic.c_str(), partition, &low, &high, 10000);
    if (failed != 0) return Failed("asking for the end of", failed);
    return std::pair(low, high);
  }

  Result<std::int64_t> Lag() override {
    if (owner_ != nullptr && (!given_ || OthersMayBeDead())) return 1;
    std::int64_t behind = 0;
    for (const auto& [partition, one] : reading_) {
      if (one.at_end) continue;  // a transaction's mark may stand behind the last record
      TENON_ASSIGN(const auto bounds, Bounds(partition));
      behind += bounds.second - std::max(bounds.first, one.next);
    }
    return behind;
  }

  std::int64_t LagSeen() const override {
    std::int64_t behind = 0;
    for (const auto& [partition, one] : reading_) {
      std::int64_t low = 0, high = 0;
      if (one.at_end || k_.seen_offsets(client_, settings_.topic.c_str(), partition, &low, &high) != 0) continue;
      behind += std::max<std::int64_t>(high - std::max(low, one.next), 0);
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
  Result<std::string> Membership() const override {
    void* who = k_.membership(client_);
    if (who == nullptr) return Error(Code::kUnavailable, "the Kafka group is not known yet");
    void* bytes = nullptr;
    std::size_t size = 0;
    void* failed = k_.membership_write(who, &bytes, &size);
    k_.membership_destroy(who);
    if (failed != nullptr) {
      Error why(Code::kUnavailable, Str("the Kafka group: ", k_.error_string(failed)));
      k_.error_destroy(failed);
      return why;
    }
    std::string out(static_cast<const char*>(bytes), size);
    k_.free(client_, bytes);
    return out;
  }

 private:
  std::size_t Fetch(std::size_t most, int wait) {
    const std::size_t before = held_.size();
    held_.resize(before + most);
    const ssize_t came = most == 0 ? 0 : k_.consume_batch(queue_, wait, held_.data() + before, most);
    held_.resize(before + (came < 0 ? 0 : static_cast<std::size_t>(came)));
    return held_.size() - before;
  }

  // One message of a batch, in which a partition may have been taken away, or given again from elsewhere, half-way.
  Result<void> Take(const KafkaRawMessage& one) {
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

  // The group may have given partitions to a process that was killed a moment ago: they come here when its session is over. A quarter more,
  // since that is told with a heartbeat.
  bool OthersMayBeDead() const {
    return static_cast<int>(reading_.size()) < partitions_ && std::chrono::steady_clock::now() < given_at_ + session_ + session_ / 4;
  }

  void Rebalanced(int what, KafkaRawPlaces* places) {
    const bool step_by_step = std::string_view(k_.protocol(client_)) == "COOPERATIVE";
    // Of an eager group all is taken, then all is given: in between nobody knows what is behind.
    given_ = what == kAssign || (given_ && step_by_step);
    if (what == kAssign) given_at_ = std::chrono::steady_clock::now();
    const std::span<KafkaRawPlace> all(places->at, static_cast<std::size_t>(places->count));
    for (KafkaRawPlace& place : all) {
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
    if (owner_ == nullptr || !settings_.tells || reading_.empty() || now - told_ < std::chrono::seconds(1)) return;
    told_ = now;
    KafkaRawPlaces* list = k_.list_new(static_cast<int>(reading_.size()));
    for (const auto& [partition, one] : reading_) {
      if (one.next >= 0) k_.list_add(list, settings_.topic.c_str(), partition)->offset = one.next;
    }
    k_.commit(client_, list, 1);
    k_.list_destroy(list);
  }

  Result<void> AskPartitions() {
    void* topic = k_.topic_new(client_, settings_.topic.c_str(), nullptr);
    if (topic == nullptr) return Error(Code::kInvalidArgument, Str("'", settings_.topic, "' cannot be the name of a topic"));
    const KafkaRawMetadata* found = nullptr;
    const int failed = k_.metadata(client_, 0, topic, &found, 10000);
    k_.topic_destroy(topic);
    if (failed != 0) return Error(Code::kUnavailable, Str("no Kafka broker answers at ", settings_.brokers, ": ", k_.error_text(failed)));
    const int wrong = found->topics == 1 ? found->topic[0].error : kUnknownTopic;
    partitions_ = wrong == 0 ? found->topic[0].partitions : 0;
    k_.metadata_destroy(found);
    if (wrong != 0 && wrong != kUnknownTopic) return Failed("looking at", wrong);
    if (partitions_ == 0) return Error(Code::kNotFound, Str("no topic '", settings_.topic, "' at ", settings_.brokers));
    return {};
  }

  Error Failed(std::string_view doing, int code) const {
    return Error(Code::kUnavailable, Str(doing, " the Kafka topic ", settings_.topic, ": ", k_.error_text(code)));
  }
  void Free() {
    for (KafkaRawMessage* one : held_) k_.message_destroy(one);
    held_.clear();
  }

  KafkaFunctions k_;
  KafkaSettings settings_;
  KafkaOwner* owner_;
  void* client_ = nullptr;
  void* queue_ = nullptr;
  int partitions_ = 0;
  bool given_ = false;  // the group has said which partitions are read here
  std::chrono::steady_clock::time_point given_at_;
  std::chrono::milliseconds session_ = std::chrono::seconds(45);  // librdkafka's own default
  std::map<int, Reading> reading_;
  std::vector<KafkaRawMessage*> held_;
  std::vector<KafkaRecord> records_;
  std::optional<Error> failed_;  // of the owner, in the midst of a batch
  std::optional<std::chrono::steady_clock::time_point> broken_since_;
  std::chrono::steady_clock::time_point told_;
};

}  // namespace

Result<std::unique_ptr<KafkaReader>> KafkaReader::Open(const Call& call, const KafkaSettings& settings, KafkaOwner* owner) {
  TENON_TRY(call.Check());
  TENON_ASSIGN(const KafkaFunctions k, LoadKafka());
  return OpenKafkaReader(k, settings, owner);
}

Result<std::unique_ptr<KafkaReader>> OpenKafkaReader(const KafkaFunctions& functions, const KafkaSettings& settings, KafkaOwner* owner) {
  auto out = std::make_unique<Reader>(functions, settings, owner);
  TENON_TRY(out->Start());
  return out;
}

}  // namespace tenon::platform

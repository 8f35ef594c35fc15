// Events from a Kafka topic. Positions are kept by whoever reads, with the state that was made of the events: what the broker
// keeps of a group is never read.

#include <algorithm>
#include <map>

#include "base/text.h"
#include "feature/event_source.h"
#include "platform/kafka.h"

namespace tenon::feature {
namespace {

class KafkaSource final : public EventSource, public platform::KafkaOwner {
 public:
  explicit KafkaSource(PartitionOwner* owner) : owner_(owner) {}

  Result<void> Start(const Call& call, const platform::KafkaSettings& settings, const std::vector<int>& wanted) {
    TENON_ASSIGN(reader_, platform::KafkaReader::Open(call, settings, owner_ == nullptr ? nullptr : this), "stream.from");
    if (owner_ != nullptr) return {};
    const int count = reader_->partitions();
    for (const int one : wanted) {
      if (one < 0 || one >= count) {
        return Error(Code::kInvalidArgument, Str("stream.from.partitions: the topic ", settings.topic, " has partitions 0 to ", count - 1, ", not ", one));
      }
    }
    partitions_ = wanted;
    for (int i = 0; i < count && wanted.empty(); ++i) partitions_.push_back(i);
    return Seek({});
  }

  Result<void> Seek(std::span<const Position> positions) override {
    std::vector<platform::KafkaPlace> places;
    for (const int partition : partitions_) {
      const auto found = std::ranges::find(positions, partition, &Position::partition);
      places.push_back({partition, found == positions.end() ? -1 : found->offset});
    }
    return reader_->Assign(places);
  }

  Result<std::span<const Message>> Poll(const Call& call, std::size_t most, std::chrono::milliseconds wait) override {
    auto polled = reader_->Poll(call, most, wait);
    if (!polled.ok()) {
      if (polled.error().code() != Code::kNotFound) return std::move(polled).error();
      const bool kept_there = owner_ != nullptr && owner_->keeps_there();
      return std::move(polled).error().Context(kept_there ? "set the group's offsets to records that are there" : "start anew with --reset");
    }
    messages_.clear();
    for (const platform::KafkaRecord& one : *polled) {
      messages_.push_back({.partition = one.partition, .offset = one.offset, .appended = one.appended, .key = one.key, .value = one.value});
    }
    return std::span<const Message>(messages_);
  }

  Result<std::int64_t> Lag() override { return reader_->Lag(); }
  Result<std::int64_t> LagSeen() override { return reader_->LagSeen(); }
  Result<std::string> Membership() override { return owner_ == nullptr ? std::string() : reader_->Membership(); }

  Result<std::int64_t> Gained(int partition) override { return owner_->Gained(partition); }
  void Lost(int partition) override { owner_->Lost(partition); }

 private:
  PartitionOwner* owner_;
  std::vector<int> partitions_;
  std::vector<Message> messages_;
  std::unique_ptr<platform::KafkaReader> reader_;  // last: it tells the rest while it closes
};

class Kafka final : public EventSourceKind {
 public:
  explicit Kafka(const Options& options) {
    settings_.brokers = options.Text("brokers");
    settings_.topic = options.Text("topic");
    if (options.Has("group")) settings_.group = options.Text("group");
    if (options.Has("properties")) {
      for (const auto& [name, value] : options.Any("properties").object()) settings_.properties.emplace_back(name, value.is_string() ? value.String() : value.Dump());
    }
    if (options.Has("partitions")) {
      for (const double one : options.NumberList("partitions")) wanted_.push_back(static_cast<int>(one));
    }
  }

  Result<std::unique_ptr<EventSource>> Start(const Call& call, platform::Files&, const std::string&) override { return Begin(call, nullptr); }
  bool shared() const override { return !settings_.group.empty(); }
  Result<std::unique_ptr<EventSource>> StartShared(const Call& call, PartitionOwner& owner) override { return Begin(call, &owner); }

 private:
  Result<std::unique_ptr<EventSource>> Begin(const Call& call, PartitionOwner* owner) const {
    auto out = std::make_unique<KafkaSource>(owner);
    platform::KafkaSettings settings = settings_;
    settings.tells = owner == nullptr || !owner->keeps_there();
    TENON_TRY(out->Start(call, settings, wanted_));
    return out;
  }

  platform::KafkaSettings settings_;
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
                                {"group", Type::kText, nullptr, "Consumer group: every `features stream` of the project takes part of the partitions; records are keyed by the entity"},
                                {"partitions", Type::kNumberList, nullptr, "Which are read when there is no group; none: all"},
                                {"properties", Type::kAny, nullptr, "More settings of librdkafka by their names: security.protocol, sasl.mechanism ..."}}},
                   [](const Options& options) -> Result<std::unique_ptr<EventSourceKind>> {
                     if (options.Has("properties") && !options.Any("properties").is_object()) {
                       return Error(Code::kInvalidArgument, "stream.from.properties: expected names and values");
                     }
                     if (options.Has("group") && options.Has("partitions")) {
                       return Error(Code::kInvalidArgument, "stream.from.partitions: a group shares them out itself; give `group` or `partitions`");
                     }
                     return std::make_unique<Kafka>(options);
                   });
}

}  // namespace tenon::feature

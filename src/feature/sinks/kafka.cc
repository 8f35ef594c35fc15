// Answers into a Kafka topic: answers, what is put aside and the source's positions in one transaction.

#include "base/text.h"
#include "feature/event_sink.h"
#include "platform/kafka.h"
#include "platform/socket.h"

namespace tenon::feature {
namespace {

constexpr int kMostInstances = 64;  // processes of a project on one folder

class KafkaSink final : public EventSink {
 public:
  KafkaSink(std::string topic, std::string aside) : topic_(std::move(topic)), aside_(std::move(aside)) {}

  Result<void> Start(const Call& call, const SinkFor& whom, platform::KafkaSettings settings) {
    // Positions of a topic are the group's positions of it; those of another source are kept as those of partition 0 of the output.
    const bool of_topic = whom.source == "kafka";
    where_ = of_topic ? whom.settings.StringAt("topic", "events") : topic_;
    settings.group = of_topic ? whom.settings.StringAt("group") : whom.stream;
    TENON_TRY(whom.files->MakeFolders(whom.state));
    int number = 0;
    while (lock_ == nullptr) {
      auto lock = whom.files->Lock(platform::JoinPath(whom.state, Str(whom.stream, "-", number, ".lock")));
      if (lock.ok()) {
        lock_ = *std::move(lock);
      } else if (lock.error().code() != Code::kUnavailable || ++number == kMostInstances || !of_topic) {
        return std::move(lock).error().Context(Str("another process answers the stream ", whom.stream));
      }
    }
    // A process that comes after a killed one has its number, and so ends at once what that left open.
    TENON_ASSIGN(writer_, platform::KafkaWriter::Open(call, settings, Str(settings.group, "-", platform::HostName(), "-", number)), "to");
    return writer_->CheckTopic(aside_);
  }

  Result<std::int64_t> Next(const Call& call, int partition) override { return writer_->Kept(call, where_, partition); }

  Result<std::vector<Position>> Positions(const Call& call) override {
    TENON_ASSIGN(const std::int64_t offset, Next(call, 0));
    if (offset < 0) return std::vector<Position>();
    return std::vector<Position>{{0, offset}};
  }

  Result<void> Deliver(const Call& call, std::span<const SinkRecord> records, std::span<const Position> next, std::string_view membership) override {
    std::vector<platform::KafkaOut> out;
    out.reserve(records.size());
    for (const SinkRecord& one : records) out.push_back({one.aside ? aside_ : topic_, one.key, one.value});
    std::vector<platform::KafkaPlace> places;
    for (const Position& one : next) places.push_back({one.partition, one.offset});
    return writer_->Write(call, out, where_, places, membership);
  }

 private:
  const std::string topic_, aside_;
  std::string where_;  // the topic whose positions are kept
  std::unique_ptr<platform::FileLock> lock_;
  std::unique_ptr<platform::KafkaWriter> writer_;
};

class Kafka final : public EventSinkKind {
 public:
  explicit Kafka(const Options& options) {
    settings_.brokers = options.Text("brokers");
    settings_.topic = options.Text("topic");
    aside_ = options.Text("aside").empty() ? settings_.topic + "-aside" : options.Text("aside");
    if (options.Has("properties")) {
      for (const auto& [name, value] : options.Any("properties").object()) settings_.properties.emplace_back(name, value.is_string() ? value.String() : value.Dump());
    }
  }
  Result<std::unique_ptr<EventSink>> Open(const Call& call, const SinkFor& whom) override {
    if (whom.source == "kafka" && whom.settings.StringAt("brokers", "127.0.0.1:9092") != settings_.brokers) {
      return Error(Code::kInvalidArgument, Str("to.brokers: records from ", whom.settings.StringAt("brokers", "127.0.0.1:9092"), " cannot be answered at ", settings_.brokers,
                                               " in one transaction; both must be one cluster"));
    }
    auto out = std::make_unique<KafkaSink>(settings_.topic, aside_);
    TENON_TRY(out->Start(call, whom, settings_));
    return std::unique_ptr<EventSink>(std::move(out));
  }
  bool shared() const override { return true; }

 private:
  platform::KafkaSettings settings_;
  std::string aside_;
};

}  // namespace

Result<void> AddKafka(Kinds<EventSinkKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("kafka",
                   {.summary = "Write answers to a Kafka topic, in one transaction with the positions of what they answer",
                    .when = "Other programs read the answers through a broker, committed records alone; needs Debian's librdkafka1",
                    .example = R"({"brokers": "127.0.0.1:9092", "topic": "scores"})",
                    .options = {{"brokers", Type::kText, "127.0.0.1:9092", "host:port, several with commas between; those of the source when that is a topic"},
                                {"topic", Type::kText, "scores", "Of the answers, with the key of what they answer"},
                                {"aside", Type::kText, "", "Topic of events that are put aside; none: <topic>-aside"},
                                {"properties", Type::kAny, nullptr, "More settings of librdkafka by their names: security.protocol, sasl.mechanism ..."}}},
                   [](const Options& options) -> Result<std::unique_ptr<EventSinkKind>> {
                     if (options.Has("properties") && !options.Any("properties").is_object()) {
                       return Error(Code::kInvalidArgument, "to.properties: expected names and values");
                     }
                     if (options.Text("topic") == options.Text("aside")) return Error(Code::kInvalidArgument, "to.aside: expected another topic than `topic`");
                     return std::make_unique<Kafka>(options);
                   });
}

}  // namespace tenon::feature

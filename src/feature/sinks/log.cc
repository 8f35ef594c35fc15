// Answers into a log of events in a folder.

#include "feature/event_log.h"
#include "feature/journal_sink_internal.h"

namespace tenon::feature {
namespace {

constexpr std::size_t kBatch = 5000;
constexpr std::uint64_t kSegmentBytes = 64 << 20;
constexpr std::chrono::milliseconds kPatience{250};  // for another writer; who is told "unavailable" tries again

class LogTrack final : public SinkTrack {
 public:
  LogTrack(platform::Files& files, std::string folder)
      : reader_(files, folder), writer_(files, std::move(folder), EventLogWriter::Sync::kBatch, kSegmentBytes, kPatience) {}

  // Half a record is cut off by whoever writes next. Others may write to the log as well: their records have no `from` of ours.
  Result<void> TakeUp(std::int64_t mark, const std::function<Result<void>(std::string_view)>& show) override {
    TENON_ASSIGN(const std::int64_t first, reader_.First());
    TENON_ASSIGN(const std::int64_t end, reader_.End());
    next_ = std::max(mark, first);
    if (next_ > end) next_ = first;  // it is another log
    while (next_ < end) {
      TENON_ASSIGN(const std::span<const Message> some, reader_.Read(next_, kBatch));
      if (some.empty()) break;
      for (const Message& one : some) {
        if (auto shown = show(one.value); !shown.ok() && shown.error().code() != Code::kInvalidArgument) return shown;
      }
      next_ = some.back().offset + 1;
    }
    return {};
  }

  Result<void> Append(std::span<const SinkRecord* const> records, Micros now) override {
    std::vector<Message> messages;
    for (const SinkRecord* one : records) messages.push_back({.key = one->key, .value = one->value});
    TENON_ASSIGN(const std::int64_t first, writer_.Append(messages, now));
    next_ = first + static_cast<std::int64_t>(messages.size());
    return {};
  }
  Result<void> Sync() override { return {}; }  // the writer does, with each batch
  Result<std::int64_t> End() override { return next_; }

 private:
  EventLogReader reader_;
  EventLogWriter writer_;
  std::int64_t next_ = 0;  // behind what this sink knows
};

class LogSink final : public EventSinkKind {
 public:
  LogSink(std::string folder, std::string aside) : folder_(std::move(folder)), aside_(aside.empty() ? folder_ + "-aside" : std::move(aside)) {}
  Result<std::unique_ptr<EventSink>> Open(const Call&, const SinkFor& whom) override {
    return OpenJournalSink(whom, std::make_unique<LogTrack>(*whom.files, platform::JoinPath(whom.folder, folder_)),
                           std::make_unique<LogTrack>(*whom.files, platform::JoinPath(whom.folder, aside_)));
  }

 private:
  std::string folder_, aside_;
};

}  // namespace

Result<void> AddLog(Kinds<EventSinkKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("log",
                   {.summary = "Append answers to the log in a folder",
                    .when = "Another stream of this program goes on from the answers; with a broker use kafka",
                    .example = R"({"folder": "answers"})",
                    .options = {{"folder", Type::kText, ".tenon/answers", "Of the log, relative to the project"},
                                {"aside", Type::kText, "", "Of the log of events that are put aside; none: <folder>-aside"}}},
                   [](const Options& options) -> Result<std::unique_ptr<EventSinkKind>> {
                     if (options.Text("folder").empty() || options.Text("folder") == options.Text("aside")) {
                       return Error(Code::kInvalidArgument, "folder: expected a folder, and another one than `aside`");
                     }
                     return std::make_unique<LogSink>(options.Text("folder"), options.Text("aside"));
                   });
}

}  // namespace tenon::feature

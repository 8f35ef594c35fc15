// Events from a log in a folder.

#include <thread>

#include "feature/event_source.h"

namespace tenon::feature {
namespace {

class LogSource final : public EventSource {
 public:
  LogSource(platform::Files& files, const std::string& folder) : reader_(files, folder) {}

  Result<void> Seek(std::span<const Position> positions) override {
    next_ = positions.empty() ? 0 : positions.front().offset;
    return {};
  }

  Result<std::span<const Message>> Poll(const Call& call, std::size_t most, std::chrono::milliseconds wait) override {
    const auto until = std::chrono::steady_clock::now() + wait;
    while (true) {
      TENON_ASSIGN(const std::span<const Message> found, reader_.Read(next_, most));
      if (!found.empty()) {
        next_ = found.back().offset + 1;
        return found;
      }
      if (std::chrono::steady_clock::now() >= until || !call.Check().ok()) return found;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  Result<std::int64_t> Lag() override {
    TENON_ASSIGN(const std::int64_t end, reader_.End());
    return end - next_;
  }

 private:
  EventLogReader reader_;
  std::int64_t next_ = 0;
};

class Log final : public EventSourceKind {
 public:
  explicit Log(std::string folder) : folder_(std::move(folder)) {}
  Result<std::unique_ptr<EventSource>> Start(const Call&, platform::Files& files, const std::string& folder) override {
    return std::make_unique<LogSource>(files, platform::JoinPath(folder, folder_));
  }

 private:
  std::string folder_;
};

}  // namespace

Result<void> AddLog(Kinds<EventSourceKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("log",
                   {.summary = "Read events from the log in a folder",
                    .when = "Events come through this program's own /push or `tenon features publish`; with a broker use kafka",
                    .example = R"({"folder": "events"})",
                    .options = {{"folder", Type::kText, ".tenon/events", "Of the log, relative to the project"}}},
                   [](const Options& options) -> Result<std::unique_ptr<EventSourceKind>> { return std::make_unique<Log>(options.Text("folder")); });
}

}  // namespace tenon::feature

#include "pipeline/stream_features.h"

#include <algorithm>
#include <fstream>
#include <iostream>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

using feature::Message;

constexpr std::size_t kBatch = 2000;  // events a transaction
constexpr int kHistory = -1;          // the partition that the rows of `data:` count as

std::string StatePath(const Project& project) { return platform::JoinPath(OnlineFolder(project), "stream.db"); }

Result<std::string> LogFolder(const Project& project) {
  if (project.stream.from != "log") {
    return Error(Code::kFailedPrecondition, Str("the project's stream is '", project.stream.from, "', which takes its events elsewhere; only a log can be published to"));
  }
  return platform::JoinPath(project.folder, project.stream.settings.StringAt("folder", ".tenon/events"));
}

class Run {
 public:
  Run(const Call& call, feature::StreamProcessor& stream, const std::function<void(const StreamReport&)>& tell) : call_(call), stream_(stream), tell_(tell) {}

  Result<void> Take(std::span<const Message> messages) {
    TENON_TRY(stream_.Process(call_, messages));
    report_.taken += static_cast<std::int64_t>(messages.size());
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ > std::chrono::seconds(1)) {
      told_ = now;
      tell_(Report());
    }
    return {};
  }

  const StreamReport& Report() {
    report_.counts = stream_.counts();
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    report_.time = stream_.time() == std::numeric_limits<Micros>::min() ? 0 : stream_.time();
    return report_;
  }
  StreamReport& report() { return report_; }

  Result<void> History(const OnlineRows& rows, std::string_view time, std::int64_t from) {
    if (rows.rows.empty()) return {};
    const table::Batch all = table::Batch::Concat(rows.rows);
    TENON_ASSIGN(const table::Column at, all.Named(time));
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < all.rows(); ++i) order.push_back(i);
    std::ranges::stable_sort(order, {}, [&](std::int64_t row) { return at.IsNull(row) ? std::numeric_limits<Micros>::min() : at.ints()[static_cast<std::size_t>(row)]; });
    for (auto begin = static_cast<std::size_t>(from); begin < order.size(); begin += kBatch) {
      TENON_TRY(call_.Check());
      std::vector<std::string> texts;
      std::vector<Message> messages;
      const std::size_t end = std::min(order.size(), begin + kBatch);
      for (std::size_t i = begin; i < end; ++i) texts.push_back(all.RowAt(order[i]).Dump());
      for (std::size_t i = begin; i < end; ++i) messages.push_back({.partition = kHistory, .offset = static_cast<std::int64_t>(i), .value = texts[i - begin]});
      TENON_TRY(Take(messages));
    }
    return {};
  }

  Result<void> Follow(feature::EventSource& source, bool to_end, std::chrono::microseconds refresh) {
    auto refreshed = std::chrono::steady_clock::now();
    while (call_.Check().ok()) {
      TENON_ASSIGN(const std::span<const Message> messages, source.Poll(call_, kBatch, std::chrono::milliseconds(to_end ? 500 : 200)));
      if (!messages.empty()) TENON_TRY(Take(messages));
      if (messages.empty() && to_end) {
        TENON_ASSIGN(const std::int64_t lag, source.Lag());
        if (lag == 0) break;
      }
      if (std::chrono::steady_clock::now() - refreshed >= refresh) {
        TENON_ASSIGN(const std::int64_t changed, stream_.Refresh(call_));
        (void)changed;
        refreshed = std::chrono::steady_clock::now();
      }
    }
    // Told to stop is no failure: everything taken is kept.
    if (call_.Check().ok()) {
      TENON_ASSIGN(const std::int64_t changed, stream_.Refresh(call_));
      (void)changed;
    }
    auto lag = source.Lag();
    report_.behind = lag.ok() ? *lag : -1;
    return {};
  }

 private:
  const Call& call_;
  feature::StreamProcessor& stream_;
  const std::function<void(const StreamReport&)>& tell_;
  StreamReport report_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), told_ = began_;
};

}  // namespace

Result<StreamReport> StreamFeatures(const Call& call, platform::Files& files, const Project& project, const Kits& kits, const StreamRun& wanted,
                                    const std::function<void(const StreamReport&)>& tell) {
  FeatureRows rows;
  FeatureSchemas schemas;
  if (wanted.history) {
    TENON_ASSIGN(rows, ReadFeatureRows(call, project, kits));
    schemas = SchemasOf(rows);
  } else {
    TENON_ASSIGN(schemas, ReadFeatureSchemas(call, files, project, kits));
  }
  const std::string source_name = project.stream.source.empty() ? project.source.name : project.stream.source;
  TENON_ASSIGN(auto online, OnlineFeatures::Open(files, project, schemas));
  std::vector<feature::StreamView> views;
  for (const OnlineView& view : online->views()) {
    if (view.plan->view().from == source_name) views.push_back({view.plan, view.table.get()});
  }
  if (views.empty()) return Error(Code::kInvalidArgument, Str("no feature view is made from the source '", source_name, "'; stream.source says whose events come"));
  TENON_ASSIGN(const auto lock, files.Lock(platform::JoinPath(OnlineFolder(project), "stream.lock")), "another `features stream` of this project is at work");
  if (wanted.reset) {
    for (const char* end : {"", "-wal", "-shm"}) TENON_TRY(files.Remove(StatePath(project) + end));
  }
  TENON_ASSIGN(auto database, platform::OpenSqlite(StatePath(project)));
  TENON_ASSIGN(auto stream, feature::StreamProcessor::Make(schemas[source_name], views, project.stream.rules, *database));
  Run run(call, *stream, tell);
  TENON_ASSIGN(auto positions, stream->Positions());
  std::int64_t history = 0;
  std::erase_if(positions, [&](const feature::Position& one) {
    if (one.partition == kHistory) history = one.offset;
    return one.partition == kHistory;
  });
  if (wanted.history) TENON_TRY(run.History(rows[source_name], views[0].plan->view().time, history));
  Kinds<feature::EventSourceKind> kinds;
  TENON_TRY(feature::AddAll(kinds));
  TENON_ASSIGN(auto maker, kinds.Create(project.stream.from, project.stream.settings, "stream.from", project.file));
  TENON_ASSIGN(auto source, maker->Start(call, files, project.folder));
  TENON_TRY(source->Seek(positions));
  TENON_TRY(run.Follow(*source, wanted.to_end, project.stream.refresh));
  for (const OnlineView& view : online->views()) TENON_TRY(view.table->Flush());
  return run.Report();
}

Result<std::int64_t> PublishEvents(platform::Files& files, const Project& project, const std::vector<Json>& events, Micros now) {
  TENON_ASSIGN(const std::string folder, LogFolder(project));
  feature::EventLogWriter writer(files, folder, feature::EventLogWriter::Sync::kBatch);
  std::vector<std::string> texts;
  for (const Json& event : events) texts.push_back(event.Dump());
  std::vector<Message> messages;
  for (const std::string& text : texts) messages.push_back({.value = text});
  TENON_ASSIGN(const std::int64_t first, writer.Append(messages, now));
  (void)first;
  return static_cast<std::int64_t>(events.size());
}

Result<std::int64_t> PublishEvents(const Call& call, platform::Files& files, const Project& project, const std::string& path) {
  TENON_ASSIGN(const std::string folder, LogFolder(project));
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file) return Error(Code::kNotFound, Str("there is no file ", path));
  }
  std::istream& in = path == "-" ? std::cin : file;
  feature::EventLogWriter writer(files, folder, feature::EventLogWriter::Sync::kBatch);
  std::int64_t count = 0;
  std::vector<std::string> lines;
  const auto flush = [&]() -> Result<void> {
    std::vector<Message> messages;
    for (const std::string& line : lines) messages.push_back({.value = line});
    if (!messages.empty()) {
      TENON_ASSIGN(const std::int64_t first, writer.Append(messages, call.Now()));
      (void)first;
    }
    count += static_cast<std::int64_t>(lines.size());
    lines.clear();
    return {};
  };
  for (std::string line; std::getline(in, line);) {
    TENON_TRY(call.Check());
    if (!line.empty()) lines.push_back(line);
    if (lines.size() == kBatch) TENON_TRY(flush());
  }
  TENON_TRY(flush());
  return count;
}

Result<std::unique_ptr<platform::Database>> OpenStreamState(const platform::Files& files, const Project& project) {
  if (!files.Exists(StatePath(project))) return Error(Code::kNotFound, Str("no stream was begun in ", project.folder, "; `tenon features stream ", project.folder, "` begins one"));
  return platform::OpenSqlite(StatePath(project), platform::DatabaseAccess::kRead);
}

}  // namespace tenon::pipeline

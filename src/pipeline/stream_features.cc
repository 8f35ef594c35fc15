#include "pipeline/stream_features.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/text.h"
#include "pipeline/stream_shares.h"

namespace tenon::pipeline {
namespace {

using feature::Message;

constexpr std::size_t kBatch = 2000;  // events a transaction
constexpr std::chrono::seconds kPatience{20};  // for a partition that another process is to let go
constexpr int kHistory = -1;          // the partition that the rows of `data:` count as

std::string StatePath(const Project& project) { return platform::JoinPath(OnlineFolder(project), "stream.db"); }

// The states of partitions that processes share: stream-<partition>.db.
std::string SharePath(const Project& project, int partition) { return platform::JoinPath(OnlineFolder(project), Str("stream-", partition, ".db")); }

Result<std::vector<std::string>> SharePaths(const platform::Files& files, const Project& project) {
  std::vector<std::string> out;
  if (!files.Exists(OnlineFolder(project))) return out;
  TENON_ASSIGN(const std::vector<std::string> names, files.List(OnlineFolder(project)));
  for (const std::string& name : names) {
    if (name.starts_with("stream-") && name.ends_with(".db")) out.push_back(platform::JoinPath(OnlineFolder(project), name));
  }
  return out;
}

Result<void> ForgetShares(platform::Files& files, const Project& project) {
  TENON_ASSIGN(const std::vector<std::string> paths, SharePaths(files, project));
  for (const std::string& path : paths) {
    TENON_ASSIGN(const auto lock, files.Lock(path + ".lock"), "--reset: another process of the group is at work");
    for (const char* end : {"", "-wal", "-shm"}) TENON_TRY(files.Remove(path + end));
  }
  return {};
}

Result<std::string> LogFolder(const Project& project) {
  if (project.stream.from != "log") {
    return Error(Code::kFailedPrecondition, Str("the project's stream is '", project.stream.from, "', which takes its events elsewhere; only a log can be published to"));
  }
  return platform::JoinPath(project.folder, project.stream.settings.StringAt("folder", ".tenon/events"));
}

// `Stream`: feature::StreamProcessor, or StreamShares.
template <typename Stream>
class Run {
 public:
  Run(const Call& call, Stream& stream, const std::function<void(const StreamReport&)>& tell) : call_(call), stream_(stream), tell_(tell) {}

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
  Stream& stream_;
  const std::function<void(const StreamReport&)>& tell_;
  StreamReport report_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), told_ = began_;
};

using Tell = std::function<void(const StreamReport&)>;

// One process takes all events, into one state.
Result<StreamReport> Alone(const Call& call, platform::Files& files, const Project& project, const StreamRun& wanted, const Tell& tell, feature::EventSourceKind& maker,
                           std::shared_ptr<const table::Schema> schema, std::vector<feature::StreamView> views, const OnlineRows* history) {
  const std::string time = views[0].plan->view().time;
  TENON_ASSIGN(const auto lock, files.Lock(platform::JoinPath(OnlineFolder(project), "stream.lock")), "another `features stream` of this project is at work");
  if (wanted.reset) {
    for (const char* end : {"", "-wal", "-shm"}) TENON_TRY(files.Remove(StatePath(project) + end));
  }
  TENON_ASSIGN(auto database, platform::OpenSqlite(StatePath(project)));
  TENON_ASSIGN(auto stream, feature::StreamProcessor::Make(std::move(schema), std::move(views), project.stream.rules, *database));
  Run<feature::StreamProcessor> run(call, *stream, tell);
  TENON_ASSIGN(auto positions, stream->Positions());
  std::int64_t taken = 0;
  std::erase_if(positions, [&](const feature::Position& one) {
    if (one.partition == kHistory) taken = one.offset;
    return one.partition == kHistory;
  });
  if (wanted.history) TENON_TRY(run.History(*history, time, taken));
  TENON_ASSIGN(auto source, maker.Start(call, files, project.folder));
  TENON_TRY(source->Seek(positions));
  TENON_TRY(run.Follow(*source, wanted.to_end, project.stream.refresh));
  return run.Report();
}

// The lock of a partition's state: another process of the group may be about to let it go.
Result<std::unique_ptr<platform::FileLock>> LockPart(const Call& call, platform::Files& files, const std::string& path) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    auto lock = files.Lock(path);
    if (lock.ok() || lock.error().code() != Code::kUnavailable || std::chrono::steady_clock::now() > until) return lock;
    TENON_TRY(call.Check());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Processes of a group take partitions, each with a state of its own.
Result<StreamReport> Shared(const Call& call, platform::Files& files, const Project& project, const StreamRun& wanted, const Tell& tell, feature::EventSourceKind& maker,
                            const std::shared_ptr<const table::Schema>& schema, const std::vector<feature::StreamView>& views) {
  if (wanted.history) return Error(Code::kInvalidArgument, "--history: rows of `data:` are of no partition; leave `stream.from.group` out, or publish them to the topic");
  if (wanted.reset) TENON_TRY(ForgetShares(files, project));
  feature::StreamSettings rules = project.stream.rules;
  rules.keyed = true;
  StreamShares shares([&](int partition) -> Result<StreamShares::Share> {
    StreamShares::Share out;
    const std::string path = SharePath(project, partition);
    TENON_ASSIGN(out.lock, LockPart(call, files, path + ".lock"), "another process of the group still works on it");
    TENON_ASSIGN(out.database, platform::OpenSqlite(path));
    TENON_ASSIGN(out.processor, feature::StreamProcessor::Make(schema, views, rules, *out.database));
    return out;
  });
  TENON_ASSIGN(auto source, maker.StartShared(call, shares));
  Run<StreamShares> run(call, shares, tell);
  TENON_TRY(run.Follow(*source, wanted.to_end, project.stream.refresh));
  return run.Report();  // before the source gives its partitions back
}

}  // namespace

Result<StreamReport> StreamFeatures(const Call& call, platform::Files& files, const Project& project, const Kits& kits, const StreamRun& wanted,
                                    const std::function<void(const StreamReport&)>& tell) {
  FeatureRows rows;
  FeatureSchemas schemas;
  if (wanted.history) {
    TENON_ASSIGN(rows, ReadFeatureRows(call, files, project, kits));
    schemas = SchemasOf(rows);
  } else {
    TENON_ASSIGN(schemas, ReadFeatureSchemas(call, files, project, kits));
  }
  const std::string source_name = project.stream.source.empty() ? project.source.name : project.stream.source;
  TENON_ASSIGN(auto online, OnlineFeatures::Open(files, project, schemas));
  std::vector<feature::StreamView> views;
  for (const OnlineView& view : online->views()) {
    if (view.plan->view().from == source_name) views.push_back({view.plan, view.table.get(), view.states.get()});
  }
  if (views.empty()) return Error(Code::kInvalidArgument, Str("no feature view is made from the source '", source_name, "'; stream.source says whose events come"));
  Kinds<feature::EventSourceKind> kinds;
  TENON_TRY(feature::AddAll(kinds));
  TENON_ASSIGN(auto maker, kinds.Create(project.stream.from, project.stream.settings, "stream.from", project.file));
  Result<StreamReport> report = maker->shared() ? Shared(call, files, project, wanted, tell, *maker, schemas[source_name], views)
                                                : Alone(call, files, project, wanted, tell, *maker, schemas[source_name], views, &rows[source_name]);
  if (!report.ok()) return report;
  for (const OnlineView& view : online->views()) {
    if (view.states != nullptr) TENON_TRY(view.states->Flush());
    TENON_TRY(view.table->Flush());
  }
  return report;
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

Result<std::vector<feature::SetAside>> EventsSetAside(const platform::Files& files, const Project& project, std::int64_t most) {
  TENON_ASSIGN(std::vector<std::string> paths, SharePaths(files, project));
  if (files.Exists(StatePath(project))) paths.insert(paths.begin(), StatePath(project));
  if (paths.empty()) return Error(Code::kNotFound, Str("no stream was begun in ", project.folder, "; `tenon features stream ", project.folder, "` begins one"));
  std::vector<feature::SetAside> out;
  for (const std::string& path : paths) {
    TENON_ASSIGN(auto state, platform::OpenSqlite(path, platform::DatabaseAccess::kRead));
    TENON_ASSIGN(auto some, feature::EventsSetAside(*state, most - static_cast<std::int64_t>(out.size())));
    for (feature::SetAside& one : some) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace tenon::pipeline

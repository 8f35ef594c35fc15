#include "pipeline/log_archive.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <thread>

#include "base/mutex.h"
#include "base/text.h"
#include "base/time.h"
#include "pipeline/export_log.h"
#include "platform/priority.h"

namespace tenon::pipeline {
namespace {

using namespace std::chrono_literals;

constexpr Micros kSettled = 5'000'000;  // answers are in the log that long after they were given
constexpr auto kTurnEvery = 1s;
constexpr Micros kDay = 86'400'000'000;

Micros FloorTo(Micros at, Micros step) { return at - ((at % step) + step) % step; }

std::string PartFolder(Micros begin) {
  const DateParts parts = PartsOf(begin);
  char name[40];
  std::snprintf(name, sizeof name, "date=%04d-%02d-%02d", parts.year, parts.month, parts.day);
  return name;
}

std::string PartName(Micros begin) {
  const DateParts parts = PartsOf(begin);
  char name[40];
  std::snprintf(name, sizeof name, parts.second == 0 ? "%02d%02d.parquet" : "%02d%02d%02d.parquet", parts.hour, parts.minute, parts.second);
  return name;
}

class Archive {
 public:
  Archive(const Call& call, platform::Files& files, const ArchivePlan& plan)
      : call_(call), files_(files), plan_(plan), root_(platform::JoinPath(platform::JoinPath(plan.folder, "parquet"), serve::FileWord(plan.endpoint))) {}

  Result<int> Write() {
    int written = 0;
    Micros begin = 0;
    if (files_.Exists(MarkPath())) {
      TENON_ASSIGN(const std::string mark, files_.Read(MarkPath()));
      if (!ParseTimestamp(Trim(mark), &begin)) return Error(Code::kDataLoss, Str(MarkPath(), ": expected the time up to which all is written; remove the file to look at the whole log again"));
    }
    const Micros over = FloorTo(call_.Now() - kSettled, plan_.every.count());
    while (begin < over) {
      TENON_ASSIGN(const auto first, FirstFrom(begin, over));
      if (!first) {
        TENON_TRY(Mark(over));
        break;
      }
      begin = FloorTo(*first, plan_.every.count());
      TENON_ASSIGN(const bool made, WritePart(begin));
      written += made ? 1 : 0;
      begin += plan_.every.count();
      TENON_TRY(Mark(begin));
    }
    return written;
  }

  Result<void> Clear() {
    if (plan_.keep.count() <= 0 || !files_.Exists(root_)) return {};
    TENON_ASSIGN(const std::vector<std::string> days, files_.List(root_));
    for (const std::string& day : days) {
      Micros at = 0;
      if (!day.starts_with("date=") || !ParseTimestamp(std::string_view(day).substr(5), &at) || at + kDay > call_.Now() - plan_.keep.count()) continue;
      const std::string folder = platform::JoinPath(root_, day);
      TENON_ASSIGN(const std::vector<std::string> parts, files_.List(folder));
      for (const std::string& part : parts) TENON_TRY(files_.Remove(platform::JoinPath(folder, part)));
    }
    return {};
  }

 private:
  std::string MarkPath() const { return platform::JoinPath(root_, "written_until"); }

  Result<void> Mark(Micros until) {
    TENON_TRY(files_.MakeFolders(root_));
    return files_.Write(MarkPath(), FormatTimestamp(until) + "\n");
  }

  // When the first answer of that time was given.
  Result<std::optional<Micros>> FirstFrom(Micros from, Micros until) {
    std::optional<Micros> first;
    TENON_TRY(serve::ReadInferenceLog(call_, files_, plan_.folder, plan_.endpoint, from, until, [&](const auto&, const serve::LogEntry& entry) {
      first = entry.at;
      return false;
    }));
    return first;
  }

  Result<bool> WritePart(Micros begin) {
    const std::string folder = platform::JoinPath(root_, PartFolder(begin)), path = platform::JoinPath(folder, PartName(begin));
    if (files_.Exists(path)) return false;
    TENON_TRY(files_.MakeFolders(folder));
    TENON_TRY(ExportLog(call_, files_, plan_.folder, plan_.endpoint, begin, begin + plan_.every.count(), path));
    return true;
  }

  const Call& call_;
  platform::Files& files_;
  const ArchivePlan& plan_;
  const std::string root_;
};

class Archivist final : public LogArchivist {
 public:
  Archivist(platform::Files& files, ArchivePlan plan, std::function<Result<void>()> settle)
      : files_(files), plan_(std::move(plan)), settle_(std::move(settle)), thread_([this](const std::stop_token& stop) { Work(stop); }) {}
  ~Archivist() override {
    {
      const MutexLock lock(mutex_);
      thread_.request_stop();
    }
    changed_.NotifyAll();
  }

  std::int64_t written() const override { return written_; }
  std::optional<Error> Problem() const override {
    const MutexLock lock(mutex_);
    return problem_ ? std::optional<Error>(problem_->Clone()) : std::nullopt;
  }

 private:
  void Work(const std::stop_token& stop) {
    platform::YieldToOthers();
    Call call;
    call.stop = stop;
    Micros looked = 0;
    while (!stop.stop_requested()) {
      const Micros period = FloorTo(call.Now() - kSettled, plan_.every.count());
      bool failed = false;
      if (period != looked) {
        auto turned = Turn(call);
        if (turned) written_ += *turned;
        failed = !turned && !stop.stop_requested();
        if (!failed) looked = period;
        const MutexLock lock(mutex_);
        problem_.reset();
        if (failed) problem_ = std::move(turned).error().Context("writing the inference log as Parquet");
      }
      const auto by = std::chrono::steady_clock::now() + (failed ? 30 * kTurnEvery : kTurnEvery);
      const MutexLock lock(mutex_);
      while (!stop.stop_requested() && changed_.WaitUntil(mutex_, by)) continue;
    }
  }

  // Answers are given to the log at once and written behind: on a busy machine later than anybody would guess.
  Result<int> Turn(const Call& call) {
    TENON_TRY(settle_());
    return ArchiveLog(call, files_, plan_);
  }

  platform::Files& files_;
  const ArchivePlan plan_;
  const std::function<Result<void>()> settle_;
  std::atomic<std::int64_t> written_{0};
  mutable Mutex mutex_;
  Condition changed_;
  std::optional<Error> problem_ TENON_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it starts when all else is there
};

}  // namespace

Result<int> ArchiveLog(const Call& call, platform::Files& files, const ArchivePlan& plan) {
  Archive archive(call, files, plan);
  TENON_ASSIGN(const int written, archive.Write());
  TENON_TRY(archive.Clear());
  return written;
}

std::unique_ptr<LogArchivist> StartLogArchivist(platform::Files& files, ArchivePlan plan, std::function<Result<void>()> settle) {
  return std::make_unique<Archivist>(files, std::move(plan), std::move(settle));
}

}  // namespace tenon::pipeline

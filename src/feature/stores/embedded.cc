// Records in memory that all processes of the machine share, with a log that makes them survive.

#include <algorithm>
#include <array>
#include <thread>

#include "base/mutex.h"
#include "base/text.h"
#include "feature/record_log_internal.h"
#include "feature/record_table_internal.h"

namespace tenon::feature {
namespace {

constexpr std::uint64_t kShortLog = 16 << 20;  // bytes below which a log is not worth shortening
constexpr std::size_t kRewritten = 4096;       // records a frame of a shortened log
constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Sync : std::uint8_t { kBatch, kSecond, kNever };

// Counts who reads, so that a table that was replaced is freed only when nobody looks at it any more. Readers never wait.
class Readers {
 public:
  class Reading {
   public:
    explicit Reading(Readers& readers) : count_(readers.Mine()) { count_.fetch_add(1); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() { count_.fetch_sub(1, std::memory_order_release); }

   private:
    std::atomic<std::int64_t>& count_;
  };
  bool None() const {
    return std::ranges::all_of(counts_, [](const Count& one) { return one.value.load() == 0; });
  }

 private:
  struct alignas(64) Count {
    std::atomic<std::int64_t> value{0};
  };
  std::atomic<std::int64_t>& Mine() {
    thread_local const std::size_t place = std::hash<std::thread::id>{}(std::this_thread::get_id());
    return counts_[place % counts_.size()].value;
  }
  std::array<Count, 16> counts_;
};

class EmbeddedTable final : public OnlineTable {
 public:
  EmbeddedTable(platform::Files& files, std::string folder, const RecordLayout& layout, Sync sync, std::uint64_t reserve)
      : files_(files), folder_(std::move(folder)), layout_(layout), sync_(sync), reserve_(reserve) {}

  Result<void> Start() {
    const MutexLock held(mutex_);
    if (folder_.empty()) return MakeTable({reserve_});
    TENON_TRY(files_.MakeFolders(folder_));
    TENON_ASSIGN(const auto lock, Acquire());
    return Adopt();
  }

  const RecordLayout& layout() const override { return layout_; }

  Result<void> Get(std::span<const std::string_view> keys, Records* out) override {
    for (int look = 0; look < 4; ++look) {
      bool stuck = false;
      {
        const Readers::Reading reading(readers_);
        const RecordTable* table = current_.load();
        if (table->header().replaced.load(std::memory_order_acquire) == 0) {
          if (table->Get(keys, out)) return {};
          stuck = true;
        }
      }
      const MutexLock held(mutex_);
      TENON_ASSIGN(const auto lock, Acquire());
      TENON_TRY(Adopt(), stuck ? "mending a record that its writer left half written" : "opening the table that took the place of this one");
    }
    return Error(Code::kUnavailable, "the table was replaced four times while it was read");
  }

  Result<std::int64_t> Put(std::span<const OnlineEntry> entries, Newest newest) override {
    const MutexLock held(mutex_);
    if (folder_.empty()) return Apply(entries, newest);
    TENON_ASSIGN(const auto lock, Acquire());
    TENON_TRY(Adopt());
    return PutLogged(entries, newest);
  }

  Result<std::int64_t> Expire(Micros before) override {
    const MutexLock held(mutex_);
    std::unique_ptr<platform::FileLock> lock;
    if (!folder_.empty()) {
      TENON_ASSIGN(lock, Acquire());
      TENON_TRY(Adopt());
    }
    std::vector<std::string> keys;
    std::vector<OnlineEntry> entries;
    current_.load()->ForEach([&](const OnlineEntry& entry) {
      if (entry.at >= before) return;
      keys.emplace_back(entry.key);
      entries.push_back({.at = entry.at, .created = entry.created});
    });
    for (std::size_t i = 0; i < keys.size(); ++i) entries[i].key = keys[i];
    for (std::size_t at = 0; at < entries.size(); at += kRewritten) {
      const auto part = std::span<const OnlineEntry>(entries).subspan(at, std::min(kRewritten, entries.size() - at));
      TENON_ASSIGN(const std::int64_t erased, folder_.empty() ? Apply(part, Newest::kEvent) : PutLogged(part, Newest::kEvent));
      (void)erased;
    }
    return static_cast<std::int64_t>(entries.size());
  }

  Result<std::int64_t> Erase(std::span<const std::string_view> keys) override {
    const MutexLock held(mutex_);
    std::unique_ptr<platform::FileLock> lock;
    if (!folder_.empty()) {
      TENON_ASSIGN(lock, Acquire());
      TENON_TRY(Adopt());
    }
    std::vector<OnlineEntry> entries;
    current_.load()->ForEach([&](const OnlineEntry& entry) {
      const auto at = std::ranges::find(keys, entry.key);
      if (at != keys.end()) entries.push_back({.key = *at, .at = entry.at, .created = entry.created});
    });
    TENON_ASSIGN(const std::int64_t erased, folder_.empty() ? Apply(entries, Newest::kEvent) : PutLogged(entries, Newest::kEvent));
    // Their bytes stand in the table and in the log still: both anew, with what stays.
    header().dirty.store(1);
    TENON_TRY(Grow({}));
    if (!folder_.empty()) TENON_TRY(Shorten());
    header().dirty.store(0);
    return erased;
  }

  Result<void> Flush() override {
    const MutexLock held(mutex_);
    if (folder_.empty()) return {};
    TENON_ASSIGN(const auto lock, Acquire());
    TENON_TRY(Adopt());
    return appender_->Sync();
  }

  Result<OnlineStats> Stats() override {
    const Readers::Reading reading(readers_);
    const RecordTable* table = current_.load();
    const TableHeader& header = table->header();
    OnlineStats out;
    out.records = static_cast<std::int64_t>(header.live.load());
    out.bytes = table->bytes();
    out.stored = static_cast<std::int64_t>(header.stored.load());
    out.refused = static_cast<std::int64_t>(header.refused.load());
    out.newest_event = header.newest_event.load();
    out.newest_created = header.newest_created.load();
    return out;
  }

 private:
  std::string PathOf(std::string_view name) const { return platform::JoinPath(folder_, name); }
  std::string LogPath(std::uint64_t number) const { return PathOf(Str("log.", number)); }
  TableHeader& header() const { return current_.load()->header(); }

  // Another process may write just now: waited for, as its batches are short.
  Result<std::unique_ptr<platform::FileLock>> Acquire() TENON_REQUIRES(mutex_) {
    if (folder_.empty()) return std::unique_ptr<platform::FileLock>();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (true) {
      auto lock = files_.Lock(PathOf("lock"));
      if (lock || lock.error().code() != Code::kUnavailable || std::chrono::steady_clock::now() > until) return lock;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  // Makes `current_` the table that is on the disk, whole. Cheap when it is already.
  Result<void> Adopt() TENON_REQUIRES(mutex_) {
    if (folder_.empty()) return {};
    RecordTable* now = current_.load();
    if (now != nullptr && now->header().replaced.load() == 0 && now->header().dirty.load() == 0) {
      return appender_ != nullptr && appended_to_ == now->header().log.load() ? Result<void>() : OpenLog(now->header().log.load());
    }
    auto opened = RecordTable::Open(PathOf("table"), layout_);
    if (opened.ok() && (*opened)->header().dirty.load() == 0 && (*opened)->header().boot == platform::BootId()) {
      const std::uint64_t log = (*opened)->header().log.load();
      Swap(*std::move(opened), false);
      return OpenLog(log);
    }
    // `dirty`: who wrote it was killed. Another start of the machine: its pages may not all have reached the disk.
    return Rebuild();
  }

  Result<void> OpenLog(std::uint64_t number) TENON_REQUIRES(mutex_) {
    TENON_ASSIGN(appender_, files_.Append(LogPath(number)));
    appended_to_ = number;
    return {};
  }

  Result<void> Rebuild() TENON_REQUIRES(mutex_) {
    TENON_ASSIGN(const std::vector<std::string> names, files_.List(folder_));
    std::int64_t newest = -1;
    for (const std::string& name : names) {
      std::int64_t number = 0;
      if (name.starts_with("log.") && ParseInt64(std::string_view(name).substr(4), &number)) newest = std::max(newest, number);
    }
    std::size_t whole = 0;
    std::shared_ptr<const platform::Bytes> bytes;
    if (newest >= 0) {
      TENON_ASSIGN(bytes, files_.Map(LogPath(static_cast<std::uint64_t>(newest))));
    }
    TENON_TRY(MakeTable({reserve_}));
    if (bytes != nullptr) {
      Result<void> failed;
      whole = ReadRecordLog(layout_, bytes->view(), [&](std::span<const OnlineEntry> entries, Newest rule) TENON_REQUIRES(mutex_) -> Result<void> {
        TENON_ASSIGN(const std::int64_t stored, Apply(entries, rule));
        (void)stored;
        return {};
      }, &failed);
      TENON_TRY(std::move(failed));
      if (whole != 0 && whole < bytes->view().size()) {  // torn by whoever died while it wrote
        TENON_TRY(files_.Write(LogPath(static_cast<std::uint64_t>(newest)), bytes->view().substr(0, whole)));
      }
    }
    const std::uint64_t number = static_cast<std::uint64_t>(newest < 0 ? 0 : newest) + (whole == 0 && newest >= 0 ? 1 : 0);
    if (whole == 0) {  // none, or of other features
      const std::string head = RecordLogHead(layout_);
      TENON_TRY(files_.Write(LogPath(number), head));
      whole = head.size();
    }
    header().log.store(number);
    header().applied.store(whole);
    TENON_TRY(OpenLog(number));
    RemoveLogsBefore(number);
    return {};
  }

  void RemoveLogsBefore(std::uint64_t number) TENON_REQUIRES(mutex_) {
    if (auto names = files_.List(folder_); names.ok()) {
      for (const std::string& name : *names) {
        std::int64_t old = 0;
        if (name.starts_with("log.") && ParseInt64(std::string_view(name).substr(4), &old) && old < static_cast<std::int64_t>(number)) {
          if (auto gone = files_.Remove(PathOf(name)); !gone.ok()) return;  // tried again when the log is shortened next
        }
      }
    }
  }

  Result<std::int64_t> PutLogged(std::span<const OnlineEntry> entries, Newest newest) TENON_REQUIRES(mutex_) {
    const std::string frame = RecordFrame(layout_, entries, newest);
    header().dirty.store(1);
    if (auto appended = appender_->Append(frame); !appended) {
      header().dirty.store(0);  // the appender left no half frame
      return std::move(appended).error();
    }
    const auto now = std::chrono::steady_clock::now();
    if (sync_ == Sync::kBatch || (sync_ == Sync::kSecond && now - synced_ > std::chrono::seconds(1))) {
      TENON_TRY(appender_->Sync());
      synced_ = now;
    }
    TENON_ASSIGN(const std::int64_t stored, Apply(entries, newest));
    header().applied.fetch_add(frame.size());
    if (header().applied.load() > std::max<std::uint64_t>(kShortLog, 2 * static_cast<std::uint64_t>(current_.load()->bytes()))) TENON_TRY(Shorten());
    header().dirty.store(0);
    return stored;
  }

  // Begins a new log that has the live records alone.
  Result<void> Shorten() TENON_REQUIRES(mutex_) {
    const std::uint64_t number = header().log.load() + 1;
    const std::string part = PathOf("log.part");
    TENON_TRY(files_.Remove(part));
    TENON_ASSIGN(auto out, files_.Append(part));
    std::string bytes = RecordLogHead(layout_);
    std::uint64_t size = 0;
    std::vector<OnlineEntry> entries;
    Result<void> failed;
    const auto write = [&] {
      if (!entries.empty()) bytes += RecordFrame(layout_, entries, Newest::kEvent);
      size += bytes.size();
      if (failed.ok()) failed = out->Append(bytes);
      bytes.clear();
      entries.clear();
    };
    current_.load()->ForEach([&](const OnlineEntry& entry) {
      entries.push_back(entry);
      if (entries.size() == kRewritten) write();
    });
    write();
    TENON_TRY(std::move(failed));
    TENON_TRY(out->Sync());
    TENON_TRY(files_.Rename(part, LogPath(number)));
    header().log.store(number);
    header().applied.store(size);
    TENON_TRY(OpenLog(number));
    RemoveLogsBefore(number);
    return {};
  }

  Result<std::int64_t> Apply(std::span<const OnlineEntry> entries, Newest newest) TENON_REQUIRES(mutex_) {
    std::int64_t stored = 0;
    for (const OnlineEntry& entry : entries) {
      RecordTable::Put put;
      while ((put = current_.load()->Store(entry, newest)) == RecordTable::Put::kFull) TENON_TRY(Grow(entry));
      if (put == RecordTable::Put::kStored) ++stored;
    }
    return stored;
  }

  // A larger table with the same records takes the place of this one.
  Result<void> Grow(const OnlineEntry& next) TENON_REQUIRES(mutex_) {
    RecordTable* old = current_.load();
    const TableHeader& was = old->header();
    RecordTable::Size size;
    const std::uint64_t live = was.live.load();
    size.capacity = was.used.load() < was.capacity ? was.capacity : std::max<std::uint64_t>(live * 2, was.capacity);
    size.heap = 2 * (was.heap_used.load() - was.heap_wasted.load() + next.texts.size() + next.key.size() + 4096);
    TENON_ASSIGN(auto table, NewTable(size));
    bool fits = true;
    old->ForEach([&](const OnlineEntry& entry) { fits = fits && table->Store(entry, Newest::kEvent) == RecordTable::Put::kStored; });
    if (!fits) return Error(Code::kInternal, "a table with twice the room has none");
    TableHeader& now = table->header();
    now.stored.store(was.stored.load());
    now.refused.store(was.refused.load());
    now.newest_event.store(was.newest_event.load());
    now.newest_created.store(was.newest_created.load());
    now.log.store(was.log.load());
    now.applied.store(was.applied.load());
    now.dirty.store(was.dirty.load());
    return Place(std::move(table));
  }

  Result<std::unique_ptr<RecordTable>> NewTable(RecordTable::Size size) TENON_REQUIRES(mutex_) {
    const std::string path = folder_.empty() ? "" : PathOf("table.new");
    if (!path.empty()) TENON_TRY(files_.Remove(path));
    return RecordTable::Create(path, layout_, size);
  }

  Result<void> MakeTable(RecordTable::Size size) TENON_REQUIRES(mutex_) {
    TENON_ASSIGN(auto table, NewTable(size));
    return Place(std::move(table));
  }

  Result<void> Place(std::unique_ptr<RecordTable> table) TENON_REQUIRES(mutex_) {
    if (!folder_.empty()) {
      const auto old = platform::OpenSharedFile(PathOf("table"));  // mapped by other processes, too
      TENON_TRY(files_.Rename(PathOf("table.new"), PathOf("table")));
      if (old.ok()) RecordTable::MarkReplaced(**old);
    }
    Swap(std::move(table), true);
    return {};
  }

  void Swap(std::unique_ptr<RecordTable> table, bool replaces) TENON_REQUIRES(mutex_) {
    RecordTable* old = current_.exchange(table.get());
    if (old != nullptr && replaces) old->header().replaced.store(1);
    tables_.push_back(std::move(table));
    while (tables_.size() > 1 && readers_.None()) tables_.erase(tables_.begin());
  }

  platform::Files& files_;
  const std::string folder_;  // "": in memory alone
  const RecordLayout layout_;
  const Sync sync_;
  const std::uint64_t reserve_;
  Mutex mutex_;
  std::atomic<RecordTable*> current_{nullptr};
  std::vector<std::unique_ptr<RecordTable>> tables_ TENON_GUARDED_BY(mutex_);  // the last one is current_
  Readers readers_;
  std::unique_ptr<platform::Appender> appender_ TENON_GUARDED_BY(mutex_);
  std::uint64_t appended_to_ TENON_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point synced_ TENON_GUARDED_BY(mutex_);
};

class EmbeddedStore final : public OnlineStore {
 public:
  EmbeddedStore(platform::Files& files, std::string folder, Sync sync, std::uint64_t reserve)
      : files_(files), folder_(std::move(folder)), sync_(sync), reserve_(reserve) {}
  Result<std::unique_ptr<OnlineTable>> Open(std::string_view name, const RecordLayout& layout) override {
    auto table = std::make_unique<EmbeddedTable>(files_, folder_.empty() ? "" : platform::JoinPath(folder_, name), layout, sync_, reserve_);
    TENON_TRY(table->Start(), Str("opening the online table '", name, "'"));
    return table;
  }

 private:
  platform::Files& files_;
  const std::string folder_;
  const Sync sync_;
  const std::uint64_t reserve_;
};

class Embedded final : public OnlineStoreKind {
 public:
  explicit Embedded(const Options& options)
      : sync_(options.Text("sync") == "batch" ? Sync::kBatch : options.Text("sync") == "second" ? Sync::kSecond : Sync::kNever),
        reserve_(static_cast<std::uint64_t>(options.Int("reserve"))), disk_(options.Bool("disk")) {}
  Result<std::unique_ptr<OnlineStore>> Start(platform::Files& files, const std::string& folder) override {
    return std::make_unique<EmbeddedStore>(files, disk_ ? folder : "", sync_, reserve_);
  }

 private:
  Sync sync_;
  std::uint64_t reserve_;
  bool disk_;
};

}  // namespace

Result<void> AddEmbedded(Kinds<OnlineStoreKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("embedded",
                   {.summary = "Keep records in memory that the processes of one machine share, with a log",
                    .when = "One machine serves, and its memory holds the records; for several machines use redis",
                    .example = R"({"sync": "second", "reserve": 1024})",
                    .options = {{"sync", Type::kText, "second", "When a batch is safe from a power cut: at its end, within a second, or when the system likes", -kInfinity, kInfinity, {"batch", "second", "never"}},
                                {"reserve", Type::kInt, 1024, "Records to make room for at the start, per view", 16, 1e9},
                                {"disk", Type::kBool, true, "false: nothing is kept when the process ends, and no other one sees it"}}},
                   [](const Options& options) -> Result<std::unique_ptr<OnlineStoreKind>> { return std::make_unique<Embedded>(options); });
}

}  // namespace tenon::feature

#include "serve/inference_log.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/text.h"
#include "platform/byte_ring.h"
#include "serve/log_counts_internal.h"
#include "serve/log_format_internal.h"

namespace tenon::serve {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSegmentBytes = 64 << 20;
constexpr auto kRest = 50ms;      // between looks at the rings
constexpr auto kSyncEvery = 1s;
constexpr auto kClearEvery = 30s;
constexpr std::size_t kMostKnown = 64;

// What the answers of one version at one endpoint are filed under.
struct Stream {
  std::string endpoint;
  std::string model;
  std::string schema;  // the record that goes before its answers
};

// One endpoint's file that is being written. The writer's thread only.
struct Segment {
  std::string path;
  std::unique_ptr<platform::Appender> file;
  std::uint64_t bytes = 0;
  std::string waiting;   // records not handed to the file yet
  std::int64_t records = 0;
  Micros newest = 0;     // of them
  std::optional<std::uint32_t> stream;  // whose schema was written last
  bool unsynced = false;
};

// What a thread keeps of a log: its ring, and the streams of the versions it logged. It cannot be a member of the log,
// since only the thread itself may look without a lock.
struct ThreadPart {
  struct Known {
    std::string endpoint, model;
    std::size_t fields = 0;
    std::uint32_t stream = 0;
    Keepings keepings;  // empty: all fields as they are
    LiveCounts::Cell* cell = nullptr;
  };
  std::uint64_t log = 0;
  std::shared_ptr<platform::ByteRing> ring;
  std::unordered_map<const Served*, Known> streams;
  std::unordered_map<std::string, LiveCounts::Cell*> cells;  // by endpoint
  std::string record;
};
struct ThreadParts {
  std::vector<std::unique_ptr<ThreadPart>> parts;
  ~ThreadParts() {
    for (auto& part : parts) part->ring->left.store(true, std::memory_order_release);
  }
};
thread_local ThreadParts thread_parts;

class SegmentedLog final : public InferenceLog {
 public:
  SegmentedLog(platform::Files& files, std::string folder, std::uint64_t id, LogOptions options, std::unique_ptr<LiveCounts> counts, std::vector<MissingAnswers> missing)
      : files_(files), folder_(std::move(folder)), id_(id), options_(std::move(options)), missing_(std::move(missing)), counts_(std::move(counts)), writer_([this] { Write(); }) {}

  ~SegmentedLog() override {
    {
      const MutexLock lock(mutex_);
      ending_ = true;
    }
    wake_.NotifyAll();
    writer_.join();
    const MutexLock lock(mutex_);
    for (auto& ring : rings_) ring->closed.store(true, std::memory_order_release);
  }

  void Add(const Served& served, std::string_view request_id, Micros at, const Row& row,
           const model::Prediction& prediction, Rung rung, bool staged) override {
    if (options_.sample < 1 && static_cast<double>(Hash64(request_id, 0x10c) >> 11) * 0x1p-53 >= options_.sample) return;
    ThreadPart& part = OwnPart();
    const ThreadPart::Known& known = StreamOf(served, part);
    part.record.clear();
    AppendAnswer(served, known.keepings, options_.hash_key, request_id, at, row, prediction, rung, staged, &part.record);
    known.cell->Given(at);
    if (!part.ring->Put(known.stream, part.record)) dropped_.fetch_add(1, std::memory_order_relaxed);
  }

  std::int64_t dropped() const override { return dropped_.load(std::memory_order_relaxed); }
  std::int64_t removed_bytes() const override { return removed_.load(std::memory_order_relaxed); }
  std::vector<MissingAnswers> missing() const override { return missing_; }
  std::int64_t written() const override { return written_.load(std::memory_order_relaxed); }

  Result<void> Flush() override {
    const MutexLock lock(mutex_);
    const std::uint64_t wanted = ++flush_wanted_;
    wake_.NotifyAll();
    while (flush_done_ < wanted) flushed_.Wait(mutex_);
    if (failure_.has_value()) {
      Error error = std::move(*failure_);
      failure_.reset();
      return error;
    }
    return {};
  }

 private:
  ThreadPart& OwnPart() {
    for (auto& part : thread_parts.parts) {
      if (part->log == id_) return *part;
    }
    std::erase_if(thread_parts.parts, [](const auto& part) { return part->ring->closed.load(std::memory_order_acquire); });
    auto part = std::make_unique<ThreadPart>();
    part->log = id_;
    part->ring = std::make_shared<platform::ByteRing>();
    thread_parts.parts.push_back(std::move(part));
    const MutexLock lock(mutex_);
    rings_.push_back(thread_parts.parts.back()->ring);
    return *thread_parts.parts.back();
  }

  // A version may be gone and another at its address: the names decide.
  const ThreadPart::Known& StreamOf(const Served& served, ThreadPart& part) {
    // Versions that are gone leave their names here: forgotten when they are many, as those that answer come again.
    if (part.streams.size() >= kMostKnown && !part.streams.contains(&served)) part.streams.clear();
    ThreadPart::Known& known = part.streams[&served];
    if (known.endpoint == served.endpoint && known.model == served.model && known.fields == served.fields.size() &&
        known.fields != 0) {
      return known;
    }
    Stream stream{served.endpoint, served.model, {}};
    Keepings keepings = KeepingsOf(served.fields);
    AppendSchema(served, keepings, &stream.schema);
    const MutexLock lock(mutex_);
    std::uint32_t number = 0;
    while (number < streams_.size() && (streams_[number].endpoint != stream.endpoint || streams_[number].schema != stream.schema)) {
      ++number;
    }
    if (number == streams_.size()) streams_.push_back(std::move(stream));
    LiveCounts::Cell*& cell = part.cells[served.endpoint];
    if (cell == nullptr) {
      cell = counts_->Join(served.endpoint);
      cells_[part.ring.get()].push_back(cell);
    }
    known = {served.endpoint, served.model, served.fields.size(), number, std::move(keepings), cell};
    return known;
  }

  Keepings KeepingsOf(const std::vector<Served::Field>& fields) const {
    if (options_.drop.empty() && options_.hash.empty()) return {};
    Keepings keepings;
    for (const Served::Field& field : fields) {
      const bool dropped = std::ranges::find(options_.drop, field.name) != options_.drop.end();
      const bool hashed = std::ranges::find(options_.hash, field.name) != options_.hash.end();
      // What is to be hashed and is no text cannot be: it is left out rather than written in clear.
      keepings.push_back(dropped || (hashed && field.type != table::Type::kString) ? Keeping::kDropped : hashed ? Keeping::kHashed : Keeping::kWhole);
    }
    return keepings;
  }

  // The writer's thread.
  void Write() {
    auto synced = std::chrono::steady_clock::now(), cleared = synced - kClearEvery;
    bool busy = false;
    while (true) {
      std::uint64_t wanted = 0;
      bool ending = false;
      std::vector<std::shared_ptr<platform::ByteRing>> rings;
      {
        const MutexLock lock(mutex_);
        const auto rested = std::chrono::steady_clock::now() + kRest;
        while (!busy && !ending_ && flush_wanted_ <= flush_done_ && wake_.WaitUntil(mutex_, rested)) continue;
        wanted = flush_wanted_;
        ending = ending_;
        rings = rings_;
      }
      busy = Drain(rings) > platform::ByteRing::kUsualBytes / 4;
      const auto now = std::chrono::steady_clock::now();
      if (ending || wanted > done_ || now - synced >= kSyncEvery) {
        Sync();
        if (counts_->WantedClosed()) CloseAll();
        static_cast<void>(counts_->Keep());  // on a full disk the one that is there is older, and no less true
        synced = now;
      }
      if ((options_.keep.count() > 0 || options_.keep_bytes > 0) && (ending || now - cleared >= kClearEvery)) {
        Clear();
        cleared = now;
      }
      if (wanted > done_) {
        const MutexLock lock(mutex_);
        flush_done_ = done_ = wanted;
        flushed_.NotifyAll();
      }
      if (ending) return;
    }
  }

  std::uint64_t Drain(const std::vector<std::shared_ptr<platform::ByteRing>>& rings) {
    std::uint64_t most = 0;
    for (const auto& ring : rings) {
      const bool left = ring->left.load(std::memory_order_acquire);
      most = std::max(most, ring->Take([this](std::uint32_t stream, std::string_view record) { File(stream, record); }));
      if (!left) continue;
      const MutexLock lock(mutex_);
      std::erase(rings_, ring);
      for (LiveCounts::Cell* cell : cells_[ring.get()]) counts_->Leave(cell);
      cells_.erase(ring.get());
    }
    for (auto& [endpoint, segment] : segments_) HandOver(endpoint, segment);
    return most;
  }

  // Puts a record behind the others of its endpoint, its schema before it where that changed.
  void File(std::uint32_t number, std::string_view record) {
    const Stream& stream = StreamNumber(number);
    Segment& segment = segments_[stream.endpoint];
    if (segment.bytes + segment.waiting.size() + record.size() > kSegmentBytes && segment.bytes != 0) {
      HandOver(stream.endpoint, segment);
      Close(segment);
    }
    if (segment.file == nullptr && !Open(stream.endpoint, AtOf(record), segment)) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (segment.stream != number) {
      segment.waiting += stream.schema;
      segment.stream = number;
    }
    segment.waiting += record;
    segment.newest = std::max(segment.newest, AtOf(record));
    ++segment.records;
  }

  const Stream& StreamNumber(std::uint32_t number) {
    if (number != cached_number_) {
      const MutexLock lock(mutex_);
      cached_ = streams_[number];
      cached_number_ = number;
    }
    return cached_;
  }

  // A segment is named by the time of its first answer, so that segments sort by age.
  bool Open(const std::string& endpoint, Micros start, Segment& segment) {
    segment.path = platform::JoinPath(folder_, SegmentName(endpoint, start));
    while (files_.Exists(segment.path)) segment.path = platform::JoinPath(folder_, SegmentName(endpoint, ++start));
    counts_->Begun(endpoint, start);  // before it is there: whoever finds it knows whose it is
    auto file = files_.Append(segment.path);
    if (!file.ok()) {
      counts_->Begun(endpoint, 0);
      Remember(std::move(file).error());
      return false;
    }
    segment.file = *std::move(file);
    segment.bytes = 0;
    segment.waiting = kLogMagic;
    segment.stream.reset();
    return true;
  }

  void HandOver(const std::string& endpoint, Segment& segment) {
    if (segment.file == nullptr || segment.waiting.empty()) return;
    if (auto appended = segment.file->Append(segment.waiting); appended.ok()) {
      segment.bytes += segment.waiting.size();
      segment.unsynced = true;
      written_.fetch_add(segment.records, std::memory_order_relaxed);
      counts_->Written(endpoint, segment.bytes, segment.records, segment.newest);
      segment.waiting.clear();
      segment.records = 0;
    } else {
      dropped_.fetch_add(segment.records, std::memory_order_relaxed);
      Remember(std::move(appended).error());
      Close(segment);  // its end may be half a record: what follows goes to a new one
    }
  }

  void Close(Segment& segment) {
    if (segment.file != nullptr && segment.unsynced) {
      if (auto synced = segment.file->Sync(); !synced.ok()) Remember(std::move(synced).error());
    }
    segment.file.reset();
    segment.waiting.clear();
    segment.records = 0;
    segment.bytes = 0;
    segment.unsynced = false;
  }

  void CloseAll() {
    for (auto& [endpoint, segment] : segments_) {
      Close(segment);
      counts_->Begun(endpoint, 0);
    }
    counts_->Closed();
  }

  void Sync() {
    for (auto& [endpoint, segment] : segments_) {
      if (!segment.unsynced) continue;
      if (auto synced = segment.file->Sync(); !synced.ok()) Remember(std::move(synced).error());
      segment.unsynced = false;
    }
  }

  // Removes what is too old or too much, whole segments at a time, never one that is being written.
  void Clear() {
    const auto names = files_.List(folder_);
    if (!names) return;
    struct Old {
      std::int64_t changed;
      std::int64_t bytes;
      std::string path;
    };
    std::vector<Old> segments;
    std::int64_t all = 0;
    for (const std::string& name : *names) {
      if (!name.ends_with(".log")) continue;
      const std::string path = platform::JoinPath(folder_, name);
      const auto info = files_.Info(path);
      if (!info) continue;
      all += static_cast<std::int64_t>(info->bytes);
      const bool open = std::ranges::any_of(segments_, [&](const auto& entry) { return entry.second.file != nullptr && entry.second.path == path; });
      if (!open) segments.push_back({info->modified, static_cast<std::int64_t>(info->bytes), path});
    }
    std::ranges::sort(segments, {}, &Old::changed);
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    for (const Old& segment : segments) {
      const bool too_old = options_.keep.count() > 0 && segment.changed < now - options_.keep.count();
      if (!too_old && (options_.keep_bytes <= 0 || all <= options_.keep_bytes)) continue;
      if (auto gone = files_.Remove(segment.path); !gone) {
        Remember(std::move(gone).error());
        continue;
      }
      all -= segment.bytes;
      removed_.fetch_add(segment.bytes, std::memory_order_relaxed);
    }
    if (options_.keep.count() > 0) ForgetMissing(files_, folder_, now - options_.keep.count());
  }

  void Remember(Error error) {
    const MutexLock lock(mutex_);
    failure_ = std::move(error).Context("writing the inference log");
  }

  platform::Files& files_;
  const std::string folder_;
  const std::uint64_t id_;
  const LogOptions options_;
  const std::vector<MissingAnswers> missing_;
  const std::unique_ptr<LiveCounts> counts_;
  std::atomic<std::int64_t> dropped_{0}, written_{0}, removed_{0};

  Mutex mutex_;
  Condition wake_, flushed_;
  std::vector<std::shared_ptr<platform::ByteRing>> rings_ TENON_GUARDED_BY(mutex_);
  std::vector<Stream> streams_ TENON_GUARDED_BY(mutex_);
  std::map<const platform::ByteRing*, std::vector<LiveCounts::Cell*>> cells_ TENON_GUARDED_BY(mutex_);  // that its thread counts in
  std::optional<Error> failure_ TENON_GUARDED_BY(mutex_);
  std::uint64_t flush_wanted_ TENON_GUARDED_BY(mutex_) = 0, flush_done_ TENON_GUARDED_BY(mutex_) = 0;
  bool ending_ TENON_GUARDED_BY(mutex_) = false;

  // The writer's thread only:
  std::map<std::string, Segment> segments_;  // by endpoint
  std::uint32_t cached_number_ = 0xffffffff;
  Stream cached_;
  std::uint64_t done_ = 0;
  std::thread writer_;  // last: it starts when all else is there
};

// The segments of an endpoint, oldest first, with the time each began.
Result<std::vector<std::pair<Micros, std::string>>> SegmentsOf(platform::Files& files, const std::string& folder,
                                                               std::string_view endpoint) {
  std::vector<std::pair<Micros, std::string>> segments;
  if (!files.Exists(folder)) return segments;
  TENON_ASSIGN(auto names, files.List(folder));
  const std::string prefix = FileWord(endpoint) + "-";
  for (const std::string& name : names) {
    std::int64_t start = 0;
    if (!name.starts_with(prefix) || !name.ends_with(".log")) continue;
    if (!ParseInt64(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - 4), &start)) continue;
    segments.emplace_back(start, platform::JoinPath(folder, name));
  }
  std::ranges::sort(segments);
  return segments;
}

}  // namespace

Result<void> CheckLogOptions(const LogOptions& options, const std::vector<Served::Field>& fields) {
  std::vector<std::string> names;
  for (const Served::Field& field : fields) names.push_back(field.name);
  for (const auto* list : {&options.drop, &options.hash}) {
    for (const std::string& name : *list) {
      const auto at = std::ranges::find(fields, name, &Served::Field::name);
      if (at == fields.end()) return Error(Code::kInvalidArgument, Str("the log cannot redact '", name, "': no such field", DidYouMean(name, names)));
      if (list == &options.hash && at->type != table::Type::kString) {
        return Error(Code::kInvalidArgument, Str("the log cannot hash '", name, "', a ", table::NameOf(at->type), ": only texts are hashed; drop it instead"));
      }
    }
  }
  if (!options.hash.empty() && options.hash_key.size() < 16) return Error(Code::kInvalidArgument, "hashing fields of the log needs a key of at least 16 bytes");
  return {};
}

Result<std::unique_ptr<InferenceLog>> OpenInferenceLog(platform::Files& files, const std::string& folder, LogOptions options) {
  static std::atomic<std::uint64_t> opened{0};  // tells a thread's parts of different logs apart, even at one address
  TENON_TRY(files.MakeFolders(folder), "opening the inference log");
  // Counts that cannot be read are no reason not to answer: `tenon doctor` tells of them.
  const auto fresh = SettleLog(files, folder);
  auto found = FindMissing(files, folder);
  std::vector<MissingAnswers> missing = found.ok() ? *std::move(found) : std::vector<MissingAnswers>();
  for (MissingAnswers& one : missing) {
    one.fresh = fresh.ok() && std::ranges::any_of(*fresh, [&](const MissingAnswers& other) { return other.started == one.started && other.endpoint == one.endpoint; });
  }
  TENON_ASSIGN(auto counts, LiveCounts::Open(files, folder));
  return std::unique_ptr<InferenceLog>(std::make_unique<SegmentedLog>(files, folder, ++opened, std::move(options), std::move(counts), std::move(missing)));
}

Result<LogReport> ReadInferenceLog(const Call& call, platform::Files& files, const std::string& folder,
                                   std::string_view endpoint, Micros from, Micros until,
                                   const std::function<bool(const std::vector<Served::Field>&, const LogEntry&)>& each) {
  using Found = SegmentReader::Found;
  LogReport report;
  TENON_ASSIGN(auto segments, SegmentsOf(files, folder, endpoint), "reading the inference log");
  for (std::size_t s = 0; s < segments.size(); ++s) {
    // Entries are filed within moments of being made: a segment that began long after `until` has none of them.
    constexpr Micros kSlack = 60'000'000;
    if (segments[s].first - kSlack > until) break;
    if (s + 1 < segments.size() && segments[s + 1].first < from - kSlack && from > 0) continue;
    const std::string& path = segments[s].second;
    TENON_ASSIGN(auto bytes, files.Map(path), "reading the inference log");
    SegmentReader reader(bytes->view());
    for (std::int64_t n = 0;; ++n) {
      if (n % 4096 == 0) TENON_TRY(call.Check());
      const Found found = reader.Next();
      if (found == Found::kEnd) break;
      if (found == Found::kTorn) {
        report.torn_bytes += static_cast<std::int64_t>(bytes->view().size() - reader.at());
        break;
      }
      if (found == Found::kDamaged) {
        return Error(Code::kDataLoss, Str("the inference log ", path, " is damaged at byte ", reader.at(),
                                          "; move the file away to read the others"));
      }
      if (found != Found::kAnswer || reader.entry().at < from || reader.entry().at >= until) continue;
      ++report.entries;
      if (!each(reader.fields(), reader.entry())) return report;
    }
  }
  return report;
}

}  // namespace tenon::serve

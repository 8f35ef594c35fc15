#include "serve/log_counts.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <thread>

#include "base/json.h"
#include "base/text.h"
#include "serve/log_counts_internal.h"
#include "serve/log_format_internal.h"

namespace tenon::serve {
namespace {

constexpr std::string_view kCounts = "counts-", kMissing = "missing-", kEnd = ".json";
constexpr std::string_view kMemoryFolder = "/dev/shm";  // its pages are never written back, which would make a thread that counts wait
constexpr std::string_view kMagic = "TNLOGCT1";
constexpr std::uint32_t kMostEndpoints = 256, kMostCells = 2048;
constexpr std::size_t kMostName = 248;

Micros NowMicros() { return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// What is known of one endpoint's answers of one process.
struct Count {
  std::string endpoint;
  std::int64_t given = 0, written = 0;
  Micros given_until = 0, written_until = 0;
  Micros segment = 0;       // the number in its name; 0: none was begun
  std::uint64_t bytes = 0;  // of the segment, in which `written` ends
};
struct Account {
  std::string live, boot;
  Micros started = 0;
  bool whole = true;  // all that was given is counted
  std::vector<Count> counts;
};

std::string ToText(const Account& account) {
  Json out;
  out["live"] = account.live;
  out["boot"] = account.boot;
  out["started"] = account.started;
  out["whole"] = account.whole;
  out["endpoints"] = Json::MakeArray();
  for (const Count& one : account.counts) {
    Json row;
    row["endpoint"] = one.endpoint;
    row["given"] = one.given;
    row["given_until"] = one.given_until;
    row["written"] = one.written;
    row["written_until"] = one.written_until;
    row["segment"] = one.segment;
    row["bytes"] = one.bytes;
    out["endpoints"].Push(std::move(row));
  }
  return out.Dump() + "\n";
}

Result<Account> ReadAccount(const platform::Files& files, const std::string& path) {
  TENON_ASSIGN(const std::string text, files.Read(path));
  TENON_ASSIGN(const Json json, Json::Parse(text, path));
  const Json* list = json.Find("endpoints");
  if (list == nullptr || !list->is_array()) return Error(Code::kDataLoss, Str(path, " is damaged; remove it: then nobody knows what a killed process did not write"));
  Account out{json.StringAt("live"), json.StringAt("boot"), json.IntAt("started"), json.BoolAt("whole", true), {}};
  for (const Json& row : list->array()) {
    out.counts.push_back({row.StringAt("endpoint"), row.IntAt("given"), row.IntAt("written"), row.IntAt("given_until"), row.IntAt("written_until"), row.IntAt("segment"),
                          static_cast<std::uint64_t>(std::max<std::int64_t>(row.IntAt("bytes"), 0))});
  }
  return out;
}

// The memory: a header, the endpoints, the cells. Of one machine, so in its own byte order.
struct Header {
  char magic[8];
  std::atomic<std::uint32_t> endpoints, cells, overflow;
  std::uint32_t none;
  std::int64_t started;
  char boot[64];
};
struct Place {
  std::atomic<std::int64_t> segment, written, until;
  std::atomic<std::uint64_t> bytes;
};
// `turn` says which of the two places counts: the writer fills the other one and turns, so that the numbers that are found after a kill
// belong together.
struct Endpoint {
  std::atomic<std::uint32_t> turn, size;
  Place places[2];
  char name[kMostName];
};
using Cell = LiveCounts::Cell;

constexpr std::size_t kHeaderBytes = 256, kCellsAt = kHeaderBytes + kMostEndpoints * sizeof(Endpoint), kMemoryBytes = kCellsAt + kMostCells * sizeof(Cell);
static_assert(sizeof(Header) <= kHeaderBytes && sizeof(Endpoint) % 64 == 0 && sizeof(Cell) == 64 && std::atomic<std::int64_t>::is_always_lock_free);

Header& HeaderOf(platform::SharedFile& memory) { return *reinterpret_cast<Header*>(memory.data()); }
Endpoint& EndpointAt(platform::SharedFile& memory, std::uint32_t number) { return *reinterpret_cast<Endpoint*>(memory.data() + kHeaderBytes + number * sizeof(Endpoint)); }
Cell& CellAt(platform::SharedFile& memory, std::uint32_t number) { return *reinterpret_cast<Cell*>(memory.data() + kCellsAt + number * sizeof(Cell)); }

// Where a process's memory may be, best first.
std::array<std::string, 2> PlacesOf(const std::string& folder, std::string_view id) {
  return {platform::JoinPath(kMemoryFolder, Str("tenon-", kCounts, id)), platform::JoinPath(folder, Str(kCounts, id, ".live"))};
}

// Where what stands beside the segments says that it is. The folder may be a stranger's: a path that is not of that process's own making
// would be read and removed in the name of whoever opens the log. "": nowhere.
std::string LiveOf(const std::string& folder, std::string_view id, std::string_view said) {
  const auto places = PlacesOf(folder, id);
  if (said == places[0]) return places[0];
  return platform::NameOf(said) == platform::NameOf(places[1]) ? places[1] : "";  // the folder may have another name by now
}

// What the memory says; data_loss when it is none.
Result<Account> AccountOf(platform::SharedFile& memory, const std::string& path) {
  const Header& header = HeaderOf(memory);
  if (memory.size() != kMemoryBytes || std::memcmp(header.magic, kMagic.data(), kMagic.size()) != 0) return Error(Code::kDataLoss, Str(path, " holds no counts"));
  Account out;
  out.live = path;
  out.boot = std::string(header.boot, ::strnlen(header.boot, sizeof header.boot));
  out.started = header.started;
  out.whole = header.overflow.load() == 0;
  const std::uint32_t endpoints = std::min(header.endpoints.load(std::memory_order_acquire), kMostEndpoints), cells = std::min(header.cells.load(std::memory_order_acquire), kMostCells);
  for (std::uint32_t i = 0; i < endpoints; ++i) {
    const Endpoint& one = EndpointAt(memory, i);
    const Place& place = one.places[one.turn.load(std::memory_order_acquire) & 1];
    out.counts.push_back({std::string(one.name, std::min<std::size_t>(one.size.load(), kMostName)), 0, place.written.load(), 0, place.until.load(), place.segment.load(), place.bytes.load()});
  }
  for (std::uint32_t i = 0; i < cells; ++i) {
    const Cell& cell = CellAt(memory, i);
    const std::uint32_t number = cell.endpoint.load();
    if (number == 0 || number > endpoints) continue;
    Count& count = out.counts[number - 1];
    count.given += cell.given.load();
    count.given_until = std::max(count.given_until, cell.until.load());
  }
  return out;
}

// What a process that is gone left: by its memory where that is still there, else by what stands beside the segments.
struct Left {
  Account account;
  bool exact = false;
};
Result<Left> ReadLeft(const platform::Files& files, const std::string& folder, std::string_view id) {
  TENON_ASSIGN(Account kept, ReadAccount(files, platform::JoinPath(folder, Str(kCounts, id, kEnd))));
  kept.live = LiveOf(folder, id, kept.live);
  if (!kept.live.empty() && kept.boot == platform::BootId()) {
    if (auto memory = platform::OpenOwnFile(kept.live); memory.ok()) {
      if (auto account = AccountOf(**memory, kept.live); account.ok() && account->started == kept.started) return Left{*std::move(account), true};
    }
  }
  return Left{std::move(kept), false};
}

// What of it is in no segment. The segment may hold more than was counted: a process is killed between writing and counting, too.
Result<std::vector<MissingAnswers>> MissingFrom(const platform::Files& files, const std::string& folder, const Left& left) {
  std::vector<MissingAnswers> out;
  for (const Count& one : left.account.counts) {
    std::int64_t written = one.written;
    Micros until = one.written_until;
    const std::string path = platform::JoinPath(folder, SegmentName(one.endpoint, one.segment));
    if (one.segment != 0 && files.Exists(path)) {
      TENON_ASSIGN(const auto bytes, files.Map(path));
      written += CountAnswers(bytes->view(), static_cast<std::size_t>(one.bytes), &until);
    }
    const std::int64_t missing = std::max<std::int64_t>(one.given - written, 0);
    const bool exact = left.exact && left.account.whole;
    if (missing == 0 && (exact || one.given == 0)) continue;
    out.push_back({.endpoint = one.endpoint, .answers = missing, .why = exact ? MissingAnswers::Why::kKilled : MissingAnswers::Why::kUnknown,
                   .from = std::min(until == 0 ? left.account.started : until, one.given_until), .until = one.given_until, .started = left.account.started});
  }
  return out;
}

Result<void> WriteMissing(platform::Files& files, const std::string& folder, std::string_view id, const std::vector<MissingAnswers>& missing) {
  if (missing.empty()) return {};
  Json list = Json::MakeArray();
  for (const MissingAnswers& one : missing) {
    Json row;
    row["endpoint"] = one.endpoint;
    row["answers"] = one.answers;
    row["why"] = NameOf(one.why);
    row["from"] = FormatTimestamp(one.from);
    row["until"] = FormatTimestamp(one.until);
    row["started"] = FormatTimestamp(one.started);
    list.Push(std::move(row));
  }
  return files.Write(platform::JoinPath(folder, Str(kMissing, id, kEnd)), list.Pretty());
}

Result<std::vector<MissingAnswers>> ReadMissing(const platform::Files& files, const std::string& path) {
  TENON_ASSIGN(const std::string text, files.Read(path));
  TENON_ASSIGN(const Json json, Json::Parse(text, path));
  if (!json.is_array()) return Error(Code::kDataLoss, Str(path, " is damaged; remove it to forget what it says"));
  std::vector<MissingAnswers> out;
  for (const Json& row : json.array()) {
    MissingAnswers one{.endpoint = row.StringAt("endpoint"), .answers = row.IntAt("answers")};
    for (const auto why : {MissingAnswers::Why::kKilled, MissingAnswers::Why::kNoRoom, MissingAnswers::Why::kUnknown}) {
      if (row.StringAt("why") == NameOf(why)) one.why = why;
    }
    for (const auto& [name, into] : {std::pair("from", &one.from), std::pair("until", &one.until), std::pair("started", &one.started)}) {
      if (!ParseTimestamp(row.StringAt(name), into)) return Error(Code::kDataLoss, Str(path, " is damaged; remove it to forget what it says"));
    }
    out.push_back(std::move(one));
  }
  return out;
}

// The files of a folder that begin so and end so: what stands between.
Result<std::vector<std::string>> Ids(const platform::Files& files, const std::string& folder, std::string_view begin, std::string_view end) {
  std::vector<std::string> out;
  if (!files.Exists(folder)) return out;
  TENON_ASSIGN(const std::vector<std::string> names, files.List(folder));
  for (const std::string& name : names) {
    if (name.starts_with(begin) && name.ends_with(end) && name.size() > begin.size() + end.size()) out.push_back(name.substr(begin.size(), name.size() - begin.size() - end.size()));
  }
  return out;
}

// Visits what every process left that is gone.
Result<void> EachLeft(platform::Files& files, const std::string& folder, const std::function<Result<void>(const std::string& id, const Left& left)>& visit) {
  TENON_ASSIGN(const std::vector<std::string> ids, Ids(files, folder, kCounts, kEnd));
  for (const std::string& id : ids) {
    const auto lock = files.Lock(platform::JoinPath(folder, Str(kCounts, id, ".lock")));
    if (!lock.ok()) continue;  // it is at work, or somebody else looks at it
    const std::string path = platform::JoinPath(folder, Str(kCounts, id, kEnd));
    if (!files.Exists(path)) {  // its process has closed the log meanwhile, or somebody settled it
      static_cast<void>(files.Remove(platform::JoinPath(folder, Str(kCounts, id, ".lock"))));
      continue;
    }
    TENON_ASSIGN(const Left left, ReadLeft(files, folder, id));
    TENON_TRY(visit(id, left));
  }
  return {};
}

void RemoveCounts(platform::Files& files, const std::string& folder, std::string_view id, const std::string& live) {
  static_cast<void>(files.Remove(platform::JoinPath(folder, Str(kCounts, id, kEnd))));
  if (!live.empty()) static_cast<void>(platform::RealFiles()->Remove(live));
  for (const char* end : {".close", ".lock"}) static_cast<void>(files.Remove(platform::JoinPath(folder, Str(kCounts, id, end))));
}

void SortByTime(std::vector<MissingAnswers>* all) {
  std::ranges::stable_sort(*all, {}, &MissingAnswers::until);
}

}  // namespace

Result<std::unique_ptr<LiveCounts>> LiveCounts::Open(platform::Files& files, const std::string& folder) {
  std::unique_ptr<LiveCounts> out(new LiveCounts(files, folder));
  TENON_TRY(out->Start(), "counting the answers of the inference log");
  return out;
}

Result<void> LiveCounts::Start() {
  static std::atomic<int> opened{0};
  const Micros started = NowMicros();
  char id[80];
  std::snprintf(id, sizeof id, "%020lld-%d-%d", static_cast<long long>(started), static_cast<int>(::getpid()), opened.fetch_add(1));
  id_ = id;
  // Without a lock nobody could tell that this process is alive: then nothing is kept, and the log is written all the same.
  auto lock = files_.Lock(platform::JoinPath(folder_, Str(kCounts, id_, ".lock")));
  if (lock.ok()) lock_ = *std::move(lock);
  for (const std::string& place : PlacesOf(folder_, id_)) {
    if (lock_ == nullptr || memory_ != nullptr) break;
    auto made = platform::MakeOwnFile(place, kMemoryBytes);
    if (!made.ok()) continue;
    memory_ = *std::move(made);
    live_ = place;
  }
  if (memory_ == nullptr) {
    TENON_ASSIGN(memory_, platform::MakeSharedFile("", kMemoryBytes));
  }
  Header& header = HeaderOf(*memory_);
  header.started = started;
  const std::string boot = platform::BootId();
  std::memcpy(header.boot, boot.data(), std::min(boot.size(), sizeof header.boot - 1));
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  static_cast<void>(Keep());  // where there is no room for it: a second later
  return {};
}

LiveCounts::~LiveCounts() {
  if (memory_ == nullptr || lock_ == nullptr) return;
  if (auto account = AccountOf(*memory_, live_); account.ok()) {
    auto missing = MissingFrom(files_, folder_, {*std::move(account), true});
    if (!missing.ok()) return;  // whoever comes next tries again
    for (MissingAnswers& one : *missing) one.why = MissingAnswers::Why::kNoRoom;
    if (!WriteMissing(files_, folder_, id_, *missing).ok()) return;
  }
  RemoveCounts(files_, folder_, id_, live_);
}

std::optional<std::uint32_t> LiveCounts::NumberOf(const std::string& endpoint) {
  if (const auto known = numbers_.find(endpoint); known != numbers_.end()) return known->second;
  Header& header = HeaderOf(*memory_);
  const std::uint32_t number = header.endpoints.load();
  if (number == kMostEndpoints || endpoint.size() > kMostName) return std::nullopt;
  Endpoint& place = EndpointAt(*memory_, number);
  std::memcpy(place.name, endpoint.data(), endpoint.size());
  place.size.store(static_cast<std::uint32_t>(endpoint.size()));
  header.endpoints.store(number + 1, std::memory_order_release);
  numbers_.emplace(endpoint, number);
  return number;
}

LiveCounts::Cell* LiveCounts::Join(const std::string& endpoint) {
  const MutexLock lock(mutex_);
  Header& header = HeaderOf(*memory_);
  const auto number = NumberOf(endpoint);
  std::vector<Cell*>* left = number ? &free_[*number] : nullptr;
  if (left != nullptr && !left->empty()) {
    Cell* cell = left->back();
    left->pop_back();
    return cell;
  }
  const std::uint32_t next = header.cells.load();
  if (left == nullptr || next == kMostCells) {
    header.overflow.store(1);
    return &uncounted_;
  }
  Cell& cell = CellAt(*memory_, next);
  cell.endpoint.store(*number + 1);
  header.cells.store(next + 1, std::memory_order_release);
  return &cell;
}

void LiveCounts::Leave(Cell* cell) {
  if (cell == &uncounted_) return;
  const MutexLock lock(mutex_);
  free_[cell->endpoint.load() - 1].push_back(cell);
}

void LiveCounts::Change(const std::string& endpoint, const std::function<void(Known&)>& change) {
  const MutexLock lock(mutex_);
  const auto number = NumberOf(endpoint);
  if (!number) return;
  Endpoint& at = EndpointAt(*memory_, *number);
  const std::uint32_t turn = at.turn.load();
  const Place& now = at.places[turn];
  Known known{now.segment.load(), now.written.load(), now.until.load(), now.bytes.load()};
  change(known);
  Place& next = at.places[1 - turn];
  next.segment.store(known.segment);
  next.written.store(known.written);
  next.until.store(known.until);
  next.bytes.store(known.bytes);
  at.turn.store(1 - turn);
}

void LiveCounts::Begun(const std::string& endpoint, Micros segment) {
  Change(endpoint, [&](Known& known) {
    known.segment = segment;
    known.bytes = 0;
  });
}

void LiveCounts::Written(const std::string& endpoint, std::uint64_t bytes, std::int64_t answers, Micros until) {
  Change(endpoint, [&](Known& known) {
    known.bytes = bytes;
    known.written += answers;
    known.until = std::max(known.until, until);
  });
}

bool LiveCounts::WantedClosed() const { return lock_ != nullptr && files_.Exists(platform::JoinPath(folder_, Str(kCounts, id_, ".close"))); }

void LiveCounts::Closed() { static_cast<void>(files_.Remove(platform::JoinPath(folder_, Str(kCounts, id_, ".close")))); }

Result<void> LiveCounts::Keep() {
  if (lock_ == nullptr) return {};
  TENON_ASSIGN(const Account account, AccountOf(*memory_, live_));
  std::string text = ToText(account);
  if (text == kept_) return {};
  TENON_TRY(files_.Write(platform::JoinPath(folder_, Str(kCounts, id_, kEnd)), text));
  kept_ = std::move(text);
  return {};
}

Result<std::vector<MissingAnswers>> SettleLog(platform::Files& files, const std::string& folder) {
  std::vector<MissingAnswers> out;
  const auto settle = [&](const std::string& id, const Left& left) -> Result<void> {
    TENON_ASSIGN(std::vector<MissingAnswers> missing, MissingFrom(files, folder, left));
    TENON_TRY(WriteMissing(files, folder, id, missing));
    RemoveCounts(files, folder, id, left.account.live);
    for (MissingAnswers& one : missing) out.push_back(std::move(one));
    return {};
  };
  TENON_TRY(EachLeft(files, folder, settle));
  SortByTime(&out);
  return out;
}

Result<std::vector<std::string>> CloseSegments(platform::Files& files, const std::string& folder, std::chrono::milliseconds patience) {
  std::vector<std::string> open;
  TENON_ASSIGN(const std::vector<std::string> ids, Ids(files, folder, kCounts, kEnd));
  for (const std::string& id : ids) {
    const auto lock = files.Lock(platform::JoinPath(folder, Str(kCounts, id, ".lock")));
    if (lock.ok()) continue;  // nobody writes there any more
    const std::string wish = platform::JoinPath(folder, Str(kCounts, id, ".close"));
    TENON_TRY(files.Write(wish, ""));
    const auto until = std::chrono::steady_clock::now() + patience;
    while (files.Exists(wish) && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto left = ReadLeft(files, folder, id);
    if (!left.ok()) continue;  // it has ended meanwhile
    for (const Count& one : left->account.counts) {
      if (one.segment != 0) open.push_back(platform::JoinPath(folder, SegmentName(one.endpoint, one.segment)));
    }
    static_cast<void>(files.Remove(wish));
  }
  return open;
}

Result<std::vector<MissingAnswers>> FindMissing(platform::Files& files, const std::string& folder) {
  std::vector<MissingAnswers> out;
  TENON_ASSIGN(const std::vector<std::string> ids, Ids(files, folder, kMissing, kEnd));
  for (const std::string& id : ids) {
    TENON_ASSIGN(std::vector<MissingAnswers> some, ReadMissing(files, platform::JoinPath(folder, Str(kMissing, id, kEnd))));
    for (MissingAnswers& one : some) out.push_back(std::move(one));
  }
  const auto look = [&](const std::string& id, const Left& left) -> Result<void> {
    if (std::ranges::find(ids, id) != ids.end()) return {};  // written down, and killed before its counts were removed
    TENON_ASSIGN(std::vector<MissingAnswers> some, MissingFrom(files, folder, left));
    for (MissingAnswers& one : some) out.push_back(std::move(one));
    return {};
  };
  TENON_TRY(EachLeft(files, folder, look));
  SortByTime(&out);
  return out;
}

void ForgetMissing(platform::Files& files, const std::string& folder, Micros before) {
  const auto ids = Ids(files, folder, kMissing, kEnd);
  if (!ids.ok()) return;
  for (const std::string& id : *ids) {
    const std::string path = platform::JoinPath(folder, Str(kMissing, id, kEnd));
    const auto all = ReadMissing(files, path);
    if (all.ok() && std::ranges::all_of(*all, [&](const MissingAnswers& one) { return one.until < before; })) static_cast<void>(files.Remove(path));
  }
}

std::string_view NameOf(MissingAnswers::Why why) {
  switch (why) {
    case MissingAnswers::Why::kNoRoom: return "no_room";
    case MissingAnswers::Why::kUnknown: return "unknown";
    case MissingAnswers::Why::kKilled: break;
  }
  return "killed";
}

std::vector<MissingAnswers> MissingOf(const std::vector<MissingAnswers>& all, std::string_view endpoint, Micros from, Micros until) {
  std::vector<MissingAnswers> out;
  for (const MissingAnswers& one : all) {
    if ((endpoint.empty() || one.endpoint == endpoint) && one.until >= from && one.from < until) out.push_back(one);
  }
  return out;
}

std::int64_t SumOf(const std::vector<MissingAnswers>& some) {
  std::int64_t sum = 0;
  for (const MissingAnswers& one : some) sum += one.answers;
  return sum;
}

std::string Describe(const std::vector<MissingAnswers>& some) {
  std::vector<std::string> lines;
  for (const MissingAnswers& one : some) {
    const std::string what = Str("the inference log lacks ", one.why == MissingAnswers::Why::kUnknown ? "at least " : "", FormatCount(one.answers), one.answers == 1 ? " answer" : " answers", " of ", one.endpoint,
                                 ", given ", FormatTimestamp(one.from), " to ", FormatTimestamp(one.until));
    const char* why = one.why == MissingAnswers::Why::kKilled    ? ": the process was killed"
                      : one.why == MissingAnswers::Why::kNoRoom ? ": they came faster than the log could be written, or its disk was full"
                                                                : " and within a second after that: the machine was started anew";
    lines.push_back(what + why);
  }
  return Join(lines, "; ");
}

}  // namespace tenon::serve

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "feature/record_table_internal.h"

namespace tenon::feature {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kShortKey = 16;
constexpr std::uint64_t kNumber = (std::uint64_t{1} << 40) - 1;  // low bits of an index entry: the record + 1
constexpr int kPatience = 1 << 16;                               // looks at a record that is being written

std::uint64_t Load(const std::uint64_t* at) { return std::atomic_ref<std::uint64_t>(*const_cast<std::uint64_t*>(at)).load(std::memory_order_relaxed); }
void Put64(std::uint64_t* at, std::uint64_t value) { std::atomic_ref<std::uint64_t>(*at).store(value, std::memory_order_relaxed); }

std::size_t PageUp(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// Bytes as words, so that a reader who comes between is no data race but a number that does not fit.
void StoreBytes(char* to, std::string_view from) {
  for (std::size_t i = 0; i < from.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from.data() + i, std::min<std::size_t>(8, from.size() - i));
    Put64(reinterpret_cast<std::uint64_t*>(to + i), word);
  }
}

void LoadBytes(const char* from, std::size_t size, char* to) {
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = Load(reinterpret_cast<const std::uint64_t*>(from + i));
    std::memcpy(to + i, &word, std::min<std::size_t>(8, size - i));
  }
}

}  // namespace

RecordTable::RecordTable(std::unique_ptr<platform::SharedFile> file, const RecordLayout& layout)
    : file_(std::move(file)), layout_(layout), stride_(kHeader + layout.words()) {
  auto* base = reinterpret_cast<char*>(file_->data());
  index_ = reinterpret_cast<std::uint64_t*>(base + kPage);
  mask_ = header().index_size - 1;
  records_ = reinterpret_cast<std::uint64_t*>(base + kPage + PageUp(header().index_size * 8));
  heap_ = reinterpret_cast<char*>(records_) + PageUp(header().capacity * stride_ * 8);
}

Result<std::unique_ptr<RecordTable>> RecordTable::Create(const std::string& path, const RecordLayout& layout, Size size) {
  const std::uint64_t index = std::bit_ceil(size.capacity + size.capacity / 2);
  const std::uint64_t heap = PageUp(size.heap);
  const std::size_t bytes = kPage + PageUp(index * 8) + PageUp(size.capacity * (kHeader + layout.words()) * 8) + heap;
  TENON_ASSIGN(auto file, platform::MakeSharedFile(path, bytes));
  auto& header = *reinterpret_cast<TableHeader*>(file->data());
  header.layout = layout.hash();
  header.words = layout.words();
  header.capacity = size.capacity;
  header.index_size = index;
  header.heap_size = heap;
  const std::string boot = platform::BootId();
  std::memcpy(header.boot, boot.data(), std::min(boot.size(), sizeof header.boot - 1));
  header.magic = TableHeader::kMagic;
  return std::unique_ptr<RecordTable>(new RecordTable(std::move(file), layout));
}

Result<std::unique_ptr<RecordTable>> RecordTable::Open(const std::string& path, const RecordLayout& layout) {
  TENON_ASSIGN(auto file, platform::OpenSharedFile(path));
  const auto& header = *reinterpret_cast<const TableHeader*>(file->data());
  const bool sound = file->size() >= kPage && header.magic == TableHeader::kMagic && header.words < 1 << 20 && header.capacity < kNumber &&
                     std::has_single_bit(header.index_size) && header.index_size <= kNumber && header.heap_size <= file->size();
  if (!sound || file->size() != kPage + PageUp(header.index_size * 8) + PageUp(header.capacity * (kHeader + header.words) * 8) + header.heap_size) {
    return Error(Code::kDataLoss, Str(path, " is not a table of this version"));
  }
  if (header.layout != layout.hash() || header.words != layout.words()) {
    return Error(Code::kFailedPrecondition, Str(path, " is a table of other features"));
  }
  return std::unique_ptr<RecordTable>(new RecordTable(std::move(file), layout));
}

void RecordTable::MarkReplaced(platform::SharedFile& file) {
  auto& header = *reinterpret_cast<TableHeader*>(file.data());
  if (file.size() >= kPage && header.magic == TableHeader::kMagic) header.replaced.store(1, std::memory_order_release);
}

bool RecordTable::KeyIs(const std::uint64_t* record, std::string_view key) const {
  // Key and its place are written once, before the index names the record.
  if ((Load(record + kSizes) & 0xffffffffU) != key.size()) return false;
  if (key.size() <= kShortKey) {
    std::uint64_t words[2] = {0, 0};
    std::memcpy(words, key.data(), key.size());
    return Load(record + kKey) == words[0] && Load(record + kKeyMore) == words[1];
  }
  const std::uint64_t at = Load(record + kKey);
  return at <= header().heap_size && key.size() <= header().heap_size - at && std::memcmp(heap_ + at, key.data(), key.size()) == 0;
}

std::uint64_t RecordTable::Find(std::uint64_t hash, std::string_view key, std::uint64_t* slot) const {
  const std::uint64_t tag = hash >> 40;
  for (std::uint64_t at = hash & mask_, looked = 0; looked <= mask_; at = (at + 1) & mask_, ++looked) {
    const std::uint64_t entry = std::atomic_ref<std::uint64_t>(index_[at]).load(std::memory_order_acquire);
    if (entry == 0) {
      if (slot != nullptr) *slot = at;
      return kNone;
    }
    const std::uint64_t number = (entry & kNumber) - 1;
    if (entry >> 40 == tag && number < header().capacity && KeyIs(RecordAt(number), key)) return number;
  }
  return kNone;
}

bool RecordTable::Copy(const std::uint64_t* record, std::size_t row, Records* out) const {
  std::uint64_t* words = out->WordsOf(row).data();
  const std::size_t count = layout_.words();
  for (int look = 0; look < kPatience; ++look) {
    const std::uint64_t before = std::atomic_ref<std::uint64_t>(*const_cast<std::uint64_t*>(record)).load(std::memory_order_acquire);
    if ((before & 1) != 0) {
      __builtin_ia32_pause();
      continue;
    }
    const auto at = static_cast<Micros>(Load(record + kAt));
    const auto created = static_cast<Micros>(Load(record + kCreated));
    const std::uint64_t sizes = Load(record + kSizes), room = Load(record + kRoom);
    for (std::size_t i = 0; i < count; ++i) words[i] = Load(record + kHeader + i);
    if (layout_.has_texts()) {
      const std::uint64_t from = Load(record + kTexts), size = sizes >> 32;
      if (from <= header().heap_size && size <= header().heap_size - from) LoadBytes(heap_ + from, size, out->TextsOf(row, size));
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (Load(record) != before) continue;
    if ((room >> 63) == 0) {
      out->Set(row, at, created);
    } else {
      out->Lose(row);  // erased
    }
    return true;
  }
  return false;
}

void RecordTable::PrefetchRecord(const std::uint64_t* record) const {
  for (std::size_t word = 0; word < stride_; word += 8) __builtin_prefetch(record + word);
}

bool RecordTable::Get(std::span<const std::string_view> keys, Records* out) const {
  constexpr std::size_t kGroup = 16;  // as many misses as a core has in flight
  std::uint64_t hashes[kGroup];
  out->Reset(layout_, keys.size());
  for (std::size_t begin = 0; begin < keys.size(); begin += kGroup) {
    const std::size_t count = std::min(kGroup, keys.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = Hash64(keys[begin + i]);
      __builtin_prefetch(index_ + (hashes[i] & mask_));
    }
    for (std::size_t i = 0; i < count && count > 1; ++i) {
      const std::uint64_t number = (Load(index_ + (hashes[i] & mask_)) & kNumber) - 1;
      if (number < header().capacity) PrefetchRecord(RecordAt(number));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t number = Find(hashes[i], keys[begin + i], nullptr);
      if (number != kNone && !Copy(RecordAt(number), begin + i, out)) return false;
    }
  }
  return true;
}

bool RecordTable::HeapTake(std::uint64_t bytes, std::uint64_t* at) {
  TableHeader& header_now = header();
  const std::uint64_t rounded = (bytes + 7) / 8 * 8, used = header_now.heap_used.load(std::memory_order_relaxed);
  if (rounded > header_now.heap_size - used) return false;
  header_now.heap_used.store(used + rounded, std::memory_order_relaxed);
  *at = used;
  return true;
}

// Fixed part, times and texts under the record's number. False, with nothing changed, when the heap is full.
bool RecordTable::Write(std::uint64_t* record, const OnlineEntry& entry, bool fresh) {
  const bool erases = entry.words.empty();
  const std::uint64_t was_erased = fresh ? 0 : Load(record + kRoom) >> 63;
  std::uint64_t room = fresh ? 0 : Load(record + kRoom) & ~(std::uint64_t{1} << 63), texts_at = fresh ? 0 : Load(record + kTexts);
  if (entry.texts.size() > room) {
    std::uint64_t at = 0;
    if (!HeapTake(entry.texts.size(), &at)) return false;
    header().heap_wasted.fetch_add(room, std::memory_order_relaxed);
    texts_at = at;
    room = (entry.texts.size() + 7) / 8 * 8;
  }
  const std::uint64_t number = Load(record + kSequence) | 1;
  Put64(record + kSequence, number);
  std::atomic_thread_fence(std::memory_order_release);
  Put64(record + kAt, static_cast<std::uint64_t>(entry.at));
  Put64(record + kCreated, static_cast<std::uint64_t>(entry.created));
  Put64(record + kSizes, (Load(record + kSizes) & 0xffffffffU) | static_cast<std::uint64_t>(entry.texts.size()) << 32);
  Put64(record + kTexts, texts_at);
  Put64(record + kRoom, room | (erases ? std::uint64_t{1} << 63 : 0));
  for (std::size_t i = 0; i < entry.words.size(); ++i) Put64(record + kHeader + i, entry.words[i]);
  StoreBytes(heap_ + texts_at, entry.texts);
  std::atomic_ref<std::uint64_t>(record[kSequence]).store(number + 1, std::memory_order_release);
  auto& live = header().live;
  if (fresh ? !erases : (was_erased != 0 && !erases)) live.fetch_add(1, std::memory_order_relaxed);
  if (!fresh && was_erased == 0 && erases) live.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

RecordTable::Put RecordTable::Insert(const OnlineEntry& entry, std::uint64_t hash, std::uint64_t slot) {
  TableHeader& now = header();
  const std::uint64_t number = now.used.load(std::memory_order_relaxed);
  if (number >= now.capacity) return Put::kFull;
  std::uint64_t* record = RecordAt(number);
  std::uint64_t words[2] = {0, 0};
  if (entry.key.size() <= kShortKey) {
    std::memcpy(words, entry.key.data(), entry.key.size());
  } else {
    if (!HeapTake(entry.key.size(), &words[0])) return Put::kFull;
    StoreBytes(heap_ + words[0], entry.key);
  }
  Put64(record + kHash, hash);
  Put64(record + kKey, words[0]);
  Put64(record + kKeyMore, words[1]);
  Put64(record + kSizes, entry.key.size());
  if (!Write(record, entry, true)) return Put::kFull;
  now.used.store(number + 1, std::memory_order_release);
  std::atomic_ref<std::uint64_t>(index_[slot]).store((hash >> 40) << 40 | (number + 1), std::memory_order_release);
  return Put::kStored;
}

void RecordTable::Note(const OnlineEntry& entry) {
  TableHeader& now = header();
  now.stored.fetch_add(1, std::memory_order_relaxed);
  if (entry.words.empty()) return;
  if (entry.at > now.newest_event.load(std::memory_order_relaxed)) now.newest_event.store(entry.at, std::memory_order_relaxed);
  if (entry.created > now.newest_created.load(std::memory_order_relaxed)) now.newest_created.store(entry.created, std::memory_order_relaxed);
}

RecordTable::Put RecordTable::Store(const OnlineEntry& entry, Newest newest) {
  const std::uint64_t hash = Hash64(entry.key);
  std::uint64_t slot = kNone;
  const std::uint64_t number = Find(hash, entry.key, &slot);
  if (number == kNone) {
    if (slot == kNone) return Put::kFull;
    const Put put = Insert(entry, hash, slot);
    if (put == Put::kStored) Note(entry);
    return put;
  }
  std::uint64_t* record = RecordAt(number);
  const auto at = static_cast<Micros>(Load(record + kAt)), created = static_cast<Micros>(Load(record + kCreated));
  const bool older = newest == Newest::kEvent ? std::pair(entry.at, entry.created) < std::pair(at, created) : entry.created < created;
  if (older) {
    header().refused.fetch_add(1, std::memory_order_relaxed);
    return Put::kRefused;
  }
  if (!Write(record, entry, false)) return Put::kFull;
  Note(entry);
  return Put::kStored;
}

void RecordTable::ForEach(const std::function<void(const OnlineEntry&)>& visit) const {
  const std::uint64_t used = header().used.load(std::memory_order_acquire);
  for (std::uint64_t i = 0; i < used; ++i) {
    const std::uint64_t* record = RecordAt(i);
    if ((record[kRoom] >> 63) != 0 || (record[kSequence] & 1) != 0) continue;
    OnlineEntry entry;
    const std::size_t size = record[kSizes] & 0xffffffffU;
    entry.key = size <= kShortKey ? std::string_view(reinterpret_cast<const char*>(record + kKey), size) : std::string_view(heap_ + record[kKey], size);
    entry.at = static_cast<Micros>(record[kAt]);
    entry.created = static_cast<Micros>(record[kCreated]);
    entry.words = {record + kHeader, layout_.words()};
    entry.texts = {heap_ + record[kTexts], record[kSizes] >> 32};
    visit(entry);
  }
}

std::int64_t RecordTable::bytes() const {
  const TableHeader& now = header();
  return static_cast<std::int64_t>(kPage + now.index_size * 8 + now.used.load(std::memory_order_relaxed) * stride_ * 8 + now.heap_used.load(std::memory_order_relaxed));
}

}  // namespace tenon::feature

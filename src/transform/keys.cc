#include <algorithm>
#include <numeric>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "transform/keys_internal.h"

namespace tenon::transform {

namespace {

constexpr std::size_t kSparse = 2048;  // slots

}  // namespace

std::string KeyName(std::string_view key, bool number) {
  if (!number) return std::string(key);
  double value = 0;
  std::memcpy(&value, key.data(), std::min(key.size(), sizeof value));
  return FormatDouble(value);
}

bool KeyNamed(std::string_view name, bool number, std::string* key) {
  if (!number) {
    *key = name;
    return true;
  }
  double value = 0;
  if (!ParseDouble(name, &value) || std::isnan(value)) return false;
  value = CanonicalNumber(value);
  key->assign(reinterpret_cast<const char*>(&value), sizeof value);
  return true;
}

bool KeyBefore(std::string_view a, std::string_view b, bool number) {
  if (!number || a.size() != sizeof(double) || b.size() != sizeof(double)) return a < b;
  double x = 0;
  double y = 0;
  std::memcpy(&x, a.data(), sizeof x);
  std::memcpy(&y, b.data(), sizeof y);
  return x < y;
}

inline KeyTable::Print KeyTable::PrintOf(std::string_view key) {
  Print print;
  const char* at = key.data();
  const std::size_t size = key.size();
  if (size > 16) return {Hash64(key), Hash64(key, 1)};
  if (size >= 8) {  // the two halves may overlap
    std::memcpy(&print.first, at, 8);
    std::memcpy(&print.second, at + size - 8, 8);
  } else if (size >= 4) {
    std::memcpy(&print.first, at, 4);
    std::memcpy(&print.second, at + size - 4, 4);
  } else if (size > 0) {
    print.first = static_cast<std::uint8_t>(at[0]);
    print.second = static_cast<std::uint64_t>(static_cast<std::uint8_t>(at[size / 2])) << 8 | static_cast<std::uint8_t>(at[size - 1]);
  }
  return print;
}

// The folded product of 128 bits, as in wyhash: every bit of the key reaches every bit of the result.
inline std::size_t KeyTable::HashOf(const Print& print, std::size_t size) {
  const auto product = static_cast<unsigned __int128>(print.first ^ 0x9E3779B97F4A7C15ULL) *
                       static_cast<unsigned __int128>(print.second ^ (0xD1B54A32D192ED03ULL + size));
  const std::uint64_t folded = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  return folded ^ folded >> 32;
}

__attribute__((always_inline)) inline std::int32_t KeyTable::FindHere(std::string_view key) const {
  const Print print = PrintOf(key);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = HashOf(print, key.size()) & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return -1;
    if (Is(slot, print, key)) return slot.id;
  }
}

std::int32_t KeyTable::Find(std::string_view key) const { return slots_.empty() ? -1 : FindHere(key); }

void KeyTable::Find(const Lane& lane, std::int64_t n, std::int32_t missing, std::int32_t unseen, std::int32_t* ids) const {
  if (lane.texts != nullptr && !slots_.empty()) {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::string_view key = lane.texts[i];
      if (key.data() == nullptr) {
        ids[i] = missing;
        continue;
      }
      const std::int32_t id = FindHere(key);
      ids[i] = id < 0 ? unseen : id;
    }
    return;
  }
  double room = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::string_view key = KeyAt(lane, i, &room);
    if (key.data() == nullptr) {
      ids[i] = missing;
      continue;
    }
    const std::int32_t id = Find(key);
    ids[i] = id < 0 ? unseen : id;
  }
}

void KeyTable::Insert(const Lane& lane, std::int64_t n, std::int32_t missing, std::int32_t* ids) {
  if (lane.texts != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) ids[i] = lane.texts[i].data() == nullptr ? missing : Insert(lane.texts[i]);
    return;
  }
  double room = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::string_view key = KeyAt(lane, i, &room);
    ids[i] = key.data() == nullptr ? missing : Insert(key);
  }
}

std::int32_t KeyTable::Insert(std::string_view key) {
  // Small tables are kept sparse: a second look where another key was met first costs as much as all else.
  if (entries_.size() * (slots_.size() < kSparse ? 16 : 2) >= slots_.size()) Grow();
  const Print print = PrintOf(key);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = HashOf(print, key.size()) & mask;
  for (; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (Is(slots_[at], print, key)) return slots_[at].id;
  }
  const std::int32_t id = size();
  const auto bytes = static_cast<std::uint32_t>(key.size());
  slots_[at] = {print, id, bytes};
  entries_.push_back({bytes_.size(), bytes});
  bytes_.append(key);
  return id;
}

void KeyTable::Grow() {
  std::vector<Slot> old(std::max<std::size_t>(16, slots_.size() * (slots_.size() < kSparse ? 4 : 2)));
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    std::size_t at = HashOf(slot.print, slot.size) & mask;
    while (slots_[at].id >= 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

void KeyCounts::Add(std::string_view key, std::int64_t times) {
  const auto id = static_cast<std::size_t>(table_.Insert(key));
  if (id == counts_.size()) counts_.push_back(0);
  counts_[id] += times;
}

void KeyCounts::Add(const Lane& lane, std::int64_t n) {
  number_ = lane.numbers != nullptr;
  rows_ += n;
  if (lane.codes != nullptr) return AddCoded(lane, n);
  std::int32_t ids[kLaneRows];
  table_.Insert(lane, n, -1, ids);
  counts_.resize(static_cast<std::size_t>(table_.size()));
  for (std::int64_t i = 0; i < n; ++i) {
    if (ids[i] < 0) {
      ++missing_;
    } else {
      ++counts_[static_cast<std::size_t>(ids[i])];
    }
  }
}

void KeyCounts::AddCoded(const Lane& lane, std::int64_t n) {
  if (*lane.dictionary != dictionary_) {
    Settle();
    dictionary_ = *lane.dictionary;
    by_code_.assign(dictionary_->size() + 1, 0);
  }
  std::int64_t* counts = by_code_.data() + 1;
  for (std::int64_t i = 0; i < n; ++i) ++counts[lane.codes[i]];
  missing_ += std::exchange(by_code_[0], 0);
}

std::vector<std::int32_t> InOrder(const KeyTable& table, bool number) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(table.size()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const std::string_view x = table.key(a);
    const std::string_view y = table.key(b);
    if ((x == kMissingKey) != (y == kMissingKey)) return y == kMissingKey;
    return KeyBefore(x, y, number);
  });
  return order;
}

std::string ListedKeys(const KeyTable& table, bool number) {
  constexpr std::int32_t kMost = 8;
  std::vector<std::string> names;
  for (std::int32_t id = 0; id < std::min(kMost, table.size()); ++id) {
    const std::string_view key = table.key(id);
    names.push_back(key == kMissingKey ? std::string("missing") : key.empty() ? std::string("\"\"") : KeyName(key, number));
  }
  if (table.size() > kMost) names.push_back(Str("and ", table.size() - kMost, " more"));
  return Str(table.size(), table.size() == 1 ? " value" : " values", names.empty() ? "" : ": ", Join(names, ", "));
}

void SaveKeys(const KeyTable& table, Writer& out) {
  for (std::int32_t id = 0; id < table.size(); ++id) out.Text(table.key(id));
}

void LoadKeys(std::size_t size, Reader& in, KeyTable* table) {
  for (std::size_t i = 0; i < size && !in.failed(); ++i) {
    if (table->Insert(in.Text()) != static_cast<std::int32_t>(i)) in.Fail();
  }
}

void KeyCounts::Settle() const {
  if (dictionary_ == nullptr) return;
  for (std::size_t code = 0; code < dictionary_->size(); ++code) {
    const std::int64_t times = by_code_[code + 1];
    if (times == 0) continue;
    const auto id = static_cast<std::size_t>(table_.Insert((*dictionary_)[code]));
    if (id == counts_.size()) counts_.push_back(0);
    counts_[id] += times;
  }
  dictionary_.reset();
}

void KeyCounts::Merge(const KeyCounts& other) {
  number_ = number_ || other.number_;
  rows_ += other.rows_;
  missing_ += other.missing_;
  other.Settle();
  for (std::int32_t id = 0; id < other.table_.size(); ++id) {
    Add(other.table_.key(id), other.counts_[static_cast<std::size_t>(id)]);
  }
}

std::vector<KeyCounts::Counted> KeyCounts::Sorted() const {
  Settle();
  std::vector<Counted> out;
  out.reserve(counts_.size());
  for (std::int32_t id = 0; id < table_.size(); ++id) out.push_back({table_.key(id), counts_[static_cast<std::size_t>(id)]});
  std::sort(out.begin(), out.end(), [this](const Counted& a, const Counted& b) { return KeyBefore(a.key, b.key, number_); });
  return out;
}

std::vector<KeyCounts::Counted> KeyCounts::Top(std::int64_t most, std::int64_t least) const {
  std::vector<Counted> out = Sorted();
  std::erase_if(out, [least](const Counted& item) { return item.count < least; });
  std::stable_sort(out.begin(), out.end(), [](const Counted& a, const Counted& b) { return a.count > b.count; });
  if (most > 0 && out.size() > static_cast<std::size_t>(most)) out.resize(static_cast<std::size_t>(most));
  return out;
}

}  // namespace tenon::transform

#include "table/counts_internal.h"
#include "table/sketch_internal.h"

namespace tenon::table {

void NumberCounts::Add(std::uint64_t key, std::int64_t count) {
  if (2 * (size_ + 1) > slots_.size()) Grow();
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = Mix(key) & mask;; at = (at + 1) & mask) {
    Entry& entry = slots_[at];
    if (entry.count == 0) {
      entry = {key, count};
      ++size_;
      return;
    }
    if (entry.key == key) {
      entry.count += count;
      return;
    }
  }
}

std::size_t NumberCounts::AddBlock(std::span<const std::uint64_t> keys, std::size_t most) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (2 * (size_ + 1) > slots_.size()) Grow();
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t key = keys[i];
    std::size_t at = Mix(key) & mask;
    while (slots_[at].count != 0 && slots_[at].key != key) at = (at + 1) & mask;
    slots_[at].key = key;
    if (++slots_[at].count == 1 && ++size_ > most) return i + 1;
  }
  return keys.size();
}

void NumberCounts::Grow() {
  std::vector<Entry> old = std::move(slots_);
  slots_.assign(old.empty() ? 16 : 2 * old.size(), Entry{0, 0});
  size_ = 0;
  for (const Entry& entry : old) {
    if (entry.count != 0) Add(entry.key, entry.count);
  }
}

void TextCounts::Add(std::string_view text, std::uint64_t hash, std::int64_t count) {
  if (2 * (entries_.size() + 1) > slots_.size()) Grow();
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    if (slots_[at] < 0) {
      slots_[at] = static_cast<std::int32_t>(entries_.size());
      entries_.push_back({hash, std::string(text), count});
      return;
    }
    Entry& entry = entries_[static_cast<std::size_t>(slots_[at])];
    if (entry.hash == hash && entry.text == text) {
      entry.count += count;
      return;
    }
  }
}

void TextCounts::Grow() {
  slots_.assign(slots_.empty() ? 16 : 2 * slots_.size(), -1);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t at = entries_[i].hash & mask;
    while (slots_[at] >= 0) at = (at + 1) & mask;
    slots_[at] = static_cast<std::int32_t>(i);
  }
}

}  // namespace tenon::table

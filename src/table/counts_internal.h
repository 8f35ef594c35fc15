#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::table {

// How often each number came: open addressing on the 64 bits that stand for it. One thread.
class NumberCounts {
 public:
  struct Entry {
    std::uint64_t key;
    std::int64_t count;  // 0: free
  };
  void Add(std::uint64_t key, std::int64_t count);
  // Adds keys, once each, until there are more than `most` different ones; how many were taken.
  std::size_t AddBlock(std::span<const std::uint64_t> keys, std::size_t most);
  std::size_t size() const { return size_; }
  const std::vector<Entry>& slots() const { return slots_; }  // free ones too
  void Clear() { *this = NumberCounts(); }

 private:
  void Grow();
  std::vector<Entry> slots_;
  std::size_t size_ = 0;
};

// How often each text came. One thread.
class TextCounts {
 public:
  struct Entry {
    std::uint64_t hash;
    std::string text;
    std::int64_t count;
  };
  void Add(std::string_view text, std::uint64_t hash, std::int64_t count);
  std::size_t size() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }  // in order of first use
  void Clear() { *this = TextCounts(); }

 private:
  void Grow();
  std::vector<std::int32_t> slots_;  // position in entries_, -1: free
  std::vector<Entry> entries_;
};

}  // namespace tenon::table

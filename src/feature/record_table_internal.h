#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "feature/online_store.h"
#include "platform/shared_file.h"

namespace tenon::feature {

// The table of one view in memory that processes share: a hash index of 8 bytes an entry, records of one size side by side,
// and a heap for texts and long keys. docs/formats/online-record.md. Readers take no lock: each record has a number that is
// odd while it is written (a seqlock). One writer at a time, by the caller's lock. A full table is copied into a larger one.
struct TableHeader {
  static constexpr std::uint64_t kMagic = 0x3130'6c62'6174'6e74;  // "tntabl01"
  std::uint64_t magic;
  std::uint64_t layout;
  std::uint64_t words;       // of a record's fixed part
  std::uint64_t capacity;    // records
  std::uint64_t index_size;  // entries, a power of two
  std::uint64_t heap_size;   // bytes
  char boot[40];             // of the machine's start when it was made or last synced
  // Changed by the writer, read by anybody.
  std::atomic<std::uint64_t> used;         // records taken, erased ones too
  std::atomic<std::uint64_t> live;
  std::atomic<std::uint64_t> heap_used;
  std::atomic<std::uint64_t> heap_wasted;
  std::atomic<std::uint64_t> stored;
  std::atomic<std::uint64_t> refused;
  std::atomic<std::int64_t> newest_event;
  std::atomic<std::int64_t> newest_created;
  std::atomic<std::uint64_t> log;      // the log's number; another one was begun when it grew too long
  std::atomic<std::uint64_t> applied;  // bytes of the log that are in the table
  std::atomic<std::uint32_t> dirty;    // a writer is at work, or died at it
  std::atomic<std::uint32_t> replaced; // the file of this name is another one now
};
static_assert(sizeof(TableHeader) <= 4096 && std::atomic<std::uint64_t>::is_always_lock_free);

class RecordTable {
 public:
  struct Size {
    std::uint64_t capacity = 1024;  // records
    std::uint64_t heap = 1 << 16;   // bytes
  };
  static Result<std::unique_ptr<RecordTable>> Create(const std::string& path, const RecordLayout& layout, Size size);
  // failed_precondition when it is of other features; data_loss when it is no table.
  static Result<std::unique_ptr<RecordTable>> Open(const std::string& path, const RecordLayout& layout);

  // Tells everybody who has mapped it that there is another one of its name.
  static void MarkReplaced(platform::SharedFile& file);

  TableHeader& header() const { return *reinterpret_cast<TableHeader*>(file_->data()); }
  platform::SharedFile& file() const { return *file_; }

  // False when a record stayed half written for long: its writer died.
  bool Get(std::span<const std::string_view> keys, Records* out) const;

  enum class Put { kStored, kRefused, kFull };
  Put Store(const OnlineEntry& entry, Newest newest);
  // Every live record, in order of their first storing; `visit` borrows.
  void ForEach(const std::function<void(const OnlineEntry&)>& visit) const;
  std::uint64_t wasted() const { return header().heap_wasted.load(std::memory_order_relaxed); }
  std::int64_t bytes() const;

 private:
  RecordTable(std::unique_ptr<platform::SharedFile> file, const RecordLayout& layout);
  // Words of a record before its fixed part.
  enum : std::size_t { kSequence, kHash, kAt, kCreated, kKey, kKeyMore, kSizes, kTexts, kRoom, kHeader };
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  std::uint64_t* RecordAt(std::uint64_t number) const { return records_ + number * stride_; }
  std::uint64_t Find(std::uint64_t hash, std::string_view key, std::uint64_t* slot) const;
  bool KeyIs(const std::uint64_t* record, std::string_view key) const;
  bool Copy(const std::uint64_t* record, std::size_t row, Records* out) const;
  void PrefetchRecord(const std::uint64_t* record) const;
  bool HeapTake(std::uint64_t bytes, std::uint64_t* at);
  Put Insert(const OnlineEntry& entry, std::uint64_t hash, std::uint64_t slot);
  bool Write(std::uint64_t* record, const OnlineEntry& entry, bool fresh);
  void Note(const OnlineEntry& entry);

  std::unique_ptr<platform::SharedFile> file_;
  RecordLayout layout_;
  std::uint64_t* index_;
  std::uint64_t* records_;
  char* heap_;
  std::uint64_t mask_;
  std::size_t stride_;
};

}  // namespace tenon::feature

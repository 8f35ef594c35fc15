#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/call.h"
#include "base/kinds.h"
#include "feature/record.h"
#include "platform/files.h"

namespace tenon::feature {

// One record to store. Borrows for the call.
struct OnlineEntry {
  std::string_view key;                    // AppendEntityKey's bytes
  Micros at = 0;                           // event time
  Micros created = 0;                      // when it was computed, or is known
  std::span<const std::uint64_t> words;    // of RecordPacker; empty: erases what is there
  std::string_view texts;
};

// Which record stays when one of the key is there already.
enum class Newest : std::uint8_t {
  kEvent,    // the one with the later event time, of equal ones the later created, then the new one: what clients push
  kCreated,  // the one created later, of equal ones the new one: what is computed from all events, which may lose their latest
};

struct OnlineStats {
  std::int64_t records = 0;
  std::int64_t bytes = 0;     // of memory or disk, about
  std::int64_t stored = 0;    // entries that became the record of their key, since the table was made
  std::int64_t refused = 0;   // that were older than what was there
  Micros newest_event = 0;    // latest event time stored; 0: none
  Micros newest_created = 0;
};

// The records of one view. Get, Put and Stats from any thread and, where the store says so, any process at once.
class OnlineTable {
 public:
  virtual ~OnlineTable() = default;
  virtual const RecordLayout& layout() const = 0;
  // The records of the keys, in their order; a key without one is not found. unavailable when the store does not answer.
  virtual Result<void> Get(std::span<const std::string_view> keys, Records* out) = 0;
  // Stores them in order. When it returns they are seen by every later Get; whether they survive a crash is the store's
  // setting `sync`. After an error some may be stored: the same call again is safe. How many became their key's record.
  virtual Result<std::int64_t> Put(std::span<const OnlineEntry> entries, Newest newest) = 0;
  // Erases records with an event time before that; how many.
  virtual Result<std::int64_t> Expire(Micros before) = 0;
  // Erases the records of these keys, and what the store still has of their bytes: nothing older comes back by that. Killed in the midst, it
  // is as before or they are gone; the same call again finishes it. How many there were.
  virtual Result<std::int64_t> Erase(std::span<const std::string_view> keys) = 0;
  // All that was stored survives a power cut from here on, and starting again takes little time.
  virtual Result<void> Flush() = 0;
  virtual Result<OnlineStats> Stats() = 0;
};

// Where the tables are. A kind in stores/.
class OnlineStore {
 public:
  virtual ~OnlineStore() = default;
  // The table `name` (letters, digits, "_", "-", "@", "."), made when there is none. A table of other features under that name is
  // emptied: what it holds means something else. The store outlives its tables.
  virtual Result<std::unique_ptr<OnlineTable>> Open(std::string_view name, const RecordLayout& layout) = 0;
};

// What the kinds in stores/ are made with beside their settings: `folder` is the place for files of a project's store.
// They come through Kinds, whose factories know settings alone, and are told afterwards by the maker below.
class OnlineStoreKind {
 public:
  virtual ~OnlineStoreKind() = default;
  // `files` outlives the store.
  virtual Result<std::unique_ptr<OnlineStore>> Start(platform::Files& files, const std::string& folder) = 0;
};

Result<void> AddAll(Kinds<OnlineStoreKind>& kinds);

// The store of `kind` with its settings; "embedded" for "". `files` outlives it.
Result<std::unique_ptr<OnlineStore>> StartOnlineStore(const Kinds<OnlineStoreKind>& kinds, std::string_view kind, const Json& settings,
                                                      platform::Files& files, const std::string& folder);

}  // namespace tenon::feature

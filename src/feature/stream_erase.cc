#include <set>

#include "base/json.h"
#include "base/text.h"
#include "feature/stream.h"

namespace tenon::feature {
namespace {

using platform::IntOf;
using platform::TextOf;

// Whether an event, as it came, has the value there; what is no JSON object is looked for as a text, as nobody knows what it means.
bool Has(const std::string& event, std::string_view column, std::string_view value) {
  const auto json = Json::Parse(event);
  if (!json.ok() || !json->is_object()) return event.find(value) != std::string::npos;
  const Json* found = json->Find(column);
  if (found == nullptr) return false;
  double wanted = 0;
  if (found->is_number() && ParseDouble(value, &wanted) && found->Number() == wanted) return true;  // 7.0 is the entity 7
  return (found->is_string() ? found->String() : found->Dump()) == value;
}

// Some thousand rows at a time: a state may keep millions of events.
Result<std::int64_t> EraseRecords(platform::Database& state, std::string_view column, std::string_view value) {
  std::int64_t gone = 0, seq = -1;
  std::string id;
  std::set<std::string> shortened;
  while (true) {
    TENON_ASSIGN(const auto records, state.Query("SELECT id, seq, row FROM records WHERE (id, seq) > (?, ?) ORDER BY id, seq LIMIT 4096", {id, seq}));
    if (records.empty()) break;
    for (const auto& row : records) {
      id = TextOf(row[0]);
      seq = IntOf(row[1]);
      if (!Has(TextOf(row[2]), column, value)) continue;
      ++gone;
      shortened.insert(id);
      TENON_TRY(state.Run("DELETE FROM records WHERE id = ? AND seq = ?", {id, seq}));
    }
  }
  // A record's number is how many of its event came before it: the next correction takes the one behind the last.
  for (const std::string& event : shortened) {
    TENON_ASSIGN(const auto left, state.Query("SELECT seq FROM records WHERE id = ? ORDER BY seq", {event}));
    for (std::size_t i = 0; i < left.size(); ++i) {
      TENON_TRY(state.Run("UPDATE records SET seq = ? WHERE id = ? AND seq = ?", {static_cast<std::int64_t>(i), event, IntOf(left[i][0])}));
    }
  }
  return gone;
}

Result<std::int64_t> EraseAside(platform::Database& state, std::string_view column, std::string_view value) {
  std::int64_t gone = 0, part = -1, at = -1;
  while (true) {
    TENON_ASSIGN(const auto aside, state.Query("SELECT part, at, value FROM aside WHERE (part, at) > (?, ?) ORDER BY part, at LIMIT 4096", {part, at}));
    if (aside.empty()) return gone;
    for (const auto& row : aside) {
      part = IntOf(row[0]);
      at = IntOf(row[1]);
      if (!Has(TextOf(row[2]), column, value)) continue;
      ++gone;
      TENON_TRY(state.Run("DELETE FROM aside WHERE part = ? AND at = ?", {part, at}));
    }
  }
}

}  // namespace

Result<std::int64_t> EraseFromState(platform::Database& state, const std::vector<EntityKey>& keys, std::string_view column, std::string_view value) {
  TENON_ASSIGN(const auto tables, state.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'states'"));
  if (tables.empty()) return 0;  // nothing was ever taken
  TENON_ASSIGN(const auto set, state.Query("PRAGMA secure_delete = ON"));  // its bytes, too
  (void)set;
  std::int64_t gone = 0;
  const auto erase = [&]() -> Result<void> {
    gone = 0;
    for (const EntityKey& one : keys) {
      TENON_ASSIGN(const auto states, state.Query("SELECT COUNT(*) FROM states WHERE view = ? AND entity = ?", {one.view, one.key}));
      gone += IntOf(states[0][0]);
      TENON_TRY(state.Run("DELETE FROM states WHERE view = ? AND entity = ?", {one.view, one.key}));
      TENON_TRY(state.Run("DELETE FROM keys WHERE entity = ?", {one.key}));
    }
    TENON_ASSIGN(const std::int64_t records, EraseRecords(state, column, value));
    TENON_ASSIGN(const std::int64_t aside, EraseAside(state, column, value));
    gone += records + aside;
    return {};
  };
  TENON_TRY(state.Transaction(erase));
  return gone;
}

}  // namespace tenon::feature

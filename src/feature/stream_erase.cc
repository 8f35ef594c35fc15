#include "base/json.h"
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
  return found != nullptr && (found->is_string() ? found->String() : found->Dump()) == value;
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
    TENON_ASSIGN(const auto records, state.Query("SELECT id, seq, row FROM records"));
    for (const auto& row : records) {
      if (!Has(TextOf(row[2]), column, value)) continue;
      ++gone;
      TENON_TRY(state.Run("DELETE FROM records WHERE id = ? AND seq = ?", {TextOf(row[0]), IntOf(row[1])}));
    }
    TENON_ASSIGN(const auto aside, state.Query("SELECT part, at, value FROM aside"));
    for (const auto& row : aside) {
      if (!Has(TextOf(row[2]), column, value)) continue;
      ++gone;
      TENON_TRY(state.Run("DELETE FROM aside WHERE part = ? AND at = ?", {IntOf(row[0]), IntOf(row[1])}));
    }
    return {};
  };
  TENON_TRY(state.Transaction(erase));
  return gone;
}

}  // namespace tenon::feature

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feature/aggregate.h"
#include "feature/event_source.h"
#include "feature/online_store.h"
#include "platform/database.h"

namespace tenon::feature {

struct StreamSettings {
  std::string id;                          // column that identifies an event: a second one of the same id is a duplicate; "": none
  std::chrono::microseconds lateness{0};   // an event that is older than the newest by more is put aside; 0: none is too old
  bool keyed = false;                      // of a partition among others: an event without a key, or of an entity that came with another key, is put aside
  std::chrono::microseconds ahead{0};      // an event further in the future than that is put aside, as it would move time on for all; 0: none is
};

// What has become of the events, since the state was made.
struct StreamCounts {
  std::int64_t events = 0;       // that came
  std::int64_t counted = 0;      // that are in the state
  std::int64_t duplicates = 0;
  std::int64_t corrections = 0;  // records that took the place of an earlier one of their event
  std::int64_t late = 0;         // older than the newest one before them; counted all the same
  std::int64_t too_late = 0;     // put aside, like the next two
  std::int64_t malformed = 0;
  std::int64_t poisoned = 0;     // from the future
  std::int64_t left_out = 0;     // without entity or time, or not meant by the view's `where`
  Json ToJson() const;
  StreamCounts& operator+=(const StreamCounts& other);
};

struct StreamView {
  std::shared_ptr<const ViewPlan> plan;
  OnlineTable* table = nullptr;   // outlives the processor; null: values are asked by Look alone
  OnlineTable* states = nullptr;  // likewise, of StateLayout(): where MovingValues finds the states; null: none are kept
};

// Makes features from events as they come. The state of every entity, the positions in the source and the counts are kept in
// one database, changed in one transaction a batch: killed at any moment, it goes on without a lost or doubled event. Records in
// the online store are written before that, and are the same when written again. Windows end where the newest event is: `time`.
// A late event corrects what it belongs to. One thread.
class StreamProcessor {
 public:
  virtual ~StreamProcessor() = default;
  // `source`: the columns of events. Errors: failed_precondition when the state is of other views.
  static Result<std::unique_ptr<StreamProcessor>> Make(std::shared_ptr<const table::Schema> source, std::vector<StreamView> views, StreamSettings settings,
                                                       platform::Database& state);
  // Where to go on.
  virtual Result<std::vector<Position>> Positions() = 0;
  // The next records of the source, in its order. After an error nothing of them is kept: the same again is right, from Positions().
  virtual Result<void> Process(const Call& call, std::span<const Message> messages) = 0;
  // Brings the records of all entities to time(): windows went on though no event came. How many records changed.
  virtual Result<std::int64_t> Refresh(const Call& call) = 0;
  // The values of an entity of view `view` now; those of an entity without events when there is none. Texts live until the next call.
  virtual Result<std::vector<Value>> Look(std::size_t view, std::string_view entity) = 0;
  virtual const StreamCounts& counts() const = 0;
  virtual Micros time() const = 0;  // of the newest event; the least Micros: none yet
};

// An event that was put aside, and why.
struct SetAside {
  int partition = 0;
  std::int64_t offset = 0;
  std::string kind;    // "malformed", "poisoned", "too_late"
  std::string reason;
  std::string value;   // at most 4 kB of it
};
Result<std::vector<SetAside>> EventsSetAside(platform::Database& state, std::int64_t most);

// Takes an entity out of a state: what is kept of it for views by its key there (`keys`: view and key), and the events, kept or put aside,
// whose `column` has the value. No processor works on it. How many rows of the state went; killed in the midst, all or none did.
struct EntityKey {
  std::string view, key;
};
Result<std::int64_t> EraseFromState(platform::Database& state, const std::vector<EntityKey>& keys, std::string_view column, std::string_view value);

}  // namespace tenon::feature

#include "feature/stream.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "feature/event_rows.h"
#include "feature/moving_values.h"

namespace tenon::feature {
namespace {

using platform::IntOf;
using platform::TextOf;

constexpr Micros kNoTime = std::numeric_limits<Micros>::min();
constexpr std::size_t kMostAside = 4096;
constexpr std::int64_t kMostRows = 100000;  // events kept aside; further ones are counted only

struct Entity {
  explicit Entity(std::shared_ptr<const ViewPlan> plan) : state(std::move(plan)) {}
  WindowState state;
  Micros latest = kNoTime;  // of its events
  bool changed = false;     // since the last transaction
  std::uint64_t written = 0;  // hash of the record stored last
};

// What is known of one record of an event that has an id, enough to take it back.
struct Known {
  Micros known;
  std::string row;  // the JSON that came
};

// One view's entities in memory, as far as they were touched.
struct ViewState {
  StreamView view;
  std::unordered_map<std::string, Entity> entities;
  std::vector<Entity*> touched;  // in this batch
  std::vector<std::string> touched_keys;
  std::vector<std::string> saved;  // states of the touched, as they are stored
};

class Processor final : public StreamProcessor {
 public:
  Processor(std::shared_ptr<const table::Schema> source, StreamSettings settings, platform::Database& state)
      : source_(std::move(source)), settings_(std::move(settings)), database_(state), rows_(source_) {}

  Result<void> Start(std::vector<StreamView> views) {
    for (StreamView& view : views) views_.push_back({std::move(view), {}, {}, {}, {}});
    for (const char* table : {"positions(part INTEGER PRIMARY KEY, next INTEGER NOT NULL)",
                              "states(view TEXT NOT NULL, entity TEXT NOT NULL, bytes TEXT NOT NULL, latest INTEGER NOT NULL, PRIMARY KEY(view, entity))",
                              "records(id TEXT NOT NULL, seq INTEGER NOT NULL, known INTEGER NOT NULL, row TEXT NOT NULL, PRIMARY KEY(id, seq))",
                              "aside(part INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(part, at))",
                              "keys(entity TEXT PRIMARY KEY, key TEXT NOT NULL)", "facts(name TEXT PRIMARY KEY, value TEXT NOT NULL)"}) {
      TENON_TRY(database_.Run(Str("CREATE TABLE IF NOT EXISTS ", table)));
    }
    ContentHash hash;
    for (const ViewState& view : views_) hash.AddSized(view.view.plan->view().Hash());
    hash.AddSized(settings_.id);
    TENON_ASSIGN(const auto facts, database_.Query("SELECT name, value FROM facts"));
    std::string made_of;
    for (const auto& row : facts) {
      std::int64_t number = 0;
      if (TextOf(row[0]) == "views") made_of = TextOf(row[1]);
      if (!ParseInt64(TextOf(row[1]), &number)) continue;
      if (TextOf(row[0]) == "time") time_ = number;
      for (const auto& [name, count] : Counted()) {
        if (TextOf(row[0]) == name) *count = number;
      }
    }
    if (made_of.empty()) {
      TENON_TRY(database_.Run("INSERT INTO facts(name, value) VALUES('views', ?)", {hash.Hex()}));
    } else if (made_of != hash.Hex()) {
      return Error(Code::kFailedPrecondition, "the stream's state is of other feature views, or of another stream.id; `--reset` makes it anew from the first event");
    }
    committed_ = counts_;
    committed_time_ = time_;
    return {};
  }

  Result<std::vector<Position>> Positions() override {
    TENON_ASSIGN(const auto rows, database_.Query("SELECT part, next FROM positions ORDER BY part"));
    std::vector<Position> out;
    for (const auto& row : rows) out.push_back({static_cast<int>(IntOf(row[0])), IntOf(row[1])});
    return out;
  }

  Result<void> Process(const Call& call, std::span<const Message> messages) override {
    if (messages.empty()) return {};
    auto done = Take(call, messages);
    if (!done.ok()) {  // what is in memory may be half of the batch
      for (ViewState& view : views_) view.entities.clear();
      records_.clear();
      keys_.clear();
      counts_ = committed_;
      time_ = committed_time_;
    }
    return done;
  }

  Result<std::int64_t> Refresh(const Call& call) override {
    std::int64_t changed = 0;
    for (ViewState& view : views_) {
      TENON_ASSIGN(const auto rows, database_.Query("SELECT entity FROM states WHERE view = ?", {view.view.plan->view().name}));
      for (std::size_t at = 0; at < rows.size(); at += 4096) {
        TENON_TRY(call.Check());
        view.touched.clear();
        view.touched_keys.clear();
        for (std::size_t i = at; i < std::min(rows.size(), at + 4096); ++i) {
          TENON_ASSIGN(Entity* entity, Find(view, TextOf(rows[i][0]), false));
          view.touched.push_back(entity);
          view.touched_keys.push_back(TextOf(rows[i][0]));
        }
        TENON_ASSIGN(const std::int64_t stored, Write(view));
        changed += stored;
      }
    }
    return changed;
  }

  Result<std::vector<Value>> Look(std::size_t number, std::string_view entity) override {
    ViewState& view = views_[number];
    std::vector<Value> out(view.view.plan->view().features.size());
    TENON_ASSIGN(Entity* found, Find(view, std::string(entity), false));
    if (found == nullptr) {
      nothing_ = std::make_unique<WindowState>(view.view.plan);
      nothing_->Values(out);
      return out;
    }
    found->state.Advance(time_);
    found->state.Values(out);
    return out;
  }

  const StreamCounts& counts() const override { return counts_; }
  Micros time() const override { return time_; }

 private:
  std::vector<std::pair<std::string_view, std::int64_t*>> Counted() {
    return {{"events", &counts_.events}, {"counted", &counts_.counted}, {"duplicates", &counts_.duplicates}, {"corrections", &counts_.corrections},
            {"late", &counts_.late}, {"too_late", &counts_.too_late}, {"malformed", &counts_.malformed}, {"poisoned", &counts_.poisoned}, {"left_out", &counts_.left_out}};
  }

  void PutAside(const Message& message, std::string_view kind, std::string reason, std::int64_t* count) {
    ++*count;
    aside_.push_back({message.partition, message.offset, std::string(kind), std::move(reason), std::string(message.value.substr(0, kMostAside))});
  }

  Result<void> Take(const Call& call, std::span<const Message> messages) {
    aside_.clear();
    new_records_.clear();
    new_keys_.clear();
    std::vector<const Message*> kept;
    for (const Message& message : messages) {
      ++counts_.events;
      auto json = Json::Parse(message.value, "event");
      auto added = json.ok() ? rows_.Add(*json) : Result<void>(std::move(json).error());
      if (added.ok()) {
        kept.push_back(&message);
      } else {
        PutAside(message, "malformed", std::string(added.error().message()), &counts_.malformed);
      }
    }
    const table::Batch batch = rows_.Finish();
    std::vector<Events> events;
    for (ViewState& view : views_) {
      view.touched.clear();
      view.touched_keys.clear();
      TENON_ASSIGN(Events one, view.view.plan->EventsOf(batch));
      events.push_back(std::move(one));
    }
    for (std::size_t i = 0; i < kept.size(); ++i) TENON_TRY(TakeRow(call, batch, events, static_cast<std::int64_t>(i), *kept[i]));
    for (ViewState& view : views_) {
      TENON_ASSIGN(const std::int64_t stored, Write(view));
      (void)stored;
    }
    return Commit(messages);
  }

  // Why an event cannot be of this partition alone: its entity may have events in others. "": it can.
  Result<std::string> WhyNotKeyed(const table::Batch& batch, std::int64_t row, const Message& message) {
    if (message.key.empty()) return "it has no key; where processes share a topic, events of an entity stand in one partition by their key";
    const std::string entity = KeyOf(*views_[0].view.plan, batch, row);
    const auto [at, fresh] = keys_.try_emplace(entity, message.key);
    if (fresh) {
      TENON_ASSIGN(const auto rows, database_.Query("SELECT key FROM keys WHERE entity = ?", {entity}));
      rows.empty() ? void(new_keys_.emplace_back(entity, at->second)) : void(at->second = TextOf(rows[0][0]));
    }
    if (at->second == message.key) return "";
    return Str("its key is '", message.key, "', but its entity came with '", at->second, "' before: events of an entity may stand in several partitions then");
  }

  // One event, into every view. Its time is that of the first view, as all read one source.
  Result<void> TakeRow(const Call& call, const table::Batch& batch, const std::vector<Events>& events, std::int64_t row, const Message& message) {
    const auto k = static_cast<std::size_t>(row);
    const table::Column at_column = batch.column(batch.schema().Find(views_[0].view.plan->view().time));
    if (!at_column.IsNull(row)) {
      const Micros at = events[0].at[k];
      if (settings_.ahead.count() > 0 && at - call.Now() > settings_.ahead.count()) {
        PutAside(message, "poisoned", Str("its time ", FormatTimestamp(at), " is further in the future than stream.ahead allows"), &counts_.poisoned);
        return {};
      }
      if (settings_.lateness.count() > 0 && time_ != kNoTime && time_ - at > settings_.lateness.count()) {
        PutAside(message, "too_late", Str("its time ", FormatTimestamp(at), " is ", FormatDuration(std::chrono::microseconds(time_ - at)), " before the newest event; stream.lateness is ",
                                          FormatDuration(settings_.lateness)), &counts_.too_late);
        return {};
      }
    }
    if (settings_.keyed) {
      TENON_ASSIGN(std::string why, WhyNotKeyed(batch, row, message));
      if (!why.empty()) {
        PutAside(message, "malformed", std::move(why), &counts_.malformed);
        return {};
      }
    }
    const std::string id_column = settings_.id.empty() ? views_[0].view.plan->view().event : settings_.id;
    std::vector<Known>* records = nullptr;
    if (!id_column.empty()) {
      const int at = batch.schema().Find(id_column);
      if (at >= 0 && !batch.column(at).IsNull(row)) {
        TENON_ASSIGN(records, RecordsOf(batch.column(at).ValueAt(row).Dump()));
        const bool corrects = !views_[0].view.plan->view().event.empty();
        const bool twice = std::ranges::any_of(*records, [&](const Known& one) { return !corrects || one.row == message.value; });
        if (twice) {
          ++counts_.duplicates;
          return {};
        }
      }
    }
    bool counts = false;
    for (std::size_t v = 0; v < views_.size(); ++v) {
      TENON_ASSIGN(const bool used, Into(views_[v], batch, events[v], row, records));
      counts = counts || used;
    }
    if (records != nullptr) {
      if (!records->empty()) ++counts_.corrections;
      const Events& first = events[0];
      records->push_back({first.known.empty() ? kNoTime : first.known[k], std::string(message.value)});
      new_records_.emplace_back(batch.column(batch.schema().Find(id_column)).ValueAt(row).Dump(), records->size() - 1, records->back());
    }
    ++(counts ? counts_.counted : counts_.left_out);
    if (!at_column.IsNull(row)) {
      if (time_ != kNoTime && events[0].at[k] < time_) ++counts_.late;
      time_ = std::max(time_, events[0].at[k]);
    }
    return {};
  }

  // Into one view: the record itself, and what it changes in earlier ones of its event. False when the view does not count it.
  Result<bool> Into(ViewState& view, const table::Batch& batch, const Events& events, std::int64_t row, const std::vector<Known>* records) {
    const auto k = static_cast<std::size_t>(row);
    const ViewPlan& plan = *view.view.plan;
    const Micros known = events.known.empty() ? kNoTime : events.known[k];
    Micros until = kNever;
    if (records != nullptr && !plan.view().event.empty()) {
      // Of records known at one time the one that came last stands.
      for (const Known& other : *records) {
        if (other.known > known) until = std::min(until, other.known);
      }
      const Known* before = nullptr;
      for (const Known& other : *records) {
        if (other.known <= known && (before == nullptr || other.known >= before->known)) before = &other;
      }
      if (before != nullptr) TENON_TRY(Shorten(view, *before, until, known));
    }
    if (events.used[k] == 0) return false;
    if (!events.deleted.empty() && events.deleted[k] != 0) return true;
    std::vector<Value> values(plan.inputs());
    events.ValuesOf(row, values);
    TENON_ASSIGN(Entity* entity, Touch(view, KeyOf(plan, batch, row)));
    entity->state.Add({events.at[k], known, until, values});
    entity->latest = std::max(entity->latest, events.at[k]);
    return true;
  }

  // An earlier record counts until `until` from now on, no longer until `was`.
  Result<void> Shorten(ViewState& view, const Known& record, Micros was, Micros until) {
    TENON_ASSIGN(const Json json, Json::Parse(record.row, "event"));
    RowsFromJson rows(source_);
    TENON_TRY(rows.Add(json));
    const table::Batch batch = rows.Finish();
    const ViewPlan& plan = *view.view.plan;
    TENON_ASSIGN(const Events events, plan.EventsOf(batch));
    if (events.used[0] == 0 || (!events.deleted.empty() && events.deleted[0] != 0)) return {};
    std::vector<Value> values(plan.inputs());
    events.ValuesOf(0, values);
    TENON_ASSIGN(Entity* entity, Touch(view, KeyOf(plan, batch, 0)));
    entity->state.Remove({events.at[0], record.known, was, values});
    entity->state.Add({events.at[0], record.known, until, values});
    return {};
  }

  static std::string KeyOf(const ViewPlan& plan, const table::Batch& batch, std::int64_t row) {
    std::vector<int> columns;
    for (const std::string& name : plan.view().entity) columns.push_back(batch.schema().Find(name));
    std::string key;
    AppendEntityKey(batch, columns, plan.entity_types(), row, &key);
    return key;
  }

  Result<std::vector<Known>*> RecordsOf(const std::string& id) {
    const auto [at, fresh] = records_.try_emplace(id);
    if (fresh) {
      TENON_ASSIGN(const auto rows, database_.Query("SELECT known, row FROM records WHERE id = ? ORDER BY seq", {id}));
      for (const auto& row : rows) at->second.push_back({IntOf(row[0]), TextOf(row[1])});
    }
    return &at->second;
  }

  // Null when there is none and it is not to be made.
  Result<Entity*> Find(ViewState& view, const std::string& key, bool make) {
    if (const auto at = view.entities.find(key); at != view.entities.end()) return &at->second;
    TENON_ASSIGN(const auto rows, database_.Query("SELECT bytes, latest FROM states WHERE view = ? AND entity = ?", {view.view.plan->view().name, key}));
    if (rows.empty() && !make) return nullptr;
    Entity entity(view.view.plan);
    if (!rows.empty()) {
      TENON_ASSIGN(entity.state, WindowState::Load(view.view.plan, TextOf(rows[0][0])));
      entity.latest = IntOf(rows[0][1]);
    }
    return &view.entities.emplace(key, std::move(entity)).first->second;
  }

  Result<Entity*> Touch(ViewState& view, const std::string& key) {
    TENON_ASSIGN(Entity* entity, Find(view, key, true));
    if (!entity->changed) {
      entity->changed = true;
      view.touched.push_back(entity);
      view.touched_keys.push_back(key);
    }
    return entity;
  }

  // The records of the touched entities, at time_, and the states behind them where values move.
  Result<std::int64_t> Write(ViewState& view) {
    view.saved.clear();
    for (Entity* entity : view.touched) {
      entity->state.Advance(time_);
      view.saved.push_back(entity->changed || entity->written == 0 ? entity->state.Save() : "");
    }
    if (view.view.table == nullptr) return 0;
    ValuesBatch batch(*view.view.plan, *view.view.table, view.view.states);
    std::vector<std::pair<Entity*, std::uint64_t>> hashes;
    for (std::size_t i = 0; i < view.touched.size(); ++i) {
      batch.Add(view.touched_keys[i], view.touched[i]->latest, view.touched[i]->state, view.saved[i]);
      // A state that changed is kept though the record says the same: what it says later may differ.
      if (view.touched[i]->written == batch.hash() && (view.view.states == nullptr || !view.touched[i]->changed)) {
        batch.TakeBack();
      } else {
        hashes.emplace_back(view.touched[i], batch.hash());
      }
    }
    TENON_ASSIGN(const std::int64_t stored, batch.Put());
    for (const auto& [entity, hash] : hashes) entity->written = hash;
    return stored;
  }

  Result<void> Commit(std::span<const Message> messages) {
    std::map<int, std::int64_t> next;
    for (const Message& message : messages) next[message.partition] = message.offset + 1;
    auto kept = database_.Transaction([&]() -> Result<void> {
      for (ViewState& view : views_) {
        for (std::size_t i = 0; i < view.touched.size(); ++i) {
          TENON_TRY(database_.Run("INSERT INTO states(view, entity, bytes, latest) VALUES(?, ?, ?, ?) ON CONFLICT(view, entity) DO UPDATE SET bytes = excluded.bytes, latest = excluded.latest",
                                  {view.view.plan->view().name, view.touched_keys[i], view.saved[i], view.touched[i]->latest}));
        }
      }
      for (const auto& [id, seq, record] : new_records_) {
        TENON_TRY(database_.Run("INSERT INTO records(id, seq, known, row) VALUES(?, ?, ?, ?)", {id, static_cast<std::int64_t>(seq), record.known, record.row}));
      }
      for (const auto& [entity, key] : new_keys_) TENON_TRY(database_.Run("INSERT INTO keys(entity, key) VALUES(?, ?)", {entity, key}));
      TENON_ASSIGN(const auto many, database_.Query("SELECT COUNT(*) FROM aside"));
      std::int64_t room = kMostRows - IntOf(many[0][0]);
      for (const SetAside& one : aside_) {
        if (room-- <= 0) break;
        TENON_TRY(database_.Run("INSERT INTO aside(part, at, kind, reason, value) VALUES(?, ?, ?, ?, ?) ON CONFLICT(part, at) DO NOTHING",
                                {static_cast<std::int64_t>(one.partition), one.offset, one.kind, one.reason, one.value}));
      }
      for (const auto& [part, offset] : next) {
        TENON_TRY(database_.Run("INSERT INTO positions(part, next) VALUES(?, ?) ON CONFLICT(part) DO UPDATE SET next = excluded.next", {static_cast<std::int64_t>(part), offset}));
      }
      TENON_TRY(KeepFact("time", time_));
      for (const auto& [name, count] : Counted()) TENON_TRY(KeepFact(name, *count));
      return {};
    });
    TENON_TRY(std::move(kept));
    for (ViewState& view : views_) {
      for (Entity* entity : view.touched) entity->changed = false;
    }
    if (records_.size() > 200000) records_.clear();  // they are in the database
    committed_ = counts_;
    committed_time_ = time_;
    return {};
  }

  Result<void> KeepFact(std::string_view name, std::int64_t value) {
    TENON_TRY(database_.Run("INSERT INTO facts(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value", {std::string(name), std::to_string(value)}));
    return {};
  }

  std::shared_ptr<const table::Schema> source_;
  StreamSettings settings_;
  platform::Database& database_;
  RowsFromJson rows_;
  std::vector<ViewState> views_;
  StreamCounts counts_, committed_;
  Micros time_ = kNoTime, committed_time_ = kNoTime;
  std::unordered_map<std::string, std::vector<Known>> records_;  // of event ids seen lately
  std::vector<std::tuple<std::string, std::size_t, Known>> new_records_;
  std::unordered_map<std::string, std::string> keys_;              // of entities seen, when they are of a partition
  std::vector<std::pair<std::string, std::string>> new_keys_;
  std::vector<SetAside> aside_;
  std::unique_ptr<WindowState> nothing_;
};

}  // namespace

Json StreamCounts::ToJson() const {
  Json out;
  out["events"] = events;
  out["counted"] = counted;
  out["duplicates"] = duplicates;
  out["corrections"] = corrections;
  out["late"] = late;
  out["too_late"] = too_late;
  out["malformed"] = malformed;
  out["poisoned"] = poisoned;
  out["left_out"] = left_out;
  return out;
}

StreamCounts& StreamCounts::operator+=(const StreamCounts& other) {
  events += other.events;
  counted += other.counted;
  duplicates += other.duplicates;
  corrections += other.corrections;
  late += other.late;
  too_late += other.too_late;
  malformed += other.malformed;
  poisoned += other.poisoned;
  left_out += other.left_out;
  return *this;
}

Result<std::unique_ptr<StreamProcessor>> StreamProcessor::Make(std::shared_ptr<const table::Schema> source, std::vector<StreamView> views, StreamSettings settings,
                                                               platform::Database& state) {
  if (views.empty()) return Error(Code::kInvalidArgument, "no feature view is made from this source");
  if (!settings.id.empty()) {
    TENON_ASSIGN(const int at, source->At(settings.id), "stream.id");
    (void)at;
  }
  for (const StreamView& view : views) {
    if (view.plan->view().always()) {
      return Error(Code::kInvalidArgument, Str("view ", view.plan->view().name, " has `time: always`, and a stream has times; materialize it from its table"));
    }
    if (settings.keyed && view.plan->view().entity != views[0].plan->view().entity) {
      return Error(Code::kInvalidArgument, Str("the views ", views[0].plan->view().name, " and ", view.plan->view().name,
                                               " have other entities: a topic that processes share is keyed by one; leave `group` out, or have a topic for each entity"));
    }
    if (view.plan->view().time != views[0].plan->view().time || view.plan->view().event != views[0].plan->view().event || view.plan->view().known != views[0].plan->view().known) {
      return Error(Code::kInvalidArgument, Str("the views ", views[0].plan->view().name, " and ", view.plan->view().name, " read other time, known or event columns of one stream"));
    }
  }
  auto out = std::make_unique<Processor>(std::move(source), std::move(settings), state);
  TENON_TRY(out->Start(std::move(views)));
  return out;
}

Result<std::vector<SetAside>> EventsSetAside(platform::Database& state, std::int64_t most) {
  TENON_ASSIGN(const auto rows, state.Query("SELECT part, at, kind, reason, value FROM aside ORDER BY part, at LIMIT ?", {most}));
  std::vector<SetAside> out;
  for (const auto& row : rows) out.push_back({static_cast<int>(IntOf(row[0])), IntOf(row[1]), TextOf(row[2]), TextOf(row[3]), TextOf(row[4])});
  return out;
}

}  // namespace tenon::feature

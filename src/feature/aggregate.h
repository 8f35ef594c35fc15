#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "feature/view.h"
#include "table/batch.h"

namespace tenon::feature {

// A number (NaN: missing) or a text (null data(): missing), by the type of its input or feature. Bools are 0/1,
// timestamps microseconds; int64 above 2^53 are rounded.
struct Value {
  double number = std::numeric_limits<double>::quiet_NaN();
  std::string_view text;
};

inline constexpr Micros kNever = std::numeric_limits<Micros>::max();
// Times further from 1970 than this (some 126,000 years) never count, so that reckoning with windows cannot overflow.
inline constexpr Micros kFarthest = 4'000'000'000'000'000'000;

// One event as a view sees it. Borrows its texts for the call.
struct Event {
  Micros at = 0;
  Micros known = std::numeric_limits<Micros>::min();  // counts from then on; the least: as it happens
  Micros until = kNever;                              // and no longer from then on: a correction stands in its place
  std::span<const Value> values;                      // one an input of the view
};

// The events in some rows of a source, column by column, expressions evaluated. Shares the batch's memory.
struct Events {
  std::vector<Micros> at;
  std::vector<Micros> known;           // empty: as they happen
  std::vector<std::uint8_t> used;      // 0: no entity, no time, or `where` does not hold
  std::vector<std::uint8_t> deleted;   // empty: none is
  std::vector<table::Column> inputs;   // one an input; float64 or string
  std::int64_t left_out = 0;           // rows without entity or time (not those that `where` leaves out)
  // The values of one row; `out` has one an input.
  void ValuesOf(std::int64_t row, std::span<Value> out) const;
};

// Features that share events and window share one slot of the state.
struct Slot {
  int input = 0;             // -1: all inputs at once (the latest values), or none (the ttl)
  Window window;
  Micros delay = 0;
  bool latest = false;       // values of the latest event
  bool presence = false;     // whether there is any event: for ttl
  bool text = false;
  bool sums = false, squares = false, sorted = false, ordered = false, decayed = false;  // what is kept
};

// A view bound to the columns of its source: types checked, expressions compiled, windows laid out. Immutable; any number
// of threads. The one code of offline joins, online values and streams.
class ViewPlan {
 public:
  // Errors: invalid_argument naming the view and the setting: columns that are not there (with near names), texts that are
  // to be summed, a time that is none, two features of one name.
  static Result<std::shared_ptr<const ViewPlan>> Make(FeatureView view, const table::Schema& source);

  const FeatureView& view() const { return view_; }
  // The features' fields, in the order of view().features, named without the view: int64 (counts), float64, or the
  // column's own type (latest, last, min, max).
  const std::shared_ptr<const table::Schema>& output() const { return output_; }
  // The types of the entity columns in the source, in the order of view().entity.
  const std::vector<table::Type>& entity_types() const { return entity_types_; }
  std::size_t inputs() const { return view_.inputs.size(); }
  const std::vector<Slot>& slots() const { return slots_; }
  const std::vector<int>& slot_of() const { return slot_of_; }  // of each feature
  const std::vector<std::uint8_t>& input_is_text() const { return input_is_text_; }
  int presence() const { return presence_; }                    // slot of the ttl, or -1
  // Whether values change though no event comes: windows that end, delays, corrections, a ttl.
  bool moves() const;
  // The longest that an event can count after it is known; kNever when there is no end.
  Micros reach() const { return reach_; }
  // The source's columns that the view reads, each once: entity, time, knowledge, and what its expressions read.
  const std::vector<table::Field>& reads() const { return reads_; }
  // What an event's part in these features at its own time is made of: columns of the source beside entity, in the order of first use.
  // Nothing when it has no part in them then: what is delayed, lags, ended windows, views without the same instant.
  std::optional<std::vector<std::string>> ReadAtOnce(std::span<const std::size_t> features) const;

  // The events in rows that have the source's columns. invalid_argument when one is missing or of another type.
  Result<Events> EventsOf(const table::Batch& rows) const;
  // From when on (inclusive) until when (exclusive) an event counts in a slot; from >= until: never.
  struct Interval {
    Micros from, until;
  };
  Interval CountsIn(const Slot& slot, const Event& event) const;

 private:
  struct Compiled;
  FeatureView view_;
  std::shared_ptr<const table::Schema> output_;
  std::vector<table::Type> entity_types_;
  std::vector<Slot> slots_;
  std::vector<int> slot_of_;
  std::vector<std::uint8_t> input_is_text_;
  int presence_ = -1;
  Micros reach_ = 0;
  std::vector<table::Field> reads_;
  std::shared_ptr<const Compiled> compiled_;
  friend class PlanMaker;
};

// What one entity's events amount to at one moment. Depends on nothing but the set of events added (less those removed)
// and the moment: not on the order or the parts in which they came; sums are exact. A copy is independent. One thread.
class WindowState {
 public:
  explicit WindowState(std::shared_ptr<const ViewPlan> plan);
  ~WindowState();
  WindowState(WindowState&&) noexcept;
  WindowState& operator=(WindowState&&) noexcept;
  WindowState Clone() const;

  // In any order. Events that count only later wait; those that counted only before the present moment are dropped.
  void Add(const Event& event);
  // Takes back an event that was added with equal fields (asserted as far as it can be seen).
  void Remove(const Event& event);
  // The present moment, never going back: events begin to count and cease to.
  void Advance(Micros now);
  Micros now() const { return now_; }
  // The moment after now() from which on Values are others though no event comes; kNever: none.
  Micros Next() const;
  // One value a feature at now(). Texts live until the state changes. Missing as an empty state has it: counts are 0.
  void Values(std::span<Value> out) const;
  // Whether anything is left in it; an empty state gives what a state that never had an event gives.
  bool empty() const;
  // Adds all that the other has, of the same plan; now() becomes the later of the two.
  void Merge(const WindowState& other);
  // docs/formats/feature-state.md. Equal events and moment give equal bytes.
  std::string Save() const;
  // data_loss for damaged bytes, failed_precondition when they are of another plan or a newer version.
  static Result<WindowState> Load(std::shared_ptr<const ViewPlan> plan, std::string_view bytes);

 private:
  struct Parts;
  std::shared_ptr<const ViewPlan> plan_;
  std::unique_ptr<Parts> parts_;
  Micros now_ = -kFarthest;
};

// The features' values as columns of plan.output()'s types: values[row * features + feature].
class ValueColumns {
 public:
  explicit ValueColumns(std::shared_ptr<const ViewPlan> plan);
  void Add(std::span<const Value> values);
  void AddMissing();                        // a row of nulls
  std::vector<table::Column> Finish();

 private:
  std::shared_ptr<const ViewPlan> plan_;
  std::vector<table::ColumnBuilder> builders_;
};

// The bytes that name an entity: equal for equal values of its columns whatever the width of numbers; "" when one of them
// is missing. `types` says how each is read (a number for numbers, else text).
void AppendEntityKey(const table::Batch& rows, std::span<const int> columns, std::span<const table::Type> types, std::int64_t row,
                     std::string* out);

}  // namespace tenon::feature

#include "feature/join_latest_internal.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "base/text.h"
#include "feature/slot_state_internal.h"
#include "feature/view_events_internal.h"

namespace tenon::feature {
namespace {

using table::Batch;
using table::Type;

constexpr std::size_t kAhead = 24;  // rows whose values are fetched before

// Rows that take part: all of them where they lie, or some, copied.
struct Keyed {
  TimedKeys of;                    // into what follows, or into the columns that they are of
  std::vector<std::int64_t> key;
  std::vector<Micros> time;
  std::vector<std::uint32_t> row;  // the number of each; empty: all rows, in their order
  void Reserve(std::size_t rows) {
    key.reserve(rows);
    time.reserve(rows);
    row.reserve(rows);
  }
  void Add(std::int64_t its_key, Micros at, std::size_t number) {
    key.push_back(its_key);
    time.push_back(at);
    row.push_back(static_cast<std::uint32_t>(number));
  }
  std::size_t size() const { return of.key.size(); }
  std::uint32_t RowOf(std::size_t i) const { return row.empty() ? static_cast<std::uint32_t>(i) : row[i]; }
};

bool Within(std::span<const Micros> times, Micros least, Micros most) {
  return std::ranges::none_of(times, [&](Micros time) { return time < least || time > most; });
}

bool IsWhole(const Batch& rows, int column) {
  const Type type = rows.schema()[column].type;
  return type == Type::kInt64 || type == Type::kTimestamp;
}

class LatestJoin {
 public:
  LatestJoin(const Call& call, const ViewRows& view) : call_(call), plan_(view.plan), rows_(*view.rows) {}

  Result<void> Run(const Batch& asking, std::span<const Micros> times, std::vector<table::Column>* out) {
    TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(asking, *plan_, "the rows"));
    whole_ = columns.size() == 1 && IsWhole(asking, columns[0]);
    TENON_TRY(TakeKnown());
    const Keyed asked = Asked(asking, columns, times);
    std::vector<std::int32_t> found(asked.size());
    const std::chrono::microseconds ttl = plan_->view().ttl.count() == 0 ? std::chrono::microseconds(0) : plan_->view().ttl - std::chrono::microseconds(Shift(plan_->view()));
    TENON_TRY(MatchAsOf(call_, asked.of, known_.of, ttl, found));
    TENON_TRY(Choose(&found));
    for (std::int32_t& at : found) {
      if (known_.row.empty()) break;
      if (at != kNoRow) at = static_cast<std::int32_t>(known_.row[static_cast<std::size_t>(at)]);
    }
    Write(times.size(), asked, found, out);
    return {};
  }

  // An event counts for a row that comes so much later.
  static Micros Shift(const FeatureView& view) {
    const Micros delay = view.inputs.empty() ? 0 : view.inputs[0].delay.count();
    return delay > 0 ? delay : view.same_instant ? 0 : 1;
  }

 private:
  // False: the row names no entity, or one that no event is of.
  bool KeyOf(const Batch& rows, std::span<const int> columns, std::size_t row, bool add, std::int64_t* key) {
    const auto at = static_cast<std::int64_t>(row);
    if (whole_) {
      const table::Column& column = rows.column(columns[0]);
      *key = column.ints()[row];
      return !column.IsNull(at);
    }
    *key = entities_.Number(rows, columns, plan_->entity_types(), at, add);
    return *key >= 0;
  }

  // Where each row names an entity by one whole number, at a time that can be told, keys and times stay where they are.
  Keyed Asked(const Batch& asking, const std::vector<int>& columns, std::span<const Micros> times) {
    Keyed out;
    const Micros shift = Shift(plan_->view());
    if (whole_ && asking.column(columns[0]).validity() == nullptr && Within(times, std::numeric_limits<Micros>::min() + 1 + shift, kFarthest)) {
      out.of = {asking.column(columns[0]).ints(), times};
      if (shift == 0) return out;
      out.time.assign(times.begin(), times.end());
      for (Micros& time : out.time) time -= shift;
      out.of.time = out.time;
      return out;
    }
    out.Reserve(times.size());
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (times[i] == kNever) continue;
      std::int64_t key = 0;
      if (!KeyOf(asking, columns, i, false, &key)) continue;
      Micros time = std::min(times[i], kFarthest);
      if (__builtin_sub_overflow(time, shift, &time)) continue;
      out.Add(key, time, i);
    }
    out.of = {out.key, out.time};
    return out;
  }

  Result<void> TakeKnown() {
    std::size_t total = 0;
    for (const Batch& batch : rows_) {
      TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(batch, *plan_, "its source's rows"));
      whole_ = whole_ && IsWhole(batch, columns[0]);
      total += static_cast<std::size_t>(batch.rows());
    }
    if (rows_.size() != 1) known_.Reserve(total);
    for (const Batch& batch : rows_) {
      TENON_TRY(call_.Check());
      TENON_ASSIGN(Events events, plan_->EventsOf(batch), Str("features.", plan_->view().name));
      TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(batch, *plan_, "its source's rows"));
      const std::size_t begin = offsets_.back();
      offsets_.push_back(begin + static_cast<std::size_t>(batch.rows()));
      events_.push_back(std::move(events));
      if (TakeAll(batch, columns)) return {};
      for (std::size_t i = 0; i < static_cast<std::size_t>(batch.rows()); ++i) {
        std::int64_t key = 0;
        const Events& of = events_.back();
        if (of.used[i] == 0 || std::abs(of.at[i]) > kFarthest || !KeyOf(batch, columns, i, true, &key)) continue;
        known_.Add(key, of.at[i], begin + i);
      }
    }
    known_.of = {known_.key, known_.time};
    return {};
  }

  // The only batch as it lies, when all its rows take part.
  bool TakeAll(const Batch& batch, std::span<const int> columns) {
    const Events& events = events_.back();
    if (rows_.size() != 1 || !whole_ || batch.column(columns[0]).validity() != nullptr) return false;
    if (std::ranges::find(events.used, 0) != events.used.end() || !Within(events.at, -kFarthest, kFarthest)) return false;
    known_.of = {batch.column(columns[0]).ints(), events.at};
    return true;
  }

  std::pair<const Events*, std::size_t> Find(std::uint32_t row) const {
    const auto batch = static_cast<std::size_t>(std::ranges::upper_bound(offsets_, row) - offsets_.begin()) - 1;
    return {&events_[batch], row - offsets_[batch]};
  }
  void ValuesOf(std::uint32_t row, std::span<Value> values) const {
    const auto [events, at] = Find(row);
    events->ValuesOf(static_cast<std::int64_t>(at), values);
  }
  // Values lie anywhere in memory: asked for some rows ahead, many come at once.
  void Fetch(std::uint32_t row) const {
    const auto [events, at] = Find(row);
    for (const table::Column& column : events->inputs) {
      if (column.type() == Type::kFloat64) {
        __builtin_prefetch(column.doubles().data() + at);
      } else if (column.coded()) {
        __builtin_prefetch(column.codes().data() + at);
      } else {
        __builtin_prefetch(column.offsets() + at);
      }
    }
  }

  HeldRow HeldOf(std::int32_t at) const {
    std::vector<Value> values(plan_->inputs());
    ValuesOf(known_.RowOf(static_cast<std::size_t>(at)), values);
    HeldRow out;
    for (const Value& value : values) out.push_back(Held::Of(value));
    return out;
  }

  // Of an entity's events of one time the match found the last in the rows; the one with the greater values is meant.
  Result<void> Choose(std::vector<std::int32_t>* found) const {
    if (std::ranges::adjacent_find(known_.of.time, std::greater_equal<>()) == known_.of.time.end()) return {};  // no two of one time
    std::vector<std::int32_t> last(known_.size());
    TENON_TRY(MatchAsOf(call_, known_.of, known_.of, {}, last));
    std::vector<std::int32_t> chosen;
    for (std::size_t j = 0; j < last.size(); ++j) {
      const auto mine = static_cast<std::int32_t>(j);
      if (last[j] == mine) continue;
      if (chosen.empty()) chosen = last;  // of those that are last: themselves
      std::int32_t& best = chosen[static_cast<std::size_t>(last[j])];
      if (HeldOf(best) < HeldOf(mine)) best = mine;
    }
    for (std::int32_t& at : *found) {
      if (!chosen.empty() && at != kNoRow) at = chosen[static_cast<std::size_t>(at)];
    }
    return {};
  }

  // `found`: rows of the source.
  void Write(std::size_t rows, const Keyed& asked, const std::vector<std::int32_t>& found, std::vector<table::Column>* out) const {
    const auto number = [&](std::size_t k) { return events_.size() == 1 && InputOf(k).type() == Type::kFloat64 && (*plan_->output())[static_cast<int>(k)].type == Type::kFloat64; };
    const std::size_t features = plan_->view().features.size();
    bool all = asked.row.empty();
    for (std::size_t k = 0; k < features; ++k) all = all && number(k);
    if (all) {
      for (std::size_t k = 0; k < features; ++k) out->push_back(Numbers(InputOf(k), found));
      return;
    }
    ValueColumns columns(plan_);
    std::vector<Value> values(plan_->inputs()), given(features);
    std::size_t next = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      const bool takes_part = next < asked.size() && asked.RowOf(next) == row;
      if (takes_part && next + kAhead < found.size() && found[next + kAhead] != kNoRow) Fetch(static_cast<std::uint32_t>(found[next + kAhead]));
      const std::int32_t at = takes_part ? found[next++] : kNoRow;
      if (at == kNoRow) {
        columns.AddMissing();
        continue;
      }
      ValuesOf(static_cast<std::uint32_t>(at), values);
      for (std::size_t k = 0; k < given.size(); ++k) given[k] = values[static_cast<std::size_t>(plan_->view().features[k].input)];
      columns.Add(given);
    }
    for (table::Column& column : columns.Finish()) out->push_back(std::move(column));
  }

  const table::Column& InputOf(std::size_t feature) const { return events_[0].inputs[static_cast<std::size_t>(plan_->view().features[feature].input)]; }

  // The input's numbers at the rows that were found; missing where none was, or it is.
  static table::Column Numbers(const table::Column& input, const std::vector<std::int32_t>& found) {
    struct Owned {
      std::unique_ptr<double[]> values;
      std::vector<std::uint64_t> there;
    };
    const std::size_t size = found.size();
    auto owned = std::make_shared<Owned>();
    owned->values = std::make_unique_for_overwrite<double[]>(std::max<std::size_t>(size, 1));
    owned->there.resize((size + 63) / 64);
    const double* from = input.doubles().data();
    bool any_missing = false;
    for (std::size_t word = 0; word < owned->there.size(); ++word) {
      std::uint64_t there = 0;
      const std::size_t begin = 64 * word, end = std::min(size, begin + 64);
      for (std::size_t i = begin; i < end; ++i) {
        if (i + kAhead < size && found[i + kAhead] != kNoRow) __builtin_prefetch(from + found[i + kAhead]);
        const std::int32_t at = found[i];
        const double value = at == kNoRow || input.IsNull(at) ? std::numeric_limits<double>::quiet_NaN() : from[at];
        const bool known = !std::isnan(value);
        owned->values[i] = known ? value : 0;
        there |= std::uint64_t{known} << (i - begin);
      }
      owned->there[word] = there;
      any_missing = any_missing || there != (end - begin == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (end - begin)) - 1);
    }
    return table::Column::Fixed(Type::kFloat64, owned->values.get(), static_cast<std::int64_t>(size), any_missing ? owned->there.data() : nullptr, owned);
  }

  const Call& call_;
  std::shared_ptr<const ViewPlan> plan_;
  const std::vector<Batch>& rows_;
  bool whole_ = false;  // the entity is one column of whole numbers, on both sides
  Entities entities_;
  Keyed known_;
  std::vector<Events> events_;
  std::vector<std::size_t> offsets_{0};
};

// Whether it is only latest values, which count from a moment on until they are too old.
bool OnlyLatest(const FeatureView& view) {
  if (view.always() || !view.known.empty() || !view.event.empty() || !view.deleted.empty()) return false;
  if (!std::ranges::all_of(view.features, [](const FeatureSpec& feature) { return feature.function == Function::kLatest; })) return false;
  const auto plain = [&](const InputSpec& input) { return input.delay == view.inputs[0].delay && !input.fill; };
  if (view.inputs.empty() || !std::ranges::all_of(view.inputs, plain)) return false;
  return view.ttl.count() == 0 || view.ttl.count() > LatestJoin::Shift(view);
}

}  // namespace

Result<bool> JoinLatest(const Call& call, const Batch& asking, std::span<const Micros> times, const ViewRows& view,
                        std::vector<table::Column>* out) {
  if (!OnlyLatest(view.plan->view())) return false;
  TENON_TRY(LatestJoin(call, view).Run(asking, times, out));
  return true;
}

}  // namespace tenon::feature

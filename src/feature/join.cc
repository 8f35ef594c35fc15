// The point-in-time join of rows with feature views: every entity's events and questions in the order of time, through
// the same state that answers online.

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <unordered_map>

#include "base/text.h"
#include "feature/as_of.h"

namespace tenon::feature {
namespace {

using table::Batch;
using table::Column;
using table::Type;

// Rows grouped by entity: for entity e the rows order[begin[e] .. begin[e + 1]).
struct Grouped {
  std::vector<std::uint32_t> order;
  std::vector<std::size_t> begin;
};

Grouped Group(std::span<const std::int32_t> entity, std::size_t entities) {
  Grouped out;
  out.begin.assign(entities + 1, 0);
  for (const std::int32_t e : entity) {
    if (e >= 0) ++out.begin[static_cast<std::size_t>(e) + 1];
  }
  for (std::size_t e = 0; e < entities; ++e) out.begin[e + 1] += out.begin[e];
  std::vector<std::size_t> next(out.begin.begin(), out.begin.end() - 1);
  out.order.resize(out.begin.back());
  for (std::size_t i = 0; i < entity.size(); ++i) {
    if (entity[i] >= 0) out.order[next[static_cast<std::size_t>(entity[i])]++] = static_cast<std::uint32_t>(i);
  }
  return out;
}

// Numbers entities from 0 as they are first seen.
class Entities {
 public:
  Result<std::vector<int>> ColumnsOf(const Batch& rows, const ViewPlan& plan, std::string_view whose) const {
    std::vector<int> out;
    for (std::size_t k = 0; k < plan.view().entity.size(); ++k) {
      const std::string& name = plan.view().entity[k];
      const int at = rows.schema().Find(name);
      if (at < 0) {
        return Error(Code::kInvalidArgument, Str("features.", plan.view().name, ": ", whose, " have no column '", name, "' to say whose features are wanted",
                                                 DidYouMean(name, rows.schema().Names())));
      }
      const Type type = rows.schema()[at].type;
      if ((type == Type::kString) != (plan.entity_types()[k] == Type::kString)) {
        return Error(Code::kInvalidArgument, Str("features.", plan.view().name, ": entity ", name, " is ", table::NameOf(plan.entity_types()[k]), " in the source, but ",
                                                 table::NameOf(type), " in ", whose, "; give one of them the other's type under `types:`"));
      }
      out.push_back(at);
    }
    return out;
  }
  std::int32_t Number(const Batch& rows, std::span<const int> columns, std::span<const Type> types, std::int64_t row, bool add) {
    key_.clear();
    AppendEntityKey(rows, columns, types, row, &key_);
    if (key_.empty()) return -1;
    if (!add) {
      const auto at = numbers_.find(key_);
      return at == numbers_.end() ? -1 : at->second;
    }
    return numbers_.try_emplace(key_, static_cast<std::int32_t>(numbers_.size())).first->second;
  }
  std::size_t size() const { return numbers_.size(); }

 private:
  std::unordered_map<std::string, std::int32_t> numbers_;
  std::string key_;
};

// One view's events, all batches one after another, and its questions.
class ViewJoin {
 public:
  ViewJoin(const ViewPlan& plan, const std::vector<Batch>& rows) : plan_(plan), rows_(rows) {}

  Result<void> Prepare(const Batch& asking, std::span<const Micros> times) {
    times_ = times;
    for (const Batch& batch : rows_) {
      TENON_ASSIGN(Events events, plan_.EventsOf(batch), Str("features.", plan_.view().name));
      TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(batch, plan_, "its source's rows"));
      for (std::int64_t i = 0; i < batch.rows(); ++i) {
        const bool used = events.used[static_cast<std::size_t>(i)] != 0 || !plan_.view().event.empty();
        entity_.push_back(used ? entities_.Number(batch, columns, plan_.entity_types(), i, true) : -1);
      }
      offsets_.push_back(total_);
      total_ += static_cast<std::size_t>(batch.rows());
      events_.push_back(std::move(events));
    }
    offsets_.push_back(total_);
    if (!plan_.view().event.empty()) TENON_TRY(Correct());
    if (plan_.view().always()) TENON_TRY(CheckOneEach());
    for (std::size_t i = 0; i < total_; ++i) {
      if (!Used(i)) entity_[i] = -1;
    }
    TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(asking, plan_, "the rows"));
    std::vector<std::int32_t> whose;
    for (std::int64_t i = 0; i < asking.rows(); ++i) {
      const bool timeless = times_[static_cast<std::size_t>(i)] == kNever;
      whose.push_back(timeless ? -1 : entities_.Number(asking, columns, plan_.entity_types(), i, false));
    }
    events_of_ = Group(entity_, entities_.size());
    asking_of_ = Group(whose, entities_.size());
    return {};
  }

  // Of a table that holds always: two rows of one entity contradict each other.
  Result<void> CheckOneEach() const {
    std::vector<std::int64_t> first(entities_.size(), -1);
    for (std::size_t i = 0; i < total_; ++i) {
      if (!Used(i) || entity_[i] < 0) continue;
      std::int64_t& before = first[static_cast<std::size_t>(entity_[i])];
      if (before >= 0) {
        return Error(Code::kInvalidArgument, Str("features.", plan_.view().name, ": rows ", before + 1, " and ", i + 1, " of ", plan_.view().from, " are of one ", Join(plan_.view().entity, ", "),
                                                 ", and `time: always` says that one holds; name the column with a time, or leave all but one out by `where`"));
      }
      before = static_cast<std::int64_t>(i);
    }
    return {};
  }

  // Values of all features of every asking row: row-major, texts as positions in `texts` of the entity's thread.
  void Run(std::size_t entity, const std::function<void(std::size_t row, std::span<const Value>)>& give) const {
    std::span<const std::uint32_t> questions(asking_of_.order.data() + asking_of_.begin[entity], asking_of_.begin[entity + 1] - asking_of_.begin[entity]);
    if (questions.empty()) return;
    std::vector<std::uint32_t> asked(questions.begin(), questions.end());
    std::ranges::stable_sort(asked, {}, [this](std::uint32_t row) { return times_[row]; });
    std::vector<std::pair<Micros, std::uint32_t>> coming;
    for (std::size_t k = events_of_.begin[entity]; k < events_of_.begin[entity + 1]; ++k) {
      const std::uint32_t row = events_of_.order[k];
      coming.emplace_back(std::max(At(row), KnownOf(row)), row);
    }
    std::ranges::sort(coming);
    WindowState state(Shared());
    std::vector<Value> values(plan_.inputs());
    std::vector<Value> out(plan_.view().features.size());
    std::size_t next = 0;
    for (const std::uint32_t row : asked) {
      const Micros now = times_[row];
      for (; next < coming.size() && coming[next].first <= now; ++next) {
        const std::uint32_t event = coming[next].second;
        const auto [batch, at] = Find(event);
        events_[batch].ValuesOf(at, values);
        state.Add({At(event), KnownOf(event), until_.empty() ? kNever : until_[event], values});
      }
      state.Advance(now);
      state.Values(out);
      give(row, out);
    }
  }

  std::size_t entities() const { return entities_.size(); }
  void Share(std::shared_ptr<const ViewPlan> plan) { shared_ = std::move(plan); }

 private:
  std::pair<std::size_t, std::int64_t> Find(std::size_t row) const {
    const auto at = static_cast<std::size_t>(std::upper_bound(offsets_.begin(), offsets_.end(), row) - offsets_.begin()) - 1;
    return {at, static_cast<std::int64_t>(row - offsets_[at])};
  }
  bool Used(std::size_t row) const {
    const auto [batch, at] = Find(row);
    const Events& events = events_[batch];
    const auto k = static_cast<std::size_t>(at);
    return events.used[k] != 0 && (events.deleted.empty() || events.deleted[k] == 0);
  }
  Micros At(std::size_t row) const {
    const auto [batch, at] = Find(row);
    return events_[batch].at[static_cast<std::size_t>(at)];
  }
  Micros KnownOf(std::size_t row) const {
    const auto [batch, at] = Find(row);
    const Events& events = events_[batch];
    return events.known.empty() ? std::numeric_limits<Micros>::min() : events.known[static_cast<std::size_t>(at)];
  }
  const std::shared_ptr<const ViewPlan>& Shared() const { return shared_; }

  // Of the records with one event id each counts until the next is known; of those known at one time the last stands.
  Result<void> Correct() {
    until_.assign(total_, kNever);
    std::unordered_map<std::string, std::vector<std::uint32_t>> records;
    std::size_t row = 0;
    for (const Batch& batch : rows_) {
      TENON_ASSIGN(const Column ids, batch.Named(plan_.view().event));
      for (std::int64_t i = 0; i < batch.rows(); ++i, ++row) {
        if (!ids.IsNull(i)) records[ids.ValueAt(i).Dump()].push_back(static_cast<std::uint32_t>(row));
      }
    }
    for (auto& [id, rows] : records) {
      std::ranges::stable_sort(rows, {}, [this](std::uint32_t r) { return KnownOf(r); });
      for (std::size_t k = 0; k + 1 < rows.size(); ++k) until_[rows[k]] = KnownOf(rows[k + 1]);
    }
    return {};
  }

  const ViewPlan& plan_;
  std::shared_ptr<const ViewPlan> shared_;
  const std::vector<Batch>& rows_;
  std::span<const Micros> times_;
  std::vector<Events> events_;
  std::vector<std::size_t> offsets_;
  std::size_t total_ = 0;
  std::vector<std::int32_t> entity_;
  std::vector<Micros> until_;
  Entities entities_;
  Grouped events_of_, asking_of_;
};

// The values of one view for all rows, kept until they can be written in order.
class Answers {
 public:
  Answers(std::size_t rows, const table::Schema& features) : width_(static_cast<std::size_t>(features.size())), numbers_(rows * width_, std::numeric_limits<double>::quiet_NaN()) {
    for (const table::Field& field : features.fields()) any_text_ = any_text_ || field.type == Type::kString;
    if (any_text_) {
      texts_.resize(rows * width_);
      has_text_.assign(rows * width_, 0);
    }
  }
  void Set(std::size_t row, std::span<const Value> values) {
    for (std::size_t k = 0; k < width_; ++k) {
      numbers_[row * width_ + k] = values[k].number;
      if (!any_text_ || values[k].text.data() == nullptr) continue;
      texts_[row * width_ + k] = std::string(values[k].text);
      has_text_[row * width_ + k] = 1;
    }
  }
  void Get(std::size_t row, std::span<Value> out) const {
    for (std::size_t k = 0; k < width_; ++k) {
      out[k] = {};
      out[k].number = numbers_[row * width_ + k];
      if (any_text_ && has_text_[row * width_ + k] != 0) out[k].text = texts_[row * width_ + k];
      if (out[k].text.data() == nullptr && any_text_ && has_text_[row * width_ + k] != 0) out[k].text = "";
    }
  }

 private:
  std::size_t width_;
  bool any_text_ = false;
  std::vector<double> numbers_;
  std::vector<std::string> texts_;
  std::vector<std::uint8_t> has_text_;
};

Result<void> JoinView(const Call& call, const Batch& asking, std::span<const Micros> times, const ViewRows& view, std::vector<Column>* out) {
  ViewJoin join(*view.plan, *view.rows);
  join.Share(view.plan);
  TENON_TRY(join.Prepare(asking, times));
  Answers answers(static_cast<std::size_t>(asking.rows()), *view.plan->output());
  const WindowState nothing(view.plan);
  std::vector<Value> values(view.plan->view().features.size());
  nothing.Values(values);
  for (std::size_t row = 0; row < static_cast<std::size_t>(asking.rows()); ++row) answers.Set(row, values);
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stopped = false;
  const auto work = [&] {
    for (std::size_t e = next++; e < join.entities() && !stopped; e = next++) {
      if (!call.Check()) stopped = true;
      join.Run(e, [&answers](std::size_t row, std::span<const Value> found) { answers.Set(row, found); });
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < call.threads; ++t) others.emplace_back(work);
    work();
  }
  if (stopped) return call.Check();
  ValueColumns columns(view.plan);
  for (std::size_t row = 0; row < static_cast<std::size_t>(asking.rows()); ++row) {
    answers.Get(row, values);
    columns.Add(values);
  }
  for (Column& column : columns.Finish()) out->push_back(std::move(column));
  return {};
}

}  // namespace

Result<Batch> JoinAsOf(const Call& call, const Batch& asking, std::string_view time, std::span<const ViewRows> views) {
  const int at = asking.schema().Find(time);
  if (at < 0) {
    return Error(Code::kInvalidArgument, Str("the rows have no time column '", time, "', so what was known at their time cannot be told", DidYouMean(time, asking.schema().Names())));
  }
  if (asking.schema()[at].type != Type::kTimestamp) {
    return Error(Code::kInvalidArgument, Str("column ", time, " of the rows is ", table::NameOf(asking.schema()[at].type), ", not timestamp"));
  }
  const Column& time_column = asking.column(at);
  std::vector<Micros> times(time_column.ints().begin(), time_column.ints().end());
  for (std::size_t i = 0; i < times.size() && time_column.validity() != nullptr; ++i) {
    if (time_column.IsNull(static_cast<std::int64_t>(i))) times[i] = kNever;
  }
  std::vector<table::Field> fields = asking.schema().fields();
  std::vector<Column> columns;
  for (int i = 0; i < asking.columns(); ++i) columns.push_back(asking.column(i));
  for (const ViewRows& view : views) {
    for (const FeatureSpec& feature : view.plan->view().features) {
      table::Field field = (*view.plan->output())[view.plan->output()->Find(feature.name)];
      field.name = ColumnOf(view.plan->view(), feature);
      if (std::ranges::any_of(fields, [&](const table::Field& other) { return other.name == field.name; })) {
        return Error(Code::kInvalidArgument, Str("the rows have a column '", field.name, "' already; rename it, or the view"));
      }
      fields.push_back(std::move(field));
    }
    TENON_TRY(JoinView(call, asking, times, view, &columns), Str("joining the features of ", view.plan->view().name));
  }
  return Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

}  // namespace tenon::feature

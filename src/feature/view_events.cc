#include "feature/view_events_internal.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::feature {
namespace {

using table::Batch;
using table::Type;

constexpr Micros kNoTime = std::numeric_limits<Micros>::min();

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

}  // namespace

Result<std::vector<int>> Entities::ColumnsOf(const Batch& rows, const ViewPlan& plan, std::string_view whose) const {
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

std::int32_t Entities::Number(const Batch& rows, std::span<const int> columns, std::span<const Type> types, std::int64_t row, bool add) {
  key_.clear();
  AppendEntityKey(rows, columns, types, row, &key_);
  if (key_.empty()) return -1;
  if (!add) {
    const auto at = numbers_.find(key_);
    return at == numbers_.end() ? -1 : at->second;
  }
  const auto [at, fresh] = numbers_.try_emplace(key_, static_cast<std::int32_t>(numbers_.size()));
  if (fresh) keys_.push_back(at->first);
  return at->second;
}

Result<void> ViewEvents::Prepare() {
  for (const Batch& batch : rows_) {
    TENON_ASSIGN(Events events, plan_->EventsOf(batch), Str("features.", plan_->view().name));
    TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(batch, *plan_, "its source's rows"));
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      const bool used = events.used[static_cast<std::size_t>(i)] != 0 || !plan_->view().event.empty();
      entity_.push_back(used ? entities_.Number(batch, columns, plan_->entity_types(), i, true) : -1);
    }
    offsets_.push_back(total_);
    total_ += static_cast<std::size_t>(batch.rows());
    events_.push_back(std::move(events));
  }
  offsets_.push_back(total_);
  if (!plan_->view().event.empty()) TENON_TRY(Correct());
  if (plan_->view().always()) TENON_TRY(CheckOneEach());
  for (std::size_t i = 0; i < total_; ++i) {
    if (!Used(i)) entity_[i] = -1;
  }
  events_of_ = Group(entity_, entities_.size());
  return {};
}

// Of a table that holds always: two rows of one entity contradict each other.
Result<void> ViewEvents::CheckOneEach() const {
  std::vector<std::int64_t> first(entities_.size(), -1);
  for (std::size_t i = 0; i < total_; ++i) {
    if (!Used(i) || entity_[i] < 0) continue;
    std::int64_t& before = first[static_cast<std::size_t>(entity_[i])];
    if (before >= 0) {
      return Error(Code::kInvalidArgument, Str("features.", plan_->view().name, ": rows ", before + 1, " and ", i + 1, " of ", plan_->view().from, " are of one ", Join(plan_->view().entity, ", "),
                                               ", and `time: always` says that one holds; name the column with a time, or leave all but one out by `where`"));
    }
    before = static_cast<std::int64_t>(i);
  }
  return {};
}

Result<void> ViewEvents::Ask(const Batch& asking, std::span<const Micros> times) {
  times_ = times;
  TENON_ASSIGN(const std::vector<int> columns, entities_.ColumnsOf(asking, *plan_, "the rows"));
  std::vector<std::int32_t> whose;
  for (std::int64_t i = 0; i < asking.rows(); ++i) {
    const bool timeless = times_[static_cast<std::size_t>(i)] == kNever;
    whose.push_back(timeless ? -1 : entities_.Number(asking, columns, plan_->entity_types(), i, false));
  }
  asking_of_ = Group(whose, entities_.size());
  return {};
}

void ViewEvents::Add(std::uint32_t row, Micros until, std::span<Value> values, WindowState* state) const {
  const auto [batch, at] = Find(row);
  events_[batch].ValuesOf(at, values);
  state->Add({At(row), KnownOf(row), until, values});
}

void ViewEvents::Run(std::size_t entity, const std::function<void(std::size_t row, std::span<const Value>)>& give) const {
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
  WindowState state(plan_);
  std::vector<Value> values(plan_->inputs());
  std::vector<Value> out(plan_->view().features.size());
  std::size_t next = 0;
  for (const std::uint32_t row : asked) {
    const Micros now = times_[row];
    for (; next < coming.size() && coming[next].first <= now; ++next) {
      const std::uint32_t event = coming[next].second;
      Add(event, until_.empty() ? kNever : until_[event], values, &state);
    }
    state.Advance(now);
    state.Values(out);
    give(row, out);
  }
}

Micros ViewEvents::StateAt(std::size_t entity, Micros until, WindowState* state) const {
  Micros latest = kNoTime;
  std::vector<Value> values(plan_->inputs());
  for (std::size_t k = events_of_.begin[entity]; k < events_of_.begin[entity + 1]; ++k) {
    const std::uint32_t row = events_of_.order[k];
    if (At(row) > until || KnownOf(row) > until) continue;
    latest = std::max(latest, At(row));
    const bool corrected = !until_.empty() && until_[row] <= until;
    Add(row, corrected ? until_[row] : kNever, values, state);
  }
  state->Advance(until);
  return latest;
}

std::pair<std::size_t, std::int64_t> ViewEvents::Find(std::size_t row) const {
  const auto at = static_cast<std::size_t>(std::upper_bound(offsets_.begin(), offsets_.end(), row) - offsets_.begin()) - 1;
  return {at, static_cast<std::int64_t>(row - offsets_[at])};
}

bool ViewEvents::Used(std::size_t row) const {
  const auto [batch, at] = Find(row);
  const Events& events = events_[batch];
  const auto k = static_cast<std::size_t>(at);
  return events.used[k] != 0 && (events.deleted.empty() || events.deleted[k] == 0);
}

Micros ViewEvents::At(std::size_t row) const {
  const auto [batch, at] = Find(row);
  return events_[batch].at[static_cast<std::size_t>(at)];
}

Micros ViewEvents::KnownOf(std::size_t row) const {
  const auto [batch, at] = Find(row);
  const Events& events = events_[batch];
  return events.known.empty() ? kNoTime : events.known[static_cast<std::size_t>(at)];
}

// Of the records with one event id each counts until the next is known; of those known at one time the last stands.
Result<void> ViewEvents::Correct() {
  until_.assign(total_, kNever);
  std::unordered_map<std::string, std::vector<std::uint32_t>> records;
  std::size_t row = 0;
  for (const Batch& batch : rows_) {
    TENON_ASSIGN(const table::Column ids, batch.Named(plan_->view().event));
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

}  // namespace tenon::feature

#include "feature/moving_values.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "feature/event_rows.h"

namespace tenon::feature {

Result<RecordLayout> StateLayout() {
  return RecordLayout::Of(std::make_shared<const table::Schema>(std::vector<table::Field>{{"state", table::Type::kString}}));
}

Result<void> MovingValues::Get(std::span<const std::string_view> keys, std::span<const Micros> at, Records* out) const {
  TENON_TRY(records_->Get(keys, out));
  if (states_ == nullptr) return {};
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (out->Found(i) && at[i] >= out->Until(i)) rows.push_back(i);
  }
  return rows.empty() ? Result<void>() : Move(keys, at, rows, nullptr, nullptr, out);
}

Result<void> MovingValues::Get(std::span<const std::string_view> keys, std::span<const Micros> at, const Events& own, Records* out,
                               std::vector<Counted>* counted) const {
  if (states_ == nullptr) return Error(Code::kInvalidArgument, Str("view ", plan_->view().name, ": without states an event cannot be counted beside what is stored"));
  TENON_TRY(records_->Get(keys, out));
  counted->assign(keys.size(), Counted::kNot);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (own.used[i] != 0 && !keys[i].empty() && (!out->Found(i) || out->at(i) < own.at[i])) (*counted)[i] = out->Found(i) ? Counted::kBeside : Counted::kAlone;
    if ((*counted)[i] != Counted::kNot || (out->Found(i) && at[i] >= out->Until(i))) rows.push_back(i);
  }
  return rows.empty() ? Result<void>() : Move(keys, at, rows, &own, counted, out);
}

Result<void> MovingValues::Move(std::span<const std::string_view> keys, std::span<const Micros> at, std::span<const std::size_t> rows, const Events* own,
                                std::vector<Counted>* counted, Records* out) const {
  std::vector<std::string_view> wanted;
  for (const std::size_t row : rows) wanted.push_back(keys[row]);
  Records states;
  TENON_TRY(states_->Get(wanted, &states));
  std::vector<Value> values(plan_->view().features.size()), inputs(plan_->inputs());
  RecordPacker packer(records_->layout());
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const std::size_t row = rows[k];
    const bool alone = counted != nullptr && (*counted)[row] == Counted::kAlone;
    if (!states.Found(k) && !alone) {  // a record that was written as it is, by a client: nothing can be counted beside it
      if (counted != nullptr) (*counted)[row] = Counted::kNot;
      continue;
    }
    WindowState state(plan_);
    // A state without its record is one that is about to have one: the events in it are stored, the record is not.
    if (states.Found(k)) {
      TENON_ASSIGN(state, WindowState::Load(plan_, states.Text(k, 0)));
    }
    if (counted != nullptr && (*counted)[row] != Counted::kNot && (!states.Found(k) || states.at(k) < own->at[row])) {
      own->ValuesOf(static_cast<std::int64_t>(row), inputs);
      Event event{.at = own->at[row], .values = inputs};
      if (!own->known.empty()) event.known = own->known[row];
      state.Add(event);
    }
    state.Advance(at[row]);
    state.Values(values);
    PackValues(*plan_, values, &packer);
    if (records_->layout().moves()) packer.SetUntil(state.Next());
    if (alone) out->Set(row, own->at[row], at[row]);
    std::ranges::copy(packer.words(), out->WordsOf(row).begin());
    if (records_->layout().has_texts()) std::ranges::copy(packer.texts(), out->TextsOf(row, packer.texts().size()));
  }
  return {};
}

ValuesBatch::ValuesBatch(const ViewPlan& plan, OnlineTable& records, OnlineTable* states)
    : plan_(plan), records_(records), states_(states), values_(plan.view().features.size()) {}

void ValuesBatch::Add(std::string_view key, Micros latest, const WindowState& state, std::string_view bytes) {
  state.Values(values_);
  RecordPacker& packer = *packers_.emplace_back(std::make_unique<RecordPacker>(records_.layout()));
  PackValues(plan_, values_, &packer);
  if (records_.layout().moves()) packer.SetUntil(state.Next());
  hash_ = Hash64({reinterpret_cast<const char*>(packer.words().data()), packer.words().size_bytes()}, Hash64(packer.texts(), static_cast<std::uint64_t>(latest)));
  rows_.push_back({std::string(key), std::string(bytes), latest, state.now()});
}

void ValuesBatch::TakeBack() {
  rows_.pop_back();
  packers_.pop_back();
}

Result<std::int64_t> ValuesBatch::Put() {
  if (states_ != nullptr) {
    std::vector<OnlineEntry> entries;
    std::vector<RecordPacker> packers;
    packers.reserve(rows_.size());
    for (const Row& row : rows_) {
      if (row.state.empty()) continue;
      RecordPacker& packer = packers.emplace_back(states_->layout());
      packer.Start();
      packer.SetText(0, row.state);
      entries.push_back({row.key, row.latest, row.created, packer.words(), packer.texts()});
    }
    TENON_ASSIGN(const std::int64_t kept, states_->Put(entries, Newest::kCreated));
    (void)kept;
  }
  std::vector<OnlineEntry> entries;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    entries.push_back({rows_[i].key, rows_[i].latest, rows_[i].created, packers_[i]->words(), packers_[i]->texts()});
  }
  TENON_ASSIGN(const std::int64_t stored, records_.Put(entries, Newest::kCreated));
  rows_.clear();
  packers_.clear();
  return stored;
}

}  // namespace tenon::feature

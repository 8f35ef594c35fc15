#pragma once

#include <algorithm>
#include <cmath>
#include <compare>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "feature/running_sum.h"
#include "feature/state_internal.h"

namespace tenon::feature {

// A value that owns its text. Missing ones are the least, so that the order is total.
struct Held {
  double number = 0;
  std::string text;
  std::uint8_t kind = 0;  // 0 missing, 1 number, 2 text
  static Held Of(const Value& value) {
    if (value.text.data() != nullptr) return {0, std::string(value.text), 2};
    return std::isnan(value.number) ? Held{} : Held{value.number, {}, 1};
  }
  Value View() const {
    Value out;
    if (kind == 1) out.number = number;
    if (kind == 2) out.text = text;
    return out;
  }
  friend bool operator<(const Held& a, const Held& b) {
    return std::tie(a.kind, a.number, a.text) < std::tie(b.kind, b.number, b.text);
  }
  friend bool operator==(const Held& a, const Held& b) { return a.kind == b.kind && a.number == b.number && a.text == b.text; }
};
using HeldRow = std::vector<Held>;

// What `features` ask of one slot's values.
struct Answer {
  Function function;
  double share;
};

// The events that count in one slot of a state, and what they amount to.
class SlotState {
 public:
  virtual ~SlotState() = default;
  virtual std::unique_ptr<SlotState> Clone() const = 0;
  virtual void Add(const ViewPlan::Interval& interval, const Event& event, Micros now) = 0;
  virtual void Remove(const ViewPlan::Interval& interval, const Event& event, Micros now) = 0;
  virtual void Advance(Micros now) = 0;
  // Of latest slots `input` chooses the value, of others the function.
  virtual Value Of(const Answer& answer, int input, Micros now) const = 0;
  // The moment after `now` at which Of() gives something else though no event comes; kNever: none.
  virtual Micros Next(Micros now) const = 0;
  virtual bool empty() const = 0;
  virtual void Merge(const SlotState& other, Micros now) = 0;  // both advanced to now
  virtual void Save(ByteWriter* out) const = 0;
  virtual void Load(ByteReader* in, Micros now) = 0;
};

// `corrected`: events may be removed. `inputs` of the view.
std::unique_ptr<SlotState> NewSlotState(const Slot& slot, bool corrected, std::size_t inputs);

// Entries by time, taken from the front: mostly they come in its order.
template <typename Entry>
class Timeline {
 public:
  void Insert(Micros when, Entry entry) {
    auto at = items_.end();
    if (items_.size() > head_ && when < items_.back().first) {
      at = std::upper_bound(begin(), items_.end(), when, [](Micros a, const auto& item) { return a < item.first; });
    }
    items_.insert(at, {when, std::move(entry)});
  }
  // Calls `taken` with every entry until `now`, in order of time, and forgets them.
  template <typename Taken>
  void TakeUntil(Micros now, const Taken& taken) {
    while (head_ < items_.size() && items_[head_].first <= now) taken(std::move(items_[head_++].second));
    if (head_ > 32 && head_ * 2 > items_.size()) {
      items_.erase(items_.begin(), begin());
      head_ = 0;
    }
  }
  bool Erase(Micros when, const Entry& entry) {
    for (auto at = std::lower_bound(begin(), items_.end(), when, [](const auto& item, Micros b) { return item.first < b; });
         at != items_.end() && at->first == when; ++at) {
      if (!(at->second == entry)) continue;
      items_.erase(at);
      return true;
    }
    return false;
  }
  std::size_t size() const { return items_.size() - head_; }
  Micros First() const { return size() == 0 ? kNever : items_[head_].first; }
  // In the one order that depends on the entries alone.
  std::vector<std::pair<Micros, Entry>> Sorted() const {
    std::vector<std::pair<Micros, Entry>> out(items_.begin() + static_cast<std::ptrdiff_t>(head_), items_.end());
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  std::vector<std::pair<Micros, Entry>> items_;
  std::size_t head_ = 0;
};

}  // namespace tenon::feature

// One slot of a state: which of its events count now, and their counts, sums, orders.

#include "feature/slot_state_internal.h"

namespace tenon::feature {
namespace {

bool InRange(Micros at) { return at >= -kFarthest && at <= kFarthest; }

void SaveValue(double value, ByteWriter* out) { out->F64(value); }
void SaveValue(const std::string& value, ByteWriter* out) { out->Text(value); }
void SaveValue(const HeldRow& row, ByteWriter* out) {
  for (const Held& held : row) {
    out->U8(held.kind);
    if (held.kind == 1) out->F64(held.number);
    if (held.kind == 2) out->Text(held.text);
  }
}
void LoadValue(ByteReader* in, std::size_t, double* out) {
  *out = in->F64();
  if (!(std::abs(*out) < 0x1p500)) in->Fail();
}
void LoadValue(ByteReader* in, std::size_t, std::string* out) { *out = std::string(in->Text()); }
void LoadValue(ByteReader* in, std::size_t inputs, HeldRow* out) {
  for (std::size_t i = 0; i < inputs; ++i) {
    Held held;
    held.kind = in->U8();
    if (held.kind == 1) held.number = in->F64();
    if (held.kind == 2) held.text = std::string(in->Text());
    if (held.kind > 2 || std::isnan(held.number)) in->Fail();
    out->push_back(std::move(held));
  }
}

template <typename V>
struct Entry {
  Micros at = 0, known = 0, until = kNever;
  V value{};
  friend bool operator==(const Entry&, const Entry&) = default;
  friend bool operator<(const Entry& a, const Entry& b) {
    return std::tie(a.at, a.known, a.value, a.until) < std::tie(b.at, b.known, b.value, b.until);
  }
};

// Counts, sums and the sorted values of what is visible.
template <typename V>
struct Tally {
  std::int64_t count = 0;
  RunningSum sum, square;
  std::map<V, std::int64_t> sorted;

  void Add(const V& value, const Slot& slot, int sign) {
    count += sign;
    if constexpr (std::is_same_v<V, double>) {
      if (slot.sums) sum.Add(sign * value);
      if (slot.squares) square.AddSquare(value, sign);
    }
    if (!slot.sorted) return;
    const auto at = sorted.try_emplace(value, 0).first;
    if ((at->second += sign) == 0) sorted.erase(at);
  }
  void Merge(const Tally& other) {
    count += other.count;
    sum.Merge(other.sum);
    square.Merge(other.square);
    for (const auto& [value, n] : other.sorted) sorted[value] += n;
  }
};

double Deviation(const RunningSum& sum, const RunningSum& square, std::int64_t count) {
  // n * squares - sum^2 in about 106 bits: nearly all of it cancels when values are far from zero.
  double sum_high = 0, sum_low = 0, square_high = 0, square_low = 0;
  sum.Value(&sum_high, &sum_low);
  square.Value(&square_high, &square_low);
  const auto n = static_cast<double>(count);
  const auto product = [](double a, double b, double* low) {
    const double high = a * b;
    *low = std::fma(a, b, -high);
    return high;
  };
  double a_low = 0, b_low = 0;
  const double a = product(n, square_high, &a_low);
  const double b = product(sum_high, sum_high, &b_low);
  const double spread = (a - b) + ((a_low - b_low) + (n * square_low - 2 * sum_high * sum_low));
  return spread <= 0 ? 0 : std::sqrt(spread / (n * (n - 1)));
}

double Quantile(const std::map<double, std::int64_t>& sorted, std::int64_t count, double share) {
  const double position = share * static_cast<double>(count - 1);
  const auto below = static_cast<std::int64_t>(position);
  const double rest = position - static_cast<double>(below);
  std::int64_t passed = 0;
  for (auto at = sorted.begin(); at != sorted.end(); ++at) {
    passed += at->second;
    if (passed <= below) continue;
    if (rest == 0 || passed > below + 1) return at->first;
    return at->first + (std::next(at)->first - at->first) * rest;
  }
  return sorted.rbegin()->first;
}

Value Number(double number) { return {number, {}}; }
Value ValueOf(double value) { return {value, {}}; }
Value ValueOf(const std::string& value) { return {std::numeric_limits<double>::quiet_NaN(), value}; }
Value ValueOf(const HeldRow&) { return {}; }

template <typename V>
class Counted final : public SlotState {
 public:
  Counted(const Slot& slot, bool corrected, std::size_t inputs) : slot_(slot), corrected_(corrected), inputs_(inputs) {}
  std::unique_ptr<SlotState> Clone() const override { return std::make_unique<Counted>(*this); }

  void Add(const ViewPlan::Interval& interval, const Event& event, Micros now) override {
    if (interval.until <= now || interval.from >= interval.until) return;
    Entry<V> entry;
    if (!Make(interval, event, &entry)) return;
    interval.from <= now ? Show(std::move(entry)) : coming_.Insert(interval.from, std::move(entry));
  }

  void Remove(const ViewPlan::Interval& interval, const Event& event, Micros now) override {
    if (interval.until <= now || interval.from >= interval.until) return;
    Entry<V> entry;
    if (!Make(interval, event, &entry)) return;
    if (interval.from > now) {
      coming_.Erase(interval.from, entry);
      return;
    }
    if (KeepsEntries() && !leaving_.Erase(entry.until, entry)) return;
    Hide(entry);
  }

  void Advance(Micros now) override {
    coming_.TakeUntil(now, [&](Entry<V> entry) {
      if (entry.until > now) Show(std::move(entry));
    });
    leaving_.TakeUntil(now, [&](const Entry<V>& entry) { Hide(entry); });
  }

  Value Of(const Answer& answer, int input, Micros now) const override {
    if constexpr (std::is_same_v<V, HeldRow>) {
      if (slot_.presence) return order_.empty() ? Value{} : Number(1);
      return order_.empty() ? Value{} : order_.rbegin()->value[static_cast<std::size_t>(input)].View();
    }
    if (slot_.window.kind != Window::Kind::kSession) return OfTally(answer, tally_, order_.empty() ? nullptr : &order_.rbegin()->value);
    Tally<V> session;
    const V* last = Session(now, &session);
    return OfTally(answer, session, last);
  }

  Micros Next(Micros now) const override {
    Micros next = std::min(coming_.First(), leaving_.First());
    if (slot_.window.kind == Window::Kind::kSession && !order_.empty()) {
      const Micros over = order_.rbegin()->at + slot_.delay + slot_.window.length.count() + 1;
      if (over > now) next = std::min(next, over);
    }
    return next;
  }

  bool empty() const override { return tally_.count == 0 && coming_.size() == 0; }

  void Merge(const SlotState& from, Micros now) override {
    const auto& other = static_cast<const Counted&>(from);
    for (auto& [when, entry] : other.coming_.Sorted()) coming_.Insert(when, entry);
    if (!KeepsEntries()) {
      if (Single()) {
        for (const Entry<V>& entry : other.order_) Show(entry);
        return;
      }
      tally_.Merge(other.tally_);
      for (const Entry<V>& entry : other.order_) Order(entry);
      return;
    }
    for (auto& [when, entry] : other.leaving_.Sorted()) Show(entry);
    Advance(now);
  }

  void Save(ByteWriter* out) const override {
    SaveEntries(coming_.Sorted(), out);
    if (KeepsEntries()) {
      SaveEntries(leaving_.Sorted(), out);
      return;
    }
    out->I64(tally_.count);
    for (const RunningSum* sum : {&tally_.sum, &tally_.square}) {
      const std::vector<double> parts = sum->Canonical();
      out->Size(parts.size());
      for (const double part : parts) out->F64(part);
    }
    out->Size(tally_.sorted.size());
    for (const auto& [value, n] : tally_.sorted) {
      SaveValue(value, out);
      out->I64(n);
    }
    std::vector<std::pair<Micros, Entry<V>>> ordered;
    for (const Entry<V>& entry : order_) ordered.emplace_back(0, entry);
    SaveEntries(ordered, out);
  }

  void Load(ByteReader* in, Micros now) override {
    LoadEntries(in, [&](Micros when, Entry<V> entry) { when > now && entry.until > when ? coming_.Insert(when, std::move(entry)) : in->Fail(); });
    if (KeepsEntries()) {
      LoadEntries(in, [&](Micros when, Entry<V> entry) {
        if (when <= now || when != entry.until) return in->Fail();
        Show(std::move(entry));
      });
      return;
    }
    tally_.count = in->I64();
    for (RunningSum* sum : {&tally_.sum, &tally_.square}) {
      for (std::size_t n = in->Size(8); n > 0; --n) {
        const double part = in->F64();
        std::isfinite(part) ? sum->Add(part) : in->Fail();
      }
    }
    std::int64_t left = tally_.count;
    for (std::size_t n = in->Size(9); n > 0 && !in->failed(); --n) {
      V value{};
      LoadValue(in, inputs_, &value);
      const std::int64_t times = in->I64();
      if (times <= 0 || times > left || !slot_.sorted || !tally_.sorted.try_emplace(value, times).second) return in->Fail();
      left -= times;
    }
    LoadEntries(in, [&](Micros when, Entry<V> entry) { when == 0 && slot_.ordered && order_.empty() ? void(order_.insert(std::move(entry))) : in->Fail(); });
    if (tally_.count < 0 || (slot_.sorted && left != 0)) in->Fail();
  }

 private:
  bool Bounded() const { return slot_.window.kind != Window::Kind::kAll; }
  // Of latest events only the very latest matters, as long as none is taken back: an older one ceases to count no later.
  bool Single() const { return (slot_.latest || slot_.presence) && !corrected_; }
  bool KeepsEntries() const { return Bounded() || slot_.latest || slot_.presence ? true : corrected_; }

  bool Make(const ViewPlan::Interval& interval, const Event& event, Entry<V>* out) const {
    out->at = event.at;
    out->known = event.known;
    out->until = interval.until;
    if constexpr (std::is_same_v<V, HeldRow>) {
      if (slot_.latest) {
        for (const Value& value : event.values) out->value.push_back(Held::Of(value));
      }
      return true;
    } else {
      const Value& value = event.values[static_cast<std::size_t>(slot_.input)];
      if (!Counts(value, slot_.text)) return false;
      if constexpr (std::is_same_v<V, double>) {
        out->value = value.number == 0 ? 0.0 : value.number;  // one zero
      } else {
        out->value = std::string(value.text);
      }
      return true;
    }
  }

  void Order(Entry<V> entry) {
    order_.insert(std::move(entry));
    // Of all there ever was the latest is enough.
    if (!Bounded() && !corrected_ && order_.size() > 1) order_.erase(order_.begin());
  }

  void Show(Entry<V> entry) {
    if (Single() && !order_.empty()) {
      if (entry < *order_.begin()) return;
      const Entry<V> old = *order_.begin();
      leaving_.Erase(old.until, old);
      Hide(old);
    }
    tally_.Add(entry.value, slot_, 1);
    if (KeepsEntries()) leaving_.Insert(entry.until, entry);
    if (slot_.ordered || slot_.latest || slot_.presence) Order(std::move(entry));
  }

  void Hide(const Entry<V>& entry) {
    tally_.Add(entry.value, slot_, -1);
    if (const auto at = order_.find(entry); at != order_.end()) order_.erase(at);
  }

  const V* Session(Micros now, Tally<V>* session) const {
    const Micros r = now - slot_.delay;
    Micros next = r;
    const V* last = nullptr;
    for (auto at = order_.rbegin(); at != order_.rend() && next - at->at <= slot_.window.length.count(); ++at) {
      session->Add(at->value, slot_, 1);
      if (last == nullptr) last = &at->value;
      next = at->at;
    }
    return last;
  }

  Value OfTally(const Answer& answer, const Tally<V>& tally, const V* last) const {
    if (answer.function == Function::kCount) return Number(static_cast<double>(tally.count));
    if (answer.function == Function::kDistinct) return Number(static_cast<double>(tally.sorted.size()));
    if (tally.count == 0) return {};
    if (answer.function == Function::kLast || answer.function == Function::kLag) return last == nullptr ? Value{} : ValueOf(*last);
    if constexpr (std::is_same_v<V, double>) {
      switch (answer.function) {
        case Function::kSum: return Number(tally.sum.Value());
        case Function::kMean: return Number(tally.sum.Value() / static_cast<double>(tally.count));
        case Function::kStd: return tally.count < 2 ? Value{} : Number(Deviation(tally.sum, tally.square, tally.count));
        case Function::kMin: return Number(tally.sorted.begin()->first);
        case Function::kMax: return Number(tally.sorted.rbegin()->first);
        case Function::kQuantile: return Number(Quantile(tally.sorted, tally.count, answer.share));
        default: return {};
      }
    }
    return {};
  }

  static void SaveEntries(const std::vector<std::pair<Micros, Entry<V>>>& entries, ByteWriter* out) {
    out->Size(entries.size());
    for (const auto& [when, entry] : entries) {
      out->I64(when);
      out->I64(entry.at);
      out->I64(entry.known);
      out->I64(entry.until);
      SaveValue(entry.value, out);
    }
  }
  template <typename Taken>
  void LoadEntries(ByteReader* in, const Taken& taken) {
    for (std::size_t n = in->Size(32); n > 0 && !in->failed(); --n) {
      const Micros when = in->I64();
      Entry<V> entry;
      entry.at = in->I64();
      entry.known = in->I64();
      entry.until = in->I64();
      LoadValue(in, slot_.latest ? inputs_ : 0, &entry.value);
      if (!InRange(entry.at)) in->Fail();
      if (!in->failed()) taken(when, std::move(entry));
    }
  }

  Slot slot_;
  bool corrected_;
  std::size_t inputs_;
  Tally<V> tally_;
  Timeline<Entry<V>> coming_;
  Timeline<Entry<V>> leaving_;
  std::multiset<Entry<V>> order_;
};

// Sums of 2^(-age / half-life), kept a block of half-lives each with weights reckoned to the block's beginning: exact, and
// no event is kept. What is older than the block before the present one is dropped: it weighs less than 2^-64.
class Decay final : public SlotState {
 public:
  explicit Decay(const Slot& slot) : slot_(slot) {}
  std::unique_ptr<SlotState> Clone() const override { return std::make_unique<Decay>(*this); }

  void Add(const ViewPlan::Interval& interval, const Event& event, Micros now) override {
    if (interval.until <= now || interval.from >= interval.until) return;
    Entry<double> entry{event.at, event.known, interval.until, 0};
    if (!Read(event, &entry.value)) return;
    interval.from <= now ? Show(entry, 1) : coming_.Insert(interval.from, entry);
  }
  void Remove(const ViewPlan::Interval& interval, const Event& event, Micros now) override {
    if (interval.until <= now || interval.from >= interval.until) return;
    Entry<double> entry{event.at, event.known, interval.until, 0};
    if (!Read(event, &entry.value)) return;
    if (interval.from > now) {
      coming_.Erase(interval.from, entry);
      return;
    }
    if (entry.until < EndOf(entry.at) && !leaving_.Erase(entry.until, entry)) return;
    Weigh(entry, -1);
  }
  void Advance(Micros now) override {
    coming_.TakeUntil(now, [&](const Entry<double>& entry) {
      if (entry.until > now) Show(entry, 1);
    });
    leaving_.TakeUntil(now, [&](const Entry<double>& entry) { Weigh(entry, -1); });
    while (!blocks_.empty() && DecayLandmark(slot_, blocks_.begin()->first + 2) + slot_.delay <= now) blocks_.erase(blocks_.begin());
  }
  Value Of(const Answer& answer, int, Micros now) const override {
    double weights = 0;
    double sum = 0;
    std::int64_t count = 0;
    for (const auto& [block, part] : blocks_) {
      const double age = static_cast<double>(now - slot_.delay - DecayLandmark(slot_, block)) / static_cast<double>(slot_.window.length.count());
      const double faded = std::exp2(-age);
      weights += part.weights.Value() * faded;
      sum += part.sum.Value() * faded;
      count += part.count;
    }
    if (answer.function == Function::kDecayedCount) return Number(count == 0 ? 0 : weights);
    if (count == 0) return {};
    return Number(answer.function == Function::kDecayedSum ? sum : sum / weights);
  }
  Micros Next(Micros now) const override { return blocks_.empty() ? coming_.First() : now + 1; }
  bool empty() const override { return blocks_.empty() && coming_.size() == 0; }
  void Merge(const SlotState& from, Micros now) override {
    const auto& other = static_cast<const Decay&>(from);
    for (auto& [when, entry] : other.coming_.Sorted()) coming_.Insert(when, entry);
    for (auto& [when, entry] : other.leaving_.Sorted()) leaving_.Insert(when, entry);
    for (const auto& [block, part] : other.blocks_) {
      Part& mine = blocks_[block];
      mine.count += part.count;
      mine.weights.Merge(part.weights);
      mine.sum.Merge(part.sum);
    }
    Advance(now);
  }
  void Save(ByteWriter* out) const override {
    for (const auto* line : {&coming_, &leaving_}) {
      const auto entries = line->Sorted();
      out->Size(entries.size());
      for (const auto& [when, entry] : entries) {
        for (const Micros at : {when, entry.at, entry.known, entry.until}) out->I64(at);
        out->F64(entry.value);
      }
    }
    out->Size(blocks_.size());
    for (const auto& [block, part] : blocks_) {
      out->I64(block);
      out->I64(part.count);
      for (const RunningSum* sum : {&part.weights, &part.sum}) {
        const std::vector<double> parts = sum->Canonical();
        out->Size(parts.size());
        for (const double value : parts) out->F64(value);
      }
    }
  }
  void Load(ByteReader* in, Micros) override {
    for (auto* line : {&coming_, &leaving_}) {
      for (std::size_t n = in->Size(40); n > 0; --n) {
        const Micros when = in->I64();
        Entry<double> entry;
        entry.at = in->I64();
        entry.known = in->I64();
        entry.until = in->I64();
        LoadValue(in, 0, &entry.value);
        if (!InRange(entry.at) || in->failed()) return in->Fail();
        line->Insert(when, entry);
      }
    }
    const Micros farthest = DecayBlockOf(slot_, kFarthest);
    for (std::size_t n = in->Size(32); n > 0; --n) {
      const Micros block = in->I64();
      if (block < -farthest - 2 || block > farthest) return in->Fail();
      Part& part = blocks_[block];
      part.count = in->I64();
      if (part.count <= 0) return in->Fail();
      for (RunningSum* sum : {&part.weights, &part.sum}) {
        for (std::size_t k = in->Size(8); k > 0; --k) {
          const double value = in->F64();
          std::isfinite(value) ? sum->Add(value) : in->Fail();
        }
      }
    }
  }

 private:
  struct Part {
    std::int64_t count = 0;
    RunningSum weights, sum;
  };
  Micros EndOf(Micros at) const { return DecayLandmark(slot_, DecayBlockOf(slot_, at) + 2) + slot_.delay; }
  bool Read(const Event& event, double* out) const {
    const Value& value = event.values[static_cast<std::size_t>(slot_.input)];
    if (slot_.text ? value.text.data() == nullptr : !Counts(value, false)) return false;
    *out = slot_.text ? 0 : value.number;
    return true;
  }
  void Show(const Entry<double>& entry, int sign) {
    if (entry.until < EndOf(entry.at)) leaving_.Insert(entry.until, entry);
    Weigh(entry, sign);
  }
  void Weigh(const Entry<double>& entry, int sign) {
    const Micros block = DecayBlockOf(slot_, entry.at);
    const double weight = std::exp2(static_cast<double>(entry.at - DecayLandmark(slot_, block)) / static_cast<double>(slot_.window.length.count()));
    Part& part = blocks_[block];
    part.count += sign;
    part.weights.Add(sign * weight);
    part.sum.Add(sign * (weight * entry.value));
    if (part.count == 0) blocks_.erase(block);
  }

  Slot slot_;
  Timeline<Entry<double>> coming_, leaving_;
  std::map<Micros, Part> blocks_;
};

}  // namespace

std::unique_ptr<SlotState> NewSlotState(const Slot& slot, bool corrected, std::size_t inputs) {
  if (slot.decayed) return std::make_unique<Decay>(slot);
  if (slot.latest || slot.presence) return std::make_unique<Counted<HeldRow>>(slot, corrected, inputs);
  if (slot.text) return std::make_unique<Counted<std::string>>(slot, corrected, inputs);
  return std::make_unique<Counted<double>>(slot, corrected, inputs);
}

}  // namespace tenon::feature

// Values replaced by what the label was on average in the rows that came before, in an order made from other columns. On rows
// it was not fitted on, all training rows came before (ordered target statistics: Prokhorenkova et al. 2018, 3.2).

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/exact_sum.h"
#include "base/hash.h"
#include "base/text.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

struct Settings {
  double smooth = 1;
  bool by_value = false;
  std::uint64_t seed = 0;
};

// Ascending with the number; missing ones last, together.
std::uint64_t Rank(double value) {
  if (std::isnan(value)) return std::numeric_limits<std::uint64_t>::max();
  const auto bits = std::bit_cast<std::uint64_t>(CanonicalNumber(value));
  return (bits >> 63) != 0 ? ~bits : bits | 1ULL << 63;
}

class Learned final : public State {
 public:
  Learned(Settings settings, bool number, int classes_in) : settings_(settings), number_(number), classes(classes_in) { SetWidth(); }

  void Add(std::span<const Lane> in, const double* label, const std::uint8_t*, std::int64_t n) override {
    if (label == nullptr) return;
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      if (!Teaches(label[row])) continue;
      const auto id = static_cast<std::size_t>(table_.Insert(KeyOrMissing(in[0], row, &room)));
      if (id == rows_.size()) rows_.emplace_back();
      rows_[id].push_back({OrderOf(in.subspan(1), row), label[row]});
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr) return Error(Code::kInternal, "states of different ops were merged");
    for (std::int32_t id = 0; id < same->table_.size(); ++id) {
      const auto mine = static_cast<std::size_t>(table_.Insert(same->table_.key(id)));
      if (mine == rows_.size()) rows_.emplace_back();
      const std::vector<Row>& theirs = same->rows_[static_cast<std::size_t>(id)];
      rows_[mine].insert(rows_[mine].end(), theirs.begin(), theirs.end());
    }
    return {};
  }
  Result<void> Finish() override {
    std::vector<ExactSum> all(static_cast<std::size_t>(width));
    double count = 0;
    for (const std::int32_t id : InOrder(table_, number_)) {
      keys.Insert(table_.key(id));
      std::vector<Row>& rows = rows_[static_cast<std::size_t>(id)];
      std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.order < b.order; });
      std::vector<ExactSum> sums(static_cast<std::size_t>(width));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (int part = 0; part < width; ++part) {
          sums[static_cast<std::size_t>(part)].Add(Of(rows[i].label, part));
          all[static_cast<std::size_t>(part)].Add(Of(rows[i].label, part));
        }
        // Rows of one place in the order do not see each other: one step.
        if (i + 1 < rows.size() && rows[i + 1].order == rows[i].order) continue;
        orders.push_back(rows[i].order);
        counts.push_back(static_cast<double>(i + 1));
        for (const ExactSum& sum : sums) totals.push_back(sum.Value());
      }
      count += static_cast<double>(rows.size());
      ends.push_back(orders.size());
    }
    for (const ExactSum& sum : all) prior.push_back(count > 0 ? sum.Value() / count : 0);
    table_ = KeyTable();
    rows_.clear();
    return {};
  }
  std::vector<std::string> Words() const override { return {Str(ListedKeys(keys, number_), " in ", orders.size(), " steps; unseen becomes ", prior.empty() ? std::string("0") : FormatShort(prior[0], 5))}; }
  std::string Save() const override {
    Writer out;
    out.I64(classes);
    for (const double value : prior) out.F64(value);
    out.Size(ends.size());
    SaveKeys(keys, out);
    for (const std::size_t end : ends) out.I64(static_cast<std::int64_t>(end));
    out.Size(orders.size());
    for (const std::uint64_t order : orders) out.I64(static_cast<std::int64_t>(order));
    for (const double value : counts) out.F64(value);
    for (const double value : totals) out.F64(value);
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    const std::int64_t saved = in.I64();
    if (saved < 0 || saved > 1 << 20) in.Fail();
    if (in.failed()) return in.Done();
    classes = static_cast<int>(saved);
    SetWidth();
    const auto parts = static_cast<std::size_t>(width);
    if (in.left() / 8 < parts) in.Fail();
    if (in.failed()) return in.Done();
    prior.resize(parts);
    for (double& value : prior) value = in.F64();
    const std::size_t size = in.Size(16);
    LoadKeys(size, in, &keys);
    for (std::size_t i = 0; i < size && !in.failed(); ++i) ends.push_back(static_cast<std::size_t>(in.I64()));
    const std::size_t steps = in.Size(16);
    if (!std::is_sorted(ends.begin(), ends.end()) || (ends.empty() ? 0 : ends.back()) != steps || steps > in.left() / 8 / (parts + 2)) in.Fail();
    if (in.failed()) return in.Done();
    orders.resize(steps);
    counts.resize(steps);
    totals.resize(steps * parts);
    for (std::uint64_t& order : orders) order = static_cast<std::uint64_t>(in.I64());
    for (double& value : counts) value = in.F64();
    for (double& value : totals) value = in.F64();
    return in.Done();
  }

  // Where the row stands: by its number, or by a hash of all that tells it apart.
  std::uint64_t OrderOf(std::span<const Lane> by, std::int64_t row) const {
    if (settings_.by_value) return Rank(by[0].numbers[row]);
    std::uint64_t hash = settings_.seed;
    double room = 0;
    for (const Lane& lane : by) hash = Hash64(KeyOrMissing(lane, row, &room), hash);
    return hash;
  }
  // What the label is expected to be, by the key's rows before `order` (null: by all of them).
  void Expect(std::int32_t id, const std::uint64_t* order, float* out) const {
    const auto parts = static_cast<std::size_t>(width);
    double count = 0;
    const double* sums = nullptr;
    if (id >= 0) {
      const std::size_t from = id == 0 ? 0 : ends[static_cast<std::size_t>(id) - 1];
      std::size_t to = ends[static_cast<std::size_t>(id)];
      const auto first = orders.begin() + static_cast<std::ptrdiff_t>(from);
      if (order != nullptr) to = from + static_cast<std::size_t>(std::lower_bound(first, orders.begin() + static_cast<std::ptrdiff_t>(to), *order) - first);
      if (to > from) {
        count = counts[to - 1];
        sums = totals.data() + (to - 1) * parts;
      }
    }
    for (std::size_t part = 0; part < parts; ++part) {
      const double sum = sums == nullptr ? 0 : sums[part];
      out[part] = static_cast<float>(count + settings_.smooth > 0 ? (sum + settings_.smooth * prior[part]) / (count + settings_.smooth) : prior[part]);
    }
  }

 private:
  struct Row {
    std::uint64_t order;
    double label;
  };
  double Of(double label, int part) const { return classes == 0 ? label : label == part + 1 ? 1 : 0; }
  bool Teaches(double label) const {
    return std::isfinite(label) && (classes == 0 || (label >= 0 && label < classes && label == std::floor(label)));
  }
  void SetWidth() { width = classes == 0 ? 1 : std::max(1, classes - 1); }

  Settings settings_;
  bool number_ = false;
  KeyTable table_;
  std::vector<std::vector<Row>> rows_;  // of each key, as they came

 public:
  int classes = 0;  // 0: regression
  int width = 1;
  // After Finish: the keys, and for each the steps [ends of the key before, its own) in order, with what is known after each.
  KeyTable keys;
  std::vector<std::size_t> ends;
  std::vector<std::uint64_t> orders;
  std::vector<double> counts;
  std::vector<double> totals;  // steps x width
  std::vector<double> prior;   // of all rows
};

class OrderedTarget final : public Op {
 public:
  explicit OrderedTarget(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckKeys(in));
    if (in.size() < 2) {
      return Error(Code::kInvalidArgument, Str("ordered_target needs '", in[0].name, "' and a column after it that tells rows apart, such as a key or a time"));
    }
    if (settings_.by_value && (in.size() != 2 || in[1].kind != Port::Kind::kNumber)) {
      return Error(Code::kInvalidArgument, Str("ordered_target with order: value needs one number or time after '", in[0].name, "', got ",
                                               in.size() == 2 ? Str("the text '", in[1].name, "'") : Str(in.size() - 1, " columns")));
    }
    Port port{.name = Str(in[0].name, "_before"), .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) port.width = static_cast<const Learned*>(state)->width;
    for (int c = 0; c < port.width; ++c) port.parts.push_back(port.width == 1 ? Str(in[0].name, "~before") : Str(in[0].name, "~before", c + 1));
    return std::vector<Port>{std::move(port)};
  }
  bool needs_label() const override { return true; }
  std::unique_ptr<State> NewState(std::span<const Port> in, int classes) const override {
    return std::make_unique<Learned>(settings_, in[0].kind == Port::Kind::kNumber, classes);
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    auto state = std::make_unique<Learned>(settings_, in[0].kind == Port::Kind::kNumber, 0);
    TENON_TRY(state->Load(bytes));
    return state;
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    Encode(*static_cast<const Learned*>(state), in, out[0], n, false);
  }
  void MapTraining(const State* state, std::span<const Lane> in, const double*, const std::uint8_t*, std::span<const Lane> out, std::int64_t n,
                   std::vector<std::string>*) const override {
    Encode(*static_cast<const Learned*>(state), in, out[0], n, true);
  }

 private:
  static void Encode(const Learned& learned, std::span<const Lane> in, const Lane& out, std::int64_t n, bool before) {
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      const std::int32_t id = learned.keys.Find(KeyOrMissing(in[0], row, &room));
      const std::uint64_t order = before ? learned.OrderOf(in.subspan(1), row) : 0;
      learned.Expect(id, before ? &order : nullptr, out.vectors + row * out.stride);
    }
  }
  Settings settings_;
};

}  // namespace

Result<void> AddOrderedTarget(Kinds<Op>& kinds) {
  return kinds.Add(
      "ordered_target",
      {.summary = "Replace each value by the average label of the rows before it, as CatBoost does",
       .when = "Many-valued texts with boosted trees. The first input is encoded; the inputs after it (a key, a time, other features) tell rows "
               "apart and put them in an order, by a hash or by the number itself. A training row is encoded from the rows before it, any "
               "other row from all training rows; rows of one place do not see each other. With a time and order: value no row sees the "
               "future. Of several classes it gives one feature each but the first. The graph keeps some 24 bytes a training row.",
       .example = R"({"smooth": 1})",
       .options = {{.name = "smooth", .fallback = 1.0, .help = "Weight of the overall average, in rows; unseen values get that average", .least = 0},
                   {.name = "order", .type = Option::Type::kText, .fallback = "hash",
                    .help = "hash: by a hash of the inputs after the first; value: ascending by the one number or time after the first",
                    .choices = {"hash", "value"}},
                   {.name = "seed", .type = Option::Type::kInt, .fallback = 0, .help = "Of the hash", .least = 0, .most = 1e9}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<OrderedTarget>(
            Settings{options.Number("smooth"), options.Text("order") == "value", static_cast<std::uint64_t>(options.Int("seed"))});
      });
}

}  // namespace tenon::transform

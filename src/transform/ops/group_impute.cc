// Fills missing numbers by the median or mean of the rows of the same group.

#include <algorithm>
#include <cmath>

#include "transform/keys_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

// What is learned of the numbers of one group.
struct Group {
  Moments moments{false};
  Quantiles quantiles;
  void Add(double value, bool median) {
    Lane one;
    one.numbers = &value;
    median ? quantiles.Add(one, 1) : moments.Add(one, 1);
  }
  void Merge(const Group& other) {
    moments.Merge(other.moments);
    quantiles.Merge(other.quantiles);
  }
  std::int64_t Count(bool median) const { return median ? quantiles.count() : moments.count(); }
  double Middle(bool median) const { return median ? quantiles.At({0.5})[0] : moments.Mean(); }
};

class Learned final : public State {
 public:
  Learned(bool median, std::int64_t least, bool number) : median_(median), least_(least), number_(number) {}

  void Add(std::span<const Lane> in, const double*, const std::uint8_t*, std::int64_t n) override {
    double room = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double value = in[0].numbers[i];
      if (!std::isfinite(value)) continue;
      all_.Add(value, median_);
      const std::string_view key = KeyOrMissing(in[1], i, &room);
      At(key).Add(value, median_);
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr) return Error(Code::kInternal, "states of different ops were merged");
    for (std::int32_t id = 0; id < same->table_.size(); ++id) {
      At(same->table_.key(id)).Merge(same->groups_[static_cast<std::size_t>(id)]);
    }
    all_.Merge(same->all_);
    return {};
  }
  Result<void> Finish() override {
    std::vector<std::int32_t> order = InOrder(table_, number_);
    std::erase_if(order, [this](std::int32_t id) { return groups_[static_cast<std::size_t>(id)].Count(median_) < least_; });
    for (const std::int32_t id : order) {
      keys.Insert(table_.key(id));
      fills.push_back(groups_[static_cast<std::size_t>(id)].Middle(median_));
    }
    fills.push_back(all_.Count(median_) > 0 ? all_.Middle(median_) : 0);
    groups_.clear();
    return {};
  }
  std::vector<std::string> Words() const override { return {Str(ListedKeys(keys, number_), "; missing becomes ", ListedNumbers(fills), " by group, the last for others")}; }
  std::string Save() const override {
    Writer out;
    out.Size(fills.size());
    SaveKeys(keys, out);
    for (const double fill : fills) out.F64(fill);
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    const std::size_t size = in.Size(8);
    if (size == 0) in.Fail();
    LoadKeys(size == 0 ? 0 : size - 1, in, &keys);
    for (std::size_t i = 0; i < size && !in.failed(); ++i) fills.push_back(in.F64());
    return in.Done();
  }

  double Fill(std::string_view key) const {
    const std::int32_t id = keys.Find(key.data() == nullptr ? kMissingKey : key);
    return id < 0 ? fills.back() : fills[static_cast<std::size_t>(id)];
  }

  KeyTable keys;
  std::vector<double> fills;  // of each key, then of all rows

 private:
  Group& At(std::string_view key) {
    const auto id = static_cast<std::size_t>(table_.Insert(key));
    if (id == groups_.size()) groups_.emplace_back();
    return groups_[id];
  }
  bool median_;
  std::int64_t least_;
  bool number_;
  KeyTable table_;
  std::vector<Group> groups_;
  Group all_;
};

class GroupImpute final : public Op {
 public:
  GroupImpute(bool median, std::int64_t least) : median_(median), least_(least) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in, 2));
    if (in.size() != 2) return Error(Code::kInvalidArgument, "it takes two inputs: the number, and the group");
    TENON_TRY(CheckNumbers(in.first(1)));
    return std::vector<Port>{{.name = Str(in[0].name, "_filled_by_", in[1].name), .timestamp = in[0].timestamp}};
  }
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override {
    return std::make_unique<Learned>(median_, least_, in.size() > 1 && in[1].kind == Port::Kind::kNumber);
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    auto state = std::make_unique<Learned>(median_, least_, in.size() > 1 && in[1].kind == Port::Kind::kNumber);
    TENON_TRY(state->Load(bytes));
    return state;
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    const auto& learned = *static_cast<const Learned*>(state);
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      const double value = in[0].numbers[row];
      out[0].numbers[row] = std::isnan(value) ? learned.Fill(KeyAt(in[1], row, &room)) : value;
    }
  }

 private:
  bool median_;
  std::int64_t least_;
};

}  // namespace

Result<void> AddGroupImpute(Kinds<Op>& kinds) {
  return kinds.Add("group_impute",
                   {.summary = "Fill missing numbers by the median of the row's group",
                    .when = "The group tells much of the number: prices by product, ages by title, rents by district. Inputs are the number, then "
                            "the group (missing is a group too). Groups with too few numbers, and unseen ones, get the median of all rows.",
                    .example = R"({"least_count": 10})",
                    .options = {{.name = "method", .type = Option::Type::kText, .fallback = "median", .help = "What to fill in", .choices = {"median", "mean"}},
                                {.name = "least_count", .type = Option::Type::kInt, .fallback = 5, .help = "Numbers a group needs", .least = 1}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<GroupImpute>(options.Text("method") == "median", options.Int("least_count"));
                   });
}

}  // namespace tenon::transform

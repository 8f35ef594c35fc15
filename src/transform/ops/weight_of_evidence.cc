// Values replaced by how much they speak for the second class: the logarithm of its share of the value's rows, against that
// of the first class's (Good 1950; the scorecards of credit).

#include <algorithm>
#include <array>
#include <cmath>

#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

using Pair = std::array<std::int64_t, 2>;  // rows of each class
constexpr std::size_t kFolds = 256;

struct Learned {
  double smooth = 1;
  bool number = false;
  int classes = 2;
  KeyTable table;
  std::vector<std::vector<Pair>> counts;  // of each key, by fold
  std::vector<Pair> all;

  // After Finish.
  int folds = 0;
  KeyTable keys;
  std::vector<double> encoded;   // of each key, then 0 for unseen ones
  std::vector<double> left_out;  // the same for each fold left out

  static void Count(std::vector<Pair>& to, std::size_t fold, std::size_t which) {
    if (to.size() <= fold) to.resize(fold + 1);
    ++to[fold][which];
  }
  void Add(const Lane& in, const double* label, const std::uint8_t* fold, std::int64_t n) {
    if (label == nullptr) return;
    double room = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if (label[i] != 0 && label[i] != 1) continue;
      const std::string_view key = KeyOrMissing(in, i, &room);
      const auto id = static_cast<std::size_t>(table.Insert(key));
      if (id == counts.size()) counts.emplace_back();
      const std::size_t at = fold == nullptr ? 0 : fold[i];
      const std::size_t which = label[i] == 1 ? 1 : 0;
      Count(counts[id], at, which);
      Count(all, at, which);
    }
  }
  static void MergePairs(std::vector<Pair>& to, const std::vector<Pair>& from) {
    if (to.size() < from.size()) to.resize(from.size());
    for (std::size_t f = 0; f < from.size(); ++f) {
      to[f][0] += from[f][0];
      to[f][1] += from[f][1];
    }
  }
  void Merge(const Learned& other) {
    for (std::int32_t id = 0; id < other.table.size(); ++id) {
      const auto mine = static_cast<std::size_t>(table.Insert(other.table.key(id)));
      if (mine == counts.size()) counts.emplace_back();
      MergePairs(counts[mine], other.counts[static_cast<std::size_t>(id)]);
    }
    MergePairs(all, other.all);
  }

  static Pair Total(const std::vector<Pair>& of, std::size_t left) {
    Pair sum{};
    for (std::size_t f = 0; f < of.size(); ++f) {
      if (f == left) continue;
      sum[0] += of[f][0];
      sum[1] += of[f][1];
    }
    return sum;
  }
  double Evidence(const std::vector<Pair>& of, std::size_t left) const {
    const Pair here = Total(of, left);
    const Pair every = Total(all, left);
    const auto share = [&](std::size_t which) {
      return (static_cast<double>(here[which]) + smooth) / (static_cast<double>(every[which]) + 2 * smooth);
    };
    if (every[0] == 0 || every[1] == 0 || (here[0] == 0 && here[1] == 0)) return 0;  // nothing is known
    return std::log(share(1) / share(0));
  }
  Result<void> Finish() {
    if (classes != 2) {
      return Error(Code::kInvalidArgument, Str("it needs a label of two classes, and this one has ",
                                               classes == 0 ? "numbers" : Str(classes, " classes"), "; use target_encode"));
    }
    folds = all.size() > 1 ? static_cast<int>(all.size()) : 0;
    const std::vector<std::int32_t> order = InOrder(table, number);
    for (const std::int32_t id : order) {
      keys.Insert(table.key(id));
      encoded.push_back(Evidence(counts[static_cast<std::size_t>(id)], kFolds));
    }
    encoded.push_back(0);
    for (int f = 0; f < folds; ++f) {
      for (const std::int32_t id : order) {
        left_out.push_back(Evidence(counts[static_cast<std::size_t>(id)], static_cast<std::size_t>(f)));
      }
      left_out.push_back(0);
    }
    return {};
  }
  std::string Words() const { return Str(ListedKeys(keys, number), "; unseen becomes 0"); }
  void Save(Writer& out) const {
    out.I64(folds);
    out.Size(static_cast<std::size_t>(keys.size()));
    SaveKeys(keys, out);
    for (const double value : encoded) out.F64(value);
    for (const double value : left_out) out.F64(value);
  }
  void Load(Reader& in) {
    const std::int64_t saved_folds = in.I64();
    const std::size_t size = in.Size(8);
    if (saved_folds < 0 || saved_folds > static_cast<std::int64_t>(kFolds)) return in.Fail();
    folds = static_cast<int>(saved_folds);
    LoadKeys(size, in, &keys);
    if (in.failed()) return;
    if ((size + 1) * static_cast<std::size_t>(folds + 1) > in.left() / 8) return in.Fail();
    encoded.resize(size + 1);
    left_out.resize((size + 1) * static_cast<std::size_t>(folds));
    for (double& value : encoded) value = in.F64();
    for (double& value : left_out) value = in.F64();
  }
  std::size_t Row(std::int32_t index) const { return static_cast<std::size_t>(index >= 0 ? index : keys.size()); }
};

class WeightOfEvidence final : public EachKey<Learned> {
 public:
  explicit WeightOfEvidence(double smooth) : smooth_(smooth) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, "_evidence")});
    return out;
  }
  bool needs_label() const override { return true; }

  void MapTraining(const State* state, std::span<const Lane> in, const double*, const std::uint8_t* fold,
                   std::span<const Lane> out, std::int64_t n, std::vector<std::string>* texts) const override {
    if (fold == nullptr) return Map(state, in, out, n, texts);
    double room = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Learned& learned = At(state, i);
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view key = KeyOrMissing(in[i], row, &room);
        const std::size_t at = learned.Row(learned.keys.Find(key));
        const std::size_t table = learned.encoded.size();
        out[i].numbers[row] = fold[row] < learned.folds ? learned.left_out[fold[row] * table + at] : learned.encoded[at];
      }
    }
  }

 private:
  Learned Fresh(bool number, int classes) const override {
    Learned fresh;
    fresh.smooth = smooth_;
    fresh.number = number;
    fresh.classes = classes;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.keys; }
  void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t id = index[i] == kMissing ? learned.keys.Find(kMissingKey) : index[i];
      out.numbers[i] = learned.encoded[learned.Row(id)];
    }
  }
  double smooth_;
};

}  // namespace

Result<void> AddWeightOfEvidence(Kinds<Op>& kinds) {
  return kinds.Add("weight_of_evidence",
                   {.summary = "Replace each value by how much it speaks for the second class",
                    .when = "Two classes and a linear model, where the log-odds add up: scorecards. Training rows are encoded from the "
                            "other folds' labels. Unseen values get 0; missing is a value of its own. For regression and more "
                            "classes use target_encode.",
                    .example = R"({"smooth": 0.5})",
                    .options = {{.name = "smooth", .fallback = 1.0,
                                 .help = "Rows added to both classes of each value, so that no share is 0", .least = 1e-9}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<WeightOfEvidence>(options.Number("smooth"));
                   });
}

}  // namespace tenon::transform

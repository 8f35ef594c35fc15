// Values replaced by the average label of the other rows that have them.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "transform/compact_sum_internal.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  double smooth = 0;
  int classes = 0;  // 0: regression
  bool number = false;
  KeyTable table;
  std::vector<std::int64_t> counts;            // of each key
  std::vector<std::vector<CompactSum>> sums;   // of each key, for each part
  std::int64_t all_count = 0;
  std::vector<CompactSum> all;

  // After Finish: what is known of each key, then of all rows.
  int width = 1;
  KeyTable keys;
  std::vector<double> rows;    // keys + 1
  std::vector<double> totals;  // (keys + 1) x width

  // The label of part `part`: the value, or whether it is that class.
  double Of(double label, int part) const { return classes == 0 ? label : label == part + 1 ? 1 : 0; }
  bool Teaches(double label) const {
    return std::isfinite(label) && (classes == 0 || (label >= 0 && label < classes && label == std::floor(label)));
  }
  void SetWidth() { width = classes == 0 ? 1 : std::max(1, classes - 1); }

  void Add(const Lane& in, const double* label, const std::uint8_t*, std::int64_t n) {
    if (label == nullptr) return;
    double room = 0;
    all.resize(static_cast<std::size_t>(width));
    for (std::int64_t i = 0; i < n; ++i) {
      if (!Teaches(label[i])) continue;
      const std::string_view key = KeyOrMissing(in, i, &room);
      const auto id = static_cast<std::size_t>(table.Insert(key));
      if (id == counts.size()) {
        counts.push_back(0);
        sums.emplace_back(static_cast<std::size_t>(width));
      }
      ++counts[id];
      ++all_count;
      for (int part = 0; part < width; ++part) {
        const double value = Of(label[i], part);
        sums[id][static_cast<std::size_t>(part)].Add(value);
        all[static_cast<std::size_t>(part)].Add(value);
      }
    }
  }
  void Merge(const Learned& other) {
    for (std::int32_t id = 0; id < other.table.size(); ++id) {
      const auto theirs = static_cast<std::size_t>(id);
      const auto mine = static_cast<std::size_t>(table.Insert(other.table.key(id)));
      if (mine == counts.size()) {
        counts.push_back(0);
        sums.emplace_back(static_cast<std::size_t>(width));
      }
      counts[mine] += other.counts[theirs];
      for (std::size_t part = 0; part < sums[mine].size(); ++part) sums[mine][part].Merge(other.sums[theirs][part]);
    }
    all_count += other.all_count;
    if (all.size() < other.all.size()) all.resize(other.all.size());
    for (std::size_t part = 0; part < other.all.size(); ++part) all[part].Merge(other.all[part]);
  }
  void Finish() {
    const std::vector<std::int32_t> order = InOrder(table, number);
    const auto keep = [this](std::int64_t count, const std::vector<CompactSum>& of) {
      rows.push_back(static_cast<double>(count));
      for (const CompactSum& part : of) {
        ExactSum sum;
        part.AddTo(&sum);
        totals.push_back(sum.Value());
      }
    };
    for (const std::int32_t id : order) {
      keys.Insert(table.key(id));
      keep(counts[static_cast<std::size_t>(id)], sums[static_cast<std::size_t>(id)]);
    }
    all.resize(static_cast<std::size_t>(width));
    keep(all_count, all);
  }
  std::string Words() const { return Str(ListedKeys(keys, number), " over ", FormatShort(rows.empty() ? 0 : rows.back(), 9), " rows"); }
  void Save(Writer& out) const {
    out.I64(classes);
    out.Size(static_cast<std::size_t>(keys.size()));
    SaveKeys(keys, out);
    for (const double value : rows) out.F64(value);
    for (const double value : totals) out.F64(value);
  }
  void Load(Reader& in) {
    const std::int64_t saved_classes = in.I64();
    const std::size_t size = in.Size(8);
    if (saved_classes < 0 || saved_classes > 1 << 20) return in.Fail();
    classes = static_cast<int>(saved_classes);
    SetWidth();
    LoadKeys(size, in, &keys);
    if (in.failed()) return;
    if ((size + 1) * static_cast<std::size_t>(width + 1) > in.left() / 8) return in.Fail();
    rows.resize(size + 1);
    totals.resize((size + 1) * static_cast<std::size_t>(width));
    for (double& value : rows) value = in.F64();
    for (double& value : totals) value = in.F64();
  }

  // What the label of a row with the key is expected to be; `own` is the row's label, not to be used, or null.
  void Expect(std::int32_t id, const double* own, float* out) const {
    const auto last = static_cast<std::size_t>(keys.size());
    const double known = rows[last];
    for (int part = 0; part < width; ++part) {
      const auto at = static_cast<std::size_t>(part);
      const auto parts = static_cast<std::size_t>(width);
      const double prior = known > 0 ? totals[last * parts + at] / known : 0;
      double value = prior;
      if (id >= 0) {
        const bool without = own != nullptr && Teaches(*own);
        const double count = rows[static_cast<std::size_t>(id)] - (without ? 1 : 0);
        const double sum = totals[static_cast<std::size_t>(id) * parts + at] - (without ? Of(*own, part) : 0);
        // Without smoothing, one row says nothing of its value.
        const bool tells = smooth > 0 || rows[static_cast<std::size_t>(id)] > 1;
        if (tells && count + smooth > 0) value = (sum + smooth * prior) / (count + smooth);
      }
      out[part] = static_cast<float>(value);
    }
  }
};

class LeaveOneOut final : public EachKey<Learned> {
 public:
  explicit LeaveOneOut(double smooth) : smooth_(smooth) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (std::size_t i = 0; i < in.size(); ++i) {
      Port port{.name = Str(in[i].name, "_others"), .kind = Port::Kind::kVector, .width = 0};
      if (state != nullptr) port.width = At(state, i).width;
      for (int c = 0; c < port.width; ++c) {
        port.parts.push_back(port.width == 1 ? Str(in[i].name, "~others") : Str(in[i].name, "~others", c + 1));
      }
      out.push_back(std::move(port));
    }
    return out;
  }
  bool needs_label() const override { return true; }

  void MapTraining(const State* state, std::span<const Lane> in, const double* label, const std::uint8_t*,
                   std::span<const Lane> out, std::int64_t n, std::vector<std::string>* texts) const override {
    if (label == nullptr) return Map(state, in, out, n, texts);
    double room = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Learned& learned = At(state, i);
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view key = KeyOrMissing(in[i], row, &room);
        learned.Expect(learned.keys.Find(key), label + row, out[i].vectors + row * out[i].stride);
      }
    }
  }

 private:
  Learned Fresh(bool number, int classes) const override {
    Learned fresh;
    fresh.smooth = smooth_;
    fresh.number = number;
    fresh.classes = classes;
    fresh.SetWidth();
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.keys; }
  void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t id = index[i] == kMissing ? learned.keys.Find(kMissingKey) : index[i];
      learned.Expect(id, nullptr, out.vectors + i * out.stride);
    }
  }
  double smooth_;
};

}  // namespace

Result<void> AddLeaveOneOut(Kinds<Op>& kinds) {
  return kinds.Add("leave_one_out",
                   {.summary = "Replace each value by the average label of the other rows that have it",
                    .when = "Many-valued texts with linear models and few rows, where folds would waste labels. Not with trees: a row's own "
                            "label can be read back from what is left when it is taken out; use target_encode there. Unseen values get "
                            "the overall average.",
                    .example = R"({"smooth": 5})",
                    .options = {{.name = "smooth", .fallback = 0.0,
                                 .help = "Weight of the overall average, in rows; 0: a value of one row gets that average", .least = 0}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<LeaveOneOut>(options.Number("smooth"));
                   });
}

}  // namespace tenon::transform

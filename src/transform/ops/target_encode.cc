// Values replaced by what the label was on average where they held. On the rows it was fitted on, the average leaves out
// the row's own fold, so that no row sees its own label (out-of-fold; Micci-Barreca 2001 for the m-estimate).

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "transform/buckets_internal.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

using Cells = std::vector<LabelCell>;  // by fold

struct Learned {
  double smooth = 0;
  bool scaled = false;
  int classes = 0;  // 0: regression
  bool number = false;
  KeyTable table;
  std::vector<Cells> cells;  // of each key
  Cells all;
  CompactSum squares;        // of a regression's labels, for `scaled`

  // After Finish: `width` numbers a key (then one row for unseen), and the same for each fold left out.
  int width = 1;
  int folds = 0;
  KeyTable keys;
  std::vector<float> encoded;             // (keys + 1) x width
  std::vector<float> left_out;            // folds x (keys + 1) x width

  void AddOne(Cells& to, double label, std::size_t fold) {
    if (to.size() <= fold) to.resize(fold + 1);
    LabelCell& cell = to[fold];
    ++cell.count;
    if (classes == 0) {
      cell.sum.Add(label);
      return;
    }
    const auto at = static_cast<std::size_t>(label);
    if (cell.classes.size() < static_cast<std::size_t>(classes)) cell.classes.resize(static_cast<std::size_t>(classes));
    ++cell.classes[at];
  }

  void Add(const Lane& in, const double* label, const std::uint8_t* fold, std::int64_t n) {
    if (label == nullptr) return;
    double room = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      // Rows without a label, and labels that are no class, teach nothing.
      if (!std::isfinite(label[i]) || (classes > 0 && !(label[i] >= 0 && label[i] < classes))) continue;
      const std::string_view key = KeyOrMissing(in, i, &room);
      const auto id = static_cast<std::size_t>(table.Insert(key));
      if (id == cells.size()) cells.emplace_back();
      const std::size_t at = fold == nullptr ? 0 : fold[i];
      AddOne(cells[id], label[i], at);
      AddOne(all, label[i], at);
      if (classes == 0 && scaled) squares.Add(label[i] * label[i]);
    }
  }

  static void MergeCells(Cells& to, const Cells& from) {
    if (to.size() < from.size()) to.resize(from.size());
    for (std::size_t f = 0; f < from.size(); ++f) to[f].Merge(from[f]);
  }
  void Merge(const Learned& other) {
    for (std::int32_t id = 0; id < other.table.size(); ++id) {
      const auto mine = static_cast<std::size_t>(table.Insert(other.table.key(id)));
      if (mine == cells.size()) cells.emplace_back();
      MergeCells(cells[mine], other.cells[static_cast<std::size_t>(id)]);
    }
    MergeCells(all, other.all);
    squares.Merge(other.squares);
  }

  // Rows of all folds but `left` (-1: of all), and the sum of part `c` of their labels.
  std::pair<double, double> Total(const Cells& of, int left, int c) const {
    double count = 0;
    double ones = 0;
    ExactSum sum;
    for (std::size_t f = 0; f < of.size(); ++f) {
      if (static_cast<int>(f) == left) continue;
      count += static_cast<double>(of[f].count);
      if (classes == 0) {
        of[f].sum.AddTo(&sum);
      } else if (!of[f].classes.empty()) {
        ones += static_cast<double>(of[f].classes[static_cast<std::size_t>(c)]);
      }
    }
    return {count, classes == 0 ? sum.Value() : ones};
  }

  // What the label of the key is expected to be, by the rows outside the fold; `of` null: of an unseen key.
  void Encode(const Cells* of, int left, double shift, double factor, float* out) const {
    for (int part = 0; part < width; ++part) {
      const int c = part + 1;
      const auto [rows, total] = Total(all, left, c);
      const double prior = rows > 0 ? total / rows : 0;
      double value = prior;
      if (of != nullptr) {
        const auto [count, sum] = Total(*of, left, c);
        if (count + smooth > 0) value = (sum + smooth * prior) / (count + smooth);
      }
      out[part] = static_cast<float>((value - shift) / factor);
    }
  }

  void Finish() {
    width = classes == 0 ? 1 : std::max(1, classes - 1);
    folds = all.size() > 1 ? static_cast<int>(all.size()) : 0;
    const std::vector<std::int32_t> order = InOrder(table, number);
    double shift = 0;
    double factor = 1;
    if (scaled && classes == 0) Scale(&shift, &factor);
    const std::size_t row = static_cast<std::size_t>(width);
    const std::size_t table_floats = (order.size() + 1) * row;
    encoded.resize(table_floats);
    left_out.resize(table_floats * static_cast<std::size_t>(folds));
    for (std::size_t i = 0; i <= order.size(); ++i) {
      const Cells* of = i == order.size() ? nullptr : &cells[static_cast<std::size_t>(order[i])];
      if (of != nullptr) keys.Insert(table.key(order[i]));
      Encode(of, -1, shift, factor, encoded.data() + i * row);
      for (int f = 0; f < folds; ++f) {
        Encode(of, f, shift, factor, left_out.data() + static_cast<std::size_t>(f) * table_floats + i * row);
      }
    }
  }
  void Scale(double* shift, double* factor) const {
    const auto [rows, total] = Total(all, -1, 0);
    if (rows == 0) return;
    ExactSum sum;
    squares.AddTo(&sum);
    *shift = total / rows;
    const double variance = sum.Value() / rows - *shift * *shift;
    if (variance > 0) *factor = std::sqrt(variance);
  }

  std::string Words() const { return Str(ListedKeys(keys, number), "; unseen becomes ", encoded.empty() ? std::string("0") : FormatShort(static_cast<double>(encoded[encoded.size() - static_cast<std::size_t>(width)]), 5)); }
  void Save(Writer& out) const {
    out.I64(classes);
    out.I64(folds);
    out.Size(static_cast<std::size_t>(keys.size()));
    SaveKeys(keys, out);
    for (const float value : encoded) out.F64(static_cast<double>(value));
    for (const float value : left_out) out.F64(static_cast<double>(value));
  }
  void Load(Reader& in) {
    const std::int64_t saved_classes = in.I64();
    const std::int64_t saved_folds = in.I64();
    const std::size_t size = in.Size(8);
    if (saved_classes < 0 || saved_classes > 1 << 20 || saved_folds < 0 || saved_folds > 256) return in.Fail();
    classes = static_cast<int>(saved_classes);
    folds = static_cast<int>(saved_folds);
    width = classes == 0 ? 1 : std::max(1, classes - 1);
    LoadKeys(size, in, &keys);
    if (in.failed()) return;
    const std::size_t floats = (size + 1) * static_cast<std::size_t>(width);
    if (floats * static_cast<std::size_t>(folds + 1) > in.left() / 8) return in.Fail();
    encoded.resize(floats);
    left_out.resize(floats * static_cast<std::size_t>(folds));
    for (float& value : encoded) value = static_cast<float>(in.F64());
    for (float& value : left_out) value = static_cast<float>(in.F64());
  }

  std::int32_t Row(std::int32_t index) const { return index >= 0 ? index : keys.size(); }
};

class TargetEncode final : public EachKey<Learned> {
 public:
  TargetEncode(double smooth, bool scaled) : smooth_(smooth), scaled_(scaled) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (std::size_t i = 0; i < in.size(); ++i) {
      Port port{.name = Str(in[i].name, "_target"), .kind = Port::Kind::kVector, .width = 0};
      if (state != nullptr) {
        port.width = At(state, i).width;
        for (int c = 0; c < port.width; ++c) {
          port.parts.push_back(port.width == 1 ? Str(in[i].name, "~label") : Str(in[i].name, "~class", c + 1));
        }
      }
      out.push_back(std::move(port));
    }
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
        const std::size_t table = learned.encoded.size();
        const float* from = fold[row] < learned.folds ? learned.left_out.data() + fold[row] * table : learned.encoded.data();
        Copy(learned, from, learned.keys.Find(key), out[i].vectors + row * out[i].stride);
      }
    }
  }

 private:
  static void Copy(const Learned& learned, const float* from, std::int32_t index, float* to) {
    const auto width = static_cast<std::size_t>(learned.width);
    from += static_cast<std::size_t>(learned.Row(index)) * width;
    std::copy(from, from + width, to);
  }
  Learned Fresh(bool number, int classes) const override {
    Learned fresh;
    fresh.smooth = smooth_;
    fresh.scaled = scaled_;
    fresh.classes = classes;
    fresh.number = number;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.keys; }
  void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t id = index[i] == kMissing ? learned.keys.Find(kMissingKey) : index[i];
      Copy(learned, learned.encoded.data(), id, out.vectors + i * out.stride);
    }
  }
  double smooth_;
  bool scaled_;
};

}  // namespace

Result<void> AddTargetEncode(Kinds<Op>& kinds) {
  return kinds.Add(
      "target_encode",
      {.summary = "Replace each value by the average label of its rows",
       .when = "Many-valued texts and identifiers, for any model. Training rows are encoded from the other folds' labels, so that "
               "the model cannot read its own answers. Of several classes it gives one feature each but the first.",
       .example = R"({"smooth": 20})",
       .options = {{.name = "smooth", .type = Option::Type::kNumber, .fallback = 20.0,
                    .help = "Weight of the overall average, in rows (m-estimate); unseen values get that average", .least = 0},
                   {.name = "scaled", .type = Option::Type::kBool, .fallback = false,
                    .help = "For regression: in standard deviations of the label from its mean, for linear models"}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<TargetEncode>(options.Number("smooth"), options.Bool("scaled"));
      });
}

}  // namespace tenon::transform

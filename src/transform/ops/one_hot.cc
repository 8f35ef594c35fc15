// One 0/1 feature for each value of a text (or few-valued number).

#include <algorithm>

#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

struct Settings {
  bool own_unseen = false;   // a part for values not among the levels
  bool own_missing = true;   // a part for missing ones, when the fit saw some
  std::int64_t most = 0;
  std::int64_t least_count = 1;
};

struct Learned {
  Settings settings;
  bool number = false;
  KeyCounts counts;
  KeyTable levels;  // in the order of the parts
  bool missing = false;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { counts.Add(in, n); }
  void Merge(const Learned& other) { counts.Merge(other.counts); }
  void Finish() {
    auto kept = counts.Top(settings.most, settings.least_count);
    std::sort(kept.begin(), kept.end(), [this](const auto& a, const auto& b) { return KeyBefore(a.key, b.key, number); });
    for (const auto& item : kept) levels.Insert(item.key);
    missing = settings.own_missing && counts.missing() > 0;
  }
  std::string Words() const { return Str(ListedKeys(levels, number), missing ? ", and missing" : ""); }
  void Save(Writer& out) const {
    out.U8(missing ? 1 : 0);
    out.Size(static_cast<std::size_t>(levels.size()));
    SaveKeys(levels, out);
  }
  void Load(Reader& in) {
    missing = in.U8() != 0;
    const std::size_t size = in.Size(8);
    LoadKeys(size, in, &levels);
  }
  int Width() const { return levels.size() + (settings.own_unseen ? 1 : 0) + (missing ? 1 : 0); }
  // The part of an index, or -1 for none.
  std::int32_t Part(std::int32_t index) const {
    if (index >= 0) return index;
    if (index == KeyOp::kUnseen) return settings.own_unseen ? levels.size() : -1;
    return missing ? Width() - 1 : -1;
  }
};

class OneHot final : public EachKey<Learned> {
 public:
  explicit OneHot(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (std::size_t i = 0; i < in.size(); ++i) {
      Port port{.name = Str(in[i].name, "_is"), .kind = Port::Kind::kVector, .width = 0};
      if (state != nullptr) {
        const Learned& learned = At(state, i);
        port.width = learned.Width();
        for (std::int32_t id = 0; id < learned.levels.size(); ++id) {
          port.parts.push_back(Str(in[i].name, "=", KeyName(learned.levels.key(id), learned.number)));
        }
        if (settings_.own_unseen) port.parts.push_back(Str(in[i].name, "=(other)"));
        if (learned.missing) port.parts.push_back(Str(in[i].name, "=(missing)"));
      }
      out.push_back(std::move(port));
    }
    return out;
  }

  bool gives_ones() const override { return true; }
  void Ones(const State* state, std::size_t input, const std::int32_t* index, std::int64_t n, std::int32_t* parts) const override {
    const Learned& learned = At(state, input);
    const std::int32_t unseen = learned.Part(kUnseen), missing = learned.Part(kMissing);
    for (std::int64_t i = 0; i < n; ++i) parts[i] = index[i] >= 0 ? index[i] : index[i] == kUnseen ? unseen : missing;
  }

 private:
  Learned Fresh(bool number, int) const override {
    Learned fresh;
    fresh.settings = settings_;
    fresh.number = number;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.levels; }
  void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    float* row = out.vectors;
    for (std::int64_t i = 0; i < n; ++i, row += out.stride) {
      const std::int32_t part = learned.Part(index[i]);
      if (part >= 0) row[part] = 1.0F;
    }
  }
  Settings settings_;
};

}  // namespace

Result<void> AddOneHot(Kinds<Op>& kinds) {
  return kinds.Add(
      "one_hot",
      {.summary = "Give each value a feature of its own, 1 where it holds",
       .when = "Texts (or codes) of up to some dozens of values, for any model. For many values use target_encode, hash or "
               "frequency.",
       .example = R"({"unseen": "own", "most": 20})",
       .options = {{.name = "unseen", .type = Option::Type::kText, .fallback = "ignore",
                    .help = "Values the fit did not keep: all features 0 (ignore), or a feature of their own",
                    .choices = {"ignore", "own"}},
                   {.name = "missing", .type = Option::Type::kText, .fallback = "own",
                    .help = "Missing values: a feature of their own when the fit saw some, or all features 0 (ignore)",
                    .choices = {"own", "ignore"}},
                   {.name = "most", .type = Option::Type::kInt, .fallback = 0, .help = "Keep this many of the most frequent values; 0: all",
                    .least = 0, .most = 1e6},
                   {.name = "least_count", .type = Option::Type::kInt, .fallback = 1, .help = "Keep values with at least this many rows",
                    .least = 1}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<OneHot>(Settings{options.Text("unseen") == "own", options.Text("missing") == "own",
                                                 options.Int("most"), options.Int("least_count")});
      });
}

}  // namespace tenon::transform

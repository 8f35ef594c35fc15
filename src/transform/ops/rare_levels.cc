// Texts whose rare values, and values never seen, are one value.

#include <algorithm>
#include <cmath>

#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  double least_share = 0;
  std::int64_t least_count = 1;
  std::int64_t most = 0;
  std::string other;
  bool number = false;
  KeyCounts counts;
  KeyTable kept;
  std::vector<std::string> names;  // of the kept keys

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { counts.Add(in, n); }
  void Merge(const Learned& other_part) { counts.Merge(other_part.counts); }
  void Finish() {
    const double share = std::ceil(least_share * static_cast<double>(counts.rows()));
    for (const auto& one : counts.Top(most, std::max(least_count, static_cast<std::int64_t>(share)))) Keep(one.key);
  }
  void Keep(std::string_view key) {
    kept.Insert(key);
    names.push_back(KeyName(key, number));
  }
  std::string Words() const { return Str("kept ", ListedKeys(kept, number), "; others become '", other, "'"); }
  void Save(Writer& out) const {
    out.Size(names.size());
    SaveKeys(kept, out);
  }
  void Load(Reader& in) {
    const std::size_t size = in.Size(8);
    for (std::size_t i = 0; i < size && !in.failed(); ++i) {
      Keep(in.Text());
      if (kept.size() != static_cast<std::int32_t>(names.size())) in.Fail();
    }
  }
};

class RareLevels final : public EachKey<Learned> {
 public:
  explicit RareLevels(Learned fresh) : fresh_(std::move(fresh)) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, "_grouped"), .kind = Port::Kind::kText});
    return out;
  }

 private:
  Learned Fresh(bool number, int) const override {
    Learned fresh = fresh_;
    fresh.number = number;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.kept; }
  void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      out.texts[i] = index[i] == kMissing  ? std::string_view()
                     : index[i] == kUnseen ? std::string_view(learned.other)
                                           : std::string_view(learned.names[static_cast<std::size_t>(index[i])]);
    }
  }
  Learned fresh_;
};

}  // namespace

Result<void> AddRareLevels(Kinds<Op>& kinds) {
  return kinds.Add("rare_levels",
                   {.summary = "Make one value of all rare ones",
                    .when = "Before one_hot, cross or target_encode, when a tail of values has too few rows each to learn from. Values the "
                            "fit never saw join them; missing stays missing. Codes may be numbers; the result is a text.",
                    .example = R"({"least_share": 0.02})",
                    .options = {{.name = "least_share", .fallback = 0.01, .help = "Keep values of at least this share of the rows",
                                 .least = 0, .most = 1},
                                {.name = "least_count", .type = Option::Type::kInt, .fallback = 1, .help = "and of at least this many rows",
                                 .least = 1},
                                {.name = "most", .type = Option::Type::kInt, .fallback = 0, .help = "and only the most frequent, this many; 0: all",
                                 .least = 0},
                                {.name = "other", .type = Option::Type::kText, .fallback = "(rare)", .help = "What the others become"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.least_share = options.Number("least_share");
                     fresh.least_count = options.Int("least_count");
                     fresh.most = options.Int("most");
                     fresh.other = options.Text("other");
                     return std::make_unique<RareLevels>(std::move(fresh));
                   });
}

}  // namespace tenon::transform

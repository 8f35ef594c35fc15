// Texts to whole numbers by frequency: 0 for the most frequent. For embeddings of neural networks.

#include <limits>

#include "base/hash.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  bool is_number = false;
  std::int64_t most = 0;
  std::int64_t least_count = 1;
  KeyCounts counts;
  KeyTable words;  // most frequent first

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { counts.Add(in, n); }
  void Merge(const Learned& other) { counts.Merge(other.counts); }
  void Finish() {
    for (const auto& item : counts.Top(most, least_count)) words.Insert(item.key);
  }
  std::string Words() const { return Str("numbered by how often they come, ", ListedKeys(words, is_number)); }
  void Save(Writer& out) const {
    out.Size(static_cast<std::size_t>(words.size()));
    SaveKeys(words, out);
  }
  void Load(Reader& in) {
    const std::size_t size = in.Size(8);
    LoadKeys(size, in, &words);
  }
};

class Vocabulary final : public EachKey<Learned> {
 public:
  Vocabulary(std::int64_t most, std::int64_t least_count, std::int64_t unseen)
      : EachKey(unseen > 0), most_(most), least_count_(least_count), unseen_(unseen) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, "_word")});
    return out;
  }

 private:
  Learned Fresh(bool number, int) const override {
    Learned fresh;
    fresh.is_number = number;
    fresh.most = most_;
    fresh.least_count = least_count_;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.words; }
  std::int32_t Unseen(const Learned& learned, std::string_view key) const override {
    if (unseen_ == 0) return kUnseen;
    return learned.words.size() + static_cast<std::int32_t>(Hash64(key, 1) % static_cast<std::uint64_t>(unseen_));
  }
  void Encode(const Learned&, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      out.numbers[i] = index[i] >= 0 ? index[i] : std::numeric_limits<double>::quiet_NaN();
    }
  }
  std::int64_t most_, least_count_, unseen_;
};

}  // namespace

Result<void> AddVocabulary(Kinds<Op>& kinds) {
  return kinds.Add("vocabulary",
                   {.summary = "Number values by how frequent they are",
                    .when = "Values become indices of an embedding table, or trees should split by popularity. Values outside the "
                            "vocabulary share buckets after its end, chosen by hash; without buckets they are missing.",
                    .example = R"({"most": 1000, "unseen_buckets": 2})",
                    .options = {{.name = "most", .type = Option::Type::kInt, .fallback = 0,
                                 .help = "Keep this many of the most frequent values; 0: all", .least = 0, .most = 1e9},
                                {.name = "least_count", .type = Option::Type::kInt, .fallback = 1,
                                 .help = "Keep values with at least this many rows", .least = 1},
                                {.name = "unseen_buckets", .type = Option::Type::kInt, .fallback = 1,
                                 .help = "Buckets for other values", .least = 0, .most = 1e6}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Vocabulary>(options.Int("most"), options.Int("least_count"),
                                                         options.Int("unseen_buckets"));
                   });
}

}  // namespace tenon::transform

// How frequent a value is among the training rows.

#include <cmath>
#include <limits>

#include "base/text.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

enum class As : std::uint8_t { kShare, kCount, kLog };

struct Learned {
  bool is_number = false;
  As as = As::kShare;
  KeyCounts counts;
  KeyTable values;  // those that came more than once, sorted, and what they become
  std::vector<double> encoded;
  double once = 0;     // what a value that came once becomes
  double missing = 0;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { counts.Add(in, n); }
  void Merge(const Learned& other) { counts.Merge(other.counts); }
  double Encoded(std::int64_t count) const {
    const auto number = static_cast<double>(count);
    if (as == As::kCount) return number;
    if (as == As::kLog) return std::log1p(number);
    return counts.rows() == 0 ? 0 : number / static_cast<double>(counts.rows());
  }
  void Finish() {
    for (const auto& item : counts.Sorted()) {
      if (item.count < 2) continue;
      values.Insert(item.key);
      encoded.push_back(Encoded(item.count));
    }
    once = Encoded(counts.rows() > 0 ? 1 : 0);
    missing = Encoded(counts.missing());
  }
  std::string Words() const { return Str(ListedKeys(values, is_number), "; a value that came once becomes ", FormatShort(once, 5), ", missing ", FormatShort(missing, 5)); }
  void Save(Writer& out) const {
    out.F64(once);
    out.F64(missing);
    out.Size(encoded.size());
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      out.Text(values.key(static_cast<std::int32_t>(i)));
      out.F64(encoded[i]);
    }
  }
  void Load(Reader& in) {
    once = in.F64();
    missing = in.F64();
    const std::size_t size = in.Size(16);
    for (std::size_t i = 0; i < size; ++i) {
      if (values.Insert(in.Text()) != static_cast<std::int32_t>(i)) in.Fail();
      encoded.push_back(in.F64());
      if (in.failed()) return;
    }
  }
};

class FrequencyOf final : public EachKey<Learned> {
 public:
  explicit FrequencyOf(As as) : as_(as) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, as_ == As::kShare ? "_share" : "_count")});
    return out;
  }

 private:
  Learned Fresh(bool number, int) const override {
    Learned fresh;
    fresh.is_number = number;
    fresh.as = as_;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.values; }
  void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      out.numbers[i] = index[i] >= 0          ? learned.encoded[static_cast<std::size_t>(index[i])]
                       : index[i] == kUnseen ? learned.once
                                             : learned.missing;
    }
  }
  As as_;
};

}  // namespace

Result<void> AddFrequency(Kinds<Op>& kinds) {
  return kinds.Add("frequency",
                   {.summary = "Replace each value by how frequent it is",
                    .when = "Many-valued texts and identifiers whose popularity says something, with trees; beside target_encode. "
                            "Unseen values count as those that came once; missing ones by their own number.",
                    .example = R"({"as": "log"})",
                    .options = {{.name = "as", .type = Option::Type::kText, .fallback = "share",
                                 .help = "The share of the rows, their count, or ln(1 + count)", .choices = {"share", "count", "log"}}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     const std::string as = options.Text("as");
                     return std::make_unique<FrequencyOf>(as == "share" ? As::kShare : as == "count" ? As::kCount : As::kLog);
                   });
}

}  // namespace tenon::transform

// The hashing trick (Weinberger et al. 2009): values to buckets by hash, with nothing to learn.

#include "base/hash.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

class Hashing final : public Op {
 public:
  Hashing(std::int64_t buckets, bool sign) : buckets_(static_cast<int>(buckets)), sign_(sign) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::string name;
    for (const Port& port : in) name += name.empty() ? port.name : Str("_", port.name);
    Port port{.name = Str(name, "_hash"), .kind = Port::Kind::kVector, .width = buckets_};
    for (int i = 0; i < buckets_; ++i) port.parts.push_back(Str(name, "#", i));
    return std::vector<Port>{std::move(port)};
  }

  // Each input has its own seed, so that equal values of two columns meet by chance only.
  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    double room = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view key = KeyAt(in[i], row, &room);
        if (key.data() == nullptr) continue;
        const std::uint64_t hash = Hash64(key, i + 1);
        const float value = sign_ && (hash >> 63) != 0 ? -1.0F : 1.0F;
        out[0].vectors[row * out[0].stride + static_cast<std::int64_t>((hash & ~(1ULL << 63)) % static_cast<std::uint64_t>(buckets_))] += value;
      }
    }
  }

 private:
  int buckets_;
  bool sign_;
};

}  // namespace

Result<void> AddHash(Kinds<Op>& kinds) {
  return kinds.Add("hash",
                   {.summary = "Spread values over a fixed number of features by hash",
                    .when = "Very many values, new ones all the time, and a linear model; several inputs share the buckets. "
                            "one_hot and target_encode are better while the values can be listed. Missing adds nothing.",
                    .example = R"({"buckets": 64})",
                    .options = {{.name = "buckets", .type = Option::Type::kInt, .fallback = 256, .help = "How many features", .least = 1,
                                 .most = 1 << 20},
                                {.name = "sign", .type = Option::Type::kBool, .fallback = true,
                                 .help = "Add 1 or -1 by another bit of the hash, so that collisions cancel on average"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Hashing>(options.Int("buckets"), options.Bool("sign"));
                   });
}

}  // namespace tenon::transform

// Combinations of values to buckets by hash: cross and hash in one, with no text in between.

#include <bit>

#include "base/hash.h"
#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostInputs = 12;

// The combinations, each as the bits of its inputs.
void ListMasks(std::size_t inputs, int least, int most, std::vector<unsigned>* out) {
  out->clear();
  for (unsigned mask = 1; mask < 1U << inputs; ++mask) {
    const int size = std::popcount(mask);
    if (size >= least && size <= most) out->push_back(mask);
  }
}

class HashCross final : public Op {
 public:
  HashCross(std::int64_t buckets, std::int64_t least, std::int64_t most, bool sign)
      : buckets_(static_cast<int>(buckets)), least_(static_cast<int>(least)), most_(static_cast<int>(most)), sign_(sign) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in, kMostInputs));
    if (in.size() < 2) return Error(Code::kInvalidArgument, "it needs two or more inputs");
    std::string name;
    for (const Port& port : in) name += name.empty() ? port.name : Str("_x_", port.name);
    Port port{.name = Str(name, "_hash"), .kind = Port::Kind::kVector, .width = buckets_};
    for (int i = 0; i < buckets_; ++i) port.parts.push_back(Str(name, "#", i));
    return std::vector<Port>{std::move(port)};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    // Working memory of the thread: the combinations, and one row's hashes.
    thread_local std::vector<unsigned> masks;
    ListMasks(in.size(), least_, most_, &masks);
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      std::uint64_t hashes[kMostInputs];
      unsigned present = 0;
      for (std::size_t i = 0; i < in.size(); ++i) {
        const std::string_view key = KeyAt(in[i], row, &room);
        if (key.data() == nullptr) continue;
        present |= 1U << i;
        hashes[i] = Hash64(key, i + 1);
      }
      float* to = out[0].vectors + row * out[0].stride;
      for (const unsigned mask : masks) {
        if ((mask & present) != mask) continue;
        std::uint64_t hash = mask;
        for (std::size_t i = 0; i < in.size(); ++i) {
          if ((mask >> i & 1U) != 0) hash = Hash64(hashes[i], hash);
        }
        to[(hash & ~(1ULL << 63)) % static_cast<std::uint64_t>(buckets_)] += sign_ && (hash >> 63) != 0 ? -1.0F : 1.0F;
      }
    }
  }

 private:
  int buckets_, least_, most_;
  bool sign_;
};

}  // namespace

Result<void> AddHashCross(Kinds<Op>& kinds) {
  return kinds.Add(
      "hash_cross",
      {.summary = "Spread the combinations of values over a fixed number of features by hash",
       .when = "A linear model should know which values come together (user with item, hour with place), and there are too many "
               "combinations to list. cross with one_hot is better while they can be. A combination with a missing value adds nothing.",
       .example = R"({"buckets": 128})",
       .options = {{.name = "buckets", .type = Option::Type::kInt, .fallback = 1024, .help = "How many features", .least = 1, .most = 1 << 20},
                   {.name = "least", .type = Option::Type::kInt, .fallback = 2, .help = "Cross at least this many inputs; 1: also each alone",
                    .least = 1, .most = kMostInputs},
                   {.name = "most", .type = Option::Type::kInt, .fallback = 2, .help = "and at most this many", .least = 1, .most = kMostInputs},
                   {.name = "sign", .type = Option::Type::kBool, .fallback = true,
                    .help = "Add 1 or -1 by another bit of the hash, so that collisions cancel on average"}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        if (options.Int("least") > options.Int("most")) {
          return Error(Code::kInvalidArgument, Str("hash_cross: 'least' is ", options.Int("least"), ", above 'most', which is ",
                                                   options.Int("most")));
        }
        return std::make_unique<HashCross>(options.Int("buckets"), options.Int("least"), options.Int("most"), options.Bool("sign"));
      });
}

}  // namespace tenon::transform

// The words or character runs of texts counted in a fixed number of buckets by hash, with nothing to learn.

#include <cmath>

#include "base/hash.h"
#include "transform/columns_internal.h"
#include "transform/text_tokens_internal.h"

namespace tenon::transform {
namespace {

struct Settings {
  TokenSettings tokens;
  int buckets = 1024;
  bool sign = true;
  bool binary = false;
  bool norm = true;
};

class TextHash final : public Op {
 public:
  explicit TextHash(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in, 1));
    if (in[0].kind != Port::Kind::kText) {
      return Error(Code::kInvalidArgument, Str("input '", in[0].name, "' is a number, expected a text"));
    }
    Port port{.name = Str(in[0].name, "_hashed"), .kind = Port::Kind::kVector, .width = settings_.buckets};
    for (int i = 0; i < settings_.buckets; ++i) port.parts.push_back(Str(in[0].name, ":#", i));
    return std::vector<Port>{std::move(port)};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    thread_local Tokens tokens;  // nothing of it outlives a row
    for (std::int64_t row = 0; row < n; ++row) {
      const std::string_view text = in[0].Text(row);
      if (text.data() != nullptr) Count(text, tokens, out[0].vectors + row * out[0].stride);
    }
  }

 private:
  void Count(std::string_view text, Tokens& tokens, float* out) const {
    EachPiece(text, settings_.tokens, tokens, [&](std::string_view piece) {
      const std::uint64_t hash = Hash64(piece);
      float& bucket = out[(hash & ~(1ULL << 63)) % static_cast<std::uint64_t>(settings_.buckets)];
      const float value = settings_.sign && (hash >> 63) != 0 ? -1.0F : 1.0F;
      bucket = settings_.binary ? value : bucket + value;
    });
    if (!settings_.norm) return;
    double squares = 0;
    for (int i = 0; i < settings_.buckets; ++i) squares += static_cast<double>(out[i]) * static_cast<double>(out[i]);
    if (squares == 0) return;
    const double length = std::sqrt(squares);
    for (int i = 0; i < settings_.buckets; ++i) out[i] = static_cast<float>(static_cast<double>(out[i]) / length);
  }
  Settings settings_;
};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  Settings settings;
  settings.tokens.characters = options.Has("characters");
  const std::string_view name = settings.tokens.characters ? "characters" : "words";
  const std::vector<double> range = options.NumberList(name);
  if (range.empty() || range.size() > 2 || !(range[0] >= 1) || !(range.back() <= 16) || range[0] > range.back() ||
      range[0] != std::floor(range[0]) || range.back() != std::floor(range.back())) {
    return Error(Code::kInvalidArgument, Str("text_hash: '", name, "' is the fewest and the most of a run, such as [1, 2] (at most 16), got ",
                                             options.Any(name).Dump()));
  }
  settings.tokens.least = static_cast<int>(range[0]);
  settings.tokens.most = static_cast<int>(range.back());
  settings.tokens.lower = options.Bool("lower");
  settings.buckets = static_cast<int>(options.Int("buckets"));
  settings.sign = options.Bool("sign");
  settings.binary = options.Bool("binary");
  settings.norm = options.Bool("norm");
  return std::make_unique<TextHash>(settings);
}

}  // namespace

Result<void> AddTextHash(Kinds<Op>& kinds) {
  return kinds.Add(
      "text_hash",
      {.summary = "Count the words of texts in a fixed number of features by hash",
       .when = "Texts whose words change all the time, or that must not be kept in the model; nothing is learned. text_tfidf says which word "
               "a feature is, and weighs rare ones more. A missing text is all zeros.",
       .example = R"({"words": [1, 2], "buckets": 256})",
       .options = {{.name = "words", .type = Option::Type::kNumberList, .fallback = Json(Json::Array{Json(1), Json(1)}),
                    .help = "Runs of this many words: fewest and most"},
                   {.name = "characters", .type = Option::Type::kNumberList,
                    .help = "Instead of words, runs of this many characters within blanks: fewest and most"},
                   {.name = "buckets", .type = Option::Type::kInt, .fallback = 1024, .help = "How many features", .least = 1, .most = 1 << 20},
                   {.name = "sign", .type = Option::Type::kBool, .fallback = true,
                    .help = "Add 1 or -1 by another bit of the hash, so that collisions cancel on average"},
                   {.name = "binary", .type = Option::Type::kBool, .fallback = false, .help = "Whether a word came, not how often"},
                   {.name = "norm", .type = Option::Type::kBool, .fallback = true, .help = "Each row to length 1"},
                   {.name = "lower", .type = Option::Type::kBool, .fallback = true, .help = "Lower case first"}}},
      Make);
}

}  // namespace tenon::transform

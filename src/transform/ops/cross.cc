// Two or more texts (or bucket numbers) joined into one text, so that a model sees their combination.

#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

class Cross final : public Op {
 public:
  explicit Cross(std::string between) : between_(std::move(between)) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    if (in.size() < 2) return Error(Code::kInvalidArgument, "it needs two or more inputs");
    std::string name;
    for (const Port& port : in) name += name.empty() ? port.name : Str("_x_", port.name);
    return std::vector<Port>{{.name = std::move(name), .kind = Port::Kind::kText}};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>* texts) const override {
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      std::string& made = texts->emplace_back();
      bool missing = false;
      for (std::size_t i = 0; i < in.size() && !missing; ++i) {
        const std::string_view key = KeyAt(in[i], row, &room);
        missing = key.data() == nullptr;
        if (i > 0) made += between_;
        if (in[i].numbers == nullptr) {
          made += key;
        } else if (!missing) {
          made += KeyName(key, true);
        }
      }
      out[0].texts[row] = missing ? std::string_view() : std::string_view(made);
    }
  }

 private:
  std::string between_;
};

}  // namespace

Result<void> AddCross(Kinds<Op>& kinds) {
  return kinds.Add("cross",
                   {.summary = "Join texts or buckets into one text",
                    .when = "A linear model should know combinations (weekday with hour, country with product); encode the result "
                            "with one_hot, hash or target_encode. Missing when any part is.",
                    .example = R"({"between": "|"})",
                    .options = {{.name = "between", .type = Option::Type::kText, .fallback = "|", .help = "What stands between the parts"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Cross>(options.Text("between"));
                   });
}

}  // namespace tenon::transform

// How many of a row's values are missing.

#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

class RowMissing final : public Op {
 public:
  explicit RowMissing(bool share) : share_(share) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    return std::vector<Port>{{.name = in.size() == 1 ? Str(in[0].name, "_missing_count") : "missing_count"}};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      std::int64_t missing = 0;
      for (const Lane& lane : in) missing += KeyAt(lane, row, &room).data() == nullptr ? 1 : 0;
      const auto count = static_cast<double>(missing);
      out[0].numbers[row] = share_ ? count / static_cast<double>(in.size()) : count;
    }
  }

 private:
  bool share_;
};

}  // namespace

Result<void> AddRowMissing(Kinds<Op>& kinds) {
  return kinds.Add("row_missing",
                   {.summary = "Count the missing values of a row",
                    .when = "How carefully a form was filled in says something of who did it, or of the channel it came by.",
                    .example = R"({"share": true})",
                    .options = {{.name = "share", .type = Option::Type::kBool, .fallback = false,
                                 .help = "The share of the inputs that are missing, not their number"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<RowMissing>(options.Bool("share"));
                   });
}

}  // namespace tenon::transform

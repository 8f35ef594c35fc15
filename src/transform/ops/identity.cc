// Passes columns on as they are, under another name if one is given.

#include <algorithm>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

class Identity final : public Op {
 public:
  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out(in.begin(), in.end());
    for (Port& port : out) port.name += "_same";
    return out;
  }
  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i].numbers != nullptr) {
        std::copy(in[i].numbers, in[i].numbers + n, out[i].numbers);
      } else {
        for (std::int64_t row = 0; row < n; ++row) out[i].texts[row] = in[i].Text(row);
      }
    }
  }
};

}  // namespace

Result<void> AddIdentity(Kinds<Op>& kinds) {
  return kinds.Add("identity",
                   {.summary = "Pass columns on as they are",
                    .when = "A column should reach the model untouched, or under another name.",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Op>> { return std::make_unique<Identity>(); });
}

}  // namespace tenon::transform

// 1 where a value is missing, else 0.

#include <cmath>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

class MissingFlag final : public Op {
 public:
  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, "_missing")});
    return out;
  }
  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const bool missing = in[i].numbers != nullptr ? std::isnan(in[i].numbers[row]) : in[i].Text(row).data() == nullptr;
        out[i].numbers[row] = missing ? 1 : 0;
      }
    }
  }
};

}  // namespace

Result<void> AddMissingFlag(Kinds<Op>& kinds) {
  return kinds.Add("missing_flag",
                   {.summary = "Flag missing values",
                    .when = "That a value is missing says something itself. impute with indicator does both at once.",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Op>> { return std::make_unique<MissingFlag>(); });
}

}  // namespace tenon::transform

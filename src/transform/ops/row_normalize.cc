// The numbers of a row divided by their size together, so that only their proportions are left.

#include <algorithm>
#include <cmath>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

enum class Norm : std::uint8_t { kL1, kL2, kMax };

class RowNormalize final : public Op {
 public:
  explicit RowNormalize(Norm norm) : norm_(norm) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, "_normed")});
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::int64_t row = 0; row < n; ++row) {
      // Divided by the largest first: squares of large numbers would be infinite.
      double largest = 0;
      for (const Lane& lane : in) {
        if (std::isfinite(lane.numbers[row])) largest = std::max(largest, std::abs(lane.numbers[row]));
      }
      double size = largest > 0 ? 1 : 0;
      if (largest > 0 && norm_ != Norm::kMax) {
        size = 0;
        for (const Lane& lane : in) {
          const double part = lane.numbers[row] / largest;
          if (std::isfinite(lane.numbers[row])) size += norm_ == Norm::kL1 ? std::abs(part) : part * part;
        }
        if (norm_ == Norm::kL2) size = std::sqrt(size);
      }
      for (std::size_t i = 0; i < in.size(); ++i) {
        const double value = in[i].numbers[row];
        out[i].numbers[row] = size > 0 && std::isfinite(value) ? value / largest / size : value;
      }
    }
  }

 private:
  Norm norm_;
};

}  // namespace

Result<void> AddRowNormalize(Kinds<Op>& kinds) {
  return kinds.Add("row_normalize",
                   {.summary = "Divide the numbers of a row by their size together",
                    .when = "Only proportions matter: shares of a budget, counts of words, directions. Missing and infinite values are left "
                            "out of the size and stay as they are; a row of zeros stays zeros.",
                    .example = R"({"norm": "l1"})",
                    .options = {{.name = "norm", .type = Option::Type::kText, .fallback = "l2",
                                 .help = "The size: sum of absolute values, length, or largest absolute value", .choices = {"l1", "l2", "max"}}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     const std::string norm = options.Text("norm");
                     return std::make_unique<RowNormalize>(norm == "l1" ? Norm::kL1 : norm == "l2" ? Norm::kL2 : Norm::kMax);
                   });
}

}  // namespace tenon::transform

// Numbers to 1 above a threshold, else 0.

#include <cmath>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  double threshold = 0;
  void Add(const Lane&, const double*, const std::uint8_t*, std::int64_t) {}
  void Merge(const Learned&) {}
  void Finish() {}
  void Save(Writer&) const {}
  void Load(Reader&) {}
};

class Binarize final : public EachNumber<Learned> {
 public:
  explicit Binarize(Learned fresh) : EachNumber("above", fresh, false) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) out[i] = std::isnan(in[i]) ? in[i] : in[i] > learned.threshold ? 1 : 0;
  }
};

}  // namespace

Result<void> AddBinarize(Kinds<Op>& kinds) {
  return kinds.Add("binarize",
                   {.summary = "Say whether numbers are above a threshold",
                    .when = "Whether matters more than how much (any late payment, fever above 38). Missing stays missing.",
                    .example = R"({"threshold": 2.5})",
                    .options = {{.name = "threshold", .fallback = 0.0, .help = "Values above it become 1, it and those below 0"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Binarize>(Learned{options.Number("threshold")});
                   });
}

}  // namespace tenon::transform

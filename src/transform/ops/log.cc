// Logarithms that take zero, and either negative numbers or a learned shift.

#include <cmath>
#include <limits>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  Range range;
  double shift = 0;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { range.Add(in, n); }
  void Merge(const Learned& other) { range.Merge(other.range); }
  void Finish() {
    if (!range.empty()) shift = -range.low;
  }
  std::string Words() const { return Str("logarithm of 1 + the number", shift == 0 ? std::string() : Str(" plus ", FormatShort(shift, 5))); }
  void Save(Writer& out) const { out.F64(shift); }
  void Load(Reader& in) { shift = in.F64(); }
};

class Log final : public EachNumber<Learned> {
 public:
  explicit Log(bool shifted) : EachNumber("log", {}, shifted), shifted_(shifted) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    if (!shifted_) {
      for (std::int64_t i = 0; i < n; ++i) out[i] = std::copysign(std::log1p(std::abs(in[i])), in[i]);
      return;
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const double above = in[i] + learned.shift;  // below the smallest value seen: as that value
      out[i] = above < 0 ? 0 : std::log1p(above);
    }
  }
  bool shifted_;
};

}  // namespace

Result<void> AddLog(Kinds<Op>& kinds) {
  return kinds.Add("log",
                   {.summary = "Take the logarithm of numbers",
                    .when = "Amounts, counts and durations with a long tail, before linear models and networks. Trees do not "
                            "need it.",
                    .example = R"({"negative": "sign"})",
                    .options = {{.name = "negative", .type = Option::Type::kText, .fallback = "sign",
                                 .help = "sign: sign(x) ln(1 + |x|); shift: ln(1 + x - smallest), the smallest learned",
                                 .choices = {"sign", "shift"}}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Log>(options.Text("negative") == "shift");
                   });
}

}  // namespace tenon::transform

// Fills missing values by the mean, median, most frequent value or a constant, each input by itself.

#include <cmath>

#include "base/text.h"
#include "transform/columns_internal.h"
#include "transform/keys_internal.h"
#include "transform/lanes_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

enum class Method : std::uint8_t { kMean, kMedian, kMode, kConstant };

struct Learned {
  Method method = Method::kMean;
  bool number = true;
  Moments moments{false};
  Quantiles quantiles;
  KeyCounts counts;
  double fill = 0;
  std::string text;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) {
    if (method == Method::kMean) moments.Add(in, n);
    if (method == Method::kMedian) quantiles.Add(in, n);
    if (method == Method::kMode) counts.Add(in, n);
  }
  void Merge(const Learned& other) {
    if (method == Method::kMean) moments.Merge(other.moments);
    if (method == Method::kMedian) quantiles.Merge(other.quantiles);
    if (method == Method::kMode) counts.Merge(other.counts);
  }
  void Finish() {
    if (method == Method::kMean && moments.count() > 0) fill = moments.Mean();
    if (method == Method::kMedian && quantiles.count() > 0) fill = quantiles.At({0.5})[0];
    if (method != Method::kMode) return;
    const auto top = counts.Top(1, 1);
    if (top.empty()) return;
    if (number) {
      std::memcpy(&fill, top[0].key.data(), sizeof fill);
    } else {
      text = top[0].key;
    }
  }
  std::string Words() const { return Str("missing becomes ", number ? FormatShort(fill, 5) : Str("'", text, "'")); }
  void Save(Writer& out) const {
    out.F64(fill);
    out.Text(text);
  }
  void Load(Reader& in) {
    fill = in.F64();
    text = in.Text();
  }
};

class Impute final : public Op {
 public:
  Impute(Method method, bool indicator, Json constant)
      : method_(method), indicator_(indicator), constant_(std::move(constant)) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      const bool text = port.kind == Port::Kind::kText;
      if (text && (method_ == Method::kMean || method_ == Method::kMedian)) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a text, which has no mean or median; "
                                                 "use the method mode or constant"));
      }
      if (method_ == Method::kConstant && constant_.is_string() != text) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a ", text ? "text" : "number", ", but the value to fill in is ",
                                                 constant_.Dump()));
      }
      out.push_back({.name = Str(port.name, "_filled"), .kind = port.kind, .timestamp = port.timestamp});
    }
    for (std::size_t i = 0; indicator_ && i < in.size(); ++i) out.push_back({.name = Str(in[i].name, "_missing")});
    return out;
  }

  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override {
    if (method_ == Method::kConstant) return nullptr;
    return std::make_unique<PerInput<Learned>>(Fresh(in));
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    return PerInput<Learned>::Load(Fresh(in), bytes);
  }

  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Learned* learned = state == nullptr ? nullptr : &static_cast<const PerInput<Learned>*>(state)->at(i);
      if (in[i].numbers != nullptr) {
        const double fill = learned != nullptr ? learned->fill : constant_.Number();
        const double* from = in[i].numbers;
        FillMissing(from, n, fill, out[i].numbers);
      } else {
        const std::string_view fill = learned != nullptr ? learned->text : constant_.String();
        for (std::int64_t row = 0; row < n; ++row) {
          const std::string_view text = in[i].Text(row);
          out[i].texts[row] = text.data() == nullptr ? fill : text;
        }
      }
      if (indicator_) Flag(in[i], out[in.size() + i].numbers, n);
    }
  }

 private:
  static void Flag(const Lane& in, double* out, std::int64_t n) {
    for (std::int64_t row = 0; row < n; ++row) {
      const bool missing = in.numbers != nullptr ? std::isnan(in.numbers[row]) : in.Text(row).data() == nullptr;
      out[row] = missing ? 1 : 0;
    }
  }
  std::vector<Learned> Fresh(std::span<const Port> in) const {
    std::vector<Learned> fresh(in.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
      fresh[i].method = method_;
      fresh[i].number = in[i].kind == Port::Kind::kNumber;
    }
    return fresh;
  }

  Method method_;
  bool indicator_;
  Json constant_;
};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  const std::string name = options.Text("method");
  const Method method = name == "mean"     ? Method::kMean
                        : name == "median" ? Method::kMedian
                        : name == "mode"   ? Method::kMode
                                           : Method::kConstant;
  Json value;
  if (options.Has("value")) value = options.Any("value");
  if (method == Method::kConstant && !value.is_number() && !value.is_string()) {
    return Error(Code::kInvalidArgument, "impute: the method constant needs a 'value', a number or a string");
  }
  return std::make_unique<Impute>(method, options.Bool("indicator"), std::move(value));
}

}  // namespace

Result<void> AddImpute(Kinds<Op>& kinds) {
  return kinds.Add("impute",
                   {.summary = "Fill missing values",
                    .when = "Before models that cannot read missing values (linear, neural). Median for skewed numbers, mode or "
                            "a constant for texts. Boosted trees do better with the missing values left in.",
                    .example = R"({"method": "median", "indicator": true})",
                    .options = {{.name = "method", .type = Option::Type::kText, .fallback = "median",
                                 .help = "What to fill in; a column without any value gets 0 or the empty text",
                                 .choices = {"mean", "median", "mode", "constant"}},
                                {.name = "value", .type = Option::Type::kAny, .help = "The constant: a number or a string"},
                                {.name = "indicator", .type = Option::Type::kBool, .fallback = false,
                                 .help = "Also give <name>_missing, 1 where the value was missing"}}},
                   Make);
}

}  // namespace tenon::transform

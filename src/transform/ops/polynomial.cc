// Numbers to their products and powers.

#include <cmath>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostTerms = 4096;

// One product: an earlier one times an input; `from` -1: the input itself.
struct Term {
  std::int32_t from;
  std::int32_t input;
};

// By degree, then in the order of the inputs. False when there are more than kMostTerms.
bool ListTerms(std::int32_t inputs, int degree, bool distinct, std::vector<Term>* terms) {
  terms->clear();
  std::size_t begin = 0;
  for (int d = 1; d <= degree; ++d) {
    const std::size_t end = terms->size();
    if (d == 1) {
      for (std::int32_t i = 0; i < inputs; ++i) terms->push_back({-1, i});
    }
    for (std::size_t t = begin; t < end; ++t) {
      for (std::int32_t i = (*terms)[t].input + (distinct ? 1 : 0); i < inputs; ++i) {
        terms->push_back({static_cast<std::int32_t>(t), i});
        if (terms->size() > kMostTerms) return false;
      }
    }
    begin = end;
  }
  return terms->size() <= kMostTerms;
}

class Polynomial final : public Op {
 public:
  Polynomial(std::int64_t degree, bool distinct) : degree_(static_cast<int>(degree)), distinct_(distinct) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Term> terms;
    if (!ListTerms(static_cast<std::int32_t>(in.size()), degree_, distinct_, &terms)) {
      return Error(Code::kInvalidArgument, Str("there are more than ", kMostTerms, " products of ", in.size(), " inputs up to degree ",
                                               degree_, "; take fewer inputs, a lower degree, or distinct: true"));
    }
    Port port{.name = "products", .kind = Port::Kind::kVector, .width = static_cast<int>(terms.size())};
    if (in.size() == 1) port.name = Str(in[0].name, "_powers");
    for (std::size_t t = 0; t < terms.size(); ++t) port.parts.push_back(NameOf(in, terms, static_cast<std::int32_t>(t)));
    return std::vector<Port>{std::move(port)};
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    // Working memory of the thread: the terms, and their values for one row.
    thread_local std::vector<Term> terms;
    thread_local std::vector<double> values;
    ListTerms(static_cast<std::int32_t>(in.size()), degree_, distinct_, &terms);
    values.resize(terms.size());
    for (std::int64_t row = 0; row < n; ++row) {
      float* to = out[0].vectors + row * out[0].stride;
      for (std::size_t t = 0; t < terms.size(); ++t) {
        const double x = in[static_cast<std::size_t>(terms[t].input)].numbers[row];
        values[t] = terms[t].from < 0 ? x : values[static_cast<std::size_t>(terms[t].from)] * x;
        to[t] = static_cast<float>(values[t]);
      }
    }
  }

 private:
  // "a", "a^2", "a^2 b".
  static std::string NameOf(std::span<const Port> in, const std::vector<Term>& terms, std::int32_t at) {
    std::string name;
    while (at >= 0) {
      const std::int32_t input = terms[static_cast<std::size_t>(at)].input;
      int power = 0;
      for (; at >= 0 && terms[static_cast<std::size_t>(at)].input == input; at = terms[static_cast<std::size_t>(at)].from) ++power;
      name = Str(in[static_cast<std::size_t>(input)].name, power > 1 ? Str("^", power) : "", name.empty() ? "" : " ", name);
    }
    return name;
  }
  int degree_;
  bool distinct_;
};

}  // namespace

Result<void> AddPolynomial(Kinds<Op>& kinds) {
  return kinds.Add("polynomial",
                   {.summary = "Give numbers with their products and powers",
                    .when = "A linear model should know that effects multiply or bend; scale first, so that powers stay of one size. "
                            "Trees find products by themselves. A product with a missing factor is missing.",
                    .example = R"({"degree": 2})",
                    .options = {{.name = "degree", .type = Option::Type::kInt, .fallback = 2, .help = "Factors of a product at most", .least = 1,
                                 .most = 8},
                                {.name = "distinct", .type = Option::Type::kBool, .fallback = false,
                                 .help = "Products of different inputs only, no powers"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Polynomial>(options.Int("degree"), options.Bool("distinct"));
                   });
}

}  // namespace tenon::transform

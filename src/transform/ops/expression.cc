// A number or text computed from the columns of the row by a formula.

#include "table/expression.h"

#include <algorithm>
#include <optional>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

using table::Expression;
using table::Type;

class ExpressionOf final : public Op {
 public:
  explicit ExpressionOf(std::string text) : text_(std::move(text)) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    TENON_ASSIGN(const Bound bound, Bind(in));
    const Type type = bound.expression->type();
    return std::vector<Port>{{.name = "expression",
                              .kind = type == Type::kString ? Port::Kind::kText : Port::Kind::kNumber,
                              .timestamp = type == Type::kTimestamp}};
  }

  // The formula is bound to the inputs' names and types once, and kept as what was learned.
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override {
    Result<Bound> bound = Bind(in);
    return bound.ok() ? std::make_unique<Bound>(*std::move(bound)) : std::make_unique<Bound>();
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    if (!bytes.empty()) return Error(Code::kDataLoss, "the saved state of an expression is not empty");
    TENON_ASSIGN(Bound bound, Bind(in));
    return std::make_unique<Bound>(std::move(bound));
  }

  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>* texts) const override {
    const auto& bound = *static_cast<const Bound*>(state);
    std::string_view views[kMost][kLaneRows];
    const double* numbers[kMost] = {};
    const std::string_view* words[kMost] = {};
    for (std::size_t k = 0; k < bound.lanes.size(); ++k) {
      const Lane& lane = in[bound.lanes[k]];
      numbers[k] = lane.numbers;
      words[k] = lane.texts;
      if (lane.codes == nullptr) continue;
      for (std::int64_t row = 0; row < n; ++row) views[k][row] = lane.Text(row);
      words[k] = views[k];
    }
    bound.expression->Evaluate({numbers, bound.lanes.size()}, {words, bound.lanes.size()}, n, out[0].numbers, out[0].texts, texts);
  }

 private:
  static constexpr std::size_t kMost = 16;  // inputs

  struct Bound final : State {
    std::optional<Expression> expression;
    std::vector<std::size_t> lanes;  // of each input of the formula, among the op's inputs
    void Add(std::span<const Lane>, const double*, const std::uint8_t*, std::int64_t) override {}
    Result<void> Merge(const State&) override { return {}; }
    std::string Save() const override { return {}; }
  };

  Result<Bound> Bind(std::span<const Port> in) const {
    if (in.size() > kMost) return Error(Code::kInvalidArgument, Str("it takes at most ", kMost, " inputs, got ", in.size()));
    std::vector<table::Field> fields;
    std::vector<std::string> names;
    for (const Port& port : in) {
      const Type type = port.kind == Port::Kind::kText ? Type::kString : port.timestamp ? Type::kTimestamp : Type::kFloat64;
      fields.push_back({port.name, type});
      names.push_back(port.name);
    }
    Bound bound;
    TENON_ASSIGN(bound.expression, Expression::Parse(text_, table::Schema(std::move(fields))));
    for (const std::string& name : bound.expression->inputs()) {
      bound.lanes.push_back(static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin()));
    }
    return bound;
  }

  std::string text_;
};

}  // namespace

Result<void> AddExpression(Kinds<Op>& kinds) {
  return kinds.Add("expression",
                   {.summary = "Compute a value from columns by a formula",
                    .when = "Ratios, differences, thresholds, cases: what is known of the domain. The formula reads the columns "
                            "named under 'in'; docs/reference/expressions.md has its functions.",
                    .example = R"({"text": "coalesce(a, 0) * 2 + 1"})",
                    .options = {{.name = "text", .type = Option::Type::kText, .help = "The formula, such as amount / nullif(income, 0)",
                                 .required = true}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<ExpressionOf>(options.Text("text"));
                   });
}

}  // namespace tenon::transform

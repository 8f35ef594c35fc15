// Formulas as PMML's Apply. Ours know null, and so does PMML (a missing value), but not everywhere alike: conditions are written so that
// they are true or false whatever is missing.

#include <cmath>

#include "base/text.h"
#include "model/pmml_writer_internal.h"

namespace tenon::model {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

class Formula {
 public:
  Formula(const std::map<std::string, std::string>& of, PmmlPieces& xml) : of_(of), xml_(xml) {}

  Result<std::string> Value(const Json& node) {
    const std::string op = node.StringAt("op");
    if (node.StringAt("type") == "truth" && op != "column" && op != "null") return TruthAsValue(node);
    if (op == "number") return xml_.Number(node.NumberAt("value"));
    if (op == "text") return xml_.Text(node.StringAt("value"));
    if (op == "null") return xml_.Null();
    if (op == "column") return xml_.Ref(of_.at(node.StringAt("column")));
    if (op == "case" || op == "case_of") return Case(node, op == "case_of");
    TENON_ASSIGN(const auto args, Values(node));
    return Function(op, args);
  }

  // True where the condition is true; false where it is false or null. With `wanted` false: true where it is false.
  Result<std::string> Condition(const Json& node, bool wanted) {
    const std::string op = node.StringAt("op");
    if (op == "not") return Condition(Arg(node, 0), !wanted);
    if (op == "and" || op == "or") {
      TENON_ASSIGN(const std::string left, Condition(Arg(node, 0), wanted));
      TENON_ASSIGN(const std::string right, Condition(Arg(node, 1), wanted));
      return xml_.Apply((op == "and") == wanted ? "and" : "or", {left, right});
    }
    if (op == "is_null" || op == "is_not_null") {
      TENON_ASSIGN(const std::string x, Value(Arg(node, 0)));
      return xml_.Apply((op == "is_null") == wanted ? "isMissing" : "isNotMissing", {x});
    }
    if (op == "between") {
      TENON_ASSIGN(const auto args, Values(node));
      return xml_.Apply(wanted ? "and" : "or", {Compare(wanted ? "greaterOrEqual" : "lessThan", args[0], args[1]),
                                                Compare(wanted ? "lessOrEqual" : "greaterThan", args[0], args[2])});
    }
    if (op == "in") return In(node, wanted);
    const auto at = Comparisons().find(op);
    if (at == Comparisons().end()) return PmmlCannot(Str("the formula's '", op, "' as a condition"));
    TENON_ASSIGN(const auto args, Values(node));
    return Compare(wanted ? at->second.first : at->second.second, args[0], args[1]);
  }

 private:
  static const std::map<std::string, std::pair<std::string, std::string>, std::less<>>& Comparisons() {
    static const std::map<std::string, std::pair<std::string, std::string>, std::less<>> kComparisons = {
        {"equal", {"equal", "notEqual"}},           {"not_equal", {"notEqual", "equal"}},
        {"less", {"lessThan", "greaterOrEqual"}},   {"less_equal", {"lessOrEqual", "greaterThan"}},
        {"greater", {"greaterThan", "lessOrEqual"}}, {"greater_equal", {"greaterOrEqual", "lessThan"}}};
    return kComparisons;
  }
  static const Json& Arg(const Json& node, std::size_t i) { return node.Find("args")->array()[i]; }

  std::string Compare(const std::string& function, const std::string& a, const std::string& b) {
    // Compared with something missing, nothing is true.
    const std::string both = xml_.Apply("and", {xml_.Apply("isNotMissing", {a}), xml_.Apply("isNotMissing", {b})});
    return xml_.If(both, xml_.Apply(function, {a, b}), xml_.Element("Constant", {{"dataType", "boolean"}}, "false"));
  }

  Result<std::string> In(const Json& node, bool wanted) {
    TENON_ASSIGN(const auto args, Values(node));
    std::string out;
    for (std::size_t i = 1; i < args.size(); ++i) {
      const std::string one = Compare(wanted ? "equal" : "notEqual", args[0], args[i]);
      out = i == 1 ? one : xml_.Apply(wanted ? "or" : "and", {out, one});
    }
    return out;
  }

  Result<std::string> TruthAsValue(const Json& node) {
    TENON_ASSIGN(const std::string yes, Condition(node, true));
    TENON_ASSIGN(const std::string no, Condition(node, false));
    return xml_.If(yes, xml_.Number(1), xml_.If(no, xml_.Number(0), xml_.Null()));
  }

  Result<std::vector<std::string>> Values(const Json& node) {
    std::vector<std::string> out;
    const Json* args = node.Find("args");
    if (args == nullptr) return out;
    for (const Json& arg : args->array()) {
      TENON_ASSIGN(std::string value, Value(arg));
      // Parts that are asked about and then used are written twice, and theirs four times.
      if (value.size() > kMostBytes) return PmmlCannot("the formula would be too long; split it into several");
      out.push_back(std::move(value));
    }
    return out;
  }

  Result<std::string> Case(const Json& node, bool of) {
    const Json::Array& args = node.Find("args")->array();
    std::string x;
    if (of) {
      TENON_ASSIGN(x, Value(args[0]));
    }
    TENON_ASSIGN(std::string out, Value(args.back()));
    for (std::size_t at = args.size() - 1; at > (of ? 1U : 0U); at -= 2) {
      std::string condition;
      if (of) {
        TENON_ASSIGN(const std::string value, Value(args[at - 2]));
        condition = Compare("equal", x, value);
      } else {
        TENON_ASSIGN(condition, Condition(args[at - 2], true));
      }
      TENON_ASSIGN(const std::string then, Value(args[at - 1]));
      out = xml_.If(condition, then, out);
    }
    return out;
  }

  // `value` where the comparison of x holds, else nothing.
  std::string Guarded(const std::string& function, const std::string& x, double bound, const std::string& value) {
    return xml_.If(Compare(function, x, xml_.Number(bound)), value, xml_.Null());
  }

  Result<std::string> Function(const std::string& op, const std::vector<std::string>& a) {
    static const std::map<std::string, std::string, std::less<>> kPlain = {
        {"add", "+"},     {"subtract", "-"}, {"multiply", "*"},   {"abs", "abs"},           {"exp", "exp"},     {"floor", "floor"}, {"ceil", "ceil"},
        {"lower", "lowercase"}, {"upper", "uppercase"}, {"trim", "trimBlanks"}, {"length", "stringLength"}, {"concat_nulls", "concat"}};
    if (const auto at = kPlain.find(op); at != kPlain.end()) return xml_.Apply(at->second, a);
    if (op == "negate") return xml_.Apply("-", {xml_.Number(0), a[0]});
    if (op == "divide") return Guarded("notEqual", a[1], 0, xml_.Apply("/", a));
    if (op == "ln") return Guarded("greaterThan", a[0], 0, xml_.Apply("ln", a));
    if (op == "log10") return Guarded("greaterThan", a[0], 0, xml_.Apply("log10", a));
    if (op == "sqrt") return Guarded("greaterOrEqual", a[0], 0, xml_.Apply("sqrt", a));
    if (op == "round" && a.size() == 1) return Round(a[0]);
    if (op == "sign") return xml_.If(xml_.Apply("lessThan", {a[0], xml_.Number(0)}), xml_.Number(-1), xml_.If(xml_.Apply("greaterThan", {a[0], xml_.Number(0)}), xml_.Number(1), xml_.Number(0)));
    if (op == "nullif") return xml_.If(Compare("equal", a[0], a[1]), xml_.Null(), a[0]);
    if (op == "coalesce") {
      std::string out = a.back();
      for (std::size_t i = a.size() - 1; i-- > 0;) out = xml_.If(xml_.Apply("isNotMissing", {a[i]}), a[i], out);
      return out;
    }
    if ((op == "least" || op == "greatest") && a.size() <= 4) {
      std::string out = a[0];
      for (std::size_t i = 1; i < a.size(); ++i) {
        const std::string closer = xml_.If(xml_.Apply(op == "least" ? "lessThan" : "greaterThan", {a[i], out}), a[i], out);
        out = xml_.If(xml_.Apply("isMissing", {out}), a[i], xml_.If(xml_.Apply("isMissing", {a[i]}), out, closer));
      }
      return out;
    }
    return PmmlCannot(Str("the formula's function '", op, "' has no counterpart that gives the same"));
  }

  // Halves away from zero.
  std::string Round(const std::string& x) {
    const auto up = [&](const std::string& size) { return xml_.Apply("floor", {xml_.Apply("+", {size, xml_.Number(0.5)})}); };
    return xml_.If(xml_.Apply("lessThan", {x, xml_.Number(0)}), xml_.Apply("-", {xml_.Number(0), up(xml_.Apply("-", {xml_.Number(0), x}))}), up(x));
  }

  const std::map<std::string, std::string>& of_;
  PmmlPieces& xml_;
};

}  // namespace

Result<std::string> PmmlFormula(const Json& tree, const std::map<std::string, std::string>& of, PmmlPieces& xml) { return Formula(of, xml).Value(tree); }

}  // namespace tenon::model

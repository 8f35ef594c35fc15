// A whole predictor as PMML 4.4: inputs and transforms as fields computed in doubles (pmml_writer.cc), weighted sums as RegressionModel,
// trees as TreeModel under MiningModel, links and calibration as a RegressionModel at the end of a chain. docs/formats/pmml.md.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/text.h"
#include "model/exporter.h"
#include "model/forest.h"
#include "model/linear.h"
#include "model/pmml_writer_internal.h"

namespace tenon::model {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Features are floats here and doubles there. A double below `value` that is rounded to `value` is not below it: the test is moved to the
// double at which rounding turns. True: every double below the bound, and the bound itself when `closed`, is rounded to a float below value.
struct Bound {
  double value = 0;
  bool closed = false;
};
Bound BelowInDoubles(double value) {
  const auto at = static_cast<float>(value);
  const float before = std::nextafter(at, -kInf);
  if (before == -kInf) return {value, false};
  const double middle = static_cast<double>(before) / 2 + static_cast<double>(at) / 2;
  return {middle, static_cast<float>(middle) == before};
}

class Writer {
 public:
  explicit Writer(const Predictor& predictor) : predictor_(predictor), fields_(xml_) {}

  Result<std::string> Write(std::string_view name) {
    TENON_TRY(fields_.Read(predictor_.graph()));
    const Bundle* bundle = predictor_.bundle();
    const std::string label = bundle == nullptr ? "" : bundle->manifest().StringAt("label");
    target_ = fields_.Unused(label.empty() ? "label" : label);
    std::string model;
    if (const ForestSpec* trees = TreesOf(predictor_.model()); trees != nullptr) {
      TENON_ASSIGN(model, Forest(*trees), "the forest");
    } else if (const LinearSpec* weights = WeightsOf(predictor_.model()); weights != nullptr) {
      TENON_ASSIGN(model, Weighted(*weights));
    } else {
      return PmmlCannot(Str("the model's format ", predictor_.model().format(), " has no counterpart"));
    }
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    out += xml_.Begin("PMML", {{"xmlns", "http://www.dmg.org/PMML-4_4"}, {"version", "4.4"}}) + "\n";
    out += xml_.Element("Header", {{"description", std::string(name)}}, xml_.Element("Application", {{"name", "tenon"}, {"version", TENON_VERSION}})) + "\n";
    out += "<DataDictionary>\n" + fields_.dictionary() + TargetField() + "</DataDictionary>\n";
    out += model + "</PMML>\n";
    if (xml_.bad()) return PmmlCannot("a name or a value among its inputs has bytes that are no UTF-8, or control characters, which XML does not hold");
    return out;
  }

 private:
  bool classes() const { return predictor_.task() != Task::kRegression; }
  std::string FunctionName() const { return classes() ? "classification" : "regression"; }
  const std::string& ClassName(std::size_t k) const { return predictor_.classes()[k]; }

  std::string TargetField() {
    std::string values;
    for (const std::string& name : predictor_.classes()) values += xml_.Element("Value", {{"value", name}});
    return xml_.Element("DataField", {{"name", target_}, {"optype", classes() ? "categorical" : "continuous"}, {"dataType", classes() ? "string" : "double"}}, values) + "\n";
  }

  // The schema of the model that is asked from outside.
  std::string OuterSchema() {
    return "<MiningSchema>\n" + xml_.Element("MiningField", {{"name", target_}, {"usageType", "target"}}) + "\n" + fields_.schema() + "</MiningSchema>\n";
  }
  std::string InnerSchema(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += xml_.Element("MiningField", {{"name", name}});
    return xml_.Element("MiningSchema", {}, out) + "\n";
  }

  // What is told to whom asks: as `tenon predict` names it.
  std::string OuterOutput() {
    std::string out;
    const auto probability = [&](const std::string& name, std::size_t k) {
      out += xml_.Element("OutputField", {{"name", name}, {"optype", "continuous"}, {"dataType", "double"}, {"feature", "probability"}, {"value", ClassName(k)}}) + "\n";
    };
    if (predictor_.task() == Task::kBinary) {
      const std::string name = fields_.Unused("probability");
      probability(name, 1);
      const std::string decision = xml_.If(xml_.Apply("greaterOrEqual", {xml_.Ref(name), xml_.Number(predictor_.threshold())}), xml_.Text(ClassName(1)), xml_.Text(ClassName(0)));
      out += xml_.Element("OutputField", {{"name", fields_.Unused("decision")}, {"optype", "categorical"}, {"dataType", "string"}, {"feature", "transformedValue"}}, decision) + "\n";
    } else if (classes()) {
      for (std::size_t k = 0; k < predictor_.classes().size(); ++k) probability(fields_.Unused(Str("probability_", ClassName(k))), k);
      out += xml_.Element("OutputField", {{"name", fields_.Unused("decision")}, {"optype", "categorical"}, {"dataType", "string"}, {"feature", "predictedValue"}}) + "\n";
    } else {
      out += xml_.Element("OutputField", {{"name", fields_.Unused("value")}, {"optype", "continuous"}, {"dataType", "double"}, {"feature", "predictedValue"}}) + "\n";
    }
    return "<Output>\n" + out + "</Output>\n";
  }

  // Models within others find fields that are computed by the one around them.
  std::string Head() {
    const std::string head = OuterSchema() + OuterOutput();
    return fields_.derived().empty() ? head : head + "<LocalTransformations>\n" + fields_.derived() + "</LocalTransformations>\n";
  }

  std::string InnerOutput(const std::string& name) {
    return xml_.Element("Output", {}, xml_.Element("OutputField", {{"name", name}, {"optype", "continuous"}, {"dataType", "double"}, {"feature", "predictedValue"}, {"isFinalResult", "false"}})) + "\n";
  }

  static std::string Segment(std::size_t id, const std::string& model) { return Str("<Segment id=\"", id, "\"><True/>\n", model, "</Segment>\n"); }

  // ---- trees

  std::string Predicate(const PmmlField& field, std::string_view operation, double value) {
    return xml_.Element("SimplePredicate", {{"field", field.name}, {"operator", std::string(operation)}, {"value", FormatDouble(value)}});
  }
  std::string Missing(const PmmlField& field, bool is) {
    return xml_.Element("SimplePredicate", {{"field", field.name}, {"operator", is ? "isMissing" : "isNotMissing"}});
  }
  static std::string Quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '"' || c == '\\' ? Str("\\", c) : std::string(1, c);
    return out + "\"";
  }

  // The tests of the two children of a node.
  struct Sides {
    std::string left, right;
  };
  Sides TestsOf(const Tree::Node& node, std::set<std::string>* used) {
    const PmmlField& field = fields_.tile()[static_cast<std::size_t>(node.feature)];
    if (node.split == Comparison::kCategory || node.split == Comparison::kCategoryCut) return CategoryTests(node, field, used);
    used->insert(field.name);
    if (node.split == Comparison::kBelow && std::isinf(node.value)) {
      const bool all = node.value > 0;  // every number goes left, or none does
      if (node.missing_left == all) return {all ? "<True/>" : "<False/>", all ? "<False/>" : "<True/>"};
      return {Missing(field, !all), Missing(field, all)};
    }
    if (node.split == Comparison::kBelow && field.whole) return {Predicate(field, "lessThan", node.value), Predicate(field, "greaterOrEqual", node.value)};
    if (node.split == Comparison::kBelow) {
      const Bound bound = BelowInDoubles(node.value);
      return {Predicate(field, bound.closed ? "lessOrEqual" : "lessThan", bound.value), Predicate(field, bound.closed ? "greaterThan" : "greaterOrEqual", bound.value)};
    }
    if (field.whole || std::isinf(node.value)) return {Predicate(field, "equal", node.value), Predicate(field, "notEqual", node.value)};
    const Bound low = BelowInDoubles(node.value), high = BelowInDoubles(static_cast<double>(std::nextafter(static_cast<float>(node.value), kInf)));
    const auto both = [&](std::string_view how, bool inside) {
      return xml_.Element("CompoundPredicate", {{"booleanOperator", std::string(how)}},
                          Predicate(field, inside ? (low.closed ? "greaterThan" : "greaterOrEqual") : (low.closed ? "lessOrEqual" : "lessThan"), low.value) +
                              Predicate(field, inside ? (high.closed ? "lessOrEqual" : "lessThan") : (high.closed ? "greaterThan" : "greaterOrEqual"), high.value));
    };
    return {both("and", true), both("or", false)};
  }

  // Members go right.
  Sides CategoryTests(const Tree::Node& node, const PmmlField& field, std::set<std::string>* used) {
    std::string members, name = field.name, type = "real";
    std::size_t count = 0;
    const auto add = [&](const std::string& member) { members += Str(count++ == 0 ? "" : " ", member); };
    if (!field.source.empty()) {
      name = field.source;
      type = "string";
      for (const std::uint32_t category : node.categories) {
        if (category < field.places.size()) add(Quoted(field.places[category]));
      }
    } else {
      if (!field.whole) name = Whole(field, node.split == Comparison::kCategoryCut);
      for (const std::uint32_t category : node.categories) add(Str(category));
    }
    used->insert(name);
    if (count == 0) {
      const PmmlField tested{.name = name};
      if (node.missing_left) return {"<True/>", "<False/>"};
      return {Missing(tested, false), Missing(tested, true)};
    }
    const std::string array = xml_.Element("Array", {{"n", Str(count)}, {"type", type}}, xml_.Content(members));
    const auto set = [&](std::string_view how) { return xml_.Element("SimpleSetPredicate", {{"field", name}, {"booleanOperator", std::string(how)}}, array); };
    return {set("isNotIn"), set("isIn")};
  }

  // A number cut to a whole one, towards zero where -0.5 is the category 0, else down.
  std::string Whole(const PmmlField& field, bool cut) {
    auto [at, fresh] = whole_.try_emplace(Str(cut ? "cut " : "down ", field.name));
    if (!fresh) return at->second;
    const std::string x = xml_.Ref(field.name), down = xml_.Apply("floor", {x});
    at->second = fields_.Derive(Str(field.name, "_whole"), cut ? xml_.If(xml_.Apply("lessThan", {x, xml_.Number(0)}), xml_.Apply("ceil", {x}), down) : down).name;
    return at->second;
  }

  // `leaf` gives what a leaf holds: attributes of its node, and what is inside.
  struct Leaf {
    std::string score, inside;
  };
  using LeafOf = std::function<Leaf(const Tree::Node&)>;

  Result<std::string> TreeModel(const Tree& tree, std::string_view function, const LeafOf& leaf, bool outermost) {
    std::set<std::string> used;
    std::string nodes;
    struct Open {
      std::int32_t node;
      std::string test;
      bool close;
    };
    std::vector<Open> open = {{0, "<True/>", false}};
    while (!open.empty()) {
      const Open now = std::move(open.back());
      open.pop_back();
      if (now.close) {
        nodes += "</Node>\n";
        continue;
      }
      const Tree::Node& node = tree.nodes[static_cast<std::size_t>(now.node)];
      if (node.left < 0) {
        const Leaf held = leaf(node);
        nodes += xml_.Element("Node", {{"id", Str(now.node)}, {"score", held.score}}, now.test + held.inside) + "\n";
        continue;
      }
      if (node.zero_missing) return PmmlCannot("its trees take zeros as missing");
      nodes += xml_.Begin("Node", {{"id", Str(now.node)}, {"defaultChild", Str(node.missing_left ? node.left : node.right)}}) + now.test + "\n";
      Sides sides = TestsOf(node, &used);
      open.push_back({now.node, "", true});
      open.push_back({node.right, std::move(sides.right), false});
      open.push_back({node.left, std::move(sides.left), false});
    }
    return xml_.Begin("TreeModel", {{"functionName", std::string(function)}, {"missingValueStrategy", "defaultChild"}, {"splitCharacteristic", "binarySplit"}}) + "\n" +
           (outermost ? Head() : InnerSchema({used.begin(), used.end()})) + nodes + "</TreeModel>\n";
  }

  static double LeafValue(const Tree& tree, const Tree::Node& leaf, std::size_t output, std::size_t outputs) {
    return tree.output == Tree::kEveryOutput ? tree.vectors[static_cast<std::size_t>(leaf.vector) * outputs + output] : leaf.value;
  }

  // The leaves' sum of one output, as a model of its own whose answer is called `name`.
  Result<std::string> SumOf(const ForestSpec& spec, std::size_t output, const std::string& name) {
    std::string segments;
    std::size_t id = 0;
    const auto outputs = static_cast<std::size_t>(spec.outputs);
    for (const Tree& tree : spec.trees) {
      if (tree.output != Tree::kEveryOutput && tree.output != static_cast<int>(output)) continue;
      const LeafOf leaf = [&](const Tree::Node& node) { return Leaf{FormatDouble(LeafValue(tree, node, output, outputs)), {}}; };
      TENON_ASSIGN(const std::string model, TreeModel(tree, "regression", leaf, false));
      segments += Segment(++id, model);
    }
    if (id == 0) segments = Segment(1, Str("<TreeModel functionName=\"regression\">", InnerSchema({}), "<Node score=\"0\"><True/></Node></TreeModel>\n"));
    return xml_.Begin("MiningModel", {{"functionName", "regression"}}) + "\n" + InnerSchema(InputsOfTrees()) + InnerOutput(name) +
           "<Segmentation multipleModelMethod=\"sum\">\n" + segments + "</Segmentation>\n</MiningModel>\n";
  }

  // Every field that some tree may test.
  std::vector<std::string> InputsOfTrees() {
    std::set<std::string> names;
    for (const PmmlField& field : fields_.tile()) {
      names.insert(field.name);
      if (!field.source.empty()) names.insert(field.source);
    }
    for (const auto& [key, name] : whole_) names.insert(name);
    return {names.begin(), names.end()};
  }

  // Trees whose leaves are probabilities, and whose answer is their mean: the words of PMML for it.
  bool MeanOfProbabilities(const ForestSpec& spec) const {
    return classes() && spec.link == Link::kIdentity && spec.divisor == static_cast<double>(spec.trees.size()) && predictor_.calibration().ToJson().StringAt("method", "none") == "none" &&
           std::ranges::all_of(spec.base, [](double base) { return base == 0; }) &&
           std::ranges::all_of(spec.trees, [&](const Tree& tree) { return spec.outputs == 1 || tree.output == Tree::kEveryOutput; });
  }

  Leaf Distribution(const Tree& tree, const Tree::Node& node) {
    const auto outputs = static_cast<std::size_t>(predictor_.outputs());
    std::vector<double> shares;
    if (outputs == 1) {
      const double yes = LeafValue(tree, node, 0, 1);
      shares = {1 - yes, yes};
    } else {
      for (std::size_t k = 0; k < outputs; ++k) shares.push_back(LeafValue(tree, node, k, outputs));
    }
    Leaf leaf{.score = ClassName(static_cast<std::size_t>(std::ranges::max_element(shares) - shares.begin())), .inside = {}};
    for (std::size_t k = 0; k < shares.size(); ++k) {
      leaf.inside += xml_.Element("ScoreDistribution", {{"value", ClassName(k)}, {"recordCount", FormatDouble(shares[k])}, {"probability", FormatDouble(shares[k])}});
    }
    return leaf;
  }

  Result<std::string> Forest(const ForestSpec& spec) {
    if (spec.trees.empty()) return PmmlCannot("it has no trees");
    const bool as_is = spec.divisor == 1 && std::ranges::all_of(spec.base, [](double base) { return base == 0; });
    if (spec.trees.size() == 1 && as_is && !classes() && (spec.link == Link::kOfTask || spec.link == Link::kIdentity)) {
      const Tree& tree = spec.trees[0];
      return TreeModel(tree, "regression", [&](const Tree::Node& node) { return Leaf{FormatDouble(LeafValue(tree, node, 0, 1)), {}}; }, true);
    }
    if (MeanOfProbabilities(spec)) {
      std::string segments;
      for (std::size_t t = 0; t < spec.trees.size(); ++t) {
        const Tree& tree = spec.trees[t];
        const LeafOf leaf = [&](const Tree::Node& node) { return Distribution(tree, node); };
        if (spec.trees.size() == 1) return TreeModel(tree, "classification", leaf, true);
        TENON_ASSIGN(const std::string model, TreeModel(tree, "classification", leaf, false));
        segments += Segment(t + 1, model);
      }
      return Mining("average", segments);
    }
    std::string segments;
    std::vector<Term> terms;
    for (std::size_t k = 0; k < static_cast<std::size_t>(spec.outputs); ++k) {
      Term term{.field = fields_.Unused(spec.outputs == 1 ? "margin" : Str("margin_", ClassName(k))), .factor = 1 / spec.divisor,
                .constant = spec.base_last ? spec.base[k] : spec.base[k] / spec.divisor};
      TENON_ASSIGN(const std::string model, SumOf(spec, k, term.field));
      segments += Segment(k + 1, model);
      terms.push_back(std::move(term));
    }
    TENON_ASSIGN(const std::string end, End(terms, spec.link));
    return Mining("modelChain", segments + Segment(terms.size() + 1, end));
  }

  std::string Mining(std::string_view method, const std::string& segments) {
    return xml_.Begin("MiningModel", {{"functionName", FunctionName()}}) + "\n" + Head() +
           xml_.Begin("Segmentation", {{"multipleModelMethod", std::string(method)}}) + "\n" + segments + "</Segmentation>\n</MiningModel>\n";
  }

  // ---- links

  // margin = field * factor + constant.
  struct Term {
    std::string field;
    double factor = 1, constant = 0;
  };

  std::string Table(double intercept, const std::vector<std::pair<std::string, double>>& terms, const std::string& category) {
    PmmlPieces::Attributes attributes = {{"intercept", FormatDouble(intercept)}};
    if (!category.empty() || classes()) attributes.emplace_back("targetCategory", category);
    std::string inside;
    for (const auto& [field, factor] : terms) inside += xml_.Element("NumericPredictor", {{"name", field}, {"coefficient", FormatDouble(factor)}});
    return xml_.Element("RegressionTable", attributes, inside) + "\n";
  }

  std::string Regression(std::string_view normalization, const std::string& head, const std::string& tables) {
    return xml_.Begin("RegressionModel", {{"functionName", FunctionName()}, {"normalizationMethod", std::string(normalization)}}) + "\n" + head + tables + "</RegressionModel>\n";
  }

  // The last model of a chain: from margins to what is answered.
  Result<std::string> End(const std::vector<Term>& terms, Link link) {
    std::vector<std::string> used;
    for (const Term& term : terms) used.push_back(term.field);
    const std::string schema = InnerSchema(used).insert(14, xml_.Element("MiningField", {{"name", target_}, {"usageType", "target"}}));
    if (predictor_.task() == Task::kBinary) return BinaryEnd(terms[0], link, schema);
    if (predictor_.task() == Task::kRegression) {
      const char* normalization = link == Link::kExp ? "exp" : link == Link::kLogistic ? "logit" : "none";
      return Regression(normalization, schema, Str("<RegressionTable intercept=\"", terms[0].constant, "\">", xml_.Element("NumericPredictor", {{"name", terms[0].field}, {"coefficient", FormatDouble(terms[0].factor)}}), "</RegressionTable>\n"));
    }
    if (link == Link::kLogistic) return PmmlCannot("each class has a logistic link of its own");
    std::string tables;
    for (std::size_t k = 0; k < terms.size(); ++k) tables += Table(terms[k].constant, {{terms[k].field, terms[k].factor}}, ClassName(k));
    return Regression(link == Link::kIdentity ? "none" : "softmax", schema, tables);
  }

  std::string BinaryTables(double constant, const std::vector<std::pair<std::string, double>>& terms) {
    return Table(constant, terms, ClassName(1)) + Table(0, {}, ClassName(0));
  }

  Result<std::string> BinaryEnd(const Term& term, Link link, const std::string& schema) {
    const Json calibration = predictor_.calibration().ToJson();
    const std::string method = calibration.StringAt("method", "none");
    const bool odds = link != Link::kIdentity;  // the margin is log-odds, else a probability
    if (odds && method != "isotonic") {
      const double a = method == "platt" ? calibration.NumberAt("a") : 1, b = method == "platt" ? calibration.NumberAt("b") : 0;
      return Regression("logit", schema, BinaryTables(term.constant * a + b, {{term.field, term.factor * a}}));
    }
    // Step by step: the probability, what is calibrated of it, and that as it is.
    std::string local;
    const auto derive = [&](std::string_view name, const std::string& expression) {
      const std::string made = fields_.Unused(name);
      local += xml_.Element("DerivedField", {{"name", made}, {"optype", "continuous"}, {"dataType", "double"}}, expression) + "\n";
      return made;
    };
    const std::string margin = xml_.Apply("+", {xml_.Apply("*", {xml_.Ref(term.field), xml_.Number(term.factor)}), xml_.Number(term.constant)});
    std::string p = derive("raw_probability", odds ? xml_.Apply("/", {xml_.Number(1), xml_.Apply("+", {xml_.Number(1), xml_.Apply("exp", {xml_.Apply("-", {xml_.Number(0), margin})})})}) : margin);
    if (method == "platt") {
      const std::string low = xml_.Number(1e-12), high = xml_.Number(1 - 1e-12), raw = xml_.Ref(p);
      const std::string inside = xml_.If(xml_.Apply("lessThan", {raw, low}), low, xml_.If(xml_.Apply("greaterThan", {raw, high}), high, raw));
      const std::string log_odds = derive("raw_log_odds", xml_.Apply("-", {xml_.Apply("ln", {inside}), xml_.Apply("ln", {xml_.Apply("-", {xml_.Number(1), inside})})}));
      return Regression("logit", schema + "<LocalTransformations>\n" + local + "</LocalTransformations>\n",
                        BinaryTables(calibration.NumberAt("b"), {{log_odds, calibration.NumberAt("a")}}));
    }
    if (method == "isotonic") p = Isotonic(p, *calibration.Find("x"), *calibration.Find("y"), derive);
    return Regression("none", schema + "<LocalTransformations>\n" + local + "</LocalTransformations>\n", Table(0, {{p, 1}}, ClassName(1)) + Table(1, {{p, -1}}, ClassName(0)));
  }

  // Lines between points, flat outside of them.
  template <typename Derive>
  std::string Isotonic(const std::string& p, const Json& x, const Json& y, const Derive& derive) {
    const Json::Array &from = x.array(), &to = y.array();
    if (from.size() < 2) return derive("calibrated", xml_.Apply("+", {xml_.Apply("*", {xml_.Ref(p), xml_.Number(0)}), xml_.Number(to[0].Number())}));
    std::string points;
    for (std::size_t i = 0; i < from.size(); ++i) points += xml_.Element("LinearNorm", {{"orig", FormatDouble(from[i].Number())}, {"norm", FormatDouble(to[i].Number())}});
    return derive("calibrated", xml_.Element("NormContinuous", {{"field", p}, {"outliers", "asExtremeValues"}}, points));
  }

  // ---- weighted sums

  Result<std::string> Weighted(const LinearSpec& spec) {
    const auto width = static_cast<std::size_t>(spec.features), outputs = static_cast<std::size_t>(spec.outputs);
    std::vector<std::string> names(width);
    for (std::size_t f = 0; f < width; ++f) {
      const PmmlField& field = fields_.tile()[f];
      names[f] = field.name;  // a missing number counts as the center
      if (field.missing) names[f] = fields_.Derive(Str(field.name, "_or_mean"), xml_.Element("FieldRef", {{"field", field.name}, {"mapMissingTo", FormatDouble(spec.center[f])}})).name;
    }
    std::vector<double> intercepts = spec.intercept;
    std::vector<std::vector<std::pair<std::string, double>>> terms(outputs);
    for (std::size_t k = 0; k < outputs; ++k) {
      for (std::size_t f = 0; f < width; ++f) {
        const double weight = spec.weights[k * width + f];
        if (weight == 0) continue;
        intercepts[k] -= weight * spec.center[f];
        terms[k].emplace_back(names[f], weight);
      }
    }
    const Json calibration = predictor_.calibration().ToJson();
    const std::string method = calibration.StringAt("method", "none");
    if (spec.task == Task::kBinary && method == "isotonic") return ChainedSum(intercepts[0], terms[0]);
    const std::string head = Head();
    if (spec.task == Task::kRegression) return Regression("none", head, Table(intercepts[0], terms[0], ""));
    if (spec.task == Task::kMulticlass) {
      std::string tables;
      for (std::size_t k = 0; k < outputs; ++k) tables += Table(intercepts[k], terms[k], ClassName(k));
      return Regression("softmax", head, tables);
    }
    if (method == "platt") {
      const double a = calibration.NumberAt("a");
      for (auto& term : terms[0]) term.second *= a;
      intercepts[0] = intercepts[0] * a + calibration.NumberAt("b");
    }
    return Regression("logit", head, BinaryTables(intercepts[0], terms[0]));
  }

  // Its margin as a model of its own, before one that turns it into what is answered.
  Result<std::string> ChainedSum(double intercept, const std::vector<std::pair<std::string, double>>& terms) {
    std::string inside;
    std::set<std::string> used;
    for (const auto& [name, weight] : terms) {
      inside += xml_.Element("NumericPredictor", {{"name", name}, {"coefficient", FormatDouble(weight)}});
      used.insert(name);
    }
    const Term margin{.field = fields_.Unused("margin")};
    const std::string sum = Str("<RegressionModel functionName=\"regression\">\n", InnerSchema({used.begin(), used.end()}), InnerOutput(margin.field),
                                xml_.Element("RegressionTable", {{"intercept", FormatDouble(intercept)}}, inside), "\n</RegressionModel>\n");
    TENON_ASSIGN(const std::string end, End({margin}, Link::kOfTask));
    return Mining("modelChain", Segment(1, sum) + Segment(2, end));
  }

  const Predictor& predictor_;
  PmmlPieces xml_;
  PmmlFields fields_;
  std::string target_;
  std::map<std::string, std::string> whole_;
};

class PmmlExporter final : public Exporter {
 public:
  Result<std::string> Export(const Predictor& predictor, std::string_view name) const override { return Writer(predictor).Write(name); }
};

}  // namespace

Result<void> AddPmml(Kinds<Exporter>& kinds) {
  return kinds.Add("pmml",
                   {.summary = "Write the whole predictor as PMML 4.4",
                    .when = "It is to answer in a decision engine, a database or a scoring library of the Java world. Trees and weighted sums with the transforms that PMML has words for",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Exporter>> { return std::make_unique<PmmlExporter>(); });
}

}  // namespace tenon::model

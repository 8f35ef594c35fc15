// PMML's RegressionModel and MiningModel as sums of leaves and of weighted features.

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "model/pmml_reader_internal.h"

namespace tenon::model {
namespace {

using Kind = PmmlTerm::Kind;

constexpr int kMostNested = 16;
constexpr std::size_t kMostChosen = 256;  // segments of which one is chosen: each tree has the tests of all before it

void Scale(PmmlSum* sum, double factor) {
  for (double& base : sum->base) base *= factor;
  for (Tree& tree : sum->trees) {
    for (double& value : tree.vectors) value *= factor;
  }
  for (PmmlSum::Weight& weight : sum->weights) {
    for (double& value : weight.by_output) value *= factor;
  }
}

void Add(PmmlSum* to, PmmlSum from) {
  for (std::size_t k = 0; k < to->base.size(); ++k) to->base[k] += from.base[k];
  std::move(from.trees.begin(), from.trees.end(), std::back_inserter(to->trees));
  std::move(from.weights.begin(), from.weights.end(), std::back_inserter(to->weights));
}

std::size_t BytesOf(const std::vector<Tree>& trees) {
  std::size_t bytes = 0;
  for (const Tree& tree : trees) bytes += sizeof(Tree) + tree.nodes.size() * sizeof(Tree::Node) + tree.vectors.size() * sizeof(double);
  return bytes;
}

// One output of `from` as the output `k` of many.
PmmlSum AsOutput(const PmmlSum& from, int which, int k, int outputs, double factor) {
  PmmlSum out{.classes = false, .link = Link::kIdentity, .outputs = outputs};
  const auto width = static_cast<std::size_t>(from.outputs), wide = static_cast<std::size_t>(outputs), source = static_cast<std::size_t>(which), to = static_cast<std::size_t>(k);
  out.base.assign(wide, 0.0);
  out.base[to] = from.base[source] * factor;
  for (const Tree& tree : from.trees) {
    Tree made = tree;
    const std::size_t leaves = tree.vectors.size() / width;
    made.vectors.assign(leaves * wide, 0.0);
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) made.vectors[leaf * wide + to] = tree.vectors[leaf * width + source] * factor;
    out.trees.push_back(std::move(made));
  }
  for (const PmmlSum::Weight& weight : from.weights) {
    PmmlSum::Weight made{weight.feature, std::vector<double>(wide, 0.0)};
    made.by_output[to] = weight.by_output[source] * factor;
    out.weights.push_back(std::move(made));
  }
  return out;
}

// What earlier models of a chain answered, by the names that they gave their answers.
struct Answer {
  const PmmlSum* sum = nullptr;
  int output = 0;
  double factor = 1, constant = 0;
};
using Answers = std::map<std::string, Answer, std::less<>>;

class ModelReader {
 public:
  ModelReader(const Xml& xml, const std::vector<std::string>& classes, PmmlInputs* fields) : xml_(xml), classes_(classes), fields_(fields) {}

  Result<PmmlSum> Model(const Xml::Element& model, const PmmlScope& around, const Answers& answers, int nested) {
    if (nested > kMostNested) return PmmlWrong(model, Str("models are nested more than ", kMostNested, " deep"));
    PmmlScope scope{.around = &around, .derived = {}};
    TENON_TRY(fields_->AddDerived(model, &scope));
    if (nested > 0) TENON_TRY(CheckSchema(model));
    const std::string_view function = Xml::At(model, "functionName");
    if (function != "regression" && function != "classification") return PmmlWrong(model, Str("its functionName is '", function, "'; regression and classification are read"));
    if (Xml::At(model, "isScorable") == "false") return PmmlWrong(model, "the file says that this model is not to be asked (isScorable)");
    Result<PmmlSum> out = PmmlWrong(model, Str("the model ", model.name, " is not read; RegressionModel, TreeModel and MiningModel are"));
    if (model.name == "RegressionModel") out = Regression(model, scope, answers);
    if (model.name == "TreeModel") out = TreeOf(model, scope);
    if (model.name == "MiningModel") out = Mining(model, scope, nested);
    if (!out.ok()) return out;
    TENON_TRY(Rescale(model, &*out));
    return out;
  }

 private:
  // Inside of others, a model's fields are taken as they are outside.
  Result<void> CheckSchema(const Xml::Element& model) {
    const Xml::Element* schema = xml_.Child(model, "MiningSchema");
    if (schema == nullptr) return {};
    for (const Xml::Element* field : xml_.Children(*schema, "MiningField")) {
      if (Xml::Find(*field, "missingValueReplacement") != nullptr || Xml::At(*field, "outliers", "asIs") != "asIs") {
        return PmmlWrong(*field, Str("a model within another treats '", Xml::At(*field, "name"), "' in a way of its own, which is not read"));
      }
    }
    return {};
  }

  Result<void> Rescale(const Xml::Element& model, PmmlSum* sum) {
    const Xml::Element* targets = xml_.Child(model, "Targets");
    if (targets == nullptr || sum->classes) return {};
    for (const Xml::Element* target : xml_.Children(*targets, "Target")) {
      for (const char* other : {"min", "max", "castInteger"}) {
        if (Xml::Find(*target, other) != nullptr) return PmmlWrong(*target, Str("the Target has '", other, "', which is not read"));
      }
      double factor = 1, constant = 0;
      if (Xml::Find(*target, "rescaleFactor") != nullptr) {
        TENON_ASSIGN(factor, PmmlNumber(*target, "rescaleFactor"));
      }
      if (Xml::Find(*target, "rescaleConstant") != nullptr) {
        TENON_ASSIGN(constant, PmmlNumber(*target, "rescaleConstant"));
      }
      if ((factor != 1 || constant != 0) && sum->link != Link::kIdentity) return PmmlWrong(*target, "a rescaled answer behind a link is not read");
      Scale(sum, factor);
      for (double& base : sum->base) base += constant;
    }
    return {};
  }

  bool OfClasses(const Xml::Element& model) const { return Xml::At(model, "functionName") == "classification"; }

  Result<PmmlSum> TreeOf(const Xml::Element& model, const PmmlScope& scope) {
    PmmlSum out{.classes = OfClasses(model)};
    static const std::vector<std::string> kNone;
    TENON_ASSIGN(Tree tree, ReadPmmlTree(xml_, model, scope, out.classes ? classes_ : kNone, fields_));
    out.outputs = out.classes ? static_cast<int>(classes_.size()) : 1;
    out.base.assign(static_cast<std::size_t>(out.outputs), 0.0);
    out.trees.push_back(std::move(tree));
    return out;
  }

  // ---- weighted sums

  Result<std::size_t> ClassAt(const Xml::Element& at, std::string_view name) const {
    const auto found = std::ranges::find(classes_, name);
    if (found == classes_.end()) return PmmlWrong(at, Str("'", name, "' is none of the classes ", Join(classes_, ", ")));
    return static_cast<std::size_t>(found - classes_.begin());
  }

  Result<PmmlSum> Regression(const Xml::Element& model, const PmmlScope& scope, const Answers& answers) {
    const std::string_view how = Xml::At(model, "normalizationMethod", "none");
    const auto tables = xml_.Children(model, "RegressionTable");
    const bool of_classes = OfClasses(model);
    if (!of_classes) {
      if (tables.size() != 1) return PmmlWrong(model, Str("a regression has ", tables.size(), " RegressionTables"));
      PmmlSum out{.outputs = 1, .base = {0.0}};
      TENON_TRY(Table(*tables[0], scope, answers, 0, 1, &out));
      if (how == "exp") out.link = Link::kExp;
      else if (how == "logit" || how == "softmax") out.link = Link::kLogistic;
      else if (how != "none") return PmmlWrong(model, Str("the normalizationMethod '", how, "' of a regression is not read"));
      return out;
    }
    if (how == "logit" && classes_.size() == 2 && !tables.empty() && tables.size() <= 2) return Logit(*tables[0], scope, answers);
    if (how != "softmax" && how != "none") {
      return PmmlWrong(model, Str("the normalizationMethod '", how, "' of ", classes_.size(), " classes is not read; softmax, none and, of two classes, logit are"));
    }
    const auto count = static_cast<int>(classes_.size());
    PmmlSum out{.classes = true, .link = how == "softmax" ? Link::kOfTask : Link::kIdentity, .outputs = count, .base = std::vector<double>(classes_.size(), 0.0)};
    std::vector<bool> there(classes_.size());
    for (const Xml::Element* table : tables) {
      TENON_ASSIGN(const std::size_t k, ClassAt(*table, Xml::At(*table, "targetCategory")));
      if (there[k]) return PmmlWrong(*table, Str("the class '", classes_[k], "' has two RegressionTables"));
      there[k] = true;
      TENON_TRY(Table(*table, scope, answers, static_cast<int>(k), count, &out));
    }
    if (std::ranges::find(there, false) != there.end()) return PmmlWrong(model, "a class has no RegressionTable");
    return out;
  }

  // The first table is of its class; the other class has what is left.
  Result<PmmlSum> Logit(const Xml::Element& table, const PmmlScope& scope, const Answers& answers) {
    TENON_ASSIGN(const std::size_t k, ClassAt(table, Xml::At(table, "targetCategory")));
    PmmlSum out{.classes = true, .link = Link::kLogistic, .outputs = 1, .base = {0.0}};
    TENON_TRY(Table(table, scope, answers, 0, 1, &out));
    if (k == 0) Scale(&out, -1);
    return out;
  }

  Result<void> Table(const Xml::Element& table, const PmmlScope& scope, const Answers& answers, int k, int outputs, PmmlSum* out) {
    TENON_ASSIGN(const double intercept, PmmlNumber(table, "intercept"));
    out->base[static_cast<std::size_t>(k)] += intercept;
    std::map<int, std::size_t> places;  // of the features among the weights
    std::size_t known = 0;              // of the weights: models that are added bring theirs
    const auto weigh = [&](int feature, double value) {
      for (; known < out->weights.size(); ++known) places.try_emplace(out->weights[known].feature, known);
      const auto [at, fresh] = places.try_emplace(feature, out->weights.size());
      if (fresh) out->weights.push_back({feature, std::vector<double>(static_cast<std::size_t>(outputs), 0.0)});
      out->weights[at->second].by_output[static_cast<std::size_t>(k)] += value;
    };
    for (const Xml::Element* predictor : xml_.Children(table)) {
      if (predictor->name == "Extension") continue;
      TENON_ASSIGN(const double weight, PmmlNumber(*predictor, "coefficient"));
      const std::string name(Xml::At(*predictor, "name"));
      if (predictor->name == "NumericPredictor") {
        if (const auto answer = answers.find(name); answer != answers.end()) {
          if (Xml::At(*predictor, "exponent", "1") != "1") return PmmlWrong(*predictor, "a power of another model's answer is not read");
          const Answer& of = answer->second;
          TENON_TRY(fields_->Spend(*predictor, BytesOf(of.sum->trees) * static_cast<std::size_t>(outputs) / static_cast<std::size_t>(of.sum->outputs)));
          model::Add(out, AsOutput(*of.sum, of.output, k, outputs, of.factor * weight));
          out->base[static_cast<std::size_t>(k)] += of.constant * weight;
          continue;
        }
        TENON_ASSIGN(const int feature, Numeric(*predictor, name, scope));
        weigh(feature, weight);
      } else if (predictor->name == "CategoricalPredictor") {
        TENON_ASSIGN(const int feature, Categorical(*predictor, name, scope));
        weigh(feature, weight);
      } else if (predictor->name == "PredictorTerm") {
        TENON_ASSIGN(const int feature, Product(*predictor, scope));
        weigh(feature, weight);
      } else {
        return PmmlWrong(*predictor, Str(predictor->name, " is not read in a RegressionTable"));
      }
    }
    return {};
  }

  // Without a value of one of its fields a weighted sum has no answer.
  Result<int> Numeric(const Xml::Element& predictor, const std::string& name, const PmmlScope& scope) {
    TENON_ASSIGN(const PmmlPort port, fields_->Port(predictor, name, scope));
    if (port.kind == Kind::kText) return PmmlWrong(predictor, Str("the text '", name, "' is weighed as a number"));
    if (port.missing) fields_->Require(port.inputs);
    const std::string_view power = Xml::At(predictor, "exponent", "1");
    if (power == "1" || power == "1.0") return fields_->Number(port);
    TENON_ASSIGN(const double exponent, PmmlNumber(predictor, "exponent"));
    return fields_->Formula({.text = Str("POW(\"", port.name, "\", ", exponent < 0 ? Str("(", exponent, ")") : FormatDouble(exponent), ")"), .missing = port.missing, .ports = {port.name}, .inputs = port.inputs});
  }

  Result<int> Categorical(const Xml::Element& predictor, const std::string& name, const PmmlScope& scope) {
    TENON_ASSIGN(const PmmlPort port, fields_->Port(predictor, name, scope));
    const std::string word(Xml::At(predictor, "value"));
    std::string value;
    if (port.kind == Kind::kText) {
      value = "'";
      for (const char c : word) value += c == '\'' ? std::string("''") : std::string(1, c);
      value += "'";
    } else {
      TENON_ASSIGN(const double number, fields_->ValueAs(predictor, port, word));
      value = number < 0 ? Str("(", number, ")") : FormatDouble(number);
    }
    return fields_->Formula({.text = Str("CASE WHEN \"", port.name, "\" = ", value, " THEN 1 ELSE 0 END"), .ports = {port.name}});
  }

  Result<int> Product(const Xml::Element& term, const PmmlScope& scope) {
    PmmlTerm out;
    for (const Xml::Element* field : xml_.Children(term, "FieldRef")) {
      TENON_ASSIGN(const PmmlTerm one, fields_->Expression(*field, scope));
      if (one.kind != Kind::kNumber) return PmmlWrong(*field, "a product has a factor that is no number");
      out.text += Str(out.text.empty() ? "" : " * ", one.text);
      out.ports.insert(one.ports.begin(), one.ports.end());
      if (one.missing) fields_->Require(one.inputs);
    }
    if (out.text.empty()) return PmmlWrong(term, "PredictorTerm has no FieldRef");
    return fields_->Formula(out);
  }

  // ---- many models

  struct Segment {
    const Xml::Element* element = nullptr;
    const Xml::Element* predicate = nullptr;
    const Xml::Element* model = nullptr;
    double weight = 1;
  };

  Result<std::vector<Segment>> SegmentsOf(const Xml::Element& segmentation) {
    std::vector<Segment> out;
    for (const Xml::Element* element : xml_.Children(segmentation, "Segment")) {
      Segment segment{.element = element, .predicate = PmmlPredicate(xml_, *element)};
      if (segment.predicate == nullptr) return PmmlWrong(*element, "the Segment has no predicate");
      if (segment.predicate->name == "False") continue;
      if (Xml::Find(*element, "weight") != nullptr) {
        TENON_ASSIGN(segment.weight, PmmlNumber(*element, "weight"));
      }
      for (const Xml::Element* child : xml_.Children(*element)) {
        if (child != segment.predicate && child->name != "Extension" && child->name != "VariableWeight" && segment.model == nullptr) segment.model = child;
      }
      if (xml_.Child(*element, "VariableWeight") != nullptr) return PmmlWrong(*element, "a weight that hangs on the row (VariableWeight) is not read");
      if (segment.model == nullptr) return PmmlWrong(*element, "the Segment has no model");
      out.push_back(segment);
    }
    if (out.empty()) return PmmlWrong(segmentation, "the Segmentation has no Segment");
    return out;
  }

  Result<PmmlSum> Mining(const Xml::Element& model, const PmmlScope& scope, int nested) {
    const Xml::Element* segmentation = xml_.Child(model, "Segmentation");
    if (segmentation == nullptr) return PmmlWrong(model, "the MiningModel has no Segmentation");
    const std::string_view how = Xml::At(*segmentation, "multipleModelMethod");
    TENON_ASSIGN(const auto segments, SegmentsOf(*segmentation));
    if (how == "modelChain") return Chain(segments, scope, nested);
    if (how == "selectFirst") return SelectFirst(model, segments, scope, nested);
    static const std::vector<std::string> kMethods = {"sum", "weightedSum", "average", "weightedAverage", "majorityVote", "weightedMajorityVote", "modelChain", "selectFirst"};
    if (std::ranges::find(kMethods, how) == kMethods.end()) return PmmlWrong(*segmentation, Str("the multipleModelMethod '", how, "' is not read; there are: ", Join(kMethods, ", ")));
    const bool of_classes = OfClasses(model), weighted = how.starts_with("weighted"), vote = how.ends_with("ote"), sum = how.ends_with("um");
    if ((of_classes && sum) || (vote && !of_classes)) return PmmlWrong(*segmentation, Str("the method '", how, "' of a ", Xml::At(model, "functionName"), " is not read"));
    PmmlSum out{.classes = of_classes, .outputs = of_classes ? static_cast<int>(classes_.size()) : 1};
    out.base.assign(static_cast<std::size_t>(out.outputs), 0.0);
    double weights = 0;
    for (const Segment& segment : segments) weights += weighted ? segment.weight : 1;
    if (!(weights > 0)) return PmmlWrong(*segmentation, "its weights add up to nothing");
    for (const Segment& segment : segments) {
      TENON_ASSIGN(PmmlSum one, Model(*segment.model, scope, {}, nested + 1));
      if (one.link != Link::kIdentity || one.classes != of_classes) return PmmlWrong(*segment.model, "models are put together behind links of their own, which is not read");
      if (segment.predicate->name != "True") {
        if (!sum) return PmmlWrong(*segment.element, Str("a Segment with a condition under '", how, "' is not read"));
        TENON_TRY(Guard({}, segment.predicate, scope, &one));
      }
      if (vote) TENON_TRY(Vote(*segment.model, &one));
      Scale(&one, (weighted ? segment.weight : 1) / (sum ? 1 : weights));
      Add(&out, std::move(one));
    }
    return out;
  }

  // The class that a tree's leaf likes best gets all of it.
  Result<void> Vote(const Xml::Element& model, PmmlSum* one) {
    if (one->trees.size() != 1 || !one->weights.empty()) return PmmlWrong(model, "a vote of other models than trees is not read");
    auto& vectors = one->trees[0].vectors;
    const auto width = static_cast<std::ptrdiff_t>(one->outputs);
    for (auto at = vectors.begin(); at != vectors.end(); at += width) {
      const auto best = std::max_element(at, at + width);
      std::vector<double> vote(static_cast<std::size_t>(width), 0.0);
      vote[static_cast<std::size_t>(best - at)] = 1;
      std::ranges::copy(vote, at);
    }
    return {};
  }

  Result<PmmlSum> Chain(const std::vector<Segment>& segments, const PmmlScope& scope, int nested) {
    std::vector<std::unique_ptr<PmmlSum>> made;
    Answers answers;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const Segment& segment = segments[i];
      if (segment.predicate->name != "True") return PmmlWrong(*segment.element, "a Segment with a condition in a modelChain is not read");
      TENON_ASSIGN(PmmlSum one, Model(*segment.model, scope, answers, nested + 1));
      if (i + 1 == segments.size()) return one;
      made.push_back(std::make_unique<PmmlSum>(std::move(one)));
      TENON_TRY(NameAnswers(*segment.model, *made.back(), &answers));
    }
    return PmmlWrong("a modelChain is empty");
  }

  Result<void> NameAnswers(const Xml::Element& model, const PmmlSum& sum, Answers* answers) {
    const Xml::Element* output = xml_.Child(model, "Output");
    if (output == nullptr) return {};
    for (const Xml::Element* field : xml_.Children(*output, "OutputField")) {
      const std::string name(Xml::At(*field, "name"));
      const std::string_view feature = Xml::At(*field, "feature", "predictedValue");
      if (feature == "predictedValue" && !sum.classes && sum.link == Link::kIdentity) {
        (*answers)[name] = {.sum = &sum};
      } else if (feature == "probability" && sum.classes && sum.link == Link::kIdentity) {
        TENON_ASSIGN(const std::size_t k, ClassAt(*field, Xml::At(*field, "value")));
        (*answers)[name] = {.sum = &sum, .output = static_cast<int>(k)};
      } else if (feature == "transformedValue") {
        for (const Xml::Element* expression : xml_.Children(*field)) {
          if (expression->name == "Extension") continue;
          TENON_ASSIGN(const Answer answer, Line(*expression, *answers));
          (*answers)[name] = answer;
        }
      }
      // Others are for people; who asks for one of them is refused there.
    }
    return {};
  }

  // An answer times a number plus a number.
  Result<Answer> Line(const Xml::Element& expression, const Answers& answers) {
    const Error other = PmmlWrong(expression, "an answer is made of another in a way that is no line; that is not read");
    if (expression.name == "FieldRef") {
      const auto at = answers.find(Xml::At(expression, "field"));
      if (at == answers.end()) return other.Clone();
      return at->second;
    }
    const auto args = xml_.Children(expression);
    if (expression.name != "Apply" || args.size() != 2) return other.Clone();
    const std::string_view function = Xml::At(expression, "function");
    const bool first = args[1]->name == "Constant";
    double constant = 0;
    if (!ParseDouble(Trim(args[first ? 1 : 0]->text), &constant)) return other.Clone();
    TENON_ASSIGN(Answer answer, Line(*args[first ? 0 : 1], answers));
    if (function == "+") answer.constant += constant;
    else if (function == "-" && first) answer.constant -= constant;
    else if (function == "*" || (function == "/" && first && constant != 0)) {
      const double factor = function == "*" ? constant : 1 / constant;
      answer.factor *= factor;
      answer.constant *= factor;
    } else {
      return other.Clone();
    }
    return answer;
  }

  // ---- one of several

  // Makes of every tree one that answers only where `wanted` is true and none of `before` is; elsewhere it adds nothing.
  Result<void> Guard(const std::vector<const Xml::Element*>& before, const Xml::Element* wanted, const PmmlScope& scope, PmmlSum* sum) {
    if (!sum->weights.empty()) return PmmlWrong(*wanted, "weighted sums of which one is chosen by a condition are not read");
    const bool base = std::ranges::any_of(sum->base, [](double value) { return value != 0; });
    if (base) {
      Tree constant{.nodes = std::vector<Tree::Node>(1), .output = Tree::kEveryOutput, .vectors = sum->base};
      constant.nodes[0].vector = 0;
      sum->trees.push_back(std::move(constant));
      std::ranges::fill(sum->base, 0.0);
    }
    for (Tree& tree : sum->trees) {
      const auto outputs = static_cast<std::size_t>(sum->outputs);
      const auto nothing = static_cast<std::int32_t>(tree.vectors.size() / outputs);
      tree.vectors.insert(tree.vectors.end(), outputs, 0.0);
      Tree made{.nodes = {}, .output = tree.output, .vectors = std::move(tree.vectors)};
      TENON_TRY(fields_->Spend(*wanted, 2 * (before.size() + 1) * sizeof(Tree::Node)));
      std::vector<const Xml::Element*> tests = before;
      if (wanted->name != "True") tests.push_back(wanted);
      // Each test is a node, with a leaf of nothing beside the next.
      for (std::size_t i = 0; i < tests.size(); ++i) {
        const auto at = static_cast<std::int32_t>(2 * i);
        const bool is_wanted = i >= before.size();
        TENON_ASSIGN(Tree::Node node, PmmlTest(xml_, *tests[i], scope, is_wanted ? at + 2 : at + 1, is_wanted ? at + 1 : at + 2, fields_));
        made.nodes.push_back(std::move(node));
        Tree::Node leaf;
        leaf.vector = nothing;
        made.nodes.push_back(std::move(leaf));
      }
      const auto moved = static_cast<std::int32_t>(made.nodes.size());
      for (Tree::Node& node : tree.nodes) {
        if (node.left >= 0) node.left += moved, node.right += moved;
        made.nodes.push_back(std::move(node));
      }
      tree = std::move(made);
    }
    return {};
  }

  Result<PmmlSum> SelectFirst(const Xml::Element& model, const std::vector<Segment>& segments, const PmmlScope& scope, int nested) {
    if (segments[0].predicate->name == "True") return Model(*segments[0].model, scope, {}, nested + 1);
    if (segments.size() > kMostChosen) return PmmlWrong(model, Str("it chooses among ", segments.size(), " Segments; at most ", kMostChosen, " are read"));
    PmmlSum out;
    std::vector<const Xml::Element*> before;
    for (const Segment& segment : segments) {
      TENON_ASSIGN(PmmlSum one, Model(*segment.model, scope, {}, nested + 1));
      if (before.empty()) {
        out = PmmlSum{.classes = one.classes, .link = one.link, .outputs = one.outputs, .base = std::vector<double>(one.base.size(), 0.0)};
      } else if (one.link != out.link || one.outputs != out.outputs) {
        return PmmlWrong(*segment.model, "models of which the first fitting is chosen have different links, which is not read");
      }
      TENON_TRY(Guard(before, segment.predicate, scope, &one));
      Add(&out, std::move(one));
      if (segment.predicate->name == "True") return out;
      before.push_back(segment.predicate);
    }
    return PmmlWrong(model, "none of its Segments may be chosen (selectFirst without a last one that is True), and then the file has no answer");
  }

  const Xml& xml_;
  const std::vector<std::string>& classes_;
  PmmlInputs* fields_;
};

}  // namespace

Result<PmmlSum> ReadPmmlModel(const Xml& xml, const Xml::Element& model, const PmmlScope& around, const std::vector<std::string>& classes, PmmlInputs* fields) {
  return ModelReader(xml, classes, fields).Model(model, around, {}, 0);
}

std::vector<std::string> PmmlClasses(const Xml& xml, const Xml::Element& model, const PmmlInputs& fields) {
  if (!fields.target_values().empty()) return fields.target_values();
  std::set<std::string> names;
  std::vector<const Xml::Element*> open = {&model};
  while (!open.empty()) {
    const Xml::Element* at = open.back();
    open.pop_back();
    if (at->name == "ScoreDistribution") names.emplace(Xml::At(*at, "value"));
    if (at->name == "RegressionTable" && Xml::Find(*at, "targetCategory") != nullptr) names.emplace(Xml::At(*at, "targetCategory"));
    if (at->name == "TreeModel" && Xml::At(*at, "functionName") != "classification") continue;
    if (at->name == "Node" && Xml::Find(*at, "score") != nullptr) names.emplace(Xml::At(*at, "score"));
    for (const Xml::Element* child : xml.Children(*at)) open.push_back(child);
  }
  std::vector<std::string> out(names.begin(), names.end());
  const auto number = [](const std::string& name) {
    double value = 0;
    return ParseDouble(name, &value) && !std::isnan(value) ? std::optional<double>(value) : std::nullopt;
  };
  if (std::ranges::all_of(out, [&](const std::string& name) { return number(name).has_value(); })) {
    std::ranges::stable_sort(out, [&](const std::string& a, const std::string& b) { return *number(a) < *number(b); });
  }
  return out;
}

}  // namespace tenon::model

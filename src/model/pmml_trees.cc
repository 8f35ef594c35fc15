// PMML's TreeModel as a tree of ours. There a node has any number of children, each with a predicate; the first that is true is taken, and
// what happens when one is unknown, or none is true, is a setting of the model. Here every node is one test with two ways.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "model/pmml_reader_internal.h"

namespace tenon::model {
namespace {

using Kind = PmmlTerm::Kind;

constexpr std::size_t kMostNodes = 4'000'000;  // children of defaultChild may be needed in two places
constexpr double kLowest = -static_cast<double>(std::numeric_limits<float>::max());

// PMML compares doubles; here features are floats. The threshold becomes the float that a value equal to it becomes.
double AsFloat(double value) { return static_cast<double>(static_cast<float>(value)); }

std::string_view Opposite(std::string_view operation) {
  static const std::map<std::string_view, std::string_view> kOpposite = {
      {"equal", "notEqual"},           {"notEqual", "equal"},       {"lessThan", "greaterOrEqual"}, {"greaterOrEqual", "lessThan"}, {"lessOrEqual", "greaterThan"},
      {"greaterThan", "lessOrEqual"}, {"isMissing", "isNotMissing"}, {"isNotMissing", "isMissing"},   {"isIn", "isNotIn"},            {"isNotIn", "isIn"}};
  const auto at = kOpposite.find(operation);
  return at == kOpposite.end() ? std::string_view() : at->second;
}

// A test over a port: rows for which it is true go to `yes`.
struct Aim {
  std::int32_t yes, no;
  void Set(Tree::Node* node, bool true_is_left) const {
    node->left = true_is_left ? yes : no;
    node->right = true_is_left ? no : yes;
    node->missing_left = !true_is_left;  // unknown is not true
  }
};

Tree::Node TextTest(const PmmlPort& port, bool is, const std::vector<std::string>& values, Aim aim, PmmlInputs* fields) {
  Tree::Node node;
  node.feature = fields->Places(port);
  node.split = Comparison::kCategory;
  for (const std::string& value : values) node.categories.push_back(fields->PlaceOf(port, value));
  // Members go right; a missing text is neither.
  aim.Set(&node, !is);
  return node;
}

Result<Tree::Node> SimpleTest(const Xml& xml, const Xml::Element& predicate, const PmmlScope& scope, Aim aim, PmmlInputs* fields) {
  TENON_ASSIGN(const PmmlPort port, fields->Port(predicate, std::string(Xml::At(predicate, "field")), scope));
  Tree::Node node;
  if (predicate.name == "SimpleSetPredicate") {
    const Xml::Element* array = xml.Child(predicate, "Array");
    const std::string_view how = Xml::At(predicate, "booleanOperator");
    if (array == nullptr || (how != "isIn" && how != "isNotIn")) return PmmlWrong(predicate, "SimpleSetPredicate has no Array, or is neither isIn nor isNotIn");
    const std::vector<std::string> words = PmmlArray(*array);
    if (port.kind == Kind::kText) return TextTest(port, how == "isIn", words, aim, fields);
    if (words.size() == 1) {
      TENON_ASSIGN(const double value, fields->ValueAs(predicate, port, words[0]));
      node.feature = fields->Number(port);
      node.split = Comparison::kEqual;
      node.value = AsFloat(value);
      aim.Set(&node, how == "isIn");
      return node;
    }
    TENON_ASSIGN(const PmmlTerm truth, fields->Truth(predicate, scope));
    TENON_ASSIGN(node.feature, fields->Formula(truth));
    node.value = 0.5;
    aim.Set(&node, false);
    return node;
  }
  const std::string_view operation = Xml::At(predicate, "operator");
  if (operation == "isMissing" || operation == "isNotMissing") {
    node.feature = port.kind == Kind::kText ? fields->Places(port) : fields->Number(port);
    node.value = kLowest;  // nothing is below it: left is only what is missing
    node.left = operation == "isMissing" ? aim.yes : aim.no;
    node.right = operation == "isMissing" ? aim.no : aim.yes;
    node.missing_left = true;
    return node;
  }
  const std::string value(Xml::At(predicate, "value"));
  if (Xml::Find(predicate, "value") == nullptr) return PmmlWrong(predicate, "SimplePredicate has no value");
  if (port.kind == Kind::kText) {
    if (operation != "equal" && operation != "notEqual") return PmmlWrong(predicate, Str("the text '", port.name, "' is compared by ", operation));
    return TextTest(port, operation == "equal", {value}, aim, fields);
  }
  TENON_ASSIGN(const double number, fields->ValueAs(predicate, port, value));
  if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) return PmmlWrong(predicate, Str(value, " is beyond the range of floats"));
  fields->Near(port, number);
  node.feature = fields->Number(port);
  node.value = AsFloat(number);
  const bool low = operation == "lessThan" || operation == "lessOrEqual", high = operation == "greaterThan" || operation == "greaterOrEqual";
  if (low || high) {
    node.split = operation == "lessThan" || operation == "greaterOrEqual" ? Comparison::kBelow : Comparison::kAtMost;
    aim.Set(&node, low);
  } else if (operation == "equal" || operation == "notEqual") {
    node.split = Comparison::kEqual;
    aim.Set(&node, operation == "equal");
  } else {
    return PmmlWrong(predicate, Str("the operator '", operation, "' is not read"));
  }
  return node;
}

// "it is missing, or compares so", as exporters of boosted trees write it: one test here. Null when the predicate is none of these.
const Xml::Element* WithMissing(const Xml& xml, const Xml::Element& predicate, bool* missing_is_true) {
  if (predicate.name != "CompoundPredicate") return nullptr;
  const auto parts = xml.Children(predicate);
  const std::string_view how = Xml::At(predicate, "booleanOperator");
  if (parts.size() != 2 || (how != "or" && how != "and")) return nullptr;
  for (std::size_t i = 0; i < 2; ++i) {
    const Xml::Element &flag = *parts[i], &other = *parts[1 - i];
    if (flag.name != "SimplePredicate" || Xml::At(flag, "operator") != (how == "or" ? "isMissing" : "isNotMissing")) continue;
    if ((other.name != "SimplePredicate" && other.name != "SimpleSetPredicate") || Xml::At(other, "field") != Xml::At(flag, "field")) continue;
    if (Xml::At(other, "operator").ends_with("issing")) continue;
    *missing_is_true = how == "or";
    return &other;
  }
  return nullptr;
}

class TreeReader {
 public:
  TreeReader(const Xml& xml, const Xml::Element& model, const PmmlScope& scope, const std::vector<std::string>& classes, PmmlInputs* fields)
      : xml_(xml), model_(model), scope_(scope), classes_(classes), fields_(fields) {}

  Result<Tree> Read() {
    const std::string_view strategy = Xml::At(model_, "missingValueStrategy", "none");
    if (strategy == "none") strategy_ = Strategy::kNone;
    else if (strategy == "defaultChild") strategy_ = Strategy::kDefaultChild;
    else if (strategy == "lastPrediction") strategy_ = Strategy::kLast;
    else if (strategy == "nullPrediction") strategy_ = Strategy::kNull;
    else return PmmlWrong(model_, Str("the missingValueStrategy '", strategy, "' is not read: it weighs several leaves for one row; none, defaultChild, lastPrediction and nullPrediction are"));
    if (Xml::Find(model_, "missingValuePenalty") != nullptr && Xml::At(model_, "missingValuePenalty") != "1" && Xml::At(model_, "missingValuePenalty") != "1.0") {
      return PmmlWrong(model_, "a missingValuePenalty is not read");
    }
    const std::string_view none_true = Xml::At(model_, "noTrueChildStrategy", "returnNullPrediction");
    if (none_true != "returnNullPrediction" && none_true != "returnLastPrediction") return PmmlWrong(model_, Str("the noTrueChildStrategy is '", none_true, "'"));
    keeps_last_ = none_true == "returnLastPrediction";
    const Xml::Element* root = xml_.Child(model_, "Node");
    if (root == nullptr) return PmmlWrong(model_, "the TreeModel has no Node");
    tree_.output = Tree::kEveryOutput;
    const Xml::Element* test = PmmlPredicate(xml_, *root);
    if (test == nullptr || test->name != "True") return PmmlWrong(*root, "the root's predicate is not True");
    tree_.nodes.emplace_back();
    TENON_TRY(Add(*root, 0, 0));
    return std::move(tree_);
  }

 private:
  enum class Strategy : std::uint8_t { kNone, kDefaultChild, kLast, kNull };

  Result<std::int32_t> Place() {
    if (tree_.nodes.size() >= kMostNodes) return PmmlWrong(model_, Str("a tree would have more than ", kMostNodes, " nodes"));
    TENON_TRY(fields_->Spend(model_, sizeof(Tree::Node)));
    tree_.nodes.emplace_back();
    return static_cast<std::int32_t>(tree_.nodes.size()) - 1;
  }

  Result<double> Share(const Xml::Element& distribution, bool probabilities) { return PmmlNumber(distribution, probabilities ? "probability" : "recordCount"); }

  Result<void> Leaf(const Xml::Element& node, std::int32_t at) {
    const std::string* score = Xml::Find(node, "score");
    std::vector<double> vector;
    if (classes_.empty()) {
      if (score == nullptr) return PmmlWrong(node, "a node that may be the last has no score");
      TENON_ASSIGN(const double value, PmmlNumber(node, "score"));
      vector = {value};
    } else {
      TENON_ASSIGN(vector, Distribution(node, score));
    }
    TENON_TRY(fields_->Spend(node, vector.size() * sizeof(double)));
    Tree::Node& leaf = tree_.nodes[static_cast<std::size_t>(at)];
    leaf = {};
    leaf.vector = static_cast<std::int32_t>(tree_.vectors.size() / vector.size());
    double cover = 1;
    if (const std::string* count = Xml::Find(node, "recordCount"); count == nullptr || !ParseDouble(*count, &cover) || !(cover >= 0 && cover < 1e30)) cover = 1;
    leaf.cover = static_cast<float>(cover);
    tree_.vectors.insert(tree_.vectors.end(), vector.begin(), vector.end());
    return {};
  }

  Result<std::vector<double>> Distribution(const Xml::Element& node, const std::string* score) {
    std::vector<double> vector(classes_.size(), 0.0);
    const auto at = [&](const std::string_view name) { return std::ranges::find(classes_, name) - classes_.begin(); };
    const auto shares = xml_.Children(node, "ScoreDistribution");
    const bool probabilities = !shares.empty() && std::ranges::all_of(shares, [](const Xml::Element* one) { return Xml::Find(*one, "probability") != nullptr; });
    double sum = 0;
    for (const Xml::Element* share : shares) {
      const auto k = static_cast<std::size_t>(at(Xml::At(*share, "value")));
      if (k >= vector.size()) return PmmlWrong(*share, Str("'", Xml::At(*share, "value"), "' is none of the classes"));
      TENON_ASSIGN(vector[k], Share(*share, probabilities));
      if (!(vector[k] >= 0)) return PmmlWrong(*share, "a share of a class is negative");
      sum += vector[k];
    }
    if (!shares.empty() && sum > 0) {
      if (!probabilities) {
        for (double& value : vector) value /= sum;
      }
      return vector;
    }
    if (score == nullptr) return PmmlWrong(node, "a node that may be the last has no score");
    const auto k = static_cast<std::size_t>(at(*score));
    if (k >= vector.size()) return PmmlWrong(node, Str("the score '", *score, "' is none of the classes"));
    vector[k] = 1;
    return vector;
  }

  // Whether one of the children's predicates is true whenever none is unknown.
  bool Cover(const std::vector<const Xml::Element*>& tests) {
    if (tests.empty()) return false;
    if (tests.back()->name == "True") return true;
    if (tests.size() == 2 && Complement(*tests[0], *tests[1])) return true;
    return CoverValues(tests);
  }
  bool Complement(const Xml::Element& a, const Xml::Element& b) {
    if (a.name != b.name) return false;
    if (a.name == "CompoundPredicate") {
      // Surrogates: the first counts where it is known, then the next; they turn the same way on both sides.
      const auto left = xml_.Children(a), right = xml_.Children(b);
      const std::string_view how = Xml::At(a, "booleanOperator"), other = Xml::At(b, "booleanOperator");
      if (left.size() != right.size() || left.empty()) return false;
      if (!(how == "surrogate" && other == "surrogate") && !(how == "and" && other == "or") && !(how == "or" && other == "and")) return false;
      for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i]->name == "CompoundPredicate" || !Complement(*left[i], *right[i])) {
          const bool constants = how == "surrogate" && i + 1 == left.size() && (left[i]->name == "True" || left[i]->name == "False");
          if (!constants || left[i]->name == right[i]->name) return false;
        }
      }
      return true;
    }
    if (Xml::At(a, "field") != Xml::At(b, "field")) return false;
    if (a.name == "SimplePredicate") return Opposite(Xml::At(a, "operator")) == Xml::At(b, "operator") && Xml::At(a, "value") == Xml::At(b, "value");
    if (a.name != "SimpleSetPredicate") return false;
    const Xml::Element *left = xml_.Child(a, "Array"), *right = xml_.Child(b, "Array");
    return left != nullptr && right != nullptr && Opposite(Xml::At(a, "booleanOperator")) == Xml::At(b, "booleanOperator") && PmmlArray(*left) == PmmlArray(*right);
  }
  // Tests of one text that name, together, all values that it may have.
  bool CoverValues(const std::vector<const Xml::Element*>& tests) {
    std::set<std::string> named;
    const std::string_view field = Xml::At(*tests[0], "field");
    for (const Xml::Element* test : tests) {
      if (Xml::At(*test, "field") != field) return false;
      if (test->name == "SimplePredicate" && Xml::At(*test, "operator") == "equal") {
        named.emplace(Xml::At(*test, "value"));
      } else if (const Xml::Element* array = xml_.Child(*test, "Array"); test->name == "SimpleSetPredicate" && array != nullptr && Xml::At(*test, "booleanOperator") == "isIn") {
        const auto words = PmmlArray(*array);
        named.insert(words.begin(), words.end());
      } else {
        return false;
      }
    }
    const auto port = fields_->Port(*tests[0], std::string(field), scope_);
    return port.ok() && !port->values.empty() && std::ranges::all_of(port->values, [&](const std::string& value) { return named.contains(value); });
  }

  // The inputs for which a missing value makes a predicate unknown.
  Result<PmmlTerm> Unknown(const Xml::Element& test) { return fields_->Truth(test, scope_); }

  // A test whether the predicate is unknown.
  Result<Tree::Node> UnknownTest(const Xml::Element& test, std::int32_t yes, std::int32_t no) {
    Tree::Node node;
    if (test.name == "SimplePredicate" || test.name == "SimpleSetPredicate") {
      TENON_ASSIGN(const PmmlPort port, fields_->Port(test, std::string(Xml::At(test, "field")), scope_));
      node.feature = port.kind == Kind::kText ? fields_->Places(port) : fields_->Number(port);
    } else {
      TENON_ASSIGN(const PmmlTerm truth, Unknown(test));
      TENON_ASSIGN(node.feature, fields_->Formula(truth));
    }
    node.value = kLowest;
    node.left = yes;
    node.right = no;
    node.missing_left = true;
    return node;
  }

  // Writes an element of the file into the node `at` and what is below it.
  Result<void> Add(const Xml::Element& element, std::int32_t at, int depth) {
    if (depth > 1900) return PmmlWrong(element, "the tree is deeper than 1900 nodes");
    const auto children = xml_.Children(element, "Node");
    if (children.empty()) return Leaf(element, at);
    std::vector<const Xml::Element*> tests;
    std::ptrdiff_t usual = -1;
    const std::string_view default_child = Xml::At(element, "defaultChild");
    for (std::size_t i = 0; i < children.size(); ++i) {
      const Xml::Element* test = PmmlPredicate(xml_, *children[i]);
      if (test == nullptr) return PmmlWrong(*children[i], "the Node has no predicate that is read");
      tests.push_back(test);
      if (!default_child.empty() && Xml::At(*children[i], "id") == default_child) usual = static_cast<std::ptrdiff_t>(i);
    }
    const bool covered = Cover(tests);
    for (std::size_t i = 0; i < children.size(); ++i) {
      const Xml::Element& test = *tests[i];
      if (test.name == "False") continue;
      const bool last = i + 1 == children.size();
      // Where what is unknown has gone another way by now, or may not come, the last of children that leave nothing out needs no test.
      const bool settled = i > 0 && (strategy_ != Strategy::kNone || !keeps_last_);
      if (test.name == "True" || (last && covered && settled)) return Add(*children[i], at, depth + 1);
      TENON_ASSIGN(at, Test(element, children, tests, i, usual, covered, at, depth));
    }
    if (keeps_last_) return Leaf(element, at);
    if (!covered) return PmmlWrong(element, "the predicates of this Node's children may all be false, and then the file has no answer (noTrueChildStrategy returnNullPrediction)");
    // Only what must not come would come here.
    return Add(*children.back(), at, depth + 1);
  }

  // The test of one child at the node `at`; the node where the next child's is to be.
  Result<std::int32_t> Test(const Xml::Element& element, const std::vector<const Xml::Element*>& children, const std::vector<const Xml::Element*>& tests, std::size_t i,
                            std::ptrdiff_t usual, bool covered, std::int32_t at, int depth) {
    TENON_ASSIGN(const PmmlTerm truth, Unknown(*tests[i]));
    bool unknown_is_yes = false;
    if (truth.missing) {
      const bool next_is_usual = usual == static_cast<std::ptrdiff_t>(i) + 1 && covered && i + 2 == children.size();
      const bool none = strategy_ == Strategy::kNull || (strategy_ == Strategy::kNone && !keeps_last_ && tests.back()->name != "True") || (strategy_ == Strategy::kDefaultChild && usual < 0);
      if (none) {
        fields_->Require(truth.inputs);
      } else if (strategy_ == Strategy::kDefaultChild && usual == static_cast<std::ptrdiff_t>(i)) {
        unknown_is_yes = true;
      } else if ((strategy_ == Strategy::kDefaultChild && !next_is_usual) || strategy_ == Strategy::kLast) {
        TENON_ASSIGN(const std::int32_t unknown, Place());
        TENON_ASSIGN(const std::int32_t known, Place());
        TENON_ASSIGN(tree_.nodes[static_cast<std::size_t>(at)], UnknownTest(*tests[i], unknown, known));
        TENON_TRY(strategy_ == Strategy::kLast ? Leaf(element, unknown) : Add(*children[static_cast<std::size_t>(usual)], unknown, depth + 1));
        at = known;
      }
    }
    TENON_ASSIGN(const std::int32_t yes, Place());
    TENON_ASSIGN(const std::int32_t no, Place());
    TENON_ASSIGN(Tree::Node node, PmmlTest(xml_, *tests[i], scope_, yes, no, fields_));
    if (unknown_is_yes) node.missing_left = node.left == yes;
    tree_.nodes[static_cast<std::size_t>(at)] = std::move(node);
    TENON_TRY(Add(*children[i], yes, depth + 1));
    return no;
  }

  const Xml& xml_;
  const Xml::Element& model_;
  const PmmlScope& scope_;
  const std::vector<std::string>& classes_;
  PmmlInputs* fields_;
  Strategy strategy_ = Strategy::kNone;
  bool keeps_last_ = false;
  Tree tree_;
};

}  // namespace

const Xml::Element* PmmlPredicate(const Xml& xml, const Xml::Element& of) {
  for (const Xml::Element* child : xml.Children(of)) {
    const std::string& name = child->name;
    if (name == "SimplePredicate" || name == "SimpleSetPredicate" || name == "CompoundPredicate" || name == "True" || name == "False") return child;
  }
  return nullptr;
}

Result<Tree::Node> PmmlTest(const Xml& xml, const Xml::Element& predicate, const PmmlScope& scope, std::int32_t yes, std::int32_t no, PmmlInputs* fields) {
  const Aim aim{yes, no};
  bool missing_is_true = false;
  if (const Xml::Element* plain = WithMissing(xml, predicate, &missing_is_true); plain != nullptr) {
    TENON_ASSIGN(Tree::Node node, SimpleTest(xml, *plain, scope, aim, fields));
    if (missing_is_true) node.missing_left = node.left == yes;
    return node;
  }
  if (predicate.name != "CompoundPredicate") return SimpleTest(xml, predicate, scope, aim, fields);
  TENON_ASSIGN(const PmmlTerm truth, fields->Truth(predicate, scope));
  Tree::Node node;
  TENON_ASSIGN(node.feature, fields->Formula(truth));
  node.value = 0.5;
  aim.Set(&node, false);
  return node;
}

Result<Tree> ReadPmmlTree(const Xml& xml, const Xml::Element& model, const PmmlScope& scope, const std::vector<std::string>& classes, PmmlInputs* fields) {
  return TreeReader(xml, model, scope, classes, fields).Read();
}

}  // namespace tenon::model

#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/forest.h"
#include "model/importer.h"
#include "platform/xml.h"

namespace tenon::model {

using platform::Xml;

// The error of a file that cannot be imported; with the line of an element.
Error PmmlWrong(std::string_view what);
Error PmmlWrong(const Xml::Element& at, std::string_view what);
Result<double> PmmlNumber(const Xml::Element& of, std::string_view attribute);
// The words of an Array: texts in quotes where they have blanks.
std::vector<std::string> PmmlArray(const Xml::Element& array);

// A formula of ours (docs/reference/expressions.md) that says what an element of PMML says.
struct PmmlTerm {
  enum class Kind : std::uint8_t { kNumber, kText, kTruth };
  std::string text;
  Kind kind = Kind::kNumber;
  bool missing = false;            // whether it may be null
  std::set<std::string> ports;     // of the graph, that it reads
  std::set<std::string> inputs;    // for which a missing value may make it null
  bool constant = false;
};

// What a name of the file is in our graph.
struct PmmlPort {
  std::string name;
  PmmlTerm::Kind kind = PmmlTerm::Kind::kNumber;
  bool missing = true;
  std::set<std::string> inputs;         // for which a missing value may make it missing
  std::vector<std::string> values;      // those that the file says there are; empty: any
  bool input = false;                   // a column of requests
};

// Names that are known in a model: its own derived fields, and those of what is around it.
struct PmmlScope {
  const PmmlScope* around = nullptr;
  std::map<std::string, const Xml::Element*, std::less<>> derived;
  const Xml::Element* Find(std::string_view name) const;
};

// The columns of requests, the formulas over them, and the features that models read, made as they are asked for.
class PmmlInputs {
 public:
  // Of a file of so many bytes.
  PmmlInputs(const Xml& xml, const Xml::Element& schema, std::size_t file_bytes) : xml_(xml), schema_(schema), left_(kLeastRoom + kRoomAByte * file_bytes) {}
  // Takes room for trees: a file of few bytes may ask for very many, since children of defaultChild and the trees of answers that are used
  // again are written in several places.
  Result<void> Spend(const Xml::Element& at, std::size_t bytes) {
    if (bytes > left_) return PmmlWrong(at, "its trees, written out, are very much larger than the file");
    left_ -= bytes;
    return {};
  }
  // The DataDictionary and the outermost model's MiningSchema.
  Result<void> ReadDictionary();
  Result<void> AddDerived(const Xml::Element& of, PmmlScope* scope) const;

  Result<PmmlPort> Port(const Xml::Element& at, const std::string& name, const PmmlScope& scope);
  Result<PmmlTerm> Expression(const Xml::Element& element, const PmmlScope& scope);
  // The truth of a predicate as a formula: null where PMML says that it is unknown.
  Result<PmmlTerm> Truth(const Xml::Element& predicate, const PmmlScope& scope);

  // The number of the feature that is a port of numbers; of the places of a text among its values; of a formula.
  int Number(const PmmlPort& port);
  int Places(const PmmlPort& port);
  Result<int> Formula(const PmmlTerm& term);
  std::uint32_t PlaceOf(const PmmlPort& port, const std::string& value);
  // What a word in the file is, as the port's values are: a number, or of a truth value 0 and 1.
  Result<double> ValueAs(const Xml::Element& at, const PmmlPort& port, const std::string& word) const;
  void Require(const std::set<std::string>& inputs) { required_.insert(inputs.begin(), inputs.end()); }
  void Near(const PmmlPort& port, double value) {
    if (port.input) near_[port.name].insert(value);
  }

  int features() const { return static_cast<int>(features_.size()); }
  const std::string& target() const { return target_; }
  const std::vector<std::string>& target_values() const { return target_values_; }
  // Into what an importer gives: inputs, nodes, features, facts of the inputs, values.
  Result<void> Finish(Imported* out);
  // The declared type of an input; null when it is none.
  const table::Field* Input(std::string_view name) const;

 private:
  static constexpr std::size_t kLeastRoom = std::size_t{64} << 20, kRoomAByte = 64;  // a node takes about as many bytes here as in a file
  struct Data {
    const Xml::Element* field = nullptr;
    const Xml::Element* mining = nullptr;  // how the outermost model treats it; null: it is not used
  };
  Result<PmmlPort> DataPort(const Xml::Element& at, const std::string& name);
  Result<PmmlTerm> Treated(const std::string& name, const Data& data, PmmlTerm raw, const std::vector<std::string>& values);
  Result<PmmlPort> DerivedPort(const Xml::Element& field, const PmmlScope& scope);
  std::string Unused(const std::string& name);
  // A node that computes the formula; its port is `name`, or like it.
  Result<std::string> AddFormula(const std::string& name, const PmmlTerm& term);
  int Feature(const std::string& port);

  Result<PmmlTerm> NormContinuous(const Xml::Element& element, const PmmlScope& scope);
  Result<PmmlTerm> NormDiscrete(const Xml::Element& element, const PmmlScope& scope);
  Result<PmmlTerm> Discretize(const Xml::Element& element, const PmmlScope& scope);
  Result<PmmlTerm> MapValues(const Xml::Element& element, const PmmlScope& scope);
  Result<PmmlTerm> Apply(const Xml::Element& element, const PmmlScope& scope);
  Result<PmmlTerm> Function(const Xml::Element& element, const std::string& name, std::vector<PmmlTerm> args);
  Result<PmmlTerm> Ref(const Xml::Element& element, const PmmlScope& scope);
  Result<PmmlTerm> SimpleTruth(const Xml::Element& predicate, const PmmlScope& scope);
  Result<PmmlTerm> CompoundTruth(const Xml::Element& predicate, const PmmlScope& scope);

  const Xml& xml_;
  const Xml::Element& schema_;
  std::map<std::string, Data, std::less<>> data_;
  std::vector<std::string> order_;               // of the inputs, as the dictionary has them
  std::map<std::string, PmmlPort, std::less<>> inputs_;   // those that are used
  std::map<const Xml::Element*, PmmlPort> derived_;
  std::set<const Xml::Element*> open_;           // derived fields being read: one that needs itself is refused
  std::set<std::string> used_;
  std::vector<transform::NodeSpec> nodes_;
  std::vector<std::string> features_;
  std::map<std::string, int> feature_of_;
  std::map<std::string, std::string> formula_of_;          // text -> port
  std::map<std::string, std::vector<std::string>> places_;  // text port -> values in their order
  std::map<std::string, std::map<std::string, std::uint32_t>> place_of_;
  std::map<std::string, std::string> places_port_;
  std::set<std::string> required_;
  std::map<std::string, std::set<double>> near_;
  std::vector<table::Field> fields_;
  std::string target_;
  std::vector<std::string> target_values_;
  int depth_ = 0;
  std::size_t left_;
};

// A model as sums of leaves and weighted features: what every kind that is read becomes.
struct PmmlSum {
  bool classes = false;      // its answers are of classes, else a number
  Link link = Link::kIdentity;  // from margins to answers: identity, logistic (two classes, one margin), of_task (softmax), exp
  int outputs = 1;           // margins; of classes with the identity as many as classes
  std::vector<double> base;
  std::vector<Tree> trees;   // leaves are vectors of `outputs`
  struct Weight {
    int feature = 0;
    std::vector<double> by_output;
  };
  std::vector<Weight> weights;
};

// One tree: `leaf` makes the vector of a node's score. `classes` in their order; empty: a regression.
Result<Tree> ReadPmmlTree(const Xml& xml, const Xml::Element& model, const PmmlScope& scope, const std::vector<std::string>& classes, PmmlInputs* fields);
// A test node that sends rows for which the predicate is true to `yes`, false and unknown to `no`. True and False are none.
Result<Tree::Node> PmmlTest(const Xml& xml, const Xml::Element& predicate, const PmmlScope& scope, std::int32_t yes, std::int32_t no, PmmlInputs* fields);
// The child of an element that is a predicate; null when there is none.
const Xml::Element* PmmlPredicate(const Xml& xml, const Xml::Element& of);

// The whole of a model element.
Result<PmmlSum> ReadPmmlModel(const Xml& xml, const Xml::Element& model, const PmmlScope& around, const std::vector<std::string>& classes, PmmlInputs* fields);
// The classes of a model in an order: as the dictionary has them, else sorted as the model names them.
std::vector<std::string> PmmlClasses(const Xml& xml, const Xml::Element& model, const PmmlInputs& fields);

// Rows and answers that the file brings for a check of itself.
Result<Verification> ReadPmmlVerification(const Xml& xml, const Xml::Element& model, const PmmlInputs& fields, const std::vector<table::Field>& inputs,
                                          const std::vector<std::string>& classes);

}  // namespace tenon::model

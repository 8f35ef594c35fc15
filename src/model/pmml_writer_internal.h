#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/predictor.h"

namespace tenon::model {

// Pieces of XML as texts. Attributes and texts are escaped; what XML 1.0 cannot hold is remembered and refused at the end.
class PmmlPieces {
 public:
  using Attributes = std::vector<std::pair<std::string_view, std::string>>;

  // <name a="b"/>, or with an inside.
  std::string Element(std::string_view name, const Attributes& attributes, std::string_view inside = {});
  std::string Begin(std::string_view name, const Attributes& attributes);
  std::string Escaped(std::string_view text);
  // A text between tags: in one piece, as some readers keep only the last of several.
  std::string Content(std::string_view text);

  std::string Ref(std::string_view field) { return Element("FieldRef", {{"field", std::string(field)}}); }
  std::string Number(double value);
  std::string Text(std::string_view value) { return Element("Constant", {{"dataType", "string"}}, Content(value)); }
  std::string Null() { return Element("Constant", {{"dataType", "double"}, {"missing", "true"}}); }
  std::string Apply(std::string_view function, const std::vector<std::string>& arguments);
  std::string If(std::string_view condition, std::string_view yes, std::string_view no) { return Apply("if", {std::string(condition), std::string(yes), std::string(no)}); }
  // invalid text among all that was written: a name or value with bytes that are no UTF-8, or a control character.
  bool bad() const { return bad_; }

 private:
  bool bad_ = false;
};

// A field of the file that holds one feature of the tile, or one port of the graph.
struct PmmlField {
  std::string name;
  bool missing = true;   // whether it may be missing
  bool whole = false;    // holds whole numbers only, such as 0 and 1
  std::string source;    // of places in a list of texts: the field with the texts
  std::vector<std::string> places;
};

// The inputs and the transforms of a graph as fields.
class PmmlFields {
 public:
  explicit PmmlFields(PmmlPieces& pieces) : xml_(pieces) {}
  // failed_precondition naming the op that PMML has no words for.
  Result<void> Read(const transform::FittedGraph& graph);
  // A name that no field has: `name`, or with a number behind it.
  std::string Unused(std::string_view name);
  // A field computed in doubles; for texts `text` is true.
  PmmlField Derive(std::string_view name, const std::string& expression, bool text = false);

  const std::vector<PmmlField>& tile() const { return tile_; }
  const std::string& dictionary() const { return dictionary_; }   // DataField elements of the inputs
  const std::string& schema() const { return schema_; }           // MiningField elements of the inputs
  const std::string& derived() const { return derived_; }         // DerivedField elements

 private:
  using Node = transform::FittedNode;
  Result<void> Inputs(const transform::FittedGraph& graph);
  Result<void> Add(const Node& node);
  Result<void> Identity(const Node& node);
  Result<void> Impute(const Node& node);
  Result<void> Missing(const Node& node);
  Result<void> Scale(const Node& node);
  Result<void> MinMax(const Node& node);
  Result<void> Clip(const Node& node);
  Result<void> Log(const Node& node);
  Result<void> Binarize(const Node& node);
  Result<void> OneHot(const Node& node);
  Result<void> Ordinal(const Node& node);
  Result<void> Frequency(const Node& node);
  Result<void> TargetEncode(const Node& node);
  Result<void> Evidence(const Node& node);
  Result<void> RareLevels(const Node& node);
  Result<void> Bucketize(const Node& node);
  Result<void> Formula(const Node& node);

  const PmmlField& Of(const transform::Port& port) const { return ports_.at(port.name)[0]; }
  // Sets what a port of numbers or texts holds.
  void Set(const transform::Port& port, PmmlField field) { ports_[port.name] = {std::move(field)}; }
  std::string IsMissing(const PmmlField& field) { return xml_.Apply("isMissing", {xml_.Ref(field.name)}); }
  // x kept between two bounds; infinite ones are none.
  std::string Within(const std::string& x, double low, double high);
  // A value for each key, one for others, one for missing values (NaN: missing).
  std::string Looked(const transform::Port& port, const std::vector<std::string>& keys, const std::vector<std::string>& values, const std::string& other,
                     const std::string& missing, bool text);
  std::string KeyText(const transform::Port& port, std::string_view key);

  PmmlPieces& xml_;
  std::map<std::string, std::vector<PmmlField>> ports_;
  std::set<std::string> used_;
  std::vector<PmmlField> tile_;
  std::string dictionary_, schema_, derived_;
};

// An expression of table/expression.h as PMML's Apply, with the same nulls; `of` names the field of a column. failed_precondition naming
// the function that PMML has no word for.
Result<std::string> PmmlFormula(const Json& tree, const std::map<std::string, std::string>& of, PmmlPieces& xml);

// The error of everything that cannot be said.
Error PmmlCannot(std::string_view what);

}  // namespace tenon::model

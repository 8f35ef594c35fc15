// The columns that a PMML file asks for, and the ports of our graph made of them.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/pmml_reader_internal.h"
#include "table/expression.h"

namespace tenon::model {
namespace {

using Kind = PmmlTerm::Kind;

constexpr std::size_t kMostNear = 64;
constexpr std::size_t kMostPlaces = 1 << 20;

table::Type TypeOf(Kind kind) { return kind == Kind::kText ? table::Type::kString : kind == Kind::kTruth ? table::Type::kBool : table::Type::kFloat64; }

Result<Kind> KindOf(const Xml::Element& field) {
  const std::string_view type = Xml::At(field, "dataType");
  if (type == "string") return Kind::kText;
  if (type == "boolean") return Kind::kTruth;
  if (type == "double" || type == "float" || type == "integer") return Kind::kNumber;
  return PmmlWrong(field, Str("the field '", Xml::At(field, "name"), "' has the dataType '", type, "', which is not read; double, float, integer, boolean and string are"));
}

}  // namespace

Error PmmlWrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("the PMML file cannot be imported: ", what)); }
Error PmmlWrong(const Xml::Element& at, std::string_view what) { return PmmlWrong(Str("line ", at.line, ": ", what)); }

Result<double> PmmlNumber(const Xml::Element& of, std::string_view attribute) {
  const std::string* word = Xml::Find(of, attribute);
  double value = 0;
  if (word == nullptr) return PmmlWrong(of, Str(of.name, " has no ", attribute));
  if (!ParseDouble(Trim(*word), &value) || !std::isfinite(value)) return PmmlWrong(of, Str(attribute, " is '", word->substr(0, 60), "', not a number"));
  return value;
}

std::vector<std::string> PmmlArray(const Xml::Element& array) {
  std::vector<std::string> out;
  const std::string& text = array.text;
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  for (std::size_t at = 0; at < text.size();) {
    if (blank(text[at])) {
      ++at;
      continue;
    }
    std::string word;
    const bool quoted = text[at] == '"';
    if (quoted) ++at;
    for (; at < text.size() && (quoted ? text[at] != '"' : !blank(text[at])); ++at) {
      if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) ++at;
      word += text[at];
    }
    if (quoted) ++at;
    out.push_back(std::move(word));
  }
  return out;
}

const Xml::Element* PmmlScope::Find(std::string_view name) const {
  for (const PmmlScope* scope = this; scope != nullptr; scope = scope->around) {
    if (const auto at = scope->derived.find(name); at != scope->derived.end()) return at->second;
  }
  return nullptr;
}

Result<void> PmmlInputs::ReadDictionary() {
  const Xml::Element* dictionary = xml_.Child(xml_.root(), "DataDictionary");
  if (dictionary == nullptr) return PmmlWrong("it has no DataDictionary");
  for (const Xml::Element* field : xml_.Children(*dictionary, "DataField")) {
    const std::string name(Xml::At(*field, "name"));
    if (name.empty() || !data_.try_emplace(name, Data{field, nullptr}).second) return PmmlWrong(*field, Str("the field '", name, "' has no name, or is there twice"));
    order_.push_back(name);
    used_.insert(name);
  }
  for (const Xml::Element* mining : xml_.Children(schema_, "MiningField")) {
    const std::string name(Xml::At(*mining, "name"));
    const auto at = data_.find(name);
    if (at == data_.end()) return PmmlWrong(*mining, Str("the MiningField '", name, "' is no DataField"));
    const std::string_view usage = Xml::At(*mining, "usageType", "active");
    if (usage == "target" || usage == "predicted") {
      if (!target_.empty()) return PmmlWrong(*mining, "there is more than one target");
      target_ = name;
      for (const Xml::Element* value : xml_.Children(*at->second.field, "Value")) {
        if (Xml::At(*value, "property", "valid") == "valid") target_values_.emplace_back(Xml::At(*value, "value"));
      }
    } else if (usage == "active") {
      at->second.mining = mining;
    }
  }
  return {};
}

Result<void> PmmlInputs::AddDerived(const Xml::Element& of, PmmlScope* scope) const {
  for (const char* holder : {"TransformationDictionary", "LocalTransformations"}) {
    const Xml::Element* element = xml_.Child(of, holder);
    if (element == nullptr) continue;
    for (const Xml::Element* field : xml_.Children(*element, "DerivedField")) {
      const std::string name(Xml::At(*field, "name"));
      if (name.empty() || !scope->derived.try_emplace(name, field).second) return PmmlWrong(*field, Str("the DerivedField '", name, "' has no name, or is there twice"));
    }
  }
  return {};
}

std::string PmmlInputs::Unused(const std::string& name) {
  std::string out = name;
  for (int i = 2; !used_.insert(out).second; ++i) out = Str(name, "_", i);
  return out;
}

Result<std::string> PmmlInputs::AddFormula(const std::string& name, const PmmlTerm& term) {
  if (const auto at = formula_of_.find(term.text); at != formula_of_.end()) return at->second;
  std::vector<table::Field> fields;
  transform::NodeSpec node{.op = "expression", .in = {}, .out = {}, .with = {}, .files = {}};
  for (const std::string& port : term.ports) {
    node.in.push_back(port);
    fields.push_back({port, places_.contains(port) ? table::Type::kString : table::Type::kFloat64});
  }
  constexpr std::size_t kMostInputs = 16;
  if (node.in.size() > kMostInputs) return PmmlWrong(Str("'", name, "' is computed of ", node.in.size(), " fields; at most ", kMostInputs, " are read"));
  if (node.in.empty()) return PmmlWrong(Str("'", name, "' is computed of no field"));
  const auto parsed = table::Expression::Parse(term.text, table::Schema(std::move(fields)));
  if (!parsed.ok()) return PmmlWrong(Str("'", name, "' cannot be computed: ", parsed.error().message().substr(0, 400)));
  const bool text = parsed->type() == table::Type::kString;
  if (text != (term.kind == Kind::kText)) return PmmlWrong(Str("'", name, "' is a ", text ? "text" : "number", ", which its use does not expect"));
  node.out = {Unused(name)};
  node.with["text"] = term.text;
  if (text) places_[node.out[0]];
  nodes_.push_back(node);
  formula_of_[term.text] = node.out[0];
  return node.out[0];
}

// What the outermost model does to an input before anything else sees it.
Result<PmmlTerm> PmmlInputs::Treated(const std::string& name, const Data& data, PmmlTerm raw, const std::vector<std::string>& values) {
  const Xml::Element& mining = *data.mining;
  const auto constant = [&](const char* attribute) -> Result<std::string> {
    const std::string word(Xml::At(mining, attribute));
    if (raw.kind == Kind::kText) {
      std::string out = "'";
      for (const char c : word) out += c == '\'' ? std::string("''") : std::string(1, c);
      return out + "'";
    }
    if (raw.kind == Kind::kTruth && (word == "true" || word == "false")) return word == "true" ? std::string("TRUE") : std::string("FALSE");
    TENON_ASSIGN(const double number, PmmlNumber(mining, attribute));
    return Str("(", number, ")");
  };
  const std::string_view invalid = Xml::At(mining, "invalidValueTreatment", "returnInvalid");
  if (invalid == "asValue") return PmmlWrong(mining, Str("the field '", name, "' treats invalid values asValue, which is not read"));
  if (invalid == "asMissing" && !values.empty() && raw.kind == Kind::kText) {
    std::vector<std::string> words;
    for (const std::string& value : values) {
      std::string out = "'";
      for (const char c : value) out += c == '\'' ? std::string("''") : std::string(1, c);
      words.push_back(out + "'");
    }
    raw.text = Str("CASE WHEN ", raw.text, " IN (", Join(words, ", "), ") THEN ", raw.text, " END");
    raw.missing = true;
  }
  const std::string_view outliers = Xml::At(mining, "outliers", "asIs");
  if (outliers != "asIs" && raw.kind == Kind::kNumber) {
    if (outliers != "asMissingValues" && outliers != "asExtremeValues") return PmmlWrong(mining, Str("outliers are '", outliers, "'"));
    TENON_ASSIGN(const std::string low, constant("lowValue"));
    TENON_ASSIGN(const std::string high, constant("highValue"));
    const bool extreme = outliers == "asExtremeValues";
    raw.text = Str("CASE WHEN ", raw.text, " < ", low, " THEN ", extreme ? low : "NULL", " WHEN ", raw.text, " > ", high, " THEN ", extreme ? high : "NULL", " ELSE ", raw.text, " END");
  }
  const std::string_view missing = Xml::At(mining, "missingValueTreatment");
  if (missing == "returnInvalid") {
    required_.insert(name);
  } else if (Xml::Find(mining, "missingValueReplacement") != nullptr) {
    TENON_ASSIGN(const std::string fill, constant("missingValueReplacement"));
    raw.text = Str("COALESCE(", raw.text, ", ", fill, ")");
    raw.missing = false;
    raw.inputs.clear();
  }
  return raw;
}

Result<PmmlPort> PmmlInputs::DataPort(const Xml::Element& at, const std::string& name) {
  if (const auto known = inputs_.find(name); known != inputs_.end()) return known->second;
  const auto found = data_.find(name);
  if (found == data_.end()) {
    std::vector<std::string> names;
    for (const auto& [one, data] : data_) names.push_back(one);
    return PmmlWrong(at, Str("there is no field '", name, "'", DidYouMean(name, names)));
  }
  if (found->second.mining == nullptr) return PmmlWrong(at, Str("the field '", name, "' is used, but is no active field of the model's MiningSchema"));
  const Xml::Element& field = *found->second.field;
  PmmlPort port{.name = name, .inputs = {name}, .input = true};
  TENON_ASSIGN(port.kind, KindOf(field));
  for (const Xml::Element* value : xml_.Children(field, "Value")) {
    const std::string_view property = Xml::At(*value, "property", "valid");
    if (property == "valid") port.values.emplace_back(Xml::At(*value, "value"));
    if (property == "missing") return PmmlWrong(*value, Str("'", Xml::At(*value, "value"), "' of '", name, "' stands for a missing value, which is not read; leave such cells empty"));
  }
  fields_.push_back({.name = name, .type = TypeOf(port.kind)});
  if (port.kind == Kind::kText) places_[name];
  PmmlTerm raw{.text = Str("\"", name, "\""), .kind = port.kind, .missing = true, .ports = {name}, .inputs = {name}};
  if (port.kind == Kind::kTruth) raw.text = Str("(", raw.text, " = 1)");
  if (name.find('"') != std::string::npos) return PmmlWrong(field, Str("the name ", name, " has a quote in it"));
  const std::string plain = raw.text;
  TENON_ASSIGN(const PmmlTerm treated, Treated(name, found->second, std::move(raw), port.values));
  if (treated.text != plain) {
    port.missing = treated.missing;
    port.inputs = treated.inputs;
    TENON_ASSIGN(port.name, AddFormula(Str(name, "_treated"), treated));
    port.input = false;
  }
  for (const std::string& value : port.values) {
    if (port.kind == Kind::kText) PlaceOf(port, value);
  }
  inputs_[name] = port;
  return port;
}

Result<PmmlPort> PmmlInputs::DerivedPort(const Xml::Element& field, const PmmlScope& scope) {
  if (const auto known = derived_.find(&field); known != derived_.end()) return known->second;
  const std::string name(Xml::At(field, "name"));
  if (!open_.insert(&field).second) return PmmlWrong(field, Str("the DerivedField '", name, "' needs itself"));
  const Xml::Element* expression = nullptr;
  for (const Xml::Element* child : xml_.Children(field)) {
    if (child->name == "Extension" || child->name == "Value" || child->name == "Interval") continue;
    if (expression == nullptr) expression = child;
  }
  if (expression == nullptr) return PmmlWrong(field, Str("the DerivedField '", name, "' has no expression"));
  TENON_ASSIGN(const Kind declared, KindOf(field));
  PmmlPort port;
  if (expression->name == "FieldRef" && Xml::Find(*expression, "mapMissingTo") == nullptr) {
    TENON_ASSIGN(port, Port(*expression, std::string(Xml::At(*expression, "field")), scope));
  }
  if (port.name.empty() || port.kind != declared) {
    TENON_ASSIGN(PmmlTerm term, Expression(*expression, scope), Str("the DerivedField '", name, "'"));
    if (declared == Kind::kText && term.kind == Kind::kNumber) term.text = Str("CAST(", term.text, " AS TEXT)");
    if (declared == Kind::kNumber && term.kind == Kind::kText) term.text = Str("CAST(", term.text, " AS DOUBLE)");
    const bool truth = declared == Kind::kTruth || term.kind == Kind::kTruth;
    term.kind = truth ? Kind::kTruth : declared;
    port = {.name = {}, .kind = term.kind, .missing = term.missing, .inputs = term.inputs};
    TENON_ASSIGN(port.name, AddFormula(name, term));
  }
  open_.erase(&field);
  derived_[&field] = port;
  return port;
}

Result<PmmlPort> PmmlInputs::Port(const Xml::Element& at, const std::string& name, const PmmlScope& scope) {
  struct Depth {
    int& at;
    ~Depth() { --at; }
  } depth{++depth_};
  if (depth.at > 200) return PmmlWrong(at, "derived fields need each other in too long a row");
  if (const Xml::Element* derived = scope.Find(name); derived != nullptr) return DerivedPort(*derived, scope);
  return DataPort(at, name);
}

int PmmlInputs::Feature(const std::string& port) {
  const auto [at, fresh] = feature_of_.try_emplace(port, static_cast<int>(features_.size()));
  if (fresh) features_.push_back(port);
  return at->second;
}

int PmmlInputs::Number(const PmmlPort& port) { return Feature(port.name); }

int PmmlInputs::Places(const PmmlPort& port) {
  auto [at, fresh] = places_port_.try_emplace(port.name);
  if (fresh) at->second = Unused(Str(port.name, "_place"));
  return Feature(at->second);
}

Result<int> PmmlInputs::Formula(const PmmlTerm& term) {
  TENON_ASSIGN(const std::string port, AddFormula("condition", term));
  return Feature(port);
}

std::uint32_t PmmlInputs::PlaceOf(const PmmlPort& port, const std::string& value) {
  auto& list = places_[port.name];
  const auto [at, fresh] = place_of_[port.name].try_emplace(value, static_cast<std::uint32_t>(list.size()));
  if (fresh && list.size() < kMostPlaces) list.push_back(value);
  return at->second;
}

Result<double> PmmlInputs::ValueAs(const Xml::Element& at, const PmmlPort& port, const std::string& word) const {
  double value = 0;
  if (port.kind == Kind::kTruth && (word == "true" || word == "false")) return word == "true" ? 1.0 : 0.0;
  if (!ParseDouble(Trim(word), &value) || !std::isfinite(value)) return PmmlWrong(at, Str("'", word.substr(0, 60), "' is no number, as the values of '", port.name, "' are"));
  return value;
}

const table::Field* PmmlInputs::Input(std::string_view name) const {
  for (const table::Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Result<void> PmmlInputs::Finish(Imported* out) {
  std::ranges::sort(fields_, [&](const table::Field& a, const table::Field& b) { return std::ranges::find(order_, a.name) < std::ranges::find(order_, b.name); });
  out->graph.inputs = fields_;
  out->graph.nodes = nodes_;
  for (const auto& [port, made] : places_port_) {
    Json with;
    with["order"] = Json::ListOf(places_[port]);
    with["unseen"] = -1.0;
    if (places_[port].empty()) with["order"] = Json::ListOf(std::vector<std::string>{"(no value is tested)"});
    out->graph.nodes.push_back({.op = "ordinal", .in = {port}, .out = {made}, .with = with, .files = {}});
  }
  out->graph.features = features_;
  for (const table::Field& field : fields_) {
    out->inputs[field.name]["required"] = required_.contains(field.name);
    if (const auto& said = inputs_.at(field.name).values; field.type == table::Type::kString && !said.empty()) out->inputs[field.name]["domain"] = Json::ListOf(said);
    std::vector<double> values;
    const auto& near = near_[field.name];
    const std::vector<double> sorted(near.begin(), near.end());
    const std::size_t n = std::min(sorted.size(), kMostNear);
    for (std::size_t i = 0; i < n; ++i) values.push_back(sorted[i * sorted.size() / n]);
    out->values.push_back(std::move(values));
  }
  if (fields_.empty()) return PmmlWrong("its model reads no field");
  return {};
}

}  // namespace tenon::model

// PMML's expressions and predicates as formulas of ours, which know missing values as null.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/pmml_reader_internal.h"

namespace tenon::model {
namespace {

using Kind = PmmlTerm::Kind;

constexpr int kMostDepth = 40;
constexpr std::size_t kMostText = 1 << 20;

std::string Name(const std::string& port) {
  std::string out = "\"";
  for (const char c : port) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}
std::string Written(double value) { return value < 0 ? Str("(", value, ")") : FormatDouble(value); }

PmmlTerm NumberTerm(double value) { return {.text = Written(value), .constant = true}; }
PmmlTerm TextTerm(std::string_view text) { return {.text = Quoted(text), .kind = Kind::kText, .constant = true}; }

// A word as a constant of a kind.
Result<PmmlTerm> Word(const Xml::Element& at, std::string_view word, Kind kind) {
  if (kind == Kind::kText) return TextTerm(word);
  double value = 0;
  if (kind == Kind::kTruth && (word == "true" || word == "false")) return PmmlTerm{.text = word == "true" ? "TRUE" : "FALSE", .kind = kind, .constant = true};
  if (!ParseDouble(Trim(word), &value) || !std::isfinite(value)) return PmmlWrong(at, Str("'", word.substr(0, 60), "' is no number"));
  return NumberTerm(value);
}

void Join(PmmlTerm* to, const PmmlTerm& from) {
  to->ports.insert(from.ports.begin(), from.ports.end());
  to->inputs.insert(from.inputs.begin(), from.inputs.end());
}

PmmlTerm Made(std::string text, Kind kind, std::initializer_list<const PmmlTerm*> of) {
  PmmlTerm out{.text = std::move(text), .kind = kind};
  for (const PmmlTerm* one : of) {
    Join(&out, *one);
    out.missing = out.missing || one->missing;
  }
  return out;
}

// `term` where it is not null, else `other`.
PmmlTerm Or(const PmmlTerm& term, const PmmlTerm& other) {
  if (!term.missing) return term;
  PmmlTerm out = Made(Str("COALESCE(", term.text, ", ", other.text, ")"), term.kind, {&term});
  out.missing = other.missing;
  if (!out.missing) out.inputs.clear();
  return out;
}

PmmlTerm NullOf(Kind kind) { return {.text = "NULL", .kind = kind, .missing = true, .constant = true}; }

Kind KindNamed(std::string_view type) { return type == "string" ? Kind::kText : type == "boolean" ? Kind::kTruth : Kind::kNumber; }

// Texts and numbers beside each other: a constant takes the kind of the other.
Result<void> Agree(const Xml::Element& at, PmmlTerm* a, PmmlTerm* b) {
  if (a->kind == b->kind) return {};
  for (auto [constant, other] : {std::pair{a, b}, std::pair{b, a}}) {
    if (!constant->constant) continue;
    if (other->kind == Kind::kText && constant->kind == Kind::kNumber) {
      *constant = TextTerm(constant->text);
      return {};
    }
    if (other->kind == Kind::kNumber && constant->kind == Kind::kText) {
      TENON_ASSIGN(*constant, Word(at, std::string_view(constant->text).substr(1, constant->text.size() - 2), Kind::kNumber));
      return {};
    }
  }
  return PmmlWrong(at, "a text is compared or chosen beside a number");
}

}  // namespace

Result<PmmlTerm> PmmlInputs::Ref(const Xml::Element& element, const PmmlScope& scope) {
  const std::string* field = Xml::Find(element, "field");
  if (field == nullptr) return PmmlWrong(element, Str(element.name, " names no field"));
  TENON_ASSIGN(const PmmlPort port, Port(element, *field, scope));
  PmmlTerm term{.text = Name(port.name), .kind = port.kind, .missing = port.missing, .ports = {port.name}, .inputs = port.inputs};
  // Truth values are numbers between nodes of a graph.
  if (port.kind == Kind::kTruth) term.text = Str("(", term.text, " = 1)");
  return term;
}

Result<PmmlTerm> PmmlInputs::Expression(const Xml::Element& element, const PmmlScope& scope) {
  struct Depth {
    int& at;
    ~Depth() { --at; }
  } depth{++depth_};
  if (depth.at > kMostDepth) return PmmlWrong(element, Str("expressions are nested more than ", kMostDepth, " deep"));
  Result<PmmlTerm> out = PmmlWrong(element, Str("the expression ", element.name, " is not read"));
  if (element.name == "Constant") {
    const std::string_view type = Xml::At(element, "dataType");
    double value = 0;
    const Kind kind = !type.empty() ? KindNamed(type) : ParseDouble(Trim(element.text), &value) ? Kind::kNumber : Kind::kText;
    if (Xml::At(element, "missing") == "true") return NullOf(kind);
    return Word(element, element.text, kind);
  }
  if (element.name == "FieldRef") {
    TENON_ASSIGN(PmmlTerm term, Ref(element, scope));
    const std::string* missing = Xml::Find(element, "mapMissingTo");
    if (missing == nullptr) return term;
    TENON_ASSIGN(const PmmlTerm other, Word(element, *missing, term.kind));
    return Or(term, other);
  }
  if (element.name == "NormContinuous") out = NormContinuous(element, scope);
  if (element.name == "NormDiscrete") out = NormDiscrete(element, scope);
  if (element.name == "Discretize") out = Discretize(element, scope);
  if (element.name == "MapValues") out = MapValues(element, scope);
  if (element.name == "Apply") out = Apply(element, scope);
  if (out.ok() && out->text.size() > kMostText) return PmmlWrong(element, "the expression is too long");
  return out;
}

Result<PmmlTerm> PmmlInputs::NormContinuous(const Xml::Element& element, const PmmlScope& scope) {
  TENON_ASSIGN(const PmmlTerm x, Ref(element, scope));
  if (x.kind != Kind::kNumber) return PmmlWrong(element, "NormContinuous is of a number");
  std::vector<std::pair<double, double>> points;
  for (const Xml::Element* point : xml_.Children(element, "LinearNorm")) {
    TENON_ASSIGN(const double orig, PmmlNumber(*point, "orig"));
    TENON_ASSIGN(const double norm, PmmlNumber(*point, "norm"));
    if (!points.empty() && !(points.back().first < orig)) return PmmlWrong(*point, "the points of NormContinuous do not ascend");
    points.emplace_back(orig, norm);
  }
  if (points.size() < 2) return PmmlWrong(element, "NormContinuous has fewer than two points");
  const auto line = [&](std::size_t i) {
    const auto [a, from] = points[i];
    const auto [b, to] = points[i + 1];
    return Str("(", Written(from), " + (", x.text, " - ", Written(a), ") / ", Written(b - a), " * ", Written(to - from), ")");
  };
  const std::string_view outliers = Xml::At(element, "outliers", "asIs");
  if (outliers != "asIs" && outliers != "asMissingValues" && outliers != "asExtremeValues") return PmmlWrong(element, Str("outliers are '", outliers, "'"));
  const auto outside = [&](const std::string& as_is, double extreme) { return outliers == "asIs" ? as_is : outliers == "asExtremeValues" ? Written(extreme) : "NULL"; };
  std::string text = Str("CASE WHEN ", x.text, " < ", Written(points[0].first), " THEN ", outside(line(0), points[0].second));
  for (std::size_t i = 0; i + 1 < points.size(); ++i) text += Str(" WHEN ", x.text, " <= ", Written(points[i + 1].first), " THEN ", line(i));
  text += Str(" WHEN ", x.text, " > ", Written(points.back().first), " THEN ", outside(line(points.size() - 2), points.back().second), " END");
  PmmlTerm out = Made(std::move(text), Kind::kNumber, {&x});
  out.missing = out.missing || outliers == "asMissingValues";
  const std::string* missing = Xml::Find(element, "mapMissingTo");
  if (missing == nullptr) return out;
  TENON_ASSIGN(const PmmlTerm other, Word(element, *missing, Kind::kNumber));
  return Or(out, other);
}

Result<PmmlTerm> PmmlInputs::NormDiscrete(const Xml::Element& element, const PmmlScope& scope) {
  TENON_ASSIGN(const PmmlTerm x, Ref(element, scope));
  TENON_ASSIGN(const PmmlTerm value, Word(element, Xml::At(element, "value"), x.kind));
  PmmlTerm out = Made(Str("CASE WHEN ", x.text, " = ", value.text, " THEN 1 WHEN ", x.text, " IS NOT NULL THEN 0 END"), Kind::kNumber, {&x});
  const std::string* missing = Xml::Find(element, "mapMissingTo");
  if (missing == nullptr) return out;
  TENON_ASSIGN(const PmmlTerm other, Word(element, *missing, Kind::kNumber));
  return Or(out, other);
}

Result<PmmlTerm> PmmlInputs::Discretize(const Xml::Element& element, const PmmlScope& scope) {
  TENON_ASSIGN(const PmmlTerm x, Ref(element, scope));
  const std::string_view type = Xml::At(element, "dataType");
  const auto bins = xml_.Children(element, "DiscretizeBin");
  double parsed = 0;
  const bool numbers = std::ranges::all_of(bins, [&](const Xml::Element* bin) { return ParseDouble(Xml::At(*bin, "binValue"), &parsed); });
  const Kind kind = type == "string" || !numbers ? Kind::kText : Kind::kNumber;
  std::string text = "CASE";
  for (const Xml::Element* bin : bins) {
    const Xml::Element* interval = xml_.Child(*bin, "Interval");
    if (interval == nullptr) return PmmlWrong(*bin, "DiscretizeBin has no Interval");
    const std::string_view closure = Xml::At(*interval, "closure");
    std::vector<std::string> tests;
    if (Xml::Find(*interval, "leftMargin") != nullptr) {
      TENON_ASSIGN(const double left, PmmlNumber(*interval, "leftMargin"));
      tests.push_back(Str(x.text, closure.starts_with("closed") ? " >= " : " > ", Written(left)));
    }
    if (Xml::Find(*interval, "rightMargin") != nullptr) {
      TENON_ASSIGN(const double right, PmmlNumber(*interval, "rightMargin"));
      tests.push_back(Str(x.text, closure.ends_with("Closed") ? " <= " : " < ", Written(right)));
    }
    if (tests.empty()) tests.push_back(Str(x.text, " IS NOT NULL"));
    TENON_ASSIGN(const PmmlTerm value, Word(*bin, Xml::At(*bin, "binValue"), kind));
    text += Str(" WHEN ", tenon::Join(tests, " AND "), " THEN ", value.text);
  }
  if (bins.empty()) return PmmlWrong(element, "Discretize has no bins");
  PmmlTerm out = Made("", kind, {&x});
  out.missing = true;
  if (const std::string* other = Xml::Find(element, "defaultValue"); other != nullptr) {
    TENON_ASSIGN(const PmmlTerm value, Word(element, *other, kind));
    text += Str(" WHEN ", x.text, " IS NOT NULL THEN ", value.text);
    out.missing = x.missing;
  }
  out.text = text + " END";
  const std::string* missing = Xml::Find(element, "mapMissingTo");
  if (missing == nullptr) return out;
  TENON_ASSIGN(const PmmlTerm value, Word(element, *missing, kind));
  PmmlTerm whole = Made(Str("CASE WHEN ", x.text, " IS NULL THEN ", value.text, " ELSE ", out.text, " END"), kind, {&x});
  whole.missing = Xml::Find(element, "defaultValue") == nullptr;
  return whole;
}

Result<PmmlTerm> PmmlInputs::MapValues(const Xml::Element& element, const PmmlScope& scope) {
  const Xml::Element* table = xml_.Child(element, "InlineTable");
  if (table == nullptr) return PmmlWrong(element, "MapValues has no InlineTable");
  std::vector<std::pair<PmmlTerm, std::string>> columns;
  PmmlTerm out{.text = "CASE"};
  bool may_miss = false;
  for (const Xml::Element* pair : xml_.Children(element, "FieldColumnPair")) {
    TENON_ASSIGN(PmmlTerm x, Ref(*pair, scope));
    Join(&out, x);
    may_miss = may_miss || x.missing;
    columns.emplace_back(std::move(x), Xml::At(*pair, "column"));
  }
  if (columns.empty()) return PmmlWrong(element, "MapValues has no FieldColumnPair");
  const std::string_view type = Xml::At(element, "dataType"), result = Xml::At(element, "outputColumn");
  const auto rows = xml_.Children(*table, "row");
  const auto cell = [&](const Xml::Element& row, std::string_view column) {
    const Xml::Element* found = xml_.Child(row, column.substr(column.find(':') + 1));
    return found == nullptr ? std::string_view() : std::string_view(found->text);
  };
  double parsed = 0;
  const bool numbers = type.empty() && std::ranges::all_of(rows, [&](const Xml::Element* row) { return ParseDouble(Trim(cell(*row, result)), &parsed); });
  out.kind = type.empty() ? (numbers ? Kind::kNumber : Kind::kText) : KindNamed(type) == Kind::kText ? Kind::kText : Kind::kNumber;
  for (const Xml::Element* row : rows) {
    std::vector<std::string> tests;
    for (const auto& [x, column] : columns) {
      TENON_ASSIGN(const PmmlTerm value, Word(*row, cell(*row, column), x.kind));
      tests.push_back(Str(x.text, " = ", value.text));
    }
    TENON_ASSIGN(const PmmlTerm value, Word(*row, cell(*row, result), out.kind));
    out.text += Str(" WHEN ", tenon::Join(tests, " AND "), " THEN ", value.text);
  }
  std::vector<std::string> missing;
  for (const auto& [x, column] : columns) missing.push_back(Str(x.text, " IS NULL"));
  const auto otherwise = [&](const char* attribute, PmmlTerm* value) -> Result<bool> {
    const std::string* word = Xml::Find(element, attribute);
    if (word == nullptr) return false;
    TENON_ASSIGN(*value, Word(element, *word, out.kind));
    return true;
  };
  PmmlTerm when_missing = NullOf(out.kind), else_value = NullOf(out.kind);
  TENON_ASSIGN(const bool maps_missing, otherwise("mapMissingTo", &when_missing));
  TENON_ASSIGN(const bool has_default, otherwise("defaultValue", &else_value));
  if (rows.empty()) out.text += " WHEN FALSE THEN NULL";
  out.text += Str(" WHEN ", tenon::Join(missing, " OR "), " THEN ", when_missing.text, " ELSE ", else_value.text, " END");
  out.missing = !has_default || (may_miss && !maps_missing);
  if (!out.missing) out.inputs.clear();
  return out;
}

Result<PmmlTerm> PmmlInputs::Apply(const Xml::Element& element, const PmmlScope& scope) {
  const std::string function(Xml::At(element, "function"));
  std::vector<PmmlTerm> args;
  for (const Xml::Element* child : xml_.Children(element)) {
    if (child->name == "Extension") continue;
    TENON_ASSIGN(PmmlTerm arg, Expression(*child, scope));
    args.push_back(std::move(arg));
  }
  std::vector<std::string> missing;
  for (const PmmlTerm& arg : args) {
    if (arg.missing) missing.push_back(Str(arg.text, " IS NULL"));
  }
  PmmlTerm inputs;
  for (const PmmlTerm& arg : args) Join(&inputs, arg);
  TENON_ASSIGN(PmmlTerm out, Function(element, function, std::move(args)));
  Join(&out, inputs);
  if (const std::string* other = Xml::Find(element, "defaultValue"); other != nullptr && out.missing) {
    TENON_ASSIGN(const PmmlTerm value, Word(element, *other, out.kind));
    const bool no_missing = missing.empty();
    if (no_missing) {
      out = Or(out, value);
    } else {
      out.text = Str("CASE WHEN ", tenon::Join(missing, " OR "), " THEN NULL ELSE COALESCE(", out.text, ", ", value.text, ") END");
    }
  }
  if (const std::string* other = Xml::Find(element, "mapMissingTo"); other != nullptr && !missing.empty()) {
    TENON_ASSIGN(const PmmlTerm value, Word(element, *other, out.kind));
    out.text = Str("CASE WHEN ", tenon::Join(missing, " OR "), " THEN ", value.text, " ELSE ", out.text, " END");
  }
  if (!out.missing) out.inputs.clear();
  return out;
}

Result<PmmlTerm> PmmlInputs::Function(const Xml::Element& element, const std::string& name, std::vector<PmmlTerm> a) {
  struct Known {
    std::string_view write;   // a function, or an operator between its arguments
    bool infix = false;
    std::size_t least = 1, most = 1;
    Kind takes = Kind::kNumber, gives = Kind::kNumber;
  };
  static const std::map<std::string, Known, std::less<>> kKnown = {
      {"+", {" + ", true, 2, 2}}, {"*", {" * ", true, 2, 2}}, {"/", {" / ", true, 2, 2}},
      {"min", {"LEAST", false, 1, 64}}, {"max", {"GREATEST", false, 1, 64}},
      {"abs", {"ABS"}}, {"exp", {"EXP"}}, {"ln", {"LN"}}, {"log10", {"LOG10"}}, {"sqrt", {"SQRT"}}, {"floor", {"FLOOR"}}, {"ceil", {"CEIL"}},
      {"pow", {"POW", false, 2, 2}}, {"sin", {"SIN"}}, {"cos", {"COS"}}, {"tan", {"TAN"}}, {"asin", {"ASIN"}}, {"acos", {"ACOS"}}, {"atan", {"ATAN"}},
      {"and", {" AND ", true, 2, 64, Kind::kTruth, Kind::kTruth}}, {"or", {" OR ", true, 2, 64, Kind::kTruth, Kind::kTruth}},
      {"not", {"NOT ", false, 1, 1, Kind::kTruth, Kind::kTruth}},
      {"uppercase", {"UPPER", false, 1, 1, Kind::kText, Kind::kText}}, {"lowercase", {"LOWER", false, 1, 1, Kind::kText, Kind::kText}},
      {"trimBlanks", {"TRIM", false, 1, 1, Kind::kText, Kind::kText}}, {"concat", {" || ", true, 2, 64, Kind::kText, Kind::kText}},
      {"stringLength", {"LENGTH", false, 1, 1, Kind::kText, Kind::kNumber}}};
  static const std::map<std::string, std::string_view, std::less<>> kCompare = {{"equal", " = "}, {"notEqual", " <> "}, {"lessThan", " < "},
                                                                               {"lessOrEqual", " <= "}, {"greaterThan", " > "}, {"greaterOrEqual", " >= "}};
  PmmlTerm out;
  const bool missing = std::ranges::any_of(a, &PmmlTerm::missing);
  const auto count = [&](std::size_t least, std::size_t most) -> Result<void> {
    if (a.size() >= least && a.size() <= most) return {};
    return PmmlWrong(element, Str("the function ", name, " has ", a.size(), " arguments"));
  };
  if (const auto at = kKnown.find(name); at != kKnown.end()) {
    const Known& known = at->second;
    TENON_TRY(count(known.least, known.most));
    std::vector<std::string> texts;
    for (const PmmlTerm& arg : a) {
      if (arg.kind != known.takes) return PmmlWrong(element, Str("an argument of the function ", name, " is of another kind than it takes"));
      texts.push_back(arg.text);
    }
    out.text = known.infix ? Str("(", tenon::Join(texts, known.write), ")") : Str("(", known.write, "(", tenon::Join(texts, ", "), "))");
    out.kind = known.gives;
    out.missing = missing || name == "/" || name == "ln" || name == "log10" || name == "sqrt" || name == "pow" || name == "asin" || name == "acos";
    return out;
  }
  if (name == "-") {
    TENON_TRY(count(1, 2));
    out.text = a.size() == 1 ? Str("(0 - ", a[0].text, ")") : Str("(", a[0].text, " - ", a[1].text, ")");
    out.missing = missing;
    return out;
  }
  if (const auto at = kCompare.find(name); at != kCompare.end()) {
    TENON_TRY(count(2, 2));
    TENON_TRY(Agree(element, &a[0], &a[1]));
    out = {.text = Str("(", a[0].text, at->second, a[1].text, ")"), .kind = Kind::kTruth, .missing = missing};
    return out;
  }
  if (name == "isMissing" || name == "isNotMissing") {
    TENON_TRY(count(1, 1));
    return PmmlTerm{.text = Str("(", a[0].text, name == "isMissing" ? " IS NULL)" : " IS NOT NULL)"), .kind = Kind::kTruth};
  }
  if (name == "isIn" || name == "isNotIn") {
    TENON_TRY(count(2, 10'000));
    std::vector<std::string> words;
    for (std::size_t i = 1; i < a.size(); ++i) {
      TENON_TRY(Agree(element, &a[0], &a[i]));
      words.push_back(a[i].text);
    }
    return PmmlTerm{.text = Str("(", a[0].text, name == "isIn" ? " IN (" : " NOT IN (", tenon::Join(words, ", "), "))"), .kind = Kind::kTruth, .missing = missing};
  }
  if (name == "if") {
    TENON_TRY(count(2, 3));
    if (a[0].kind != Kind::kTruth) return PmmlWrong(element, "the condition of 'if' is no truth value");
    if (a.size() == 2) a.push_back(NullOf(a[1].kind));
    if (a[1].text == "NULL") a[1].kind = a[2].kind;
    if (a[2].text == "NULL") a[2].kind = a[1].kind;
    TENON_TRY(Agree(element, &a[1], &a[2]));
    out.kind = a[1].kind;
    out.missing = missing;
    out.text = a[0].missing ? Str("CASE WHEN ", a[0].text, " THEN ", a[1].text, " WHEN NOT ", a[0].text, " THEN ", a[2].text, " END")
                            : Str("CASE WHEN ", a[0].text, " THEN ", a[1].text, " ELSE ", a[2].text, " END");
    return out;
  }
  if (name == "threshold") {
    TENON_TRY(count(2, 2));
    out.text = Str("CASE WHEN ", a[0].text, " > ", a[1].text, " THEN 1 WHEN ", a[0].text, " <= ", a[1].text, " THEN 0 END");
    out.missing = missing;
    return out;
  }
  if (name == "round") {
    TENON_TRY(count(1, 1));
    return PmmlTerm{.text = Str("FLOOR(", a[0].text, " + 0.5)"), .missing = missing};  // halves go up
  }
  if (name == "ln1p" || name == "expm1") {
    TENON_TRY(count(1, 1));
    return PmmlTerm{.text = name == "ln1p" ? Str("LN(1 + ", a[0].text, ")") : Str("(EXP(", a[0].text, ") - 1)"), .missing = missing || name == "ln1p"};
  }
  if (name == "substring") {
    TENON_TRY(count(3, 3));
    return PmmlTerm{.text = Str("SUBSTR(", a[0].text, ", ", a[1].text, ", ", a[2].text, ")"), .kind = Kind::kText, .missing = missing};
  }
  return PmmlWrong(element, Str("the function '", name, "' is not read"));
}

// ---- predicates

Result<PmmlTerm> PmmlInputs::SimpleTruth(const Xml::Element& predicate, const PmmlScope& scope) {
  static const std::map<std::string, std::string_view, std::less<>> kCompare = {{"equal", " = "}, {"notEqual", " <> "}, {"lessThan", " < "},
                                                                               {"lessOrEqual", " <= "}, {"greaterThan", " > "}, {"greaterOrEqual", " >= "}};
  TENON_ASSIGN(const PmmlTerm x, Ref(predicate, scope));
  if (predicate.name == "SimpleSetPredicate") {
    const Xml::Element* array = xml_.Child(predicate, "Array");
    const std::string_view how = Xml::At(predicate, "booleanOperator");
    if (array == nullptr || (how != "isIn" && how != "isNotIn")) return PmmlWrong(predicate, "SimpleSetPredicate has no Array, or is neither isIn nor isNotIn");
    std::vector<std::string> words;
    for (const std::string& word : PmmlArray(*array)) {
      TENON_ASSIGN(const PmmlTerm value, Word(predicate, word, x.kind));
      words.push_back(value.text);
    }
    if (words.empty()) return PmmlTerm{.text = how == "isIn" ? "FALSE" : "TRUE", .kind = Kind::kTruth};
    return Made(Str("(", x.text, how == "isIn" ? " IN (" : " NOT IN (", tenon::Join(words, ", "), "))"), Kind::kTruth, {&x});
  }
  const std::string operation(Xml::At(predicate, "operator"));
  if (operation == "isMissing" || operation == "isNotMissing") {
    PmmlTerm out = Made(Str("(", x.text, operation == "isMissing" ? " IS NULL)" : " IS NOT NULL)"), Kind::kTruth, {&x});
    out.missing = false;
    out.inputs.clear();
    return out;
  }
  const auto at = kCompare.find(operation);
  if (at == kCompare.end()) return PmmlWrong(predicate, Str("the operator '", operation, "' is not read"));
  TENON_ASSIGN(const PmmlTerm value, Word(predicate, Xml::At(predicate, "value"), x.kind));
  return Made(Str("(", x.text, at->second, value.text, ")"), Kind::kTruth, {&x});
}

Result<PmmlTerm> PmmlInputs::CompoundTruth(const Xml::Element& predicate, const PmmlScope& scope) {
  const std::string_view how = Xml::At(predicate, "booleanOperator");
  std::vector<PmmlTerm> parts;
  for (const Xml::Element* child : xml_.Children(predicate)) {
    if (child->name == "Extension") continue;
    TENON_ASSIGN(PmmlTerm part, Truth(*child, scope));
    parts.push_back(std::move(part));
  }
  if (parts.size() < 2) return PmmlWrong(predicate, "CompoundPredicate has fewer than two predicates");
  PmmlTerm out{.kind = Kind::kTruth};
  std::vector<std::string> texts;
  for (const PmmlTerm& part : parts) {
    texts.push_back(part.text);
    Join(&out, part);
    out.missing = out.missing || part.missing;
  }
  if (how == "and" || how == "or") {
    out.text = Str("(", tenon::Join(texts, how == "and" ? " AND " : " OR "), ")");
  } else if (how == "surrogate") {
    // The first that is known.
    out.text = Str("COALESCE(", tenon::Join(texts, ", "), ")");
    out.missing = std::ranges::all_of(parts, &PmmlTerm::missing);
    if (!out.missing) out.inputs.clear();
  } else if (how == "xor") {
    out.text = texts[0];
    for (std::size_t i = 1; i < texts.size(); ++i) out.text = Str("((", out.text, " AND NOT ", texts[i], ") OR (NOT ", out.text, " AND ", texts[i], "))");
  } else {
    return PmmlWrong(predicate, Str("CompoundPredicate has the operator '", how, "'"));
  }
  return out;
}

Result<PmmlTerm> PmmlInputs::Truth(const Xml::Element& predicate, const PmmlScope& scope) {
  struct Depth {
    int& at;
    ~Depth() { --at; }
  } depth{++depth_};
  if (depth.at > kMostDepth) return PmmlWrong(predicate, Str("predicates are nested more than ", kMostDepth, " deep"));
  if (predicate.name == "True") return PmmlTerm{.text = "TRUE", .kind = Kind::kTruth};
  if (predicate.name == "False") return PmmlTerm{.text = "FALSE", .kind = Kind::kTruth};
  Result<PmmlTerm> out = predicate.name == "CompoundPredicate" ? CompoundTruth(predicate, scope) : SimpleTruth(predicate, scope);
  if (out.ok() && out->text.size() > kMostText) return PmmlWrong(predicate, "the predicate is too long");
  return out;
}

}  // namespace tenon::model

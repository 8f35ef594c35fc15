// The inputs and transforms of a graph as PMML's DataDictionary, MiningSchema and TransformationDictionary.

#include "model/pmml_writer_internal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "model/learned_internal.h"
#include "table/expression.h"

namespace tenon::model {
namespace {

using transform::FittedNode;
using transform::Port;
using Kind = Port::Kind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

Error PmmlCannot(std::string_view what) {
  return Error(Code::kFailedPrecondition, Str("this version cannot be said in PMML: ", what, "; nothing was written. ONNX has words for other ops (--format onnx), a bundle for all"));
}

std::string PmmlPieces::Escaped(std::string_view text) {
  if (!IsUtf8(text)) bad_ = true;
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\t': out += "&#9;"; break;
      case '\n': out += "&#10;"; break;
      case '\r': out += "&#13;"; break;
      default:
        if (byte < 0x20) bad_ = true;
        out += c;
    }
  }
  return out;
}

std::string PmmlPieces::Content(std::string_view text) {
  const std::string escaped = Escaped(text);  // and remembers what XML does not hold
  if (text.find_first_of("&<>") == std::string_view::npos || text.find('\r') != std::string_view::npos || text.find("]]>") != std::string_view::npos) return escaped;
  return Str("<![CDATA[", text, "]]>");
}

std::string PmmlPieces::Begin(std::string_view name, const Attributes& attributes) {
  std::string out = Str("<", name);
  for (const auto& [key, value] : attributes) out += Str(" ", key, "=\"", Escaped(value), "\"");
  return out + ">";
}

std::string PmmlPieces::Element(std::string_view name, const Attributes& attributes, std::string_view inside) {
  std::string out = Begin(name, attributes);
  if (inside.empty()) {
    out.back() = '/';
    return out + ">";
  }
  return Str(out, inside, "</", name, ">");
}

std::string PmmlPieces::Number(double value) { return Element("Constant", {{"dataType", "double"}}, FormatDouble(value)); }

std::string PmmlPieces::Apply(std::string_view function, const std::vector<std::string>& arguments) {
  return Element("Apply", {{"function", std::string(function)}}, Join(arguments, ""));
}

std::string PmmlFields::Unused(std::string_view name) {
  std::string out(name);
  for (int i = 2; !used_.insert(out).second; ++i) out = Str(name, "_", i);
  return out;
}

PmmlField PmmlFields::Derive(std::string_view name, const std::string& expression, bool text) {
  PmmlField field{.name = Unused(name)};
  derived_ += xml_.Element("DerivedField",
                           {{"name", field.name}, {"optype", text ? "categorical" : "continuous"}, {"dataType", text ? "string" : "double"}}, expression);
  derived_ += '\n';
  return field;
}

Result<void> PmmlFields::Inputs(const transform::FittedGraph& graph) {
  for (const table::Field& field : graph.inputs()) {
    if (field.type == table::Type::kEmbedding) return PmmlCannot(Str("the input '", field.name, "' is an embedding"));
    used_.insert(field.name);
  }
  for (const table::Field& field : graph.inputs()) {
    const bool text = field.type == table::Type::kString, truth = field.type == table::Type::kBool;
    dictionary_ += xml_.Element("DataField", {{"name", field.name},
                                              {"optype", text || truth ? "categorical" : "continuous"},
                                              {"dataType", text ? "string" : truth ? "boolean" : "double"}}) + "\n";
    schema_ += xml_.Element("MiningField", {{"name", field.name}, {"usageType", "active"}, {"invalidValueTreatment", "asIs"}}) + "\n";
    PmmlField own{.name = field.name};
    if (truth) {
      own = Derive(Str(field.name, "_as_number"), xml_.Element("NormDiscrete", {{"field", field.name}, {"value", "true"}}));
      own.whole = true;
    }
    ports_[field.name] = {std::move(own)};
  }
  return {};
}

Result<void> PmmlFields::Read(const transform::FittedGraph& graph) {
  TENON_TRY(Inputs(graph));
  for (const FittedNode& node : graph.Nodes()) TENON_TRY(Add(node), Str("the op ", node.op));
  for (const std::string& feature : graph.spec().features) {
    const auto& fields = ports_.at(feature);
    tile_.insert(tile_.end(), fields.begin(), fields.end());
  }
  if (static_cast<int>(tile_.size()) != graph.width()) return Error(Code::kInternal, Str("the fields of ", graph.width(), " features are ", tile_.size()));
  return {};
}

Result<void> PmmlFields::Add(const Node& node) {
  static const std::map<std::string, Result<void> (PmmlFields::*)(const Node&), std::less<>> kOps = {
      {"identity", &PmmlFields::Identity},         {"impute", &PmmlFields::Impute},
      {"missing_flag", &PmmlFields::Missing},      {"standard_scale", &PmmlFields::Scale},
      {"robust_scale", &PmmlFields::Scale},        {"max_abs_scale", &PmmlFields::Scale},
      {"min_max_scale", &PmmlFields::MinMax},      {"clip", &PmmlFields::Clip},
      {"log", &PmmlFields::Log},                   {"binarize", &PmmlFields::Binarize},
      {"one_hot", &PmmlFields::OneHot},            {"ordinal", &PmmlFields::Ordinal},
      {"frequency", &PmmlFields::Frequency},       {"target_encode", &PmmlFields::TargetEncode},
      {"weight_of_evidence", &PmmlFields::Evidence}, {"rare_levels", &PmmlFields::RareLevels},
      {"bucketize", &PmmlFields::Bucketize},       {"quantile_bucketize", &PmmlFields::Bucketize},
      {"target_bucketize", &PmmlFields::Bucketize}, {"expression", &PmmlFields::Formula}};
  const auto at = kOps.find(node.op);
  if (at == kOps.end()) return PmmlCannot(Str("the op ", node.op, " (of ", node.in.empty() ? "" : node.in[0].name, ") has no counterpart"));
  for (const Port& port : node.in) {
    if (port.kind == Kind::kVector) return PmmlCannot(Str("the op ", node.op, " reads the vector '", port.name, "'"));
  }
  return (this->*at->second)(node);
}

Result<void> PmmlFields::Identity(const Node& node) {
  for (std::size_t i = 0; i < node.in.size(); ++i) Set(node.out[i], Of(node.in[i]));
  return {};
}

Result<void> PmmlFields::Missing(const Node& node) {
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    PmmlField flag = Derive(node.out[i].name, xml_.If(IsMissing(Of(node.in[i])), xml_.Number(1), xml_.Number(0)));
    flag.missing = false;
    flag.whole = true;
    Set(node.out[i], std::move(flag));
  }
  return {};
}

Result<void> PmmlFields::Impute(const Node& node) {
  Learned learned(node.learned);
  const Json* constant = node.with.Find("value");
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const bool text = node.in[i].kind == Kind::kText;
    std::string fill;
    if (!node.learned.empty()) {
      const double number = learned.Number();
      const std::string word = learned.Text();
      fill = text ? word : FormatDouble(number);
    } else if (constant != nullptr && (text ? constant->is_string() : constant->is_number())) {
      fill = text ? constant->String() : FormatDouble(constant->Number());
    } else {
      return PmmlCannot("the op impute has nothing to fill in");
    }
    const PmmlField& in = Of(node.in[i]);
    PmmlField filled = Derive(node.out[i].name, xml_.Element("FieldRef", {{"field", in.name}, {"mapMissingTo", fill}}), text);
    filled.missing = false;
    filled.whole = in.whole;
    if (node.out.size() > node.in.size()) {
      PmmlField flag = Derive(node.out[node.in.size() + i].name, xml_.If(IsMissing(in), xml_.Number(1), xml_.Number(0)));
      flag.missing = false;
      flag.whole = true;
      Set(node.out[node.in.size() + i], std::move(flag));
    }
    Set(node.out[i], std::move(filled));
  }
  return {};
}

Result<void> PmmlFields::Scale(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const double shift = node.op == "max_abs_scale" ? 0 : learned.Number();
    const double factor = learned.Number();
    const PmmlField& in = Of(node.in[i]);
    const std::string x = xml_.Ref(in.name);
    PmmlField out = Derive(node.out[i].name, xml_.Apply("/", {shift == 0 ? x : xml_.Apply("-", {x, xml_.Number(shift)}), xml_.Number(factor)}));
    out.missing = in.missing;
    Set(node.out[i], std::move(out));
  }
  return {};
}

std::string PmmlFields::Within(const std::string& x, double low, double high) {
  std::string out = x;
  if (std::isfinite(high)) out = xml_.If(xml_.Apply("greaterThan", {x, xml_.Number(high)}), xml_.Number(high), out);
  if (std::isfinite(low)) out = xml_.If(xml_.Apply("lessThan", {x, xml_.Number(low)}), xml_.Number(low), out);
  return out;
}

Result<void> PmmlFields::MinMax(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const double factor = learned.Number(), shift = learned.Number();
    const PmmlField& in = Of(node.in[i]);
    PmmlField scaled = Derive(node.out[i].name, xml_.Apply("+", {xml_.Apply("*", {xml_.Ref(in.name), xml_.Number(factor)}), xml_.Number(shift)}));
    if (node.with.BoolAt("clip")) scaled = Derive(Str(node.out[i].name, "_within"), Within(xml_.Ref(scaled.name), node.with.NumberAt("low"), node.with.NumberAt("high", 1)));
    scaled.missing = in.missing;
    Set(node.out[i], std::move(scaled));
  }
  return {};
}

Result<void> PmmlFields::Clip(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const Json* low = node.with.Find("low");
    const Json* high = node.with.Find("high");
    double least = low != nullptr && low->is_number() ? low->Number() : -kInfinity;
    double most = high != nullptr && high->is_number() ? high->Number() : kInfinity;
    if (!node.learned.empty()) {
      least = learned.Number();
      most = learned.Number();
    }
    const PmmlField& in = Of(node.in[i]);
    PmmlField out = Derive(node.out[i].name, Within(xml_.Ref(in.name), least, most));
    out.missing = in.missing;
    Set(node.out[i], std::move(out));
  }
  return {};
}

Result<void> PmmlFields::Log(const Node& node) {
  const bool shifted = !node.learned.empty();
  Learned learned(node.learned);
  const auto log = [&](const std::string& x) { return xml_.Apply("ln", {xml_.Apply("+", {x, xml_.Number(1)})}); };
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const PmmlField& in = Of(node.in[i]);
    const std::string x = xml_.Ref(in.name);
    std::string value;
    if (shifted) {
      const std::string above = xml_.Apply("+", {x, xml_.Number(learned.Number())});
      value = xml_.If(xml_.Apply("lessThan", {above, xml_.Number(0)}), xml_.Number(0), log(above));
    } else {
      value = xml_.If(xml_.Apply("lessThan", {x, xml_.Number(0)}), xml_.Apply("-", {xml_.Number(0), log(xml_.Apply("abs", {x}))}), log(x));
    }
    PmmlField out = Derive(node.out[i].name, value);
    out.missing = in.missing;
    Set(node.out[i], std::move(out));
  }
  return {};
}

Result<void> PmmlFields::Binarize(const Node& node) {
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const PmmlField& in = Of(node.in[i]);
    PmmlField out = Derive(node.out[i].name, xml_.If(xml_.Apply("greaterThan", {xml_.Ref(in.name), xml_.Number(node.with.NumberAt("threshold"))}), xml_.Number(1), xml_.Number(0)));
    out.missing = in.missing;
    out.whole = true;
    Set(node.out[i], std::move(out));
  }
  return {};
}

std::string PmmlFields::KeyText(const Port& port, std::string_view key) {
  return port.kind == Kind::kText ? std::string(key) : FormatDouble(NumberOfKey(key));
}

Result<void> PmmlFields::OneHot(const Node& node) {
  Learned learned(node.learned);
  const bool own_unseen = node.with.StringAt("unseen") == "own";
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const bool missing = learned.Flag();
    std::vector<std::string> keys;
    for (std::int64_t left = learned.Whole(); left > 0; --left) keys.push_back(KeyText(node.in[i], learned.Text()));
    const bool text = node.in[i].kind == Kind::kText;
    const PmmlField in = Of(node.in[i]);
    std::vector<PmmlField> parts;
    std::size_t part = 0;
    const auto add = [&](const std::string& expression) {
      parts.push_back(Derive(node.out[i].parts[part++], expression));
      parts.back().missing = false;
      parts.back().whole = true;
    };
    const auto truth = [&](const std::string& condition) {  // missing counts as no
      return xml_.If(IsMissing(in), xml_.Number(0), xml_.If(condition, xml_.Number(1), xml_.Number(0)));
    };
    std::vector<std::string> others = {xml_.Ref(in.name)};
    for (const std::string& key : keys) {
      const std::string constant = text ? xml_.Text(key) : xml_.Element("Constant", {{"dataType", "double"}}, key);
      add(text && !key.empty() ? xml_.Element("NormDiscrete", {{"field", in.name}, {"value", key}, {"mapMissingTo", "0"}})
                               : truth(xml_.Apply("equal", {xml_.Ref(in.name), constant})));
      others.push_back(constant);
    }
    if (own_unseen) add(keys.empty() ? truth(xml_.Apply("isNotMissing", {xml_.Ref(in.name)})) : truth(xml_.Apply("isNotIn", others)));
    if (missing) add(xml_.If(IsMissing(in), xml_.Number(1), xml_.Number(0)));
    ports_[node.out[i].name] = std::move(parts);
  }
  return {};
}

std::string PmmlFields::Looked(const Port& port, const std::vector<std::string>& keys, const std::vector<std::string>& values, const std::string& other,
                               const std::string& missing, bool text) {
  PmmlPieces::Attributes attributes = {{"outputColumn", "to"}, {"dataType", text ? "string" : "double"}};
  if (other != "NaN") attributes.emplace_back("defaultValue", other);
  if (missing != "NaN") attributes.emplace_back("mapMissingTo", missing);
  std::string rows;
  for (std::size_t k = 0; k < keys.size(); ++k) {
    rows += xml_.Element("row", {}, Str(xml_.Element("from", {}, xml_.Content(keys[k])), xml_.Element("to", {}, xml_.Content(values[k]))));
  }
  if (keys.empty()) {
    // A table must have a row: one that no number and no text of a column equals.
    rows = xml_.Element("row", {}, Str(xml_.Element("from", {}, port.kind == Kind::kText ? "(no value is known)" : "1e308"), xml_.Element("to", {}, xml_.Escaped(other == "NaN" ? "0" : other))));
  }
  return xml_.Element("MapValues", attributes, Str(xml_.Element("FieldColumnPair", {{"field", Of(port).name}, {"column", "from"}}), xml_.Element("InlineTable", {}, rows)));
}

Result<void> PmmlFields::Ordinal(const Node& node) {
  Learned learned(node.learned);
  const double unseen = node.with.NumberAt("unseen", -1);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    std::vector<std::string> keys, places;
    for (std::int64_t left = learned.Whole(); left > 0; --left) {
      places.push_back(Str(keys.size()));
      keys.push_back(KeyText(node.in[i], learned.Text()));
    }
    PmmlField out = Derive(node.out[i].name, Looked(node.in[i], keys, places, FormatDouble(unseen), "NaN", false));
    out.missing = Of(node.in[i]).missing;
    out.whole = unseen == std::floor(unseen);
    if (node.in[i].kind == Kind::kText && unseen < 0) {
      out.source = Of(node.in[i]).name;
      out.places = keys;
    }
    Set(node.out[i], std::move(out));
  }
  return {};
}

Result<void> PmmlFields::Frequency(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const double once = learned.Number(), missing = learned.Number();
    std::vector<std::string> keys, values;
    for (std::int64_t left = learned.Whole(); left > 0; --left) {
      keys.push_back(KeyText(node.in[i], learned.Text()));
      values.push_back(FormatDouble(learned.Number()));
    }
    PmmlField out = Derive(node.out[i].name, Looked(node.in[i], keys, values, FormatDouble(once), FormatDouble(missing), false));
    out.missing = std::isnan(missing);
    Set(node.out[i], std::move(out));
  }
  return {};
}

Result<void> PmmlFields::TargetEncode(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const std::int64_t classes = learned.Whole(), folds = learned.Whole(), count = learned.Whole();
    std::vector<std::string> keys, names;
    for (std::int64_t k = 0; k < count; ++k) keys.push_back(learned.Text());
    const std::int64_t width = classes == 0 ? 1 : std::max<std::int64_t>(1, classes - 1);
    std::vector<std::vector<std::string>> values(static_cast<std::size_t>(width));
    for (std::int64_t k = 0; k <= count; ++k) {
      // The op gives floats.
      for (auto& column : values) column.push_back(FormatDouble(static_cast<double>(static_cast<float>(learned.Number()))));
    }
    for (std::int64_t k = 0; k < folds * (count + 1) * width; ++k) static_cast<void>(learned.Number());
    const auto missing_at = std::ranges::find(keys, kMissingKey) - keys.begin();
    std::vector<PmmlField> parts;
    for (std::size_t part = 0; part < values.size(); ++part) {
      auto& column = values[part];
      const std::string unseen = column.back();
      column.pop_back();
      std::string missing = unseen;
      names.clear();
      std::vector<std::string> kept;
      for (std::size_t k = 0; k < keys.size(); ++k) {
        if (static_cast<std::ptrdiff_t>(k) == missing_at) {
          missing = column[k];
          continue;
        }
        names.push_back(KeyText(node.in[i], keys[k]));
        kept.push_back(column[k]);
      }
      const auto& named = node.out[i].parts;
      PmmlField out = Derive(part < named.size() ? named[part] : node.out[i].name, Looked(node.in[i], names, kept, unseen, missing, false));
      out.missing = false;
      parts.push_back(std::move(out));
    }
    ports_[node.out[i].name] = std::move(parts);
  }
  return {};
}

Result<void> PmmlFields::Evidence(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const std::int64_t folds = learned.Whole(), count = learned.Whole();
    std::vector<std::string> keys, names, kept;
    for (std::int64_t k = 0; k < count; ++k) keys.push_back(learned.Text());
    std::string unseen, missing;
    for (std::int64_t k = 0; k <= count; ++k) {
      const std::string value = FormatDouble(learned.Number());
      if (k == count) {
        unseen = value;
      } else if (keys[static_cast<std::size_t>(k)] == kMissingKey) {
        missing = value;
      } else {
        names.push_back(KeyText(node.in[i], keys[static_cast<std::size_t>(k)]));
        kept.push_back(value);
      }
    }
    for (std::int64_t k = 0; k < folds * (count + 1); ++k) static_cast<void>(learned.Number());
    PmmlField out = Derive(node.out[i].name, Looked(node.in[i], names, kept, unseen, missing.empty() ? unseen : missing, false));
    out.missing = false;
    ports_[node.out[i].name] = {std::move(out)};
  }
  return {};
}

Result<void> PmmlFields::RareLevels(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    if (node.in[i].kind != Kind::kText) return PmmlCannot(Str("the op rare_levels makes texts of the numbers '", node.in[i].name, "'"));
    std::vector<std::string> keys;
    for (std::int64_t left = learned.Whole(); left > 0; --left) keys.push_back(learned.Text());
    PmmlField out = Derive(node.out[i].name, Looked(node.in[i], keys, keys, node.with.StringAt("other", "(rare)"), "NaN", true), true);
    out.missing = Of(node.in[i]).missing;
    Set(node.out[i], std::move(out));
  }
  return {};
}

Result<void> PmmlFields::Bucketize(const Node& node) {
  Learned learned(node.learned);
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    std::vector<double> edges;
    if (node.op != "bucketize") {
      for (std::int64_t left = learned.Whole(); left > 0; --left) edges.push_back(learned.Number());
    } else if (const Json* given = node.with.Find("edges"); given != nullptr && given->is_array()) {
      for (const Json& edge : given->array()) edges.push_back(edge.Number());
    }
    const PmmlField& in = Of(node.in[i]);
    std::string bins;
    for (std::size_t k = 0; k <= edges.size() && !edges.empty(); ++k) {
      PmmlPieces::Attributes interval = {{"closure", k == 0 ? "openOpen" : "closedOpen"}};
      if (k > 0) interval.emplace_back("leftMargin", FormatDouble(edges[k - 1]));
      if (k < edges.size()) interval.emplace_back("rightMargin", FormatDouble(edges[k]));
      bins += xml_.Element("DiscretizeBin", {{"binValue", Str(k)}}, xml_.Element("Interval", interval));
    }
    PmmlField out = Derive(node.out[i].name, bins.empty() ? xml_.Apply("*", {xml_.Ref(in.name), xml_.Number(0)})
                                                          : xml_.Element("Discretize", {{"field", in.name}, {"dataType", "double"}}, bins));
    out.missing = in.missing;
    out.whole = true;
    Set(node.out[i], std::move(out));
  }
  return {};
}

Result<void> PmmlFields::Formula(const Node& node) {
  std::vector<table::Field> fields;
  std::map<std::string, std::string> of;
  for (const Port& port : node.in) {
    fields.push_back({port.name, port.kind == Kind::kText ? table::Type::kString : port.timestamp ? table::Type::kTimestamp : table::Type::kFloat64});
    of[port.name] = Of(port).name;
  }
  TENON_ASSIGN(const auto expression, table::Expression::Parse(node.with.StringAt("text"), table::Schema(std::move(fields))));
  TENON_ASSIGN(const std::string formula, PmmlFormula(expression.Tree(), of, xml_), expression.text());
  Set(node.out[0], Derive(node.out[0].name, formula, expression.type() == table::Type::kString));
  return {};
}

}  // namespace tenon::model

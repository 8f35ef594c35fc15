// A whole predictor as an ONNX file: an input a column ([rows, 1], double or string), the transforms in doubles, the model
// in floats, the outputs `probability` or `probabilities` and `label`, or `value`. Written for ai.onnx 17 and ai.onnx.ml 3,
// which every runtime since 2022 reads. docs/formats/onnx.md.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/text.h"
#include "model/exporter.h"
#include "model/forest.h"
#include "model/learned_internal.h"
#include "model/linear.h"
#include "model/onnx_writer_internal.h"

namespace tenon::model {
namespace {

using transform::FittedNode;
using transform::Port;
using Kind = Port::Kind;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Error Cannot(std::string_view what) {
  return Error(Code::kFailedPrecondition, Str("this version cannot be said in ONNX: ", what, "; nothing was written"));
}

// Values by port: the name of the tensor that holds it. Number and vector ports of the graph are double or float [rows, width].
class Writer {
 public:
  explicit Writer(const Predictor& predictor) : predictor_(predictor) {}

  Result<std::string> Write(std::string_view name) {
    TENON_TRY(Inputs());
    for (const FittedNode& node : predictor_.graph().Nodes()) TENON_TRY(Node(node), Str("the op ", node.op));
    TENON_TRY(Features());
    TENON_TRY(Model());
    return out_.Finish(name);
  }

 private:
  Result<void> Inputs() {
    for (const table::Field& field : predictor_.graph().inputs()) {
      if (field.type == table::Type::kEmbedding) return Cannot(Str("the input '", field.name, "' is an embedding"));
      const bool text = field.type == table::Type::kString;
      out_.Input(field.name, text ? OnnxWriter::kString : OnnxWriter::kDouble, 1);
      tensors_[field.name] = field.name;
    }
    return {};
  }

  const std::string& Of(const Port& port) const { return tensors_.at(port.name); }
  std::string Constant(double value) { return out_.Doubles({value}, {1}); }

  Result<void> Node(const FittedNode& node) {
    static const std::map<std::string, Result<void> (Writer::*)(const FittedNode&), std::less<>> kOps = {
        {"identity", &Writer::Identity},      {"impute", &Writer::Impute},
        {"missing_flag", &Writer::Missing},   {"standard_scale", &Writer::Scale},
        {"robust_scale", &Writer::Scale},     {"min_max_scale", &Writer::MinMax},
        {"clip", &Writer::Clip},              {"log", &Writer::Log},
        {"one_hot", &Writer::OneHot},         {"ordinal", &Writer::Ordinal},
        {"frequency", &Writer::Frequency},    {"target_encode", &Writer::TargetEncode},
        {"bucketize", &Writer::Bucketize},    {"quantile_bucketize", &Writer::Bucketize}};
    const auto at = kOps.find(node.op);
    if (at == kOps.end()) return Cannot(Str("the op ", node.op, " (of ", node.in.empty() ? "" : node.in[0].name, ") has no counterpart"));
    return (this->*at->second)(node);
  }

  Result<void> Identity(const FittedNode& node) {
    for (std::size_t i = 0; i < node.in.size(); ++i) tensors_[node.out[i].name] = Of(node.in[i]);
    return {};
  }

  // Missing texts have no word of their own in ONNX: the empty one stands for them.
  std::string IsMissing(const Port& port) {
    if (port.kind == Kind::kNumber) return out_.Node("IsNaN", {Of(port)});
    const std::string flag = out_.Encode(Of(port), {""}, {1.0}, 0.0);
    return out_.Cast(flag, OnnxWriter::kBool);
  }

  Result<void> Missing(const FittedNode& node) {
    for (std::size_t i = 0; i < node.in.size(); ++i) tensors_[node.out[i].name] = out_.Cast(IsMissing(node.in[i]), OnnxWriter::kDouble);
    return {};
  }

  Result<void> Impute(const FittedNode& node) {
    Learned learned(node.learned);
    const Json* constant = node.with.Find("value");
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      if (node.in[i].kind != Kind::kNumber) return Cannot(Str("the op impute fills in the text '", node.in[i].name, "'"));
      double fill = 0;
      if (!node.learned.empty()) {
        fill = learned.Number();
        static_cast<void>(learned.Text());
      } else if (constant != nullptr && constant->is_number()) {
        fill = constant->Number();
      } else {
        return Cannot("the op impute has no number to fill in");
      }
      const std::string missing = IsMissing(node.in[i]);
      tensors_[node.out[i].name] = out_.Node("Where", {missing, Constant(fill), Of(node.in[i])});
      if (node.out.size() > node.in.size()) tensors_[node.out[node.in.size() + i].name] = out_.Cast(missing, OnnxWriter::kDouble);
    }
    return {};
  }

  Result<void> Scale(const FittedNode& node) {
    Learned learned(node.learned);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const double shift = learned.Number(), factor = learned.Number();
      tensors_[node.out[i].name] = out_.Node("Div", {out_.Node("Sub", {Of(node.in[i]), Constant(shift)}), Constant(factor)});
    }
    return {};
  }

  std::string Within(const std::string& x, double low, double high) {
    std::string out = x;
    if (std::isfinite(low)) out = out_.Node("Where", {out_.Node("Less", {x, Constant(low)}), Constant(low), out});
    if (std::isfinite(high)) out = out_.Node("Where", {out_.Node("Greater", {x, Constant(high)}), Constant(high), out});
    return out;
  }

  Result<void> MinMax(const FittedNode& node) {
    Learned learned(node.learned);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const double factor = learned.Number(), shift = learned.Number();
      const std::string scaled = out_.Node("Add", {out_.Node("Mul", {Of(node.in[i]), Constant(factor)}), Constant(shift)});
      tensors_[node.out[i].name] = node.with.BoolAt("clip") ? Within(scaled, node.with.NumberAt("low"), node.with.NumberAt("high", 1)) : scaled;
    }
    return {};
  }

  Result<void> Clip(const FittedNode& node) {
    Learned learned(node.learned);
    const double infinity = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const Json* low = node.with.Find("low");
      const Json* high = node.with.Find("high");
      double least = low != nullptr && low->is_number() ? low->Number() : -infinity;
      double most = high != nullptr && high->is_number() ? high->Number() : infinity;
      if (!node.learned.empty()) {
        least = learned.Number();
        most = learned.Number();
      }
      tensors_[node.out[i].name] = Within(Of(node.in[i]), least, most);
    }
    return {};
  }

  // ln(1 + x) has no op of its own: of a small x the last digits differ.
  Result<void> Log(const FittedNode& node) {
    const bool shifted = !node.learned.empty();
    Learned learned(node.learned);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const std::string& x = Of(node.in[i]);
      if (shifted) {
        const std::string above = out_.Node("Add", {x, Constant(learned.Number())});
        const std::string kept = out_.Node("Where", {out_.Node("Less", {above, Constant(0)}), Constant(0), above});
        tensors_[node.out[i].name] = out_.Node("Log", {out_.Node("Add", {kept, Constant(1)})});
      } else {
        const std::string size = out_.Node("Log", {out_.Node("Add", {out_.Node("Abs", {x}), Constant(1)})});
        tensors_[node.out[i].name] = out_.Node("Where", {out_.Node("Less", {x, Constant(0)}), out_.Node("Neg", {size}), size});
      }
    }
    return {};
  }

  Result<void> OneHot(const FittedNode& node) {
    Learned learned(node.learned);
    const bool own_unseen = node.with.StringAt("unseen") == "own";
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const bool missing = learned.Flag();
      std::vector<std::string> keys;
      for (std::int64_t left = learned.Whole(); left > 0; --left) keys.push_back(learned.Text());
      const int width = node.out[i].width;
      std::vector<double> places;
      for (std::size_t k = 0; k < keys.size(); ++k) places.push_back(static_cast<double>(k));
      const double unseen = own_unseen ? static_cast<double>(keys.size()) : -1;
      const double absent = missing ? width - 1 : -1;
      std::string place;
      if (node.in[i].kind == Kind::kText) {
        if (std::ranges::find(keys, std::string()) == keys.end()) {
          keys.emplace_back();
          places.push_back(absent);
        }
        place = out_.Encode(Of(node.in[i]), keys, places, unseen);
      } else {
        place = PlaceOfNumber(Of(node.in[i]), keys, unseen, absent);
      }
      std::vector<double> columns;
      for (int k = 0; k < width; ++k) columns.push_back(k);
      const std::string equal = out_.Node("Equal", {place, out_.Doubles(columns, {1, width})});
      tensors_[node.out[i].name] = out_.Cast(equal, OnnxWriter::kFloat);
    }
    return {};
  }

  // The place of a number among keys, by comparing with each.
  std::string PlaceOfNumber(const std::string& x, const std::vector<std::string>& keys, double unseen, double absent) {
    std::vector<double> values, places;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      values.push_back(NumberOfKey(keys[k]));
      places.push_back(static_cast<double>(k) - unseen);
    }
    if (values.empty()) {
      values.push_back(kNaN);
      places.push_back(0);
    }
    const auto width = static_cast<std::int64_t>(values.size());
    const std::string equal = out_.Cast(out_.Node("Equal", {x, out_.Doubles(values, {1, width})}), OnnxWriter::kDouble);
    const std::string sum = out_.Node("MatMul", {equal, out_.Doubles(places, {width, 1})});
    const std::string place = out_.Node("Add", {sum, Constant(unseen)});
    return out_.Node("Where", {out_.Node("IsNaN", {x}), Constant(absent), place});
  }

  Result<void> Ordinal(const FittedNode& node) {
    Learned learned(node.learned);
    const double unseen = node.with.NumberAt("unseen", -1);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      std::vector<std::string> keys;
      std::vector<double> places;
      for (std::int64_t left = learned.Whole(); left > 0; --left) {
        places.push_back(static_cast<double>(keys.size()));
        keys.push_back(learned.Text());
      }
      tensors_[node.out[i].name] = Looked(node.in[i], keys, places, unseen, kNaN);
    }
    return {};
  }

  // A number for each key, one for others, one for missing values.
  std::string Looked(const Port& port, std::vector<std::string> keys, std::vector<double> values, double unseen, double missing) {
    if (port.kind == Kind::kText) {
      if (std::ranges::find(keys, std::string()) == keys.end()) {
        keys.emplace_back();
        values.push_back(missing);
      }
      return out_.Encode(Of(port), keys, values, unseen);
    }
    std::vector<double> at;
    for (const std::string& key : keys) at.push_back(NumberOfKey(key));
    for (double& value : values) value -= unseen;
    if (at.empty()) at.push_back(kNaN), values.push_back(0);
    const auto width = static_cast<std::int64_t>(at.size());
    const std::string equal = out_.Cast(out_.Node("Equal", {Of(port), out_.Doubles(at, {1, width})}), OnnxWriter::kDouble);
    const std::string sum = out_.Node("Add", {out_.Node("MatMul", {equal, out_.Doubles(values, {width, 1})}), Constant(unseen)});
    return out_.Node("Where", {out_.Node("IsNaN", {Of(port)}), Constant(missing), sum});
  }

  Result<void> Frequency(const FittedNode& node) {
    Learned learned(node.learned);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const double once = learned.Number(), missing = learned.Number();
      std::vector<std::string> keys;
      std::vector<double> values;
      for (std::int64_t left = learned.Whole(); left > 0; --left) {
        keys.push_back(learned.Text());
        values.push_back(learned.Number());
      }
      tensors_[node.out[i].name] = Looked(node.in[i], std::move(keys), std::move(values), once, missing);
    }
    return {};
  }

  Result<void> TargetEncode(const FittedNode& node) {
    Learned learned(node.learned);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      const std::int64_t classes = learned.Whole(), folds = learned.Whole(), count = learned.Whole();
      std::vector<std::string> keys;
      for (std::int64_t k = 0; k < count; ++k) keys.push_back(learned.Text());
      const std::int64_t width = classes == 0 ? 1 : std::max<std::int64_t>(1, classes - 1);
      std::vector<std::vector<double>> values(static_cast<std::size_t>(width));
      for (std::int64_t k = 0; k <= count; ++k) {
        for (auto& column : values) column.push_back(learned.Number());
      }
      for (std::int64_t k = 0; k < folds * (count + 1) * width; ++k) static_cast<void>(learned.Number());
      const auto missing_at = std::ranges::find(keys, kMissingKey) - keys.begin();
      std::vector<std::string> parts;
      for (auto& column : values) {
        const double unseen = column.back();
        column.pop_back();
        double missing = unseen;
        std::vector<std::string> known = keys;
        if (missing_at < static_cast<std::ptrdiff_t>(keys.size())) {
          missing = column[static_cast<std::size_t>(missing_at)];
          known.erase(known.begin() + missing_at);
          column.erase(column.begin() + missing_at);
        }
        parts.push_back(Looked(node.in[i], std::move(known), column, unseen, missing));
      }
      const std::string joined = parts.size() == 1 ? parts[0] : out_.Concat(parts);
      tensors_[node.out[i].name] = out_.Cast(joined, OnnxWriter::kFloat);
    }
    return {};
  }

  Result<void> Bucketize(const FittedNode& node) {
    Learned learned(node.learned);
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      std::vector<double> edges;
      if (node.op == "quantile_bucketize") {
        for (std::int64_t left = learned.Whole(); left > 0; --left) edges.push_back(learned.Number());
      } else if (const Json* given = node.with.Find("edges"); given != nullptr && given->is_array()) {
        for (const Json& edge : given->array()) edges.push_back(edge.Number());
      }
      const auto width = static_cast<std::int64_t>(edges.size());
      const std::string& x = Of(node.in[i]);
      if (edges.empty()) {
        tensors_[node.out[i].name] = out_.Node("Mul", {x, Constant(0)});
        continue;
      }
      const std::string above = out_.Cast(out_.Node("GreaterOrEqual", {x, out_.Doubles(edges, {1, width})}), OnnxWriter::kDouble);
      const std::string bucket = out_.Node("MatMul", {above, out_.Doubles(std::vector<double>(edges.size(), 1.0), {width, 1})});
      tensors_[node.out[i].name] = out_.Node("Where", {out_.Node("IsNaN", {x}), x, bucket});
    }
    return {};
  }

  Result<void> Features() {
    std::map<std::string, Kind> kinds;
    for (const table::Field& field : predictor_.graph().inputs()) kinds[field.name] = Kind::kNumber;
    for (const FittedNode& node : predictor_.graph().Nodes()) {
      for (const Port& port : node.out) kinds[port.name] = port.kind;
    }
    std::vector<std::string> parts;
    for (const std::string& feature : predictor_.graph().spec().features) {
      const std::string& tensor = tensors_.at(feature);
      parts.push_back(kinds[feature] == Kind::kVector ? tensor : out_.Cast(tensor, OnnxWriter::kFloat));
    }
    if (parts.empty()) return Cannot("the model reads no features");
    tile_ = parts.size() == 1 ? parts[0] : out_.Concat(parts);
    return {};
  }

  Result<void> Model() {
    const model::Model& model = predictor_.model();
    std::string margin;
    Link link = Link::kOfTask;
    if (const ForestSpec* trees = TreesOf(model); trees != nullptr) {
      TENON_ASSIGN(margin, out_.Trees(tile_, *trees), "the forest");
      link = trees->link;
    } else if (const LinearSpec* weights = WeightsOf(model); weights != nullptr) {
      margin = Weighted(*weights);
    } else {
      return Cannot(Str("the model's format ", model.format(), " has no counterpart"));
    }
    switch (model.task()) {
      case Task::kRegression:
        if (link == Link::kExp) margin = out_.Node("Exp", {margin});
        if (link == Link::kLogistic) margin = out_.Node("Sigmoid", {margin});
        out_.Output(margin, "value", OnnxWriter::kFloat, 1);
        return {};
      case Task::kBinary: return Binary(margin, link);
      case Task::kMulticlass: break;
    }
    if (link == Link::kOfTask) margin = out_.Node("Softmax", {margin});
    if (link == Link::kLogistic) margin = out_.Node("Sigmoid", {margin});
    out_.Output(margin, "probabilities", OnnxWriter::kFloat, model.outputs());
    out_.Output(out_.Label(out_.ArgMax(margin), predictor_.classes()), "label", OnnxWriter::kString, 0);
    return {};
  }

  std::string Weighted(const LinearSpec& spec) {
    // NaN counts as the center: then its term is nothing.
    const auto width = static_cast<std::int64_t>(spec.features);
    const std::string wide = out_.Cast(tile_, OnnxWriter::kDouble);
    const std::string centered = out_.Node("Sub", {wide, out_.Doubles(spec.center, {1, width})});
    const std::string there = out_.Node("Where", {out_.Node("IsNaN", {wide}), Constant(0), centered});
    std::vector<double> weights(spec.weights.size());  // [features, outputs]
    for (int k = 0; k < spec.outputs; ++k) {
      for (int f = 0; f < spec.features; ++f) {
        weights[static_cast<std::size_t>(f) * static_cast<std::size_t>(spec.outputs) + static_cast<std::size_t>(k)] =
            spec.weights[static_cast<std::size_t>(k) * static_cast<std::size_t>(spec.features) + static_cast<std::size_t>(f)];
      }
    }
    const std::string sum = out_.Node("MatMul", {there, out_.Doubles(weights, {width, spec.outputs})});
    return out_.Cast(out_.Node("Add", {sum, out_.Doubles(spec.intercept, {1, spec.outputs})}), OnnxWriter::kFloat);
  }

  Result<void> Binary(const std::string& margin, Link link) {
    std::string p = margin;
    if (link == Link::kOfTask || link == Link::kLogistic) p = out_.Node("Sigmoid", {margin});
    const Json calibration = predictor_.calibration().ToJson();
    const std::string method = calibration.StringAt("method", "none");
    if (method == "platt") {
      // On the log-odds in doubles, cut to where they can be taken, as Calibration::Apply.
      const std::string wide = out_.Cast(p, OnnxWriter::kDouble);
      const std::string inside = Within(wide, 1e-12, 1 - 1e-12);
      const std::string odds = out_.Node("Sub", {out_.Node("Log", {inside}), out_.Node("Log", {out_.Node("Sub", {Constant(1), inside})})});
      const std::string line = out_.Node("Add", {out_.Node("Mul", {odds, Constant(calibration.NumberAt("a"))}), Constant(calibration.NumberAt("b"))});
      p = out_.Cast(out_.Node("Sigmoid", {line}), OnnxWriter::kFloat);
    } else if (method == "isotonic") {
      p = Isotonic(p, *calibration.Find("x"), *calibration.Find("y"));
    }
    const std::string decided = out_.Cast(
        out_.Node("GreaterOrEqual", {out_.Cast(p, OnnxWriter::kDouble), Constant(predictor_.threshold())}), OnnxWriter::kInt64);
    out_.Output(p, "probability", OnnxWriter::kFloat, 1);
    out_.Output(out_.Label(out_.Flat(decided), predictor_.classes()), "label", OnnxWriter::kString, 0);
    return {};
  }

  // Lines between points: each segment adds slope * (how far x goes into it), so that no look-up is needed.
  std::string Isotonic(const std::string& p, const Json& x, const Json& y) {
    std::vector<double> from, length, slope;
    for (std::size_t i = 1; i < x.array().size(); ++i) {
      from.push_back(x.array()[i - 1].Number());
      length.push_back(x.array()[i].Number() - from.back());
      slope.push_back((y.array()[i].Number() - y.array()[i - 1].Number()) / length.back());
    }
    const double first = y.array()[0].Number();
    const std::string wide = out_.Cast(p, OnnxWriter::kDouble);
    if (from.empty()) return out_.Cast(out_.Node("Add", {out_.Node("Mul", {wide, Constant(0)}), Constant(first)}), OnnxWriter::kFloat);
    const auto width = static_cast<std::int64_t>(from.size());
    const std::string into = out_.Node("Max", {out_.Node("Sub", {wide, out_.Doubles(from, {1, width})}), Constant(0)});
    const std::string within = out_.Node("Min", {into, out_.Doubles(length, {1, width})});
    const std::string sum = out_.Node("MatMul", {within, out_.Doubles(slope, {width, 1})});
    return out_.Cast(out_.Node("Add", {sum, Constant(first)}), OnnxWriter::kFloat);
  }

  const Predictor& predictor_;
  OnnxWriter out_;
  std::map<std::string, std::string> tensors_;  // port -> tensor
  std::string tile_;
};

class OnnxExporter final : public Exporter {
 public:
  Result<std::string> Export(const Predictor& predictor, std::string_view name) const override { return Writer(predictor).Write(name); }
};

}  // namespace

Result<void> AddOnnx(Kinds<Exporter>& kinds) {
  return kinds.Add("onnx",
                   {.summary = "Write the whole predictor as an ONNX file",
                    .when = "It is to answer in another runtime. Trees and weighted sums with the transforms that ONNX has words for",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Exporter>> { return std::make_unique<OnnxExporter>(); });
}

}  // namespace tenon::model

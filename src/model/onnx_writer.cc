#include "model/onnx_writer_internal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"

namespace tenon::model {
namespace {

// Field numbers of AttributeProto.
enum AttributeField : std::uint32_t { kName = 1, kInt = 3, kText = 4, kTensor = 5, kFloats = 7, kInts = 8, kTexts = 9, kType = 20 };

void AddAttribute(ProtoWriter* to, std::string_view name, int type, const ProtoWriter& value) {
  ProtoWriter attribute;
  attribute.Bytes(kName, name);
  attribute.Copy(value.bytes());
  attribute.Varint(kType, static_cast<std::uint64_t>(type));
  to->Bytes(5, attribute.bytes());
}
void AddInt(ProtoWriter* to, std::string_view name, std::int64_t value) {
  ProtoWriter out;
  out.Varint(kInt, static_cast<std::uint64_t>(value));
  AddAttribute(to, name, 2, out);
}
void AddText(ProtoWriter* to, std::string_view name, std::string_view value) {
  ProtoWriter out;
  out.Bytes(kText, value);
  AddAttribute(to, name, 3, out);
}
void AddFloats(ProtoWriter* to, std::string_view name, const std::vector<double>& values) {
  std::string raw;
  for (const double value : values) {
    const auto single = static_cast<float>(value);
    char bytes[sizeof single];
    std::memcpy(bytes, &single, sizeof single);
    raw.append(bytes, sizeof single);
  }
  ProtoWriter out;
  out.Bytes(kFloats, raw);
  AddAttribute(to, name, 6, out);
}
void AddInts(ProtoWriter* to, std::string_view name, const std::vector<std::int64_t>& values) {
  ProtoWriter packed, out;
  for (const std::int64_t value : values) packed.Raw(static_cast<std::uint64_t>(value));
  out.Bytes(kInts, packed.bytes());
  AddAttribute(to, name, 7, out);
}
void AddTexts(ProtoWriter* to, std::string_view name, const std::vector<std::string>& values) {
  ProtoWriter out;
  for (const std::string& value : values) out.Bytes(kTexts, value);
  AddAttribute(to, name, 8, out);
}

std::string Port(std::string_view name, int type, std::int64_t width) {
  ProtoWriter rows, shape, tensor, any, port;
  rows.Bytes(2, "rows");
  shape.Bytes(1, rows.bytes());
  if (width > 0) {
    ProtoWriter columns;
    columns.Varint(1, static_cast<std::uint64_t>(width));
    shape.Bytes(1, columns.bytes());
  }
  tensor.Varint(1, static_cast<std::uint64_t>(type));
  tensor.Bytes(2, shape.bytes());
  any.Bytes(1, tensor.bytes());
  port.Bytes(1, name);
  port.Bytes(2, any.bytes());
  return port.bytes();
}

// The nearest float below or at x, for `at most`, and above or at it, for `below`: for float x the outcome is the same.
double AtMost(double value) {
  const auto single = static_cast<float>(value);
  if (static_cast<double>(single) <= value) return static_cast<double>(single);
  return static_cast<double>(std::nextafter(single, -std::numeric_limits<float>::infinity()));
}
double Below(double value) {
  const auto single = static_cast<float>(value);
  if (static_cast<double>(single) >= value) return static_cast<double>(single);
  return static_cast<double>(std::nextafter(single, std::numeric_limits<float>::infinity()));
}

// The lists of TreeEnsembleRegressor.
struct Lists {
  std::vector<std::int64_t> tree, node, feature, yes, no, missing_yes, leaf_tree, leaf_node, leaf_to;
  std::vector<std::string> mode;
  std::vector<double> value, hits, weight;
};

Result<void> AddTree(const ForestSpec& spec, std::size_t t, Lists* lists) {
  const Tree& tree = spec.trees[t];
  const auto of = static_cast<std::int64_t>(t);
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const Tree::Node& node = tree.nodes[i];
    const bool leaf = node.left < 0;
    std::string mode = "LEAF";
    double value = 0;
    if (!leaf) {
      if (node.zero_missing) return Error(Code::kFailedPrecondition, "its trees take zeros as missing, which trees in ONNX do not");
      switch (node.split) {
        case Comparison::kBelow: mode = "BRANCH_LT", value = Below(node.value); break;
        case Comparison::kAtMost: mode = "BRANCH_LEQ", value = AtMost(node.value); break;
        case Comparison::kEqual:
          mode = "BRANCH_EQ", value = node.value;
          break;
        default: return Error(Code::kFailedPrecondition, "its trees have tests of categories, which trees in ONNX do not");
      }
    }
    lists->tree.push_back(of);
    lists->node.push_back(static_cast<std::int64_t>(i));
    lists->feature.push_back(leaf ? 0 : node.feature);
    lists->mode.push_back(mode);
    lists->value.push_back(value);
    lists->yes.push_back(leaf ? 0 : node.left);
    lists->no.push_back(leaf ? 0 : node.right);
    lists->missing_yes.push_back(!leaf && node.missing_left ? 1 : 0);
    lists->hits.push_back(static_cast<double>(node.cover));
    if (!leaf) continue;
    const auto add = [&](std::int64_t to, double weight) {
      lists->leaf_tree.push_back(of);
      lists->leaf_node.push_back(static_cast<std::int64_t>(i));
      lists->leaf_to.push_back(to);
      lists->weight.push_back(weight / spec.divisor);
    };
    if (tree.output != Tree::kEveryOutput) {
      add(tree.output, node.value);
      continue;
    }
    for (int k = 0; k < spec.outputs; ++k) {
      add(k, tree.vectors[static_cast<std::size_t>(node.vector) * static_cast<std::size_t>(spec.outputs) + static_cast<std::size_t>(k)]);
    }
  }
  return {};
}

}  // namespace

void OnnxWriter::Input(std::string_view name, int type, std::int64_t width) { inputs_.Bytes(11, Port(name, type, width)); }

void OnnxWriter::Output(std::string_view tensor, std::string_view name, int type, std::int64_t width) {
  ProtoWriter node;
  node.Bytes(1, tensor);
  node.Bytes(2, name);
  node.Bytes(4, "Identity");
  graph_.Bytes(1, node.bytes());
  outputs_.Bytes(12, Port(name, type, width));
}

std::string OnnxWriter::Add(std::string_view op, const std::vector<std::string>& in, const ProtoWriter& attributes, std::string_view domain) {
  ProtoWriter node;
  const std::string made = Made();
  for (const std::string& name : in) node.Bytes(1, name);
  node.Bytes(2, made);
  node.Bytes(3, "n" + made);
  node.Bytes(4, op);
  node.Copy(attributes.bytes());
  if (!domain.empty()) node.Bytes(7, domain);
  graph_.Bytes(1, node.bytes());
  return made;
}

std::string OnnxWriter::Node(std::string_view op, const std::vector<std::string>& in) { return Add(op, in, {}); }

std::string OnnxWriter::Cast(const std::string& in, int type) {
  ProtoWriter attributes;
  AddInt(&attributes, "to", type);
  return Add("Cast", {in}, attributes);
}

std::string OnnxWriter::Concat(const std::vector<std::string>& in) {
  ProtoWriter attributes;
  AddInt(&attributes, "axis", 1);
  return Add("Concat", in, attributes);
}

std::string OnnxWriter::Flat(const std::string& in) {
  ProtoWriter tensor;
  tensor.Varint(1, 1);
  tensor.Varint(2, kInt64);
  ProtoWriter whole;
  whole.Raw(static_cast<std::uint64_t>(-1));
  tensor.Bytes(7, whole.bytes());
  return Add("Reshape", {in, Constant(tensor, Made())}, {});
}

std::string OnnxWriter::ArgMax(const std::string& in) {
  ProtoWriter attributes;
  AddInt(&attributes, "axis", 1);
  AddInt(&attributes, "keepdims", 0);
  return Add("ArgMax", {in}, attributes);
}

std::string OnnxWriter::Constant(const ProtoWriter& tensor, const std::string& name) {
  ProtoWriter named;
  named.Copy(tensor.bytes());
  named.Bytes(8, name);
  constants_.Bytes(5, named.bytes());
  return name;
}

std::string OnnxWriter::Doubles(const std::vector<double>& values, const std::vector<std::int64_t>& dims) {
  ProtoWriter tensor;
  for (const std::int64_t dim : dims) tensor.Varint(1, static_cast<std::uint64_t>(dim));
  tensor.Varint(2, kDouble);
  std::string raw(values.size() * sizeof(double), '\0');
  if (!values.empty()) std::memcpy(raw.data(), values.data(), raw.size());
  tensor.Bytes(9, raw);
  return Constant(tensor, Made());
}

std::string OnnxWriter::Encode(const std::string& in, const std::vector<std::string>& keys, const std::vector<double>& values, double other) {
  ProtoWriter attributes, fallback;
  AddTexts(&attributes, "keys_strings", keys);
  AddFloats(&attributes, "values_floats", values);
  fallback.Single(2, static_cast<float>(other));
  AddAttribute(&attributes, "default_float", 1, fallback);
  return Cast(Add("LabelEncoder", {in}, attributes, "ai.onnx.ml"), kDouble);
}

std::string OnnxWriter::Label(const std::string& index, const std::vector<std::string>& classes) {
  ProtoWriter attributes;
  std::vector<std::int64_t> keys;
  for (std::size_t i = 0; i < classes.size(); ++i) keys.push_back(static_cast<std::int64_t>(i));
  AddInts(&attributes, "keys_int64s", keys);
  AddTexts(&attributes, "values_strings", classes);
  return Add("LabelEncoder", {index}, attributes, "ai.onnx.ml");
}

Result<std::string> OnnxWriter::Trees(const std::string& tile, const ForestSpec& spec) {
  Lists lists;
  for (std::size_t t = 0; t < spec.trees.size(); ++t) TENON_TRY(AddTree(spec, t, &lists));
  std::vector<double> base = spec.base;
  if (!spec.base_last) {
    for (double& value : base) value /= spec.divisor;
  }
  if (spec.trees.empty()) return Error(Code::kFailedPrecondition, "it has no trees");
  ProtoWriter attributes;
  AddInts(&attributes, "nodes_treeids", lists.tree);
  AddInts(&attributes, "nodes_nodeids", lists.node);
  AddInts(&attributes, "nodes_featureids", lists.feature);
  AddTexts(&attributes, "nodes_modes", lists.mode);
  AddFloats(&attributes, "nodes_values", lists.value);
  AddInts(&attributes, "nodes_truenodeids", lists.yes);
  AddInts(&attributes, "nodes_falsenodeids", lists.no);
  AddInts(&attributes, "nodes_missing_value_tracks_true", lists.missing_yes);
  AddFloats(&attributes, "nodes_hitrates", lists.hits);
  AddInts(&attributes, "target_treeids", lists.leaf_tree);
  AddInts(&attributes, "target_nodeids", lists.leaf_node);
  AddInts(&attributes, "target_ids", lists.leaf_to);
  AddFloats(&attributes, "target_weights", lists.weight);
  AddFloats(&attributes, "base_values", base);
  AddInt(&attributes, "n_targets", spec.outputs);
  AddText(&attributes, "aggregate_function", "SUM");
  AddText(&attributes, "post_transform", "NONE");
  return Add("TreeEnsembleRegressor", {tile}, attributes, "ai.onnx.ml");
}

std::string OnnxWriter::Finish(std::string_view name) {
  ProtoWriter graph, out;
  graph.Copy(graph_.bytes());
  graph.Bytes(2, name);
  graph.Copy(constants_.bytes());
  graph.Copy(inputs_.bytes());
  graph.Copy(outputs_.bytes());
  out.Varint(1, 8);  // the version of the IR that has opset 17
  out.Bytes(2, "tenon");
  out.Bytes(3, TENON_VERSION);
  out.Bytes(7, graph.bytes());
  for (const auto& [domain, version] : {std::pair<std::string_view, int>{"", 17}, {"ai.onnx.ml", 3}}) {
    ProtoWriter opset;
    opset.Bytes(1, domain);
    opset.Varint(2, static_cast<std::uint64_t>(version));
    out.Bytes(8, opset.bytes());
  }
  return out.Take();
}

}  // namespace tenon::model
